import Glibc
import Locking

/// A job's output as far as it was fetched. Its size is the offset from which the next fetch goes on, also after a crash: what
/// was written before it is in the file, so nothing is fetched twice and nothing is left out.
///
/// Appends are not flushed one by one: the far side keeps the whole log until the job is over, and after a power cut the
/// shorter file only makes the fetch begin earlier.
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

  /// Opens the log, or makes an empty one. It takes no more than `limitBytes`: a job may print without end. While `hasRoom`
  /// says no, it takes nothing.
  package convenience init(
    path: String, limitBytes: Int64 = 1 << 30, hasRoom: @escaping @Sendable () -> Bool = { true }
  ) throws(ArtifactError) {
    let file = try FileHandle.open(path, O_WRONLY | O_APPEND | O_CREAT)
    do throws(ArtifactError) {
      self.init(file: file, size: try file.size(), limitBytes: limitBytes, hasRoom: hasRoom)
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

  /// Bytes in the file.
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

  package func close() {
    state.withLock { state in
      state.file?.close()
      state.file = nil
    }
  }
}
