import Glibc

/// Processes of an earlier simulator in the same folder. Its containers' inits end themselves when it dies; this is for the
/// case that they were killed too.
enum Leftovers {
  /// "PID START", where START tells the process from a later one of the same number.
  static func record(of process: pid_t) -> String { "\(process) \(startTime(process) ?? "0")\n" }

  /// Ends what is left of the containers under `folder` and removes their folders.
  static func clear(_ folder: String) throws(MachineError) {
    for name in Files.names(in: folder) {
      let container = ContainerFolder(path: "\(folder)/\(name)")
      if let text = Files.read(container.initRecord).map({ String(decoding: $0, as: UTF8.self) }) {
        end(recorded: text)
      }
    }
    endMarked(under: folder)
    try Files.remove(folder)
  }

  private static func end(recorded text: String) {
    let parts = text.split(whereSeparator: \.isWhitespace)
    guard parts.count == 2, let process = pid_t(parts[0]), startTime(process) == String(parts[1]) else { return }
    let all = tree(below: process)
    for child in all + [process] { kill(child, SIGKILL) }
  }

  /// Jobs carry the container's folder in their environment.
  private static func endMarked(under folder: String) {
    let marker = "\(ContainerFolder.marker)=\(folder)/"
    for process in processes() where process != getpid() {
      guard let environment = Files.read("/proc/\(process)/environ") else { continue }
      let entries = environment.split(separator: 0)
      if entries.contains(where: { String(decoding: $0, as: UTF8.self).hasPrefix(marker) }) { kill(process, SIGKILL) }
    }
  }

  private static func tree(below process: pid_t) -> [pid_t] {
    let parents = processes().map { (process: $0, parent: parent(of: $0)) }
    var found: [pid_t] = []
    var edge = [process]
    while let next = edge.popLast() {
      let children = parents.filter { $0.parent == next }.map(\.process)
      found += children
      edge += children
    }
    return found
  }

  private static func processes() -> [pid_t] { Files.names(in: "/proc").compactMap { pid_t($0) } }

  private static func parent(of process: pid_t) -> pid_t? { statField(process, 1).flatMap { pid_t($0) } }

  private static func startTime(_ process: pid_t) -> String? { statField(process, 19) }

  /// A field of /proc/PID/stat counted from the one behind the name, which may hold anything.
  private static func statField(_ process: pid_t, _ index: Int) -> String? {
    guard let bytes = Files.read("/proc/\(process)/stat") else { return nil }
    let text = String(decoding: bytes, as: UTF8.self)
    guard let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    return index < fields.count ? String(fields[index]) : nil
  }
}
