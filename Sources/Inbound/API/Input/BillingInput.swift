import Domain
import HTTPServer
import JSON

/// What a summary is asked for.
struct SummaryInput {
  let range: DayRange
  let grouping: SummaryGrouping
  let limit: Int

  /// Without days: the month so far.
  init(_ head: RequestHead, now: Timestamp) throws(APIError) {
    var reader = try QueryReader(head)
    grouping = try reader.choice("group_by", of: SummaryGrouping.self) ?? .day
    let from = try reader.moment("from") ?? now.monthStart
    let to = try reader.moment("to") ?? max(now, from + .microseconds(1))
    guard let range = DayRange(from: from, to: to) else {
      throw .queryParameter(name: "to", detail: "must be later than from")
    }
    guard range.days <= Limits.summaryDays else {
      throw .queryParameter(name: "from", detail: "must be at most \(Limits.summaryDays) days before to")
    }
    self.range = range
    limit = try reader.limit(standard: Limits.summaryItems, maximum: Limits.maximumSummaryItems)
    try reader.finish()
  }
}

extension ListInput where Filter == LedgerFilter {
  init(_ head: RequestHead, _ cursors: CursorCodec) throws(APIError) {
    var reader = try QueryReader(head)
    var filter = LedgerFilter()
    filter.instanceID = try EventInput.id("instance_id", "an instance's id: ins_…", &reader)
    filter.jobID = try EventInput.id("job_id", "a job's id: job_…", &reader)
    filter.from = try reader.moment("from")
    filter.to = try reader.moment("to")
    if let from = filter.from, let to = filter.to, to <= from {
      throw .queryParameter(name: "to", detail: "must be later than from")
    }
    let scope =
      "ledger\ninstance_id=\(filter.instanceID?.rawValue ?? "")\njob_id=\(filter.jobID?.rawValue ?? "")"
      + "\nfrom=\(filter.from?.microseconds ?? 0)\nto=\(filter.to?.microseconds ?? 0)"
    self.init(filter: filter, page: try reader.page(scope, cursors), scope: scope)
  }
}

extension QueryReader {
  mutating func moment(_ name: String) throws(APIError) -> Timestamp? {
    guard let text = string(name) else { return nil }
    guard let moment = Timestamp(text: text) else {
      throw .queryParameter(
        name: name, detail: "must be a UTC day such as 2026-11-28, or a time such as 2026-11-28T09:30:00Z")
    }
    return moment
  }
}

/// Reads the body of PUT /v1/billing/budget: all budgets, as they are to be from now on.
enum BudgetInput {
  static func read(_ body: [UInt8]) throws(APIError) -> Budgets {
    let problems = FieldProblems()
    let reader = ObjectReader(try JSONBody.object(body), problems: problems)
    var budgets = Budgets()
    let overall = budget(reader)
    if overall.hasBound { budgets.overall = overall }
    if !overall.hasBound, reader.has("action") {
      problems.add(reader.pointer(to: "action"), "needs a bound beside it, such as daily_usd")
    }
    let rule = TextRule.line(Limits.labelCharacters)
    for member in reader.members("labels", limit: Limits.budgetLabels) ?? [] {
      let place = JSONPointer.child(reader.pointer(to: "labels"), member.name)
      guard case .object(let object) = member.value else {
        problems.add(place, "must be an object, not \(member.value.kind)")
        continue
      }
      if let complaint = member.name.isEmpty ? "must not be empty" : rule.complaint(member.name) {
        problems.add(place, "as a label \(complaint)")
      }
      let inner = ObjectReader(object, pointer: place, problems: problems)
      let budget = budget(inner)
      inner.finish()
      guard budget.hasBound else {
        problems.add(place, "must have at least one bound; leave the label out for none")
        continue
      }
      budgets.labels[member.name] = budget
    }
    reader.finish()
    try problems.check()
    return budgets
  }

  private static func budget(_ reader: ObjectReader) -> Budget {
    Budget(
      daily: reader.money("daily_usd", upTo: Limits.budgetDollars),
      monthly: reader.money("monthly_usd", upTo: Limits.budgetDollars),
      burnRate: reader.money("max_burn_rate_usd_per_hour", upTo: Limits.budgetDollars),
      action: reader.choice("action", of: BudgetAction.self) ?? .alert)
  }
}
