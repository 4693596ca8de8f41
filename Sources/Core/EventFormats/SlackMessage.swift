package import Domain
import JSON

/// Events as a message for a Slack channel, in Block Kit: one event, or a burst of them in one.
package enum SlackMessage {
  /// Slack takes 50 blocks and some 13,000 characters in all; twenty lines are what people read.
  static let longestLine = 600
  /// Of `text`, which notifications show.
  static let longestSummary = 300

  package static func json(_ events: [RecordedEvent]) -> [UInt8] {
    let lines = events.map { SlackLine($0.event) }
    var writer = JSONWriter(capacity: 1024)
    writer.object { writer in
      writer.member("text", summary(of: lines))
      writer.array("blocks") { writer in
        if lines.count > 1 { section("*\(lines.count) events*", in: &writer) }
        for line in lines { section(line.markdown, in: &writer) }
      }
    }
    return writer.bytes
  }

  private static func section(_ markdown: String, in writer: inout JSONWriter) {
    writer.object { writer in
      writer.member("type", "section")
      writer.object("text") { writer in
        writer.member("type", "mrkdwn")
        writer.member("text", markdown)
      }
    }
  }

  private static func summary(of lines: [SlackLine]) -> String {
    guard lines.count > 1 else { return lines.first.map { String($0.plain.prefix(longestSummary)) } ?? "" }
    return String("\(lines.count) events: \(lines.map(\.title).joined(separator: ", "))".prefix(longestSummary))
  }
}

/// One event in words.
struct SlackLine {
  /// `Job train failed`
  let title: String
  let icon: String
  /// What follows the title, in mrkdwn.
  private(set) var details: [String] = []

  var markdown: String {
    clip(([icon + " *" + title + "*"] + details).joined(separator: "\n"), SlackMessage.longestLine)
  }
  /// For notifications, which show no markup.
  var plain: String { ([title] + details).joined(separator: " · ").filter { $0 != "`" && $0 != "*" } }

  init(_ event: FleetEvent) {
    let facts = Facts(event)
    switch event.type {
    case "instance.running":
      (icon, title) = (":large_green_circle:", "\(facts.machine) runs")
      add(facts.line(["gpus", "price"]))
      add(facts.code("ssh"))
    case "instance.exited":
      let isExpected = event.data["expected"] == .flag(true)
      (icon, title) = (
        isExpected ? ":black_circle:" : ":red_circle:",
        "\(facts.machine) exited\(isExpected ? ", as expected" : " unexpectedly")"
      )
      add(facts.failure)
    case "instance.preempted":
      (icon, title) = (":large_orange_circle:", "\(facts.machine) was preempted")
      add(facts.text("action").map { "Now: \($0)" })
    case "instance.recovered":
      (icon, title) = (":large_green_circle:", "\(facts.machine) took over")
      add(facts.line(["gpus", "price"]))
    case "instance.stopped_idle":
      (icon, title) = (":zzz:", "\(facts.machine) was stopped: its GPUs were idle")
      add(facts.line(["idle", "idle_cost", "disk"]))
    case "instance.orphan_found":
      (icon, title) = (":warning:", "A machine of ours that nothing claims: \(facts.text("provider_id") ?? "?")")
      add("It is destroyed after a grace period.")
    case "job.succeeded":
      (icon, title) = (":white_check_mark:", "Job \(facts.job) succeeded")
      add(facts.line(["cost"]))
    case "job.failed":
      (icon, title) = (":x:", "Job \(facts.job) failed")
      add(facts.failure)
      add(facts.line(["exit", "cost"]))
    case "job.cancelled":
      (icon, title) = (":no_entry_sign:", "Job \(facts.job) was cancelled")
      add(facts.line(["cost"]))
    case "job.awaiting_approval":
      (icon, title) = (":raised_hand:", "Job \(facts.job) waits for approval")
      add(facts.line(["price", "total"]))
    case "billing.price_increase":
      (icon, title) = (":chart_with_upwards_trend:", "The host of \(facts.machine) wants more")
      add(facts.line(["raise", "deadline"]))
      add(facts.code("price_increase_id"))
    case "billing.price_increase_closed":
      let end = facts.text("answer") ?? (event.data["in_doubt"] == .flag(true) ? "over, how is not known" : "over")
      (icon, title) = (":information_source:", "A price increase of \(facts.machine) is \(end)")
      add(facts.code("price_increase_id"))
    case "budget.exceeded":
      let whose = facts.text("label").map { " of \($0)" } ?? ""
      (icon, title) = (":money_with_wings:", "A budget\(whose) is used up: \(facts.text("limit") ?? "")")
      if let spent = facts.money("spent_usd"), let limit = facts.money("limit_usd") { add("\(spent) of \(limit)") }
      add(facts.text("action").map { "Now: \($0)" })
    case "account.low_credit":
      (icon, title) = (":money_with_wings:", "The credit is running out")
      if let credit = facts.money("credit_usd"), let rate = facts.money("burn_rate_usd") {
        add("\(credit) is left, and \(rate) an hour goes")
      }
    case "billing.discrepancy":
      (icon, title) = (":money_with_wings:", "Vast.ai charged otherwise than our ledger for \(facts.machine)")
      add(facts.line(["day", "ledger", "charged", "rest"]))
    case "provider.degraded":
      (icon, title) = (":warning:", "Vast.ai does not answer as it should")
      add(facts.failure)
    case "provider.recovered":
      (icon, title) = (":large_green_circle:", "Vast.ai answers again")
      add(facts.text("degraded_for_s").map { "It did not for \($0) s." })
    case "account.unlisted_spend":
      (icon, title) = (":money_with_wings:", "The account pays for something that no list shows")
      add(facts.money("per_hour_usd").map { "\($0) an hour" })
    case "webhook.disabled":
      (icon, title) = (":mute:", "Webhook \(facts.text("webhook_id") ?? "") is disabled")
      add(facts.text("detail"))
    case "webhook.delivery_failed":
      (icon, title) = (":warning:", "An event for webhook \(facts.text("webhook_id") ?? "") was given up")
      add(facts.text("detail"))
    case "webhook.test":
      (icon, title) = (":wave:", "vastd can reach this channel")
    default:
      (icon, title) = (":information_source:", "\(escaped(event.type)) · \(escaped(event.subject))")
      add(facts.failure)
    }
  }

