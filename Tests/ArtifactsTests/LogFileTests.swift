import Glibc
import Locking
import Testing

@testable import Artifacts

struct LogFileTests {
  let scratch = Scratch()
  var path: String { "\(scratch.path)/output.log" }

  @Test func `a reopened log goes on where it ended`() throws {
    let log = try LogFile(path: path)
    #expect(log.size == 0)
    try log.append(Array("one\n".utf8))
    let again = try LogFile(path: path)
    #expect(again.size == 4)
    try again.append(Array("two\n".utf8))
    #expect(again.size == 8)
    #expect(try contents(of: path) == Array("one\ntwo\n".utf8))
  }

  @Test func `a log that is opened in its middle is written over, and goes on`() throws {
    _ = scratch.write(Array("one\n".utf8) + [0, 0, 0, 0], to: "output.log")
    let log = try LogFile(path: path, from: 4)
    #expect(log.size == 4)
    try log.append(Array("two\n".utf8))
    try log.append(Array("three\n".utf8))
    #expect(log.size == 14)
    #expect(try contents(of: path) == Array("one\ntwo\nthree\n".utf8))
  }

  @Test func `a log is trusted in the boot that wrote it and in no other`() async throws {
    try LogFile(path: path).append([1])
    #expect(!LogFile.isTrusted(path: path, boot: "first"), "of a version that did not mark it")
    try LogFile.trust(path: path, boot: "first")
    #expect(LogFile.isTrusted(path: path, boot: "first"))
    #expect(!LogFile.isTrusted(path: path, boot: "second"))
    #expect(!LogFile.isTrusted(path: path, boot: "first2") && !LogFile.isTrusted(path: path, boot: "firs"))
    try LogFile.trust(path: path, boot: "2nd")
    #expect(LogFile.isTrusted(path: path, boot: "2nd"), "nothing is left of a longer name")
    _ = scratch.write([0, 0, 0], to: "output.log.boot")
    #expect(!LogFile.isTrusted(path: path, boot: "2nd"), "what a power cut left of the mark")
    #expect(LogFile.isTrusted(path: path, boot: nil), "nothing can be known where boots have no names")
  }

  @Test func `this boot has a name that stays`() throws {
    #expect(try #require(Boot.id).utf8.count == 36)
    #expect(Boot.id == Boot.read("/proc/sys/kernel/random/boot_id"))
  }

  @Test func `a log can be flushed by its path, also one that was never begun`() async throws {
    try await LogFile.synchronize(path: path)
    #expect(!exists(path))
    try LogFile(path: path).append([1, 2])
    try await LogFile.synchronize(path: path)
    #expect(try contents(of: path) == [1, 2])
  }

  @Test func `bytes that are no text are kept as they came`() throws {
    let log = try LogFile(path: path)
    let bytes: [UInt8] = [0, 0xFF, 0x1B, 0x5B, 10, 0xC3]
    try log.append(bytes)
    try log.append([])
    #expect(try contents(of: path) == bytes)
  }

  @Test func `a log ends at its limit and says so, with its size`() throws {
    let log = try LogFile(path: path, limitBytes: 10)
    try log.append(Array("12345678".utf8))
    #expect(throws: ArtifactError.tooLarge(limit: 10)) { try log.append(Array("90abc".utf8)) }
    #expect(log.size == 10)
    #expect(throws: ArtifactError.tooLarge(limit: 10)) { try log.append([1]) }
    #expect(try contents(of: path) == Array("1234567890".utf8))
    #expect(try LogFile(path: path, limitBytes: 5).size == 10)
  }

  @Test func `a full disk is said as such and the size counts only what was kept`() throws {
    let full = open("/dev/full", O_WRONLY)
    try #require(full >= 0)
    let log = LogFile(file: FileHandle(descriptor: full), size: 0, limitBytes: 100)
    #expect(throws: ArtifactError.storageFull) { try log.append([1, 2, 3]) }
    #expect(log.size == 0)
  }

  @Test func `a log stops where the disk's reserve begins, and goes on when there is room`() throws {
    let room = Locked(true)
    let log = try LogFile(path: path, limitBytes: 1 << 30, hasRoom: { room.withLock { $0 } })
    let piece = [UInt8](repeating: 7, count: 200 << 10)
    try log.append(piece)
    room.withLock { $0 = false }
    #expect(throws: ArtifactError.storageFull) { try log.append(piece) }
    #expect(log.size == Int64(piece.count), "all or nothing: no half piece")
    room.withLock { $0 = true }
    try log.append(piece)
    #expect(log.size == Int64(2 * piece.count))
  }

  @Test func `a closed log takes nothing more`() throws {
    let log = try LogFile(path: path)
    log.close()
    log.close()
    #expect(throws: ArtifactError.self) { try log.append([1]) }
  }

  @Test func `a link in the place of a log is not followed`() throws {
    let outside = scratch.write([], to: "outside")
    #expect(symlink(outside, path) == 0)
    #expect(throws: ArtifactError.self) { try LogFile(path: path) }
  }
}
