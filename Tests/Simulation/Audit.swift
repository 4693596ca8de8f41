import Domain

/// One instance's lines beside the provider's meter, and how far apart they may be: as far as nobody could know better.
///
/// A change at the provider is known with the first answer that shows it and that the row took over; until then the ledger goes
/// on as before. So less is charged than the ledger has for as long as an end was unseen, and more for as long as a beginning was;
/// since when a container runs the provider tells, so that a boot may be off by the age of that answer only, unless an answer from
/// before the boot came after it. The contract itself begins with the answer to its order, or as the provider tells, and ends
/// with the first read of those that proved it gone; not before the last answer that showed it. Apart from that there are a
/// micro-dollar or two for the rounding of each line on each day.
struct Audit {
  /// Micro-dollars.
  let ledger: Double
  let meter: Double
  /// By how much the ledger may be above the meter, and below.
  private(set) var above: Double
  private(set) var below: Double
  let isLongAndSeen: Bool

  /// An order is answered or given up by its sender in 10 s; how long after that counts is the service's own haste.
  private static let longestOrder = 15.0

  /// A list that lacks it counts from when it was asked for; an answer that still showed it may be a moment younger.
  private static let listing = 1.0

  /// How far apart they may be when nothing was unseen for more than a usual look, and it was an hour or more.
  static let longRunTolerance = 0.01

  init(of lines: [BillingEvent], row: Instance, contract: Contract, now: Duration) {
    let destroyedAt = contract.destroyedAt ?? now
    ledger = Double(lines.cost(until: Timestamp(microseconds: .max)).microdollars)
    meter = contract.totalCost(in: .zero..<now)
    let rounding = Double(4 * lines.count + 4)
    (above, below) = (rounding, rounding)
    isLongAndSeen =
      destroyedAt - contract.createdAt >= .seconds(3600) && lines.allSatisfy { $0.unseenSince == nil }

    let storage = Double(Contract.storagePerHour.microdollars)
    if let start = lines.first {
      let late = (start.at - (OneThread.epoch + contract.createdAt)).exactSeconds
      below += storage * max(0, min(late, Self.longestOrder)) / 3600
    }
    let proofs = contract.looks.gone.filter { OneThread.epoch + $0.heardAt <= row.destroyedAt ?? OneThread.epoch + now }
    let provedAt = proofs.dropLast().last?.heardAt ?? now
    let price = Double(contract.pricePerHour.microdollars)
    // Where nobody had asked for its end the proof begins anew once that is asked for, and only the disk flows until then.
    let missedAt = row.failure?.code == "instance_gone" ? contract.looks.gone.first?.heardAt ?? provedAt : provedAt
    above += storage * max(0, (provedAt - destroyedAt).exactSeconds) / 3600
    above += (price - storage) * max(0, (missedAt - destroyedAt).exactSeconds) / 3600
    let lastShownAt = contract.looks.shown.map(\.trueAt).filter { $0 <= destroyedAt }.max() ?? contract.createdAt
    below += price * ((destroyedAt - lastShownAt).exactSeconds + Self.listing) / 3600

    let changes = contract.changes
    for (index, change) in changes.enumerated() {
      let seen = contract.looks.first(after: change.at)
      func add(_ side: inout Double, until end: Duration) {
        side += change.perHour * max(0, (end - change.at).exactSeconds) / 3600
      }
      switch change.kind {
      case .ends: add(&above, until: seen?.noted ?? provedAt)
      case .isBack: add(&below, until: seen?.noted ?? destroyedAt)
      case .boots:
        guard let seen else {
          add(&below, until: destroyedAt)
          continue
        }
        let isOverAgain = changes.dropFirst(index + 1).first.map { $0.at <= seen.noted } ?? false
        let isLate = seen.before.map { $0 > change.at } ?? false
        add(&below, until: isOverAgain || isLate ? seen.noted : change.at + seen.age)
      }
    }
  }

  /// What is wrong, if anything.
  var complaint: String? {
    let difference = ledger - meter
    let allowed = difference > 0 ? above : below
    let isWithin = abs(difference) <= allowed && (!isLongAndSeen || abs(difference) <= Self.longRunTolerance * meter)
    guard !isWithin else { return nil }
    return "says \(Self.dollars(ledger)), the provider's meter \(Self.dollars(meter)), allowed \(Self.dollars(allowed))"
  }

  private static func dollars(_ microdollars: Double) -> String {
    "$\(Money(microdollars: Int64(microdollars.rounded())).decimal)"
  }
}
