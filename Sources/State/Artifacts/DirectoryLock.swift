import CSystem
import Glibc

/// Held by the one daemon that works in a data directory. The kernel lets go of it when the process ends, however it ends.
///
/// Two daemons on one folder would each clear the other's half-received files and share one SSH connection socket.
package final class DirectoryLock: Sendable {
  private let file: FileHandle

  /// Throws `io` at once when another process holds it.
  package init(of directory: DataDirectory) throws(ArtifactError) {
    let path = "\(directory.path)/vastd.lock"
    let file = try FileHandle.open(path, O_RDWR | O_CREAT)
    guard flock(file.descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      file.close()
      if code == EWOULDBLOCK { throw .io(detail: "another vastd works in \(directory.path)") }
      throw .lastError("lock \(path)", code: code)
    }
    self.file = file
  }

  deinit { file.close() }
}
