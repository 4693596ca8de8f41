/// A pair of a query string, decoded.
package struct QueryItem: Sendable, Hashable {
  package let name: String
  package let value: String

  package init(name: String, value: String) {
    self.name = name
    self.value = value
  }
}

/// Takes a request target apart. Everything is decoded once, here; what could be read in two ways is refused.
enum RequestTarget {
  /// The path, percent-decoded. Refused are: another form than `/path`, `//`, segments `.` and `..` (also when escaped), an
  /// escaped slash or backslash, which would make two readings of one segment, control characters, and what is not UTF-8.
  static func path(of target: UnsafeBufferPointer<UInt8>) throws(Refusal) -> String {
    let raw = UnsafeBufferPointer(rebasing: target[..<(target.firstIndex(of: question) ?? target.endIndex)])
    guard raw.first == slash else { throw .target("The request target does not begin with a slash.") }
    var escaped = false
    for byte in raw where !Characters.isTarget(byte) || byte == percent {
      guard byte == percent else { throw .target("The path has a character that must be escaped.") }
      escaped = true
    }
    if !escaped {
      try checkSegments(raw)
      return String(decoding: raw, as: UTF8.self)
    }
    let decoded = try decode(raw, plusIsSpace: false)
    if decoded.contains(backslash) || decoded.count(of: slash) != raw.count(of: slash) {
      throw .target("The path has an escaped slash or backslash.")
    }
    try decoded.withUnsafeBufferPointer { (bytes) throws(Refusal) in try checkSegments(bytes) }
    return try text(decoded)
  }

  /// How many pairs the query of a target has at most, without decoding them; counts no further than one above a limit.
  static func queryItemCount(in target: UnsafeBufferPointer<UInt8>, upTo limit: Int) -> Int {
    guard let question = target.firstIndex(of: question) else { return 0 }
    var count = 1
    for byte in target[(question + 1)...] where byte == ampersand {
      count += 1
      if count > limit { break }
    }
    return count
  }

  /// The pairs of the query, decoded, in order. A pair without `=` has an empty value; `+` is a space.
  static func query(of target: UnsafeBufferPointer<UInt8>) throws(Refusal) -> [QueryItem] {
    guard let question = target.firstIndex(of: question) else { return [] }
    var items: [QueryItem] = []
    for pair in target[(question + 1)...].split(separator: ampersand) {
      guard pair.allSatisfy(Characters.isTarget) else {
        throw .target("The query has a character that must be escaped.")
      }
      let equals = pair.firstIndex(of: equals) ?? pair.endIndex
      let name = UnsafeBufferPointer(rebasing: pair[..<equals])
      let value = UnsafeBufferPointer(rebasing: pair[equals...].dropFirst())
      items.append(
        QueryItem(
          name: try text(decode(name, plusIsSpace: true)), value: try text(decode(value, plusIsSpace: true))))
    }
    return items
  }

  private static func checkSegments(_ path: UnsafeBufferPointer<UInt8>) throws(Refusal) {
    var start = 1
    while start <= path.count {
      let end = path[start...].firstIndex(of: slash) ?? path.count
      let length = end - start
      if length == 0, end < path.count { throw .target("The path has an empty segment.") }
      if length <= 2, length > 0, path[start..<end].allSatisfy({ $0 == dot }) {
        throw .target("The path has a dot segment.")
      }
      start = end + 1
    }
  }

  private static func decode(_ bytes: UnsafeBufferPointer<UInt8>, plusIsSpace: Bool) throws(Refusal) -> [UInt8] {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      var byte = bytes[index]
      if byte == percent {
        guard index + 2 < bytes.count, let high = Characters.hexValue(bytes[index + 1]),
          let low = Characters.hexValue(bytes[index + 2])
        else { throw .target("The request target has a broken percent escape.") }
        byte = high << 4 | low
        if byte == 0 { throw .target("The request target has an escaped NUL.") }
        index += 2
      } else if plusIsSpace, byte == plus {
        byte = space
      }
      decoded.append(byte)
      index += 1
    }
    return decoded
  }

  private static func text(_ bytes: [UInt8]) throws(Refusal) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .target("The request target is not UTF-8 once decoded.")
    }
    return text
  }

  private static let slash = UInt8(ascii: "/"), backslash = UInt8(ascii: "\\"), question = UInt8(ascii: "?")
  private static let percent = UInt8(ascii: "%"), ampersand = UInt8(ascii: "&"), equals = UInt8(ascii: "=")
  private static let plus = UInt8(ascii: "+"), space = UInt8(ascii: " "), dot = UInt8(ascii: ".")
}

extension Sequence<UInt8> {
  fileprivate func count(of byte: UInt8) -> Int { reduce(0) { $1 == byte ? $0 + 1 : $0 } }
}
