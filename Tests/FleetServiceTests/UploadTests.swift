import Artifacts
import Domain
import FleetService
import Store
import TestSupport
import Testing

@Suite struct `An upload` {
  private static let notAnArchive: [(bytes: [UInt8], word: String)] = [
    (Array("no archive".utf8), "no tar.gz"), (Archives.leaving, "refused"), ([], "archive"),
  ]

  @Test func `is a file and a row of the bytes that came`() async throws {
    let world = try FleetWorld()
    let upload = try await world.upload().made
    #expect(upload.sizeBytes == Int64(Archives.good.count))
    #expect(try world.folder.read(world.data.uploadPath(upload.id)) == Archives.good)
    #expect(try world.store.read { (r) throws(StoreError) in try r.upload(upload.id) } == upload)
    #expect(world.files(in: "tmp").isEmpty)
  }

  @Test func `sent again under its key is answered again and leaves no second file`() async throws {
    let world = try FleetWorld()
    _ = try await world.upload(key: .make("k", body: ""))
    #expect(try await world.upload(key: .make("k", body: "")).replayed != nil)
    #expect(world.files(in: "uploads").count == 1)
    #expect(world.files(in: "tmp").isEmpty)
  }

  @Test func `of other bytes under the same key is refused and leaves nothing`() async throws {
    let world = try FleetWorld()
    _ = try await world.upload(key: .make("k"))
    var other = Archives.good
    // The time in gzip's header: another file, the same archive.
    other[4] ^= 1
    #expect(try await fault { try await world.upload(other, key: .make("k")) } == .idempotencyMismatch)
    #expect(world.files(in: "uploads").count == 1)
    #expect(world.files(in: "tmp").isEmpty)
  }

  @Test func `whose row cannot be written leaves no file`() async throws {
    let world = try FleetWorld()
    let incoming = try world.fleet.beginUpload()
    try Archives.good.withUnsafeBytes { try incoming.append($0) }
    await world.store.close()
    guard case .storage = try await fault(of: { try await world.fleet.finish(incoming, idempotency: nil) }) else {
      Issue.record("a closed store took a row")
      return
    }
    #expect(world.files(in: "uploads").isEmpty)
    #expect(world.files(in: "tmp").isEmpty)
  }

  @Test(arguments: 0..<3)
  func `that is no safe archive is refused in words and leaves nothing`(index: Int) async throws {
    let (bytes, word) = Self.notAnArchive[index]
    let world = try FleetWorld()
    guard case .badArchive(let detail) = try await fault(of: { try await world.upload(bytes, key: .make("k")) }) else {
      Issue.record("it was taken")
      return
    }
    #expect(detail.contains(word), "\(detail)")
    #expect(world.files(in: "uploads").isEmpty)
    #expect(world.files(in: "tmp").isEmpty)
    #expect(try await world.upload(key: .make("k")).replayed == nil, "the key is free for the right archive")
  }

  @Test func `of one key at once is taken once; the others are told to wait or get its answer`() async throws {
    let world = try FleetWorld()
    let outcomes = try await withThrowingTaskGroup(of: (isMade: Bool, error: FleetError?).self) { group in
      for _ in 0..<16 {
        group.addTask {
          do {
            return (try await world.upload(key: .make("k")).replayed == nil, nil)
          } catch let error as FleetError {
            return (false, error)
          }
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(outcomes.filter(\.isMade).count == 1)
    #expect(outcomes.compactMap(\.error).allSatisfy { $0 == .keyInFlight })
    #expect(world.files(in: "uploads").count == 1)
    #expect(world.files(in: "tmp").isEmpty)
    #expect(try await world.upload(key: .make("k")).replayed != nil, "the key is no longer in flight")
  }

  @Test func `given up leaves nothing, however often`() async throws {
    let world = try FleetWorld()
    let incoming = try world.fleet.beginUpload()
    try [UInt8](repeating: 7, count: 10_000).withUnsafeBytes { try incoming.append($0) }
    incoming.abandon()
    incoming.abandon()
    #expect(world.files(in: "tmp").isEmpty)
    #expect(try await fault { try await world.fleet.finish(incoming, idempotency: nil) } != nil)
    #expect(world.files(in: "uploads").isEmpty)
  }
}
