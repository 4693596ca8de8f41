import Domain
import JSON

extension JSONWriter {
  /// US dollars as a JSON number, exact to the micro-dollar: written from the integer, never by way of a float.
  mutating func member(_ name: StaticString, _ value: Money) { member(name, raw: value.decimal.utf8) }

  mutating func member(_ name: StaticString, _ value: Money?) {
    if let value { member(name, value) } else { null(name) }
  }

  mutating func member(_ name: StaticString, _ value: Timestamp) { member(name, value.rfc3339) }

  mutating func member(_ name: StaticString, _ value: Timestamp?) {
    if let value { member(name, value.rfc3339) } else { null(name) }
  }

  mutating func member<Entity>(_ name: StaticString, _ value: ID<Entity>) { member(name, value.rawValue) }

  mutating func member<Entity>(_ name: StaticString, _ value: ID<Entity>?) { member(name, value?.rawValue) }

  /// Whole seconds, as they came in.
  mutating func member(seconds name: StaticString, _ value: Duration?) { member(name, value?.components.seconds) }

  mutating func member(_ name: StaticString, _ failure: Failure?) {
    guard let failure else { return null(name) }
    object(name) { writer in
      writer.member("code", failure.code)
      writer.member("detail", failure.detail)
      writer.member("retryable", failure.isRetryable)
    }
  }

  mutating func array(_ name: StaticString, _ values: some Sequence<String>) {
    array(name) { writer in for value in values { writer.element(value) } }
  }

  mutating func object(_ name: StaticString, _ values: [String: String]) {
    object(name) { writer in
      for (key, value) in values.sorted(by: { $0.key < $1.key }) { writer.member(dynamic: key, .string(value)) }
    }
  }
}

extension Money {
  /// `0.32`, `-1.5`, `12`: no exponent, no zeros at the end.
  var decimal: String {
    let (whole, rest) = microdollars.magnitude.quotientAndRemainder(dividingBy: 1_000_000)
    let sign = microdollars < 0 ? "-" : ""
    guard rest > 0 else { return sign + String(whole) }
    // The million keeps the zeros between the point and the first digit; its own digit is dropped.
    var digits = Substring(String(1_000_000 + rest)).dropFirst()
    while digits.last == "0" { digits.removeLast() }
    return sign + String(whole) + "." + digits
  }
}
