import Domain
import Glibc
import Testing

@testable import Artifacts

struct IncomingUploadTests {
  let scratch = Scratch()
  let archive = TarBuilder.one("train.py", data: Array("print(1)\n".utf8))

  @Test func `an upload that came in pieces is stored under its id with its digest`() async throws {
    let directory = try scratch.directory()
    let upload = try IncomingUpload(in: directory, id: .make())
    for start in stride(from: 0, to: archive.count, by: 100) {
      try upload.append(Array(archive[start..<min(start + 100, archive.count)]))
    }
    let sealed = try await upload.seal()
    let path = directory.uploadPath(upload.id)
    #expect(try contents(of: path) == archive)
    #expect(sealed.sizeBytes == Int64(archive.count))
    #expect(scratch.run("echo '\(sealed.sha256)  \(path)' | sha256sum -c --status") == 0)
    #expect(names(in: directory.temporaryDirectory) == [])
  }

  @Test func `the stored file is for its owner only`() async throws {
    let directory = try scratch.directory()
    let upload = try IncomingUpload(in: directory, id: .make())
    try upload.append(archive)
    _ = try await upload.seal()
    var status = stat()
    #expect(stat(directory.uploadPath(upload.id), &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
  }

  @Test func `what is refused leaves nothing behind`() async throws {
    let directory = try scratch.directory()
    let upload = try IncomingUpload(in: directory, id: .make())
    try upload.append(TarBuilder.one("../evil"))
    await #expect(throws: ArtifactError.unsafeEntry(name: "../evil", reason: "its name has a `..` part")) {
      try await upload.seal()
    }
    #expect(names(in: directory.temporaryDirectory) == [])
    #expect(names(in: "\(directory.path)/uploads") == [])
  }

  @Test func `an abandoned upload is gone, and abandoning it again changes nothing`() async throws {
    let directory = try scratch.directory()
    let upload = try IncomingUpload(in: directory, id: .make())
    try upload.append(archive)
    upload.abandon()
    upload.abandon()
    #expect(names(in: directory.temporaryDirectory) == [])
    #expect(throws: ArtifactError.self) { try upload.append(archive) }
    await #expect(throws: ArtifactError.self) { try await upload.seal() }
  }

  @Test func `abandoning after the seal keeps the stored file`() async throws {
    let directory = try scratch.directory()
    let upload = try IncomingUpload(in: directory, id: .make())
    try upload.append(archive)
    _ = try await upload.seal()
    upload.abandon()
    #expect(exists(directory.uploadPath(upload.id)))
    await #expect(throws: ArtifactError.self) { try await upload.seal() }
  }

  @Test func `an upload that is dropped without a word is removed`() throws {
    let directory = try scratch.directory()
    do {
      let upload = try IncomingUpload(in: directory, id: .make())
      try upload.append(archive)
      #expect(names(in: directory.temporaryDirectory) != [])
    }
    #expect(names(in: directory.temporaryDirectory) == [])
  }

  @Test func `an upload ends at the limit of packed bytes, before they are written`() throws {
    let directory = try scratch.directory()
    var limits = ArchiveLimits()
    limits.packedBytes = 1000
    let upload = try IncomingUpload(in: directory, id: .make(), limits: limits)
    try upload.append([UInt8](repeating: 1, count: 1000))
    #expect(throws: ArtifactError.tooLarge(limit: 1000)) { try upload.append([1]) }
    #expect(names(in: directory.temporaryDirectory) == [])
  }

  @Test func `a full disk is said as such and leaves nothing behind`() throws {
    let directory = try scratch.directory()
    let full = open("/dev/full", O_RDWR)
    try #require(full >= 0)
    let path = scratch.write([], to: "data/tmp/on-a-full-disk")
    let upload = IncomingUpload(
      in: directory, id: .make(), limits: ArchiveLimits(), file: FileHandle(descriptor: full), temporaryPath: path)
    #expect(throws: ArtifactError.storageFull) { try upload.append(archive) }
    #expect(!exists(path))
    #expect(throws: ArtifactError.self) { try upload.append(archive) }
  }

  @Test func `an upload never eats into what is kept free for the database`() throws {
    let directory = try DataDirectory(path: "\(scratch.path)/data", reserveBytes: .max)
    #expect(throws: ArtifactError.storageFull) { try IncomingUpload(in: directory, id: .make()) }
    #expect(names(in: directory.temporaryDirectory) == [])
  }

  @Test func `a running upload looks at the free space as it grows`() throws {
    let roomy = try scratch.directory()
    let free = try #require(roomy.freeBytes())
    let tight = try DataDirectory(path: roomy.path, reserveBytes: free - (8 << 20))
    let upload = try IncomingUpload(in: tight, id: .make())
    let piece = [UInt8](repeating: 3, count: 1 << 20)
    #expect(throws: ArtifactError.storageFull) { for _ in 0..<33 { try upload.append(piece) } }
    #expect(names(in: tight.temporaryDirectory) == [])
  }

  /// In a process of its own: what other tests hold would count too.
  @Test func `fifty megabytes stream through without being held`() async throws {
    #expect(
      scratch.run("head -c 50000000 /dev/urandom > noise && tar -cf - noise | gzip -1 > big.tar.gz && rm noise") == 0)
    await #expect(processExitsWith: .success) { [path = scratch.path as String] in
      let directory = try DataDirectory(path: "\(path)/data", reserveBytes: 0)
      let source = try FileHandle.open("\(path)/big.tar.gz", O_RDONLY)
      let before = peakResidentKilobytes()
      let upload = try IncomingUpload(in: directory, id: .make())
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
      var offset: Int64 = 0
      while true {
        let count = try source.read(into: buffer, at: offset)
        if count == 0 { break }
        try upload.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        offset += Int64(count)
      }
      let sealed = try await upload.seal()
      #expect(sealed.sizeBytes == offset && offset > 50_000_000)
      #expect(peakResidentKilobytes() - before < 8192)
    }
    #expect(scratch.run("cmp -s big.tar.gz data/uploads/*.tar.gz") == 0)
  }

  @Test func `many uploads at once do not mix`() async throws {
    let directory = try scratch.directory()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<16 {
        group.addTask {
          let archive = TarBuilder.one("f\(number)", data: Array(repeating: UInt8(number), count: 5000))
          let upload = try IncomingUpload(in: directory, id: .make())
          for byte in stride(from: 0, to: archive.count, by: 512) {
            try upload.append(Array(archive[byte..<min(byte + 512, archive.count)]))
          }
          _ = try await upload.seal()
          #expect(try contents(of: directory.uploadPath(upload.id)) == archive)
        }
      }
      try await group.waitForAll()
    }
    #expect(names(in: "\(directory.path)/uploads").count == 16)
  }
}

/// The most memory that this process ever had resident.
private func peakResidentKilobytes() -> Int {
  var usage = rusage()
  getrusage(RUSAGE_SELF.rawValue, &usage)
  return usage.ru_maxrss
}
