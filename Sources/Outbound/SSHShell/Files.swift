import CSystem
import Domain
import Glibc

/// The few file operations this target needs, with errors that name the path.
enum Files {
  static func failure(_ action: String, _ path: String) -> RemoteShellError {
    .local(detail: "cannot \(action) \(path): \(String(cString: strerror(csystem_errno())))")
  }

  /// Makes a folder that only we can enter, or sees that it is one: a link, or a folder of somebody else, is refused.
  static func makePrivateFolder(_ path: String) throws(RemoteShellError) {
    if mkdir(path, 0o700) != 0 && csystem_errno() != EEXIST { throw failure("make", path) }
    var status = stat()
    guard lstat(path, &status) == 0 else { throw failure("look at", path) }
    guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid() else {
      throw .local(detail: "\(path) is not a folder of ours")
    }
    if status.st_mode & 0o077 != 0 && chmod(path, 0o700) != 0 { throw failure("protect", path) }
  }

  static func size(_ path: String) -> Int64? {
    var status = stat()
    return stat(path, &status) == 0 ? Int64(status.st_size) : nil
  }

  /// A small file, up to 64 KiB; nil when there is none.
  static func read(_ path: String) throws(RemoteShellError) -> [UInt8]? {
    let descriptor = csystem_open(path, O_RDONLY, 0)
    if descriptor < 0 {
      if csystem_errno() == ENOENT { return nil }
      throw failure("open", path)
    }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    let count = Glibc.read(descriptor, &bytes, bytes.count)
    if count < 0 { throw failure("read", path) }
    return Array(bytes.prefix(count))
  }

  /// Makes what was written to a file, or the names in a folder, survive a power cut.
  static func synchronize(_ path: String) throws(RemoteShellError) {
    let descriptor = csystem_open(path, O_RDONLY, 0)
    guard descriptor >= 0 else { throw failure("open", path) }
    defer { close(descriptor) }
    if fsync(descriptor) != 0 { throw failure("synchronize", path) }
  }

  static func folder(of path: String) -> String { String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) }

  static func move(_ path: String, to destination: String) throws(RemoteShellError) {
    if rename(path, destination) != 0 { throw failure("rename", path) }
  }

  /// The names in a folder; none when it is not there.
  static func names(in folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }
}
