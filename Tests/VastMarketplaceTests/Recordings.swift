import HTTPClient
import Glibc
import JSON
import Testing

/// Requests of the official client and answers of the service, as recorded or documented. See each file's `note`.
enum Recordings {
  private static let folder = #filePath.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/Recordings"

  /// A recorded answer with any status.
  static func response(_ name: String) throws -> HTTPClientResponse {
    let file = try read("responses/\(name).json")
    let body: [UInt8] =
      switch file["body"] {
      case .string(let text): Array(text.utf8)
      case let value?: write(value)
      case nil: []
      }
    let headers = file["headers"]?.members.map { (name: $0.name, value: $0.value.text ?? "") } ?? []
    return HTTPClientResponse(
      status: Int(try #require(file["status"]?.integerValue)), headers: headers, body: body, duration: .zero)
  }

  /// A recorded request of the official client, by its place in the recording.
  static func request(_ name: String, _ index: Int = 0) throws -> JSONValue {
    let file = try read("requests/\(name).json")
    guard case .array(let requests) = file["requests"] else { throw Missing(name: name) }
    return requests[index]
  }

  static func responseNames() throws -> Set<String> {
    guard let directory = opendir(folder + "/responses") else { throw Missing(name: "responses") }
    defer { closedir(directory) }
    var names: Set<String> = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name.hasSuffix(".json") { names.insert(String(name.dropLast(5))) }
    }
    return names
  }

  static func write(_ value: JSONValue) -> [UInt8] {
    var writer = JSONWriter()
    writer.element(value)
    return writer.bytes
  }

  private static func read(_ path: String) throws -> JSONValue {
    guard let file = fopen(folder + "/" + path, "r") else { throw Missing(name: path) }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
    return try JSONValue.parse(bytes)
  }

  struct Missing: Error { let name: String }
}

extension JSONValue {
  subscript(name: String) -> JSONValue? {
    guard case .object(let object) = self else { return nil }
    return object[name]
  }

  var members: [JSONObject.Member] {
    guard case .object(let object) = self else { return [] }
    return object.members
  }

  var text: String? {
    guard case .string(let text) = self else { return nil }
    return text
  }

  var integerValue: Int64? {
    guard case .integer(let value) = self else { return nil }
    return value
  }

  /// Where two values differ, as paths. Numbers and numeric strings are equal when their values are: the service takes both.
  func differences(from other: JSONValue?, at path: String = "") -> [String] {
    switch (self, other) {
    case (.object(let mine), .object(let theirs)):
      let names = Set(mine.members.map(\.name)).union(theirs.members.map(\.name))
      return names.sorted().flatMap { name -> [String] in
        let inner = path.isEmpty ? name : "\(path).\(name)"
        guard let value = mine[name] else { return [inner] }
        return value.differences(from: theirs[name], at: inner)
      }
    case (.array(let mine), .array(let theirs)) where mine.count == theirs.count:
      return zip(mine, theirs).enumerated().flatMap { $1.0.differences(from: $1.1, at: "\(path).\($0)") }
    default:
      if let mine = number, let theirs = other?.number { return mine == theirs ? [] : [path] }
      return self == other ? [] : [path]
    }
  }

  private var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    case .string(let text): Double(text)
    default: nil
    }
  }
}
