import Domain
import FleetService
import JSON

enum BillingJSON {
  static func render(_ line: LedgerLine) -> [UInt8] {
    let event = line.event
    var writer = JSONWriter(capacity: 512)
    writer.object { writer in
      writer.member("id", event.key)
      writer.member("kind", event.kind.rawValue)
      writer.member("instance_id", event.instanceID)
      writer.member("job_id", event.jobID)
      writer.member("at", event.at)
      writer.member("until", line.until)
      writer.member("gpu_per_hour_usd", event.kind.isRate ? event.gpuPerHour : nil)
      writer.member("disk_per_hour_usd", event.kind.isRate ? event.storagePerHour : nil)
      writer.object("cost") { writer in writer.members(of: line.cost) }
      writer.member("unseen_since", event.unseenSince)
    }
    return writer.bytes
  }

  static func render(_ report: SummaryReport, by grouping: SummaryGrouping) -> [UInt8] {
    let summary = report.summary
    var writer = JSONWriter(capacity: 2048)
    writer.object { writer in
      writer.member("group_by", grouping.rawValue)
      writer.member("from", summary.range.start)
      writer.member("to", summary.range.end)
      writer.member("total_usd", summary.total.cost.total)
      writer.object("cost") { writer in writer.members(of: summary.total) }
      writer.member("burn_rate_usd_per_hour", report.burnRate)
      writer.object("interruptible") { writer in
        writer.member("gpu_usd", report.savings.interruptible)
        writer.member("on_demand_gpu_usd", report.savings.onDemand)
        writer.member("saved_usd", report.savings.saved)
      }
      writer.array("items") { writer in
        for item in summary.items {
          writer.object { writer in
            writer.member("key", item.key)
            writer.member("instances", item.instances)
            writer.members(of: item.usage)
          }
        }
      }
      writer.object("others") { writer in
        writer.member("count", summary.otherCount)
        writer.members(of: summary.others)
      }
      writer.member("as_of", report.asOf)
    }
    return writer.bytes
  }

  static func render(_ report: BudgetReport) -> [UInt8] {
    var writer = JSONWriter(capacity: 1024)
    writer.object { writer in
      writer.members(of: report.budgets.overall ?? Budget())
      writer.object("labels") { writer in
        for (label, budget) in report.budgets.labels.sorted(by: { $0.key < $1.key }) {
          var one = JSONWriter(capacity: 128)
          one.object { writer in writer.members(of: budget) }
          writer.member(dynamic: label, raw: one.bytes)
        }
      }
      writer.array("standings") { writer in for standing in report.standings { writer.element(standing) } }
    }
    return writer.bytes
  }
}

extension JSONWriter {
  mutating func members(of usage: Usage) {
    members(of: usage.cost)
    member("gpu_hours", usage.gpuTime.inSeconds / 3600)
  }

  mutating func members(of cost: Cost) {
    member("gpu_usd", cost.gpu)
    member("disk_usd", cost.storage)
    member("transfer_usd", cost.transfer)
    member("total_usd", cost.total)
  }

  fileprivate mutating func members(of budget: Budget) {
    member("daily_usd", budget.daily)
    member("monthly_usd", budget.monthly)
    member("max_burn_rate_usd_per_hour", budget.burnRate)
    member("action", budget.action.rawValue)
  }

  fileprivate mutating func element(_ standing: BudgetReport.Standing) {
    let spending = standing.spending
    object { writer in
      writer.member("label", standing.label)
      writer.member("today_usd", spending.today)
      writer.member("month_usd", spending.month)
      writer.member("burn_rate_usd_per_hour", spending.burnRate)
      writer.member("committed_today_usd", spending.committedToday)
      writer.member("committed_month_usd", spending.committedMonth)
      writer.member("committed_rate_usd_per_hour", spending.committedRate)
      writer.array("exceeded", standing.breaches.map(\.limit.rawValue))
    }
  }
}
