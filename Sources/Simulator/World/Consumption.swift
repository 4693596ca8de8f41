/// What a contract has used and what that costs, split by UTC day as charges are.
struct Consumption: Sendable {
  /// Dollars per hour that accrue now.
  var gpuRate = 0.0
  var diskRate = 0.0
  /// Up to when everything is counted.
  var countedTo = 0.0
  /// Seconds with a running GPU, and of existence, as time passed (not as it was billed).
  var gpuSeconds = 0.0
  var diskSeconds = 0.0
  var days: [Day] = []

  struct Day: Sendable {
    /// Midnight, in seconds since 1970.
    var start: Double
    var gpuHours = 0.0
    var gpuCost = 0.0
    var diskHours = 0.0
    var diskCost = 0.0
    var downGigabytes = 0.0
    var downCost = 0.0
    var upGigabytes = 0.0
    var upCost = 0.0

    var cost: Double { gpuCost + diskCost + downCost + upCost }
  }

  var cost: Double { days.reduce(0) { $0 + $1.cost } }

  /// Counts up to `now` at the present rates. `speed` is seconds billed per second.
  mutating func count(to now: Double, speed: Double) {
    guard now > countedTo else { return }
    while countedTo < now {
      let midnight = Self.midnight(countedTo)
      let end = min(now, midnight + 86_400)
      let seconds = end - countedTo
      countedTo = end
      guard gpuRate > 0 || diskRate > 0 else { continue }
      begin(midnight)
      let hours = seconds * speed / 3600
      if gpuRate > 0 {
        gpuSeconds += seconds
        days[days.count - 1].gpuHours += hours
        days[days.count - 1].gpuCost += hours * gpuRate
      }
      if diskRate > 0 {
        diskSeconds += seconds
        days[days.count - 1].diskHours += hours
        days[days.count - 1].diskCost += hours * diskRate
      }
    }
  }

  /// Adds traffic at a moment up to which everything is counted.
  mutating func transfer(
    down: (gigabytes: Double, cost: Double), up: (gigabytes: Double, cost: Double), at now: Double
  ) {
    begin(Self.midnight(now))
    days[days.count - 1].downGigabytes += down.gigabytes
    days[days.count - 1].downCost += down.cost
    days[days.count - 1].upGigabytes += up.gigabytes
    days[days.count - 1].upCost += up.cost
  }

  private mutating func begin(_ midnight: Double) {
    if days.last?.start != midnight { days.append(Day(start: midnight)) }
  }

  private static func midnight(_ time: Double) -> Double { (time / 86_400).rounded(.down) * 86_400 }
}
