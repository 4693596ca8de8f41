import FleetService

/// Gathers what is wrong with a body, so that a caller learns everything at once.
final class FieldProblems {
  private(set) var all: [FieldProblem] = []

  /// More than these help nobody, and an answer with 100,000 of them would be an amplifier.
  private static let maximum = 100

  func add(_ pointer: String, _ detail: String) {
    guard all.count < Self.maximum else { return }
    all.append(FieldProblem(pointer: pointer, detail: detail))
  }

  func check() throws(APIError) {
    guard all.isEmpty else { throw .invalid(all) }
  }
}

/// RFC 6901.
enum JSONPointer {
  static func child(_ pointer: String, _ name: String) -> String {
    guard name.utf8.contains(where: { $0 == UInt8(ascii: "~") || $0 == UInt8(ascii: "/") }) else {
      return pointer + "/" + name
    }
    var escaped = ""
    for character in name.unicodeScalars {
      switch character {
      case "~": escaped += "~0"
      case "/": escaped += "~1"
      default: escaped.unicodeScalars.append(character)
      }
    }
    return pointer + "/" + escaped
  }
}
