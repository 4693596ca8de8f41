import Domain
import Store

/// The sums that the store writes with each line, beside what the lines come to when they are added up anew. Equal to the last
/// micro-dollar and microsecond at any moment, whatever flows.
struct Books {
  private(set) var violations: [String] = []
  /// By instance.
  private(set) var lines: [ID<Instance>: [BillingEvent]] = [:]

  init(of store: Store, at now: Timestamp) throws {
    try store.read { (r) throws(StoreError) in
      let instances = try r.instances(InstanceFilter(), PageRequest(limit: 1000)).items
      var days: [Timestamp: [ID<Instance>: Usage]] = [:]
      for instance in instances {
        let own = try r.billingEvents(of: instance.id)
        lines[instance.id] = own
        var whole = Usage()
        for (day, usage) in own.usage(until: now) {
          days[day, default: [:]][instance.id] = usage
          whole += usage
        }
        let told = try r.usage(of: instance.id, now: now)
        if told != whole { violate("\(instance.id) is told to have used \(told), its lines say \(whole)") }
      }
      try compare(days, r, now)
    }
    for (id, lines) in lines.sorted(by: { $0.key < $1.key }) { order(of: lines, id) }
  }

  private mutating func violate(_ text: String) { violations.append(text) }

  private mutating func compare(
    _ days: [Timestamp: [ID<Instance>: Usage]], _ r: StoreReader, _ now: Timestamp
  ) throws(StoreError) {
    for day in days.keys.sorted() {
      guard let range = DayRange(from: day, to: day.nextMidnight), let expected = days[day] else { continue }
      let byInstance = try r.summary(range, by: .instance, limit: 1000, now: now)
      var found: [String: Usage] = [:]
      for item in byInstance.items { found[item.key ?? ""] = item.usage }
      for (id, usage) in expected.sorted(by: { $0.key < $1.key }) where found.removeValue(forKey: id.rawValue) != usage
      {
        violate("the sums of \(day.date) have not what the lines of \(id) come to: \(usage)")
      }
      for (id, usage) in found.sorted(by: { $0.key < $1.key }) where usage != Usage() {
        violate("the sums of \(day.date) have \(usage) of \(id), its lines nothing")
      }
      let whole = expected.values.reduce(into: Usage()) { $0 += $1 }
      let byDay = try r.summary(range, by: .day, limit: 1000, now: now)
      if byDay.total != whole || byDay.items.map(\.usage) != [whole] {
        violate("the sums of \(day.date) are \(byDay.total), its lines \(whole)")
      }
      if byDay.items.first?.instances != expected.count {
        violate("the sums of \(day.date) count other instances than its \(expected.count)")
      }
    }
    let flowing = lines.values.compactMap { $0.last { $0.kind.isRate } }
      .reduce(Money.zero) { $0 + $1.gpuPerHour + $1.storagePerHour }
    let rate = try r.burnRate()
    if rate != flowing { violate("the burn rate is told as \(rate), the lines say \(flowing)") }
  }

  /// The first line of a rate begins, and each is later than the one before.
  private mutating func order(of lines: [BillingEvent], _ id: ID<Instance>) {
    let rates = lines.filter(\.kind.isRate)
    if let first = rates.first, first.kind != .start { violate("ledger of \(id) begins with \(first.kind.rawValue)") }
    for (before, line) in zip(rates, rates.dropFirst()) where line.at <= before.at {
      violate("ledger of \(id) has two rates at \(line.at.rfc3339)")
    }
    for line in lines {
      guard let since = line.unseenSince, since >= line.at else { continue }
      violate("ledger of \(id) says that nobody looked after the line of \(line.at.rfc3339) itself")
    }
  }
}
