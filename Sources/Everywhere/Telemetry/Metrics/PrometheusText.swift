/// Writes the Prometheus text format 0.0.4, one metric after another.
struct PrometheusText {
  private(set) var bytes: [UInt8] = []

  static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  enum Kind: String {
    case counter, gauge, histogram
  }

  typealias Labels = [(name: String, value: String)]

  init() { bytes.reserveCapacity(32 << 10) }

  mutating func header(_ name: String, _ kind: Kind, _ help: String) {
    append("# HELP \(name) ")
    appendEscaped(help, quotes: false)
    append("\n# TYPE \(name) \(kind.rawValue)\n")
  }

  mutating func sample(_ name: String, _ labels: Labels, _ value: Double) {
    prefix(name, labels)
    if value.isFinite {
      append(value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : value.description)
    } else {
      append(value.isNaN ? "NaN" : value < 0 ? "-Inf" : "+Inf")
    }
    append("\n")
  }

  /// An integer of some unit as a decimal of the base unit, digit for digit.
  mutating func sample(_ name: String, _ labels: Labels, _ value: Int, dividedBy divisor: Int = 1) {
    prefix(name, labels)
    append(Self.decimal(value, dividedBy: divisor))
    append("\n")
  }

  mutating func histogram(_ name: String, _ labels: Labels, _ histogram: Histogram) {
    let counts = histogram.cumulativeCounts
    for (index, count) in counts.enumerated() {
      let bound =
        index < histogram.bounds.count
        ? Self.decimal(histogram.bounds[index], dividedBy: Counter.Unit.nanoseconds.rawValue) : "+Inf"
      sample(name + "_bucket", labels + [(name: "le", value: bound)], count)
    }
    sample(name + "_sum", labels, histogram.sumNanoseconds, dividedBy: Counter.Unit.nanoseconds.rawValue)
    sample(name + "_count", labels, counts.last ?? 0)
  }

  /// `divisor` is a power of ten.
  private static func decimal(_ value: Int, dividedBy divisor: Int) -> String {
    let (whole, rest) = value.quotientAndRemainder(dividingBy: divisor)
    guard rest != 0 else { return String(whole) }
    // The added divisor keeps the leading zeros of the fraction; its own digit is dropped.
    var fraction = Substring(String(divisor + rest)).dropFirst()
    while fraction.last == "0" { fraction.removeLast() }
    return "\(whole).\(fraction)"
  }

  private mutating func prefix(_ name: String, _ labels: Labels) {
    append(name)
    if !labels.isEmpty {
      append("{")
      for (index, label) in labels.enumerated() {
        append("\(index == 0 ? "" : ",")\(label.name)=\"")
        appendEscaped(label.value, quotes: true)
        append("\"")
      }
      append("}")
    }
    append(" ")
  }

  private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  /// Backslash and line feed are escaped everywhere, the quote in label values only.
  private mutating func appendEscaped(_ text: String, quotes: Bool) {
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\\"): append("\\\\")
      case 0x0A: append("\\n")
      case UInt8(ascii: "\"") where quotes: append("\\\"")
      default: bytes.append(byte)
      }
    }
  }
}
