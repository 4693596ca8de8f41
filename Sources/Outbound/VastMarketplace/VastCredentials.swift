import CSystem
import Glibc
import Locking

/// The API key, from the environment or from a file that may be exchanged while we run.
///
/// The file is looked at no more than once a second, and read again when its time, inode or size changed. A file that is
/// missing, empty or unreadable for the moment does not take away a key that worked: rotation often removes before it
/// writes, and whether the old key still holds is for Vast to say. Until a first good key was read, every call fails with the
/// reason.
package final class VastCredentials: Sendable {
  package enum Source: Sendable, Hashable {
    case key(String)
    case file(path: String)
  }

  private struct State {
    var key: String?
    var fault = ""
    var identity: FileIdentity?
    var lastLookNs: Int64?
  }

  private let source: Source
  private let now: @Sendable () -> Int64
  private let learned: @Sendable (String) -> Void
  private let state = Locked(State())

  /// Keys have 64 characters; a file of more is not a key file.
  private static let fileLimit = 4096
  private static let lookIntervalNs: Int64 = 1_000_000_000

  /// `learned` is told of each key read from the file before it is first used, so that logs can hide it. `now` gives
  /// monotonic nanoseconds.
  package init(
    source: Source, learned: @escaping @Sendable (String) -> Void = { _ in },
    now: @escaping @Sendable () -> Int64 = { csystem_monotonic_ns() }
  ) {
    self.source = source
    self.learned = learned
    self.now = now
  }

  /// The key to send now. `unauthorized` says for a person why there is none.
  func key() throws(VastError) -> String {
    switch source {
    case .key(let key):
      if let fault = Self.fault(in: key) { throw .unauthorized(detail: "VAST_API_KEY \(fault)") }
      return key
    case .file(let path):
      let (key, fault) = state.withLock { state in
        refresh(&state, path)
        return (state.key, state.fault)
      }
      guard let key else { throw .unauthorized(detail: "the key file \(path) \(fault)") }
      return key
    }
  }

  /// In the lock, so that many callers look once; it reads some 70 bytes of a local file, at most once a second.
  private func refresh(_ state: inout State, _ path: String) {
    let now = now()
    if let last = state.lastLookNs, now - last < Self.lookIntervalNs { return }
    state.lastLookNs = now
    guard let identity = FileIdentity(path: path) else {
      state.fault = "cannot be found"
      state.identity = nil
      return
    }
    if identity == state.identity { return }
    guard let text = Self.read(path) else {
      state.fault = "cannot be read"
      return
    }
    let key = text.trimmed
    if let fault = Self.fault(in: key) {
      state.fault = fault
      return
    }
    learned(key)
    state.key = key
    state.identity = identity
  }

  /// Why this cannot be a key; it goes into a header, so it is one word of printable characters.
  private static func fault(in key: String) -> String? {
    if key.isEmpty { return "is empty" }
    return key.utf8.allSatisfy { (0x21...0x7E).contains($0) } ? nil : "holds more than one word of plain characters"
  }

  private static func read(_ path: String) -> String? {
    let descriptor = csystem_open(path, O_RDONLY, 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: fileLimit)
    let count = Glibc.read(descriptor, &buffer, buffer.count)
    guard count >= 0, count < fileLimit else { return nil }
    return String(decoding: buffer[..<count], as: UTF8.self)
  }
}

/// What changes when a file is written or exchanged.
private struct FileIdentity: Equatable {
  let inode: UInt
  let size: Int
  let seconds: Int
  let nanoseconds: Int

  init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    inode = UInt(status.st_ino)
    size = Int(status.st_size)
    seconds = status.st_mtim.tv_sec
    nanoseconds = status.st_mtim.tv_nsec
  }
}
