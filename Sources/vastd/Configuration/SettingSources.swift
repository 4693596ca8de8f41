import CSystem
import Glibc
import JSON

/// Every setting's text and where it came from: a flag, the environment, the file of the environment's name, the default.
struct SettingSources {
  struct Value: Hashable {
    var text: String
    var origin: String
  }

  private(set) var values: [Setting: Value] = [:]
  private(set) var problems: [String] = []

  /// - Parameters:
  ///   - flags: `name=value` as given with `--set`.
  ///   - directory: where `development.json` and its like are.
  init(flags: [String], environment: [String: String], directory: String) {
    for setting in Setting.all {
      values[setting] = setting.standard.map { Value(text: $0, origin: "default") }
    }
    if let name = environment["VASTD_ENVIRONMENT"], !name.isEmpty { readFile(named: name, in: directory) }
    for setting in Setting.all {
      // Empty is unset: manifests often pass a variable through.
      if let text = environment[setting.variable], !text.isEmpty {
        values[setting] = Value(text: text, origin: setting.variable)
      }
    }
    for flag in flags { read(flag: flag) }
  }

  subscript(setting: Setting) -> String? { values[setting]?.text }

  private mutating func read(flag: String) {
    guard let equals = flag.firstIndex(of: "=") else {
      problems.append("--set \(flag): write it as name=value")
      return
    }
    let name = String(flag[..<equals])
    guard let setting = Setting.all.first(where: { $0.name == name }) else {
      problems.append("--set \(name): there is no such setting; `vastd config` lists them")
      return
    }
    guard !setting.isSecret else {
      problems.append("--set \(name): a secret on a command line shows in ps; use \(setting.variable)")
      return
    }
    values[setting] = Value(text: String(flag[flag.index(after: equals)...]), origin: "--set")
  }

  private mutating func readFile(named name: String, in directory: String) {
    guard ["development", "staging", "production"].contains(name) else {
      problems.append("VASTD_ENVIRONMENT: \"\(name)\" is none of development, staging, production")
      return
    }
    let path = "\(directory)/\(name).json"
    guard let bytes = readWholeFile(path) else {
      problems.append("VASTD_ENVIRONMENT=\(name): \(path) cannot be read; VASTD_CONFIG_DIR says where it is")
      return
    }
    do throws(JSONError) {
      guard case .object(let object) = try JSONValue.parse(bytes, limits: JSONLimits(refusesDuplicateNames: true))
      else {
        problems.append("\(path): not an object")
        return
      }
      for member in object.members { read(member, from: path) }
    } catch {
      problems.append("\(path): not JSON: \(error)")
    }
  }

  private mutating func read(_ member: JSONObject.Member, from path: String) {
    guard let setting = Setting.all.first(where: { $0.name == member.name }) else {
      problems.append("\(path): /\(member.name): there is no such setting")
      return
    }
    guard !setting.isSecret else {
      problems.append("\(path): /\(member.name): a secret does not belong into this file; use \(setting.variable)")
      return
    }
    switch member.value {
    case .null: values[setting] = nil
    case .string(let text): values[setting] = Value(text: text, origin: path)
    case .integer(let number): values[setting] = Value(text: String(number), origin: path)
    case .number(let number): values[setting] = Value(text: String(number), origin: path)
    case .bool(let truth): values[setting] = Value(text: String(truth), origin: path)
    case .array, .object: problems.append("\(path): /\(member.name): must be a text, a number, true or false")
    }
  }
}

/// A small file's bytes, at most a megabyte; nil when it cannot be read.
func readWholeFile(_ path: String) -> [UInt8]? {
  let descriptor = csystem_open(path, O_RDONLY, 0)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  var bytes = [UInt8](repeating: 0, count: 1 << 20)
  var count = 0
  while count < bytes.count {
    let got = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + count, $0.count - count) }
    if got == 0 { return Array(bytes[..<count]) }
    guard got > 0 else { return nil }
    count += got
  }
  return nil
}
