package import Domain
import Glibc
import Locking

/// An upload while it comes: written to `tmp/` and hashed piece by piece, then checked and moved to its place.
///
/// A crash at any moment leaves either nothing, a file in `tmp/` that the next start removes, or a whole checked upload.
/// The calls come one after the other from the request's threads; `abandon` may come from another at any time. The lock is held
/// while the disk takes a piece, so that nobody closes the file under the writer; only an `abandon` ever waits for it.
package final class IncomingUpload: Sendable {
  package struct Sealed: Sendable, Hashable {
    /// Of the bytes as received, in lower-case hex.
    package let sha256: String
    package let sizeBytes: Int64
  }

  private struct Progress {
    var file: FileHandle
    let hash = SHA256()
    var size: Int64 = 0
    var writtenSinceRoomCheck: Int64 = 0
  }

  package let id: ID<Upload>
  private let directory: DataDirectory
  private let limits: ArchiveLimits
  private let temporaryPath: String
  /// Nil once sealed, abandoned or failed.
  private let progress: Locked<Progress?>

  /// How much may be written between two looks at the free space (a system call): small beside the reserve.
  private static let roomCheckInterval: Int64 = 16 << 20

  package convenience init(
    in directory: DataDirectory, id: ID<Upload>, limits: ArchiveLimits = ArchiveLimits()
  ) throws(ArtifactError) {
    try directory.checkRoom(for: 0)
    let path = "\(directory.temporaryDirectory)/\(id).tar.gz"
    let file = try FileHandle.open(path, O_RDWR | O_CREAT | O_EXCL)
    self.init(in: directory, id: id, limits: limits, file: file, temporaryPath: path)
  }

  /// With a file that is open already, to write to which may fail as the disk does.
  init(in directory: DataDirectory, id: ID<Upload>, limits: ArchiveLimits, file: FileHandle, temporaryPath: String) {
    self.directory = directory
    self.id = id
    self.limits = limits
    self.temporaryPath = temporaryPath
    progress = Locked(Progress(file: file))
  }

  deinit { abandon() }

  /// Takes the next piece. After an error the upload is abandoned: a piece that is missing cannot be made good.
  package func append(_ bytes: UnsafeRawBufferPointer) throws(ArtifactError) {
    do throws(ArtifactError) {
      try progress.withLock { (progress: inout Progress?) throws(ArtifactError) in
        guard progress != nil else { throw .io(detail: "the upload \(id) is over") }
        try take(bytes, into: &progress!)
      }
    } catch {
      abandon()
      throw error
    }
  }

  private func take(_ bytes: UnsafeRawBufferPointer, into progress: inout Progress) throws(ArtifactError) {
    let count = Int64(bytes.count)
    guard count <= limits.packedBytes - progress.size else { throw .tooLarge(limit: limits.packedBytes) }
    progress.writtenSinceRoomCheck += count
    if progress.writtenSinceRoomCheck >= Self.roomCheckInterval {
      try directory.checkRoom(for: count)
      progress.writtenSinceRoomCheck = 0
    }
    if let error = progress.file.write(bytes).error { throw error }
    progress.hash.update(bytes)
    progress.size += count
  }

  /// Gives up: closes and removes the file. Does nothing after `seal` or another `abandon`.
  package func abandon() {
    guard let progress = takeProgress() else { return }
    progress.file.close()
    unlink(temporaryPath)
  }

  /// Checks that it is a tar.gz that can be unpacked safely, makes it durable and moves it to its place. On an error nothing
  /// is left of it. Reads all of it again: seconds for gigabytes, on a thread of its own.
  package func seal() async throws(ArtifactError) -> Sealed {
    guard let progress = takeProgress() else { throw .io(detail: "the upload \(id) is over") }
    let sealed = Sealed(sha256: progress.hash.finish(), sizeBytes: progress.size)
    let file = progress.file
    let (limits, temporaryPath, finalPath) = (limits, temporaryPath, directory.uploadPath(id))
    try await offPool { () throws(ArtifactError) in
      defer { file.close() }
      do throws(ArtifactError) {
        _ = try ArchiveCheck.inspect(path: temporaryPath, limits: limits)
        try file.synchronize()
        try FileHandle.rename(temporaryPath, to: finalPath)
      } catch {
        unlink(temporaryPath)
        unlink(finalPath)
        throw error
      }
    }
    return sealed
  }

  private func takeProgress() -> Progress? {
    progress.withLock { progress in
      defer { progress = nil }
      return progress
    }
  }
}
