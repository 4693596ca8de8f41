import Glibc
import Locking

/// A job's output as far as it was fetched. Its size is the offset from which the next fetch goes on, also after a crash: what
/// was written before it is in the file, so nothing is fetched twice and nothing is left out.
///
/// Appends are not flushed one by one: the far side keeps the whole log until the job is over. Whoever ends a job calls
/// `synchronize` first. A power cut before that may leave a file that is shorter, and also one with zeros where a piece in its
/// middle never reached the disk, so its size then says nothing: `isTrusted` tells such a file by the machine's boot, and it is
/// fetched once more from its beginning and written over.
package final class LogFile: Sendable {
  private struct State {
    /// Nil once closed.
    var file: FileHandle?
    var size: Int64
    /// Bytes that may be written before the disk is looked at again.
    var unwatched: Int64 = 0
  }

  /// A look at the disk costs two microseconds; between two looks all logs of a full house write less than the reserve.
  private static let lookEvery: Int64 = 256 << 10

  private let state: Locked<State>
  private let limitBytes: Int64
  private let hasRoom: @Sendable () -> Bool

  /// Opens the log, or makes an empty one, to go on at `offset` or, without one, at its end. It takes no more than
  /// `limitBytes`: a job may print without end. While `hasRoom` says no, it takes nothing.
  package convenience init(
    path: String, from offset: Int64? = nil, limitBytes: Int64 = 1 << 30,
    hasRoom: @escaping @Sendable () -> Bool = { true }
  ) throws(ArtifactError) {
    let file = try FileHandle.open(path, O_WRONLY | O_CREAT)
    do throws(ArtifactError) {
      let start = if let offset { offset } else { try file.size() }
      guard lseek(file.descriptor, off_t(start), SEEK_SET) == off_t(start) else { throw .lastError("go on in \(path)") }
      self.init(file: file, size: start, limitBytes: limitBytes, hasRoom: hasRoom)
    } catch {
      file.close()
      throw error
    }
  }

  init(file: FileHandle, size: Int64, limitBytes: Int64, hasRoom: @escaping @Sendable () -> Bool = { true }) {
    state = Locked(State(file: file, size: size))
    self.limitBytes = limitBytes
    self.hasRoom = hasRoom
  }

  deinit { close() }

  /// Where the next bytes go: the bytes in the file, unless it was opened in its middle.
  package var size: Int64 { state.withLock { $0.size } }

  /// Adds to the end. Throws `tooLarge` when only a part fitted below the limit, `storageFull` when the disk took only a part;
  /// `size` tells in both cases what is in the file.
  package func append(_ bytes: [UInt8]) throws(ArtifactError) {
    // Outside of the lock: a look at a disk may take its time.
    let mustLook = state.withLock { $0.unwatched < Int64(bytes.count) }
    if mustLook, !hasRoom() { throw .storageFull }
    try state.withLock { (state: inout State) throws(ArtifactError) in
      guard let file = state.file else { throw .io(detail: "the log was closed") }
      if mustLook { state.unwatched = max(Self.lookEvery, Int64(bytes.count)) }
      state.unwatched -= Int64(bytes.count)
      let room = max(0, limitBytes - state.size)
      let fitting = bytes.prefix(Int(min(Int64(bytes.count), room)))
      let outcome = fitting.withUnsafeBytes { file.write($0) }
      state.size += Int64(outcome.written)
      if let error = outcome.error { throw error }
      if fitting.count < bytes.count { throw .tooLarge(limit: limitBytes) }
    }
  }

  /// Makes the log at `path` survive a power cut, its bytes and its name; one that was never begun is fine. Waits for the disk.
  package static func synchronize(path: String) async throws(ArtifactError) {
    try await offPool { () throws(ArtifactError) in
      guard access(path, F_OK) == 0 else { return }
      let file = try FileHandle.open(path, O_RDONLY)
      defer { file.close() }
      try file.synchronize()
      try FileHandle.synchronizeDirectory(FileHandle.folder(of: path))
    }
  }

  /// Whether all bytes of the log at `path` are what was written: nothing else has written it since the machine's last boot.
  /// A process that dies takes nothing along that the kernel has; a machine does.
  package static func isTrusted(path: String, boot: String? = Boot.id) -> Bool {
    guard let boot else { return true }
    return Boot.read(markPath(of: path)) == boot
  }

  /// To be called for an empty log, and for one whose bytes were all written in this boot. Not flushed: what a power cut leaves of
  /// it is not the next boot's.
  package static func trust(path: String, boot: String? = Boot.id) throws(ArtifactError) {
    guard let boot else { return }
    let file = try FileHandle.open(markPath(of: path), O_WRONLY | O_CREAT | O_TRUNC)
    defer { file.close() }
    if let error = Array(boot.utf8).withUnsafeBytes({ file.write($0) }).error { throw error }
  }

  private static func markPath(of path: String) -> String { path + ".boot" }

  package func close() {
    state.withLock { state in
      state.file?.close()
      state.file = nil
    }
  }
}