  private mutating func add(_ detail: String?) {
    if let detail, !detail.isEmpty { details.append(detail) }
  }
}

/// The facts of an event as parts of a line, safe to put into mrkdwn.
private struct Facts {
  let event: FleetEvent

  init(_ event: FleetEvent) { self.event = event }

  func text(_ name: String) -> String? { event.data[name].map { escaped($0.text) } }

  func money(_ name: String) -> String? {
    guard case .money(let money) = event.data[name] else { return nil }
    return "$" + money.decimal
  }

  /// A name that people gave, else the id.
  var job: String { text("name") ?? escaped(event.subject) }
  var machine: String { text("label").map { "\($0) (\(escaped(event.subject)))" } ?? escaped(event.subject) }

  /// Commands go into a code span, where a backtick would end it.
  func code(_ name: String) -> String? { text(name).map { "`\($0.filter { $0 != "`" })`" } }

  var failure: String? {
    let parts = [text("code").map { "`\($0.filter { $0 != "`" })`" }, text("detail")].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: " ")
  }

  func line(_ parts: [String]) -> String {
    parts.compactMap { part -> String? in
      switch part {
      case "gpus": text("gpu_name").map { "\(text("num_gpus") ?? "1") × \($0)" }
      case "price": money("price_per_hour_usd").map { "\($0) an hour" }
      case "raise":
        money("new_price_per_hour_usd").map { new in
          money("price_per_hour_usd").map { "\(new) an hour instead of \($0)" } ?? "\(new) an hour"
        }
      case "deadline": text("deadline").map { "to be answered by \($0)" }
      case "exit": text("exit_code").map { "exit code \($0)" }
      case "cost": money("cost_usd").map { "cost \($0)" }
      case "idle": text("idle_s").map { "for \($0) s" }
      case "idle_cost": money("idle_cost_usd").map { "\($0) for nothing" }
      case "disk": money("storage_per_hour_usd").map { "its disk goes on at \($0) an hour" }
      case "total": money("total_usd").map { "\($0) in all" }
      case "day": text("day")
      case "ledger": money("ledger_usd").map { "ledger \($0)" }
      case "charged": money("charged_usd").map { "charged \($0)" }
      case "rest": money("rest_usd").map { "\($0) not accounted for" }
      default: nil
      }
    }.joined(separator: " · ")
  }
}

/// What Slack reads as markup or a mention becomes text; one line, as long as a line may be.
private func escaped(_ text: String) -> String {
  var out = ""
  for scalar in text.unicodeScalars.prefix(SlackMessage.longestLine) {
    switch scalar {
    case "&": out += "&amp;"
    case "<": out += "&lt;"
    case ">": out += "&gt;"
    case _ where scalar.value < 0x20 || scalar.value == 0x7F: out += " "
    default: out.unicodeScalars.append(scalar)
    }
  }
  return out
}

/// Cut where it does not split an escape.
private func clip(_ text: String, _ limit: Int) -> String {
  guard text.count > limit else { return text }
  var cut = text.prefix(limit)
  if let ampersand = cut.lastIndex(of: "&"), !cut[ampersand...].contains(";") { cut = cut[..<ampersand] }
  return cut + "…"
}
