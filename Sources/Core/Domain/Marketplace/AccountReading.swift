/// What the account held and spent by the provider's word, at one look.
package struct AccountReading: Sendable, Hashable {
  package var credit: Money
  /// Of everything in the account, also what is not ours.
  package var spendPerHour: Money
  package var asOf: Timestamp

  package init(_ account: MarketAccount, _ spend: MarketSpend) {
    credit = account.credit
    spendPerHour = spend.gpuPerHour + spend.storagePerHour
    asOf = account.asOf
  }

  /// A spend that was seen longer ago says nothing about now.
  private static let spendLifetime = Duration.seconds(900)

  /// What flows now: our own account knows what has just begun, and the provider's what others run beside it.
  package func burnRate(ours: Money, at now: Timestamp) -> Money {
    now - asOf > Self.spendLifetime ? ours : max(ours, spendPerHour)
  }

  /// How long the credit lasts from now on, as if everything ran on as it does and nothing was paid in since. Nil while nothing
  /// flows; zero once it is used up.
  package func timeLeft(ours: Money, at now: Timestamp) -> Duration? {
    let rate = burnRate(ours: ours, at: now)
    guard rate > .zero else { return nil }
    let spent = rate.perHour(for: now - asOf)
    let rest = max(0, credit.microdollars - spent.microdollars)
    return .seconds(min(Double(rest) / Double(rate.microdollars) * 3600, Self.longest.inSeconds))
  }

  /// A thousand years: what a tiny rate comes to must still be a number.
  private static let longest = Duration.seconds(31_557_600_000)
}
