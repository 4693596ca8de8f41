/// Writes decimal digits in place, into memory with room for them.
package struct DigitWriter {
  private let buffer: UnsafeMutableBufferPointer<UInt8>

  package init(buffer: UnsafeMutableBufferPointer<UInt8>) { self.buffer = buffer }

  /// The last `width` digits of a value that is not negative, with leading zeros.
  package func write(_ value: Int, width: Int, at offset: Int) {
    var rest = value
    var index = offset + width
    while index > offset {
      index -= 1
      buffer[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
  }

  /// As many digits as the value has; gives their number.
  package func write(_ magnitude: UInt64, at offset: Int) -> Int {
    var count = 1
    var bound: UInt64 = 10
    while count < 20, magnitude >= bound {
      count += 1
      let (next, overflows) = bound.multipliedReportingOverflow(by: 10)
      if overflows { break }
      bound = next
    }
    var rest = magnitude
    var index = offset + count
    while index > offset {
      index -= 1
      buffer[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
    return count
  }
}
