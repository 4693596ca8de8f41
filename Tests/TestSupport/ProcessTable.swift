import CSystem
import Glibc

/// A look at /proc, for tests that play a reboot or a cut connection.
package enum ProcessTable {
  package static func children(of parent: Int32) -> [Int32] {
    all().filter { process in
      // `pid (name) state ppid …`, where the name may hold anything.
      guard let text = try? readText("/proc/\(process)/stat"), let close = text.lastIndex(of: ")") else { return false }
      let fields = text[text.index(after: close)...].split(separator: " ")
      return fields.count > 1 && fields[1] == "\(parent)"
    }
  }

  /// Those whose environment at their start held this `NAME=value`.
  package static func processes(with variable: String) -> [Int32] {
    all().filter { process in
      guard process != getpid(), let text = try? readText("/proc/\(process)/environ") else { return false }
      return text.split(separator: "\0").contains { $0 == variable }
    }
  }

  /// Kills a process and those below it, except those that carry the variable.
  package static func killTree(_ process: Int32, sparing variable: String) {
    if let text = try? readText("/proc/\(process)/environ"),
      text.split(separator: "\0").contains(where: { $0 == variable })
    {
      return
    }
    let below = children(of: process)
    kill(process, SIGKILL)
    for child in below { killTree(child, sparing: variable) }
  }

  package static func all() -> [Int32] {
    guard let folder = opendir("/proc") else { return [] }
    defer { closedir(folder) }
    var found: [Int32] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if let process = Int32(name) { found.append(process) }
    }
    return found
  }
}

/// A whole file, also of /proc, where sizes are told as 0.
func readText(_ path: String) throws -> String {
  let descriptor = csystem_open(path, O_RDONLY, 0)
  guard descriptor >= 0 else { throw SSHServerError("cannot read \(path)") }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65536)
  while true {
    let count = Glibc.read(descriptor, &buffer, buffer.count)
    if count <= 0 { break }
    bytes += buffer[..<count]
  }
  return String(decoding: bytes, as: UTF8.self)
}
