import Glibc
import Locking
import Testing

@testable import VastMarketplace

/// A clock of nanoseconds that the test moves, and a key file of its own.
final class VastCredentialsTests {
  private let path: String
  private let clock = Locked<Int64>(0)
  private let learned = Locked<[String]>([])
  private let credentials: VastCredentials

  init() {
    var template = Array("/tmp/vastd-key-XXXXXX".utf8CString)
    close(mkstemp(&template))
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    unlink(path)
    credentials = VastCredentials(
      source: .file(path: path), learned: { [learned] key in learned.withLock { $0.append(key) } },
      now: { [clock] in clock.withLock { $0 } })
  }

  deinit { unlink(path) }

  /// Written beside and renamed, as rotation does it: another inode each time.
  private func write(_ text: String) {
    let file = fopen(path + ".new", "w")
    fputs(text, file)
    fclose(file)
    rename(path + ".new", path)
  }

  private func passSeconds(_ seconds: Int64) { clock.withLock { $0 += seconds * 1_000_000_000 } }

  private func fault() -> VastError? {
    do throws(VastError) {
      _ = try credentials.key()
      return nil
    } catch {
      return error
    }
  }

  @Test func `a key is trimmed`() throws {
    write("  secret-key \n")
    #expect(try credentials.key() == "secret-key")
  }

  @Test func `an exchanged file is read again after a second`() throws {
    write("one")
    #expect(try credentials.key() == "one")
    write("two")
    #expect(try credentials.key() == "one", "not looked at within the second")
    passSeconds(1)
    #expect(try credentials.key() == "two")
  }

  @Test func `a file that is missing, empty or nonsense says so until there is a key`() throws {
    #expect(fault() == .unauthorized(detail: "the key file \(path) cannot be found"))
    write("")
    passSeconds(1)
    #expect(fault() == .unauthorized(detail: "the key file \(path) is empty"))
    write("two words")
    passSeconds(1)
    #expect(fault() == .unauthorized(detail: "the key file \(path) holds more than one word of plain characters"))
    write(String(repeating: "x", count: 5000))
    passSeconds(1)
    #expect(fault() == .unauthorized(detail: "the key file \(path) cannot be read"))
    write("good")
    passSeconds(1)
    #expect(fault() == nil)
    #expect(try credentials.key() == "good")
  }

  @Test func `a key that worked stays while its file is away or being written`() throws {
    write("one")
    #expect(try credentials.key() == "one")
    unlink(path)
    passSeconds(1)
    #expect(try credentials.key() == "one")
    write("")
    passSeconds(1)
    #expect(try credentials.key() == "one")
    write("two")
    passSeconds(1)
    #expect(try credentials.key() == "two")
  }

  @Test func `each key is made known once, for hiding it`() throws {
    write("one")
    for _ in 0..<3 {
      _ = try credentials.key()
      passSeconds(1)
    }
    write("two")
    _ = try credentials.key()
    #expect(learned.withLock { $0 } == ["one", "two"])
  }

  @Test(arguments: ["", "two words", "a\nb", "a\r\nX-Injected: 1", "ключ"])
  func `a key from the environment that cannot be one is refused`(key: String) {
    #expect(throws: VastError.self) { try VastCredentials(source: .key(key)).key() }
  }

  @Test func `no error holds a key`() {
    write("secret one")
    #expect(!"\(String(describing: fault()))".contains("secret"))
  }
}
