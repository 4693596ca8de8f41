/// A thing that has an id of ours. `idPrefix` begins every id of its kind and is never changed.
package protocol Identified {
  static var idPrefix: String { get }
}

/// An id that cannot be taken for another kind's: `job_01k9…`. Sorts by the millisecond of its making.
package struct ID<Entity: Identified>: Sendable, Hashable, Comparable, CustomStringConvertible {
  package let rawValue: String

  /// An id as stored or received; nil unless it has the prefix and the form of one made here.
  package init?(_ text: String) {
    let prefix = Entity.idPrefix
    guard text.utf8.count == prefix.utf8.count + 27, text.hasPrefix(prefix) else { return nil }
    let rest = text.utf8.dropFirst(prefix.utf8.count)
    guard rest.first == UInt8(ascii: "_"), rest.dropFirst().allSatisfy({ crockfordDigits.contains($0) }) else {
      return nil
    }
    rawValue = text
  }

  /// A new id: 48 bits of milliseconds, 80 bits of chance, in Crockford's base 32 (the layout of a ULID, in lower case).
  package init(at moment: Timestamp, using generator: inout some RandomNumberGenerator) {
    var text = Entity.idPrefix + "_"
    let milliseconds = UInt64(max(0, moment.microseconds / 1000))
    let high = UInt64.random(in: 0..<(1 << 40), using: &generator)
    let low = UInt64.random(in: 0..<(1 << 40), using: &generator)
    for (value, digits) in [(milliseconds, 10), (high, 8), (low, 8)] {
      for position in (0..<digits).reversed() {
        text.unicodeScalars.append(Unicode.Scalar(crockfordDigits[Int(value >> UInt64(position * 5) & 31)]))
      }
    }
    rawValue = text
  }

  package init(at moment: Timestamp) {
    var generator = SystemRandomNumberGenerator()
    self.init(at: moment, using: &generator)
  }

  package var description: String { rawValue }

  package static func < (left: ID, right: ID) -> Bool { left.rawValue < right.rawValue }
}

private let crockfordDigits = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
