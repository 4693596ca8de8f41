import Domain
import Glibc

@testable import Artifacts

/// A folder for one test, gone with it.
final class Scratch: Sendable {
  let path: String

  init() {
    var template = Array("/tmp/vastd-artifacts-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
  }

  deinit { _ = system("rm -rf -- '\(path)'") }

  func directory() throws -> DataDirectory { try DataDirectory(path: "\(path)/data", reserveBytes: 0) }

  func write(_ bytes: [UInt8], to name: String) -> String {
    let file = "\(path)/\(name)"
    let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    precondition(descriptor >= 0)
    let outcome = bytes.withUnsafeBytes { FileHandle(descriptor: descriptor).write($0) }
    precondition(outcome.error == nil)
    close(descriptor)
    return file
  }

  /// The verdict on an archive of these bytes.
  func inspect(_ bytes: [UInt8], limits: ArchiveLimits = ArchiveLimits()) throws -> ArchiveSummary {
    try ArchiveCheck.inspect(path: write(bytes, to: "archive"), limits: limits)
  }

  func run(_ command: String) -> Int32 { system("cd '\(path)' && \(command)") }
}

func contents(of path: String) throws -> [UInt8] {
  let file = try FileHandle.open(path, O_RDONLY)
  defer { file.close() }
  var bytes = [UInt8](repeating: 0, count: Int(try file.size()))
  let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
  return Array(bytes.prefix(count))
}

func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// The names in a folder, sorted.
func names(in path: String) -> [String] {
  guard let folder = opendir(path) else { return [] }
  defer { closedir(folder) }
  var names: [String] = []
  while let entry = readdir(folder) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != ".", name != ".." { names.append(name) }
  }
  return names.sorted()
}

extension ID where Entity == Upload {
  static func make() -> ID { ID(at: Timestamp(microseconds: 1_700_000_000_000_000)) }
}

extension IncomingUpload {
  func append(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try append($0) } }
}
