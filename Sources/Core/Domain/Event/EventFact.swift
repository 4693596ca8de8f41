/// One small fact of an event: never a secret, and never more than a line.
package enum EventFact: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
  case text(String)
  case integer(Int64)
  /// Under a name that ends in `_usd`; served and stored as a number of dollars.
  case money(Money)
  case flag(Bool)

  package init(stringLiteral value: String) { self = .text(value) }
  package init(integerLiteral value: Int64) { self = .integer(value) }

  /// For people and logs.
  package var text: String {
    switch self {
    case .text(let text): text
    case .integer(let integer): String(integer)
    case .money(let money): money.decimal
    case .flag(let flag): flag ? "true" : "false"
    }
  }
}

extension [String: EventFact] {
  /// Nothing for nil.
  package mutating func note(_ name: String, _ text: String?) {
    if let text { self[name] = .text(text) }
  }

  package mutating func note(_ name: String, _ integer: (some BinaryInteger)?) {
    if let integer { self[name] = .integer(Int64(integer)) }
  }

  package mutating func note(_ name: String, _ money: Money?) {
    if let money { self[name] = .money(money) }
  }
}
