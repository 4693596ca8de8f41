/// The account's prepaid credit, which runs down by itself while anything bills.
struct Wallet: Sendable {
  private(set) var credit: Double
  private(set) var countedTo: Double
  /// Dollars per hour of all contracts together.
  var rate = 0.0
  private var speed = 1.0

  init(credit: Double, countedTo: Double) {
    self.credit = credit
    self.countedTo = countedTo
  }

  mutating func count(to now: Double, speed: Double) {
    self.speed = speed
    guard now > countedTo else { return }
    credit -= (now - countedTo) * speed / 3600 * max(rate, 0)
    countedTo = now
  }

  /// When the credit reaches zero at the present rate; nil when it lasts, or is used up already.
  var emptyAt: Double? {
    // Sums of rates that were added and taken away again leave a dust that is not worth a stop.
    guard credit > 0, rate > 1e-9, speed > 0 else { return nil }
    return countedTo + credit / rate * 3600 / speed
  }

  /// For what does not flow by the hour.
  mutating func pay(_ dollars: Double) { credit -= dollars }

  mutating func set(credit: Double) { self.credit = credit }
  mutating func exhaust() { credit = min(credit, 0) }
}
