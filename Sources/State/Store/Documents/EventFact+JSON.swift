import Domain
import JSON

extension StoredDocument {
  /// A whole document of facts. Money is known by its name.
  var facts: [String: EventFact] {
    var facts: [String: EventFact] = [:]
    for (name, value) in entries { facts[name] = EventFact(value, named: name) }
    return facts
  }
}

extension EventFact {
  fileprivate init?(_ value: JSONValue, named name: String) {
    switch value {
    case .string(let text): self = .text(text)
    case .bool(let flag): self = .flag(flag)
    case .integer(let integer) where name.hasSuffix("_usd"): self = .money(Money(microdollars: integer * 1_000_000))
    case .integer(let integer): self = .integer(integer)
    case .number(let number):
      guard let money = Money(dollars: number) else { return nil }
      self = .money(money)
    case .null, .array, .object: return nil
    }
  }
}

extension JSONWriter {
  /// In the order of the names, so that equal values make equal bytes.
  mutating func members(_ facts: [String: EventFact]) {
    for (name, fact) in facts.sorted(by: { $0.key < $1.key }) {
      switch fact {
      case .text(let text): member(dynamic: name, .string(text))
      case .integer(let integer): member(dynamic: name, .integer(integer))
      case .money(let money): member(dynamic: name, .number(money.dollars))
      case .flag(let flag): member(dynamic: name, .bool(flag))
      }
    }
  }
}
