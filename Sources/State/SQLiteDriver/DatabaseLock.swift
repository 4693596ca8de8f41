import CSQLite
import Glibc
import Store

/// The right to be the one process that uses a database: `vastd.db.lock`, locked while this lives. The kernel lets go of
/// it when the process ends, however it ends.
final class DatabaseLock {
  /// The path without symbolic links, so that every way to the file meets the same lock.
  let databasePath: String
  private var descriptor: Int32

  /// Also makes sure of the place: a local disk, a directory that others cannot write to, a file for us alone.
  init(databasePath path: String) throws(StoreError) {
    let directory = Self.directory(of: path)
    let directoryFailure = csqlite_prepare_directory(directory)
    if directoryFailure == EPERM {
      throw .misconfigured(
        detail: "Anybody may write to \(directory), and so replace the database. Run: chmod 0700 '\(directory)'")
    }
    if directoryFailure != 0 { throw Self.failure(directoryFailure, directory) }
    let fileFailure = csqlite_prepare_file(path)
    if fileFailure != 0 { throw Self.failure(fileFailure, path) }
    guard let resolved = realpath(path, nil) else { throw Self.failure(errno, path) }
    databasePath = String(cString: resolved)
    free(resolved)
    if let filesystem = csqlite_network_filesystem(databasePath) {
      throw .misconfigured(
        detail: "\(databasePath) is on \(String(cString: filesystem)): locks there do not hold, and the database would "
          + "be damaged. Choose a local disk.")
    }
    var holder: Int64 = 0
    descriptor = csqlite_lock_file(databasePath + ".lock", &holder)
    if descriptor == -EWOULDBLOCK {
      let process = holder > 0 ? "process \(holder)" : "another process"
      throw .locked(detail: "The database \(path) is in use by \(process). Only one vastd may use it at a time.")
    }
    if descriptor < 0 { throw Self.failure(-descriptor, databasePath + ".lock") }
  }

  deinit { release() }

  func release() {
    if descriptor >= 0 { csqlite_unlock_file(descriptor) }
    descriptor = -1
  }

  private static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func failure(_ code: Int32, _ path: String) -> StoreError {
    switch code {
    case ENOSPC, EDQUOT: .full
    case EROFS: .readOnly
    case EACCES, EPERM: .misconfigured(detail: "No right to use \(path).")
    case ENOENT: .misconfigured(detail: "The directory of \(path) does not exist.")
    case ENOTDIR, EINVAL, EISDIR:
      .misconfigured(detail: "\(path) is not what it should be: a plain file in a directory.")
    default: .unavailable(detail: "\(path): \(String(cString: strerror(code)))")
    }
  }
}
