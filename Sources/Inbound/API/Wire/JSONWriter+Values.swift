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
