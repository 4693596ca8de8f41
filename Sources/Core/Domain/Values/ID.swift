/// A thing that has an id of ours. `idPrefix` begins every id of its kind and is never changed.
package protocol Identified {
  static var idPrefix: String { get }
}

/// An id that cannot be taken for another kind's: `job_01k9…`. Sorts by the millisecond of its making.
package struct ID<Entity: Identified>: Sendable, Hashable, Comparable, CustomStringConvertible {
  package let rawValue: String

  /// An id as stored or received; nil unless it has the prefix and the form of one made here.
  package init?(_ text: String) {
    // Each row of a list comes through here: bytes against a bit set, no characters.
    var text = text
    let isWellFormed = text.withUTF8 { bytes in
      let prefix = Entity.idPrefix.utf8
      guard bytes.count == prefix.count + 27, bytes[prefix.count] == UInt8(ascii: "_"), bytes.starts(with: prefix)
      else {
        return false
      }
      return bytes[(prefix.count + 1)...].allSatisfy { crockfordSet[Int($0 >> 6)] >> UInt64($0 & 63) & 1 == 1 }
    }
    guard isWellFormed else { return nil }
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
    if var generator = Chance.present {
      self.init(at: moment, using: &generator)
    } else {
      var generator = SystemRandomNumberGenerator()
      self.init(at: moment, using: &generator)
    }
  }

  package var description: String { rawValue }

  package static func < (left: ID, right: ID) -> Bool { left.rawValue < right.rawValue }
}

private let crockfordDigits = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

/// Bit `b & 63` of word `b >> 6` is set for each byte `b` that is such a digit.
private let crockfordSet: InlineArray<4, UInt64> = {
  var words = InlineArray<4, UInt64>(repeating: 0)
  for digit in crockfordDigits { words[Int(digit >> 6)] |= 1 << UInt64(digit & 63) }
  return words
}()
