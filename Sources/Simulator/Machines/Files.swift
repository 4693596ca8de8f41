import CSystem
import Glibc

/// What went wrong with a file or a process, as a sentence for whoever runs the simulator.
package struct MachineError: Error, Sendable, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }

  /// Names the call's object and why it failed.
  static func system(_ what: String) -> MachineError {
    MachineError("\(what): \(String(cString: strerror(csystem_errno())))")
  }
}

enum Files {
  static func makeFolder(_ path: String, mode: mode_t = 0o755) throws(MachineError) {
    guard mkdir(path, mode) == 0 || csystem_errno() == EEXIST else { throw .system("cannot make \(path)") }
  }

  static func write(_ text: String, to path: String, mode: mode_t = 0o644) throws(MachineError) {
    try write(Array(text.utf8), to: path, mode: mode)
  }

  /// By way of a second name, so that a reader sees the old bytes or the new.
  static func write(_ bytes: [UInt8], to path: String, mode: mode_t) throws(MachineError) {
    let draft = path + ".new"
    let descriptor = csystem_open(draft, O_WRONLY | O_CREAT | O_TRUNC, mode)
    guard descriptor >= 0 else { throw .system("cannot write \(draft)") }
    defer { close(descriptor) }
    try writeAll(bytes, to: descriptor)
    fchmod(descriptor, mode)
    guard rename(draft, path) == 0 else { throw .system("cannot rename \(draft)") }
  }

  static func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws(MachineError) {
    var offset = 0
    while offset < bytes.count {
      let count = bytes[offset...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, csystem_errno() == EINTR { continue }
      guard count > 0 else { throw .system("cannot write") }
      offset += count
    }
  }

  /// The file's bytes, at most `limit` from its end; nil when it cannot be read.
  static func read(_ path: String, limit: Int = 8 << 20) -> [UInt8]? {
    let descriptor = csystem_open(path, O_RDONLY, 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    let size = Int(lseek(descriptor, 0, SEEK_END))
    lseek(descriptor, off_t(max(0, size - limit)), SEEK_SET)
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count < 0, csystem_errno() == EINTR { continue }
      guard count > 0 else { return bytes }
      bytes += buffer[..<count]
    }
  }

  static func names(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// Removes a file or a folder with all that is in it, without following links.
  static func remove(_ path: String) throws(MachineError) {
    var info = stat()
    guard lstat(path, &info) == 0 else { return }
    if info.st_mode & S_IFMT == S_IFDIR {
      chmod(path, 0o700)
      for name in names(in: path) { try remove(path + "/" + name) }
      guard rmdir(path) == 0 || csystem_errno() == ENOENT else { throw .system("cannot remove \(path)") }
    } else {
      guard unlink(path) == 0 || csystem_errno() == ENOENT else { throw .system("cannot remove \(path)") }
    }
  }

  /// A text for /bin/sh that stands for exactly this word.
  static func quoted(_ word: String) -> String { "'" + word.replacing("'", with: "'\\''") + "'" }
}
