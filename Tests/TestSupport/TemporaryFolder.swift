import Glibc

/// A folder that goes with its owner.
package final class TemporaryFolder: Sendable {
  package let path: String

  package init(_ name: String = "test", in parent: String = "/tmp") throws {
    var template = Array("\(parent)/vastd-\(name)-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Fault(what: "no temporary folder") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit {
    removeTree(path)
  }

  package func write(_ bytes: [UInt8], to path: String) throws {
    guard let file = fopen(path, "w") else { throw Fault(what: path) }
    defer { fclose(file) }
    guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw Fault(what: path) }
  }

  package func read(_ path: String) throws -> [UInt8] {
    guard let file = fopen(path, "r") else { throw Fault(what: path) }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      guard count > 0 else { return bytes }
      bytes += chunk[..<count]
    }
  }

  package struct Fault: Error { package let what: String }
}
