package import Domain
import CSystem
import Glibc

/// The folder of everything vastd keeps: database, uploads, logs, results, SSH keys. For its owner only.
///
///     vastd.db
///     uploads/ID.tar.gz          what callers sent, checked
///     jobs/ID/output.log         the command's output as far as it was fetched
///     jobs/ID/output.log.boot    the boot of the machine that wrote it, see `LogFile`
///     jobs/ID/results.tar.gz
///     jobs/ID/checkpoints/ID.tar.gz    the last copies of the checkpoint folder
///     jobs/ID/results.tar.gz.refused   what came home and did not pass the check: kept for a person, never served
///     ssh/                       keys and known hosts
///     ballast                    room for the database when the disk is full, see `Ballast`
///     tmp/                       half-received uploads; whatever lies there at start is from before a crash
package struct DataDirectory: Sendable {
  /// Absolute, without links.
  package let path: String
  /// Left free for the database and the ledger: an upload that would go below it gets `storageFull`.
  package let reserveBytes: Int64

  /// Makes the folder and its parts with mode 0700 where they are missing. Throws `io` when one belongs to somebody else, can
  /// be entered by others, or when an upload could not be moved into place in one step.
  package init(path: String, reserveBytes: Int64 = 256 << 20) throws(ArtifactError) {
    var given = path
    while given.count > 1, given.last == "/" { given.removeLast() }
    try Self.makeParents(of: given)
    _ = try Self.claim(given)
    guard let resolved = realpath(given, nil) else { throw .lastError("resolve \(given)") }
    defer { free(resolved) }
    self.path = String(cString: resolved)
    self.reserveBytes = reserveBytes
    var devices: [String: dev_t] = [:]
    for part in ["uploads", "jobs", "ssh", "tmp"] { devices[part] = try Self.claim("\(self.path)/\(part)") }
    guard devices["uploads"] == devices["tmp"] else {
      throw .io(detail: "\(self.path)/uploads and \(self.path)/tmp must lie on one file system")
    }
    // Of a life that was killed right after it had made a job's folder or moved a file into one.
    for part in ["uploads", "jobs"] { try FileHandle.synchronizeDirectory("\(self.path)/\(part)") }
    try FileHandle.synchronizeDirectory(self.path)
  }

  package var databasePath: String { "\(path)/vastd.db" }
  var temporaryDirectory: String { "\(path)/tmp" }

  package func uploadPath(_ id: ID<Upload>) -> String { "\(path)/uploads/\(id).tar.gz" }

  /// The job's folder, made when missing.
  package func jobDirectory(_ id: ID<Job>) throws(ArtifactError) -> String {
    let folder = "\(path)/jobs/\(id)"
    if mkdir(folder, 0o700) == 0 {
      try FileHandle.synchronizeDirectory("\(path)/jobs")
    } else if errno != EEXIST {
      throw .lastError("make \(folder)")
    }
    return folder
  }

  package func logPath(_ id: ID<Job>) -> String { "\(path)/jobs/\(id)/output.log" }

  /// The folder of a job's checkpoints, made when missing, and durable itself.
  package func checkpointDirectory(_ id: ID<Job>) throws(ArtifactError) -> String {
    let job = try jobDirectory(id)
    let folder = job + "/checkpoints"
    if mkdir(folder, 0o700) == 0 {
      try FileHandle.synchronizeDirectory(job)
    } else if errno != EEXIST {
      throw .lastError("make \(folder)")
    }
    return folder
  }

  package func checkpointPath(_ id: ID<Checkpoint>, of job: ID<Job>) -> String {
    "\(path)/jobs/\(job)/checkpoints/\(id).tar.gz"
  }

  /// Removes whatever is in a job's folder of checkpoints and is none of `kept`: halves and copies that nobody names any more.
  package func removeCheckpoints(of job: ID<Job>, except kept: Set<ID<Checkpoint>>) {
    let folder = "\(path)/jobs/\(job)/checkpoints"
    let names = Set(kept.map { "\($0).tar.gz" })
    for name in FileHandle.names(in: folder) where !names.contains(name) { unlink("\(folder)/\(name)") }
  }

  package func resultsPath(_ id: ID<Job>) -> String { "\(path)/jobs/\(id)/results.tar.gz" }

  /// Removes a stored upload, as when its row could not be written. A missing one is fine.
  package func removeUpload(_ id: ID<Upload>) throws(ArtifactError) {
    if unlink(uploadPath(id)) != 0, errno != ENOENT { throw .lastError("remove \(uploadPath(id))") }
  }

  /// What the daemon may still write before the disk is full; nil when the file system does not say.
  package func freeBytes() -> Int64? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    return Int64(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
  }

  /// Logs may use half of what uploads leave, so that a job's output is still there when uploads are refused.
  package var hasRoomForLogs: Bool { freeBytes().map { $0 > reserveBytes / 2 } ?? true }

  /// How large an archive of results may become: it leaves what logs leave, and a small one fits as long as half of the rest
  /// does not.
  package var roomForResults: Int64 {
    freeBytes().map { max($0 - reserveBytes / 2, min($0 / 2, 8 << 20)) } ?? .max
  }

  /// Removes the half-received files of a run that was killed, and says how many. Only before requests are
  /// taken, and once the database is open: its lock says that no other daemon works here.
  package func removeLeftovers() -> Int {
    FileHandle.names(in: temporaryDirectory).count { unlink("\(temporaryDirectory)/\($0)") == 0 }
  }

  /// Throws `storageFull` when another `bytes` would eat into the reserve.
  func checkRoom(for bytes: Int64) throws(ArtifactError) {
    if let free = freeBytes(), free - bytes < reserveBytes { throw .storageFull }
  }

  private static func makeParents(of path: String) throws(ArtifactError) {
    let parent = FileHandle.folder(of: path)
    if access(parent, F_OK) == 0 { return }
    try makeParents(of: parent)
    try make(parent, 0o755)
  }

  /// A folder that is made is there after a power cut, too: all that is kept in it hangs on its name.
  private static func make(_ path: String, _ mode: mode_t) throws(ArtifactError) {
    if mkdir(path, mode) == 0 {
      try FileHandle.synchronizeDirectory(FileHandle.folder(of: path))
    } else if errno != EEXIST {
      throw .lastError("make \(path)")
    }
  }

  /// Makes one folder or takes one that is ours alone. Returns its device.
  private static func claim(_ path: String) throws(ArtifactError) -> dev_t {
    try make(path, 0o700)
    var status = stat()
    guard stat(path, &status) == 0 else { throw .lastError("look at \(path)") }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw .io(detail: "\(path) is not a folder") }
    guard status.st_uid == geteuid() else {
      throw .io(detail: "\(path) belongs to user \(status.st_uid), and vastd runs as user \(geteuid())")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw .io(detail: "\(path) can be entered by others, and it will hold keys: run `chmod 700 \(path)`")
    }
    return status.st_dev
  }
}
