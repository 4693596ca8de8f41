import Domain
import JSON

extension MarketCharge {
  static let sourcePrefix = "instance-"

  /// A contract's row of the charges of one day. Its own `start` and `end` name the first and the last day that it is for, both
  /// by their midnight, and `day` is all that was asked for. Nil without the instance's number, or where an amount is none.
  init?(row: JSONValue, source: String, day: Timestamp) {
    guard let number = Int64(source.dropFirst(Self.sourcePrefix.count)), number > 0,
      let amount = Self.amount(row)
    else { return nil }
    self.init(
      instanceID: MarketID(number), label: row["metadata"]?["label"]?.asText, dayStart: day, amount: amount)
    for item in row["items"]?.asItems ?? [] {
      guard let part = Self.amount(item) else { return nil }
      switch item["type"]?.asText {
      case "gpu": gpu += part
      case "disk": disk += part
      case "bwd": download += part
      case "bwu": upload += part
      default: other += part
      }
    }
  }

  /// Thousandths of dollars, so that the nearest micro-dollar is exact. Below zero for credits.
  private static func amount(_ row: JSONValue) -> Money? { row["amount"]?.asNumber.flatMap { Money(dollars: $0) } }
}
