import Failpoints
import CSystem
import Glibc

/// A descriptor and the few calls on it, with errors in our words. Whoever opens it closes it, once.
struct FileHandle: Sendable {
  let descriptor: Int32

  /// Never follows a link in the last part of `path`; new files are for the owner only.
  static func open(_ path: String, _ flags: Int32) throws(ArtifactError) -> FileHandle {
    let descriptor = csystem_open(path, flags | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw .lastError("open \(path)") }
    return FileHandle(descriptor: descriptor)
  }

  func close() {
    Glibc.close(descriptor)
  }

  func size() throws(ArtifactError) -> Int64 {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .lastError("read a file's size") }
    return Int64(status.st_size)
  }

  /// Writes all, and says how many bytes arrived when the disk took only a part.
  func write(_ bytes: UnsafeRawBufferPointer) -> (written: Int, error: ArtifactError?) {
    var written = 0
    while written < bytes.count {
      let count = Glibc.write(descriptor, bytes.baseAddress! + written, bytes.count - written)
      if count > 0 { written += count } else if errno != EINTR { return (written, .lastError("write a file")) }
    }
    return (written, nil)
  }

  /// Fills `bytes` from `offset` as far as the file goes.
  func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int64) throws(ArtifactError) -> Int {
    var filled = 0
    while filled < bytes.count {
      let count = pread(descriptor, bytes.baseAddress! + filled, bytes.count - filled, off_t(offset) + off_t(filled))
      if count == 0 { break }
      if count > 0 { filled += count } else if errno != EINTR { throw .lastError("read a file") }
    }
    return filled
  }

  /// To the platter. A failure is final: the kernel may have dropped the data, so a second call that succeeds proves nothing.
  func synchronize() throws(ArtifactError) {
    guard fsync(descriptor) == 0 else { throw .lastError("flush a file") }
  }

  /// Makes the names in a folder durable: a renamed file is found under its new name after a power cut.
  static func synchronizeDirectory(_ path: String) throws(ArtifactError) {
    let descriptor = csystem_open(path, O_RDONLY | O_DIRECTORY, 0)
    guard descriptor >= 0 else { throw .lastError("open \(path)") }
    let folder = FileHandle(descriptor: descriptor)
    defer { folder.close() }
    try folder.synchronize()
  }

  static func rename(_ old: String, to new: String) throws(ArtifactError) {
    _ = Failpoints.pass("file.rename.before")
    guard Glibc.rename(old, new) == 0 else { throw .lastError("rename \(old)") }
    _ = Failpoints.pass("file.rename.after")
    try synchronizeDirectory(folder(of: new))
  }

  /// What a folder holds; nothing when there is none.
  static func names(in path: String) -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
        tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  static func folder(of path: String) -> String {
    guard let end = path.lastIndex(of: "/") else { return "." }
    return end == path.startIndex ? "/" : String(path[..<end])
  }
}
