import Domain
import Store
import Testing

@Suite struct UploadTests {
  private let world: World

  init() throws { world = try World() }

  private func upload(_ seconds: Int) -> Upload {
    let moment = world.now + .seconds(seconds)
    return Upload(
      id: ID(at: moment), sha256: String(repeating: "a", count: 64), sizeBytes: 12, createdAt: moment)
  }

  @Test(arguments: Backend.allCases)
  func `an upload comes back, and goes when told, once and again`(backend: Backend) async throws {
    let store = try world.open(backend)
    let upload = upload(0)
    try await store.edit { try $0.insert(upload) }
    #expect(try store.view { try $0.upload(upload.id) } == upload)
    for _ in 0..<2 { try await store.edit { try $0.delete(upload: upload.id) } }
    #expect(try store.view { try $0.upload(upload.id) } == nil)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `only what is old and needed by no unfinished job counts as unused`(backend: Backend) async throws {
    let store = try world.open(backend)
    let uploads = (0..<4).map { upload($0) }
    var running = Job.make(state: .running)
    running.specification.inputUploadID = uploads[1].id
    var ended = Job.make(state: .failed)
    ended.specification.inputUploadID = uploads[2].id
    try await store.edit { [running, ended] transaction in
      for upload in uploads { try transaction.insert(upload) }
      try transaction.insert(running)
      try transaction.insert(ended)
    }
    let limit = uploads[3].createdAt
    #expect(try store.view { try $0.unusedUploads(olderThan: limit) } == [uploads[0], uploads[2]])
    await store.close()
  }
}
