import Domain
import JSON

enum ReconciliationJSON {
  static func render(_ reconciliation: Reconciliation, next: String?) -> [UInt8] {
    var writer = JSONWriter(capacity: 512 + 640 * reconciliation.page.items.count)
    writer.object { writer in
      writer.member("from", reconciliation.range.start.date)
      writer.member("to", reconciliation.range.end.date)
      writer.member("last_run_at", reconciliation.lastRunAt)
      writer.member("error", reconciliation.failure)
      let totals = reconciliation.totals
      writer.object("totals") { writer in
        writer.member("ledger_usd", totals.ledger)
        writer.member("charged_usd", totals.charged)
        writer.member("difference_usd", totals.difference)
        writer.member("explained_usd", totals.explained)
        writer.member("rest_usd", totals.rest)
      }
      writer.array("items") { writer in for item in reconciliation.page.items { writer.element(item) } }
      writer.member("next_cursor", next)
    }
    return writer.bytes
  }
}

extension JSONWriter {
  fileprivate mutating func element(_ item: ReconciledDay) {
    object { writer in
      writer.member("instance_id", item.charged.instanceID)
      writer.member("provider_id", item.marketID?.rawValue)
      writer.member("label", item.label)
      writer.member("job_id", item.jobID)
      writer.member("day", item.charged.day.date)
      writer.object("ledger_usd") { writer in
        writer.member("gpu", item.ledger.gpu)
        writer.member("storage", item.ledger.storage)
        writer.member("transfer", item.ledger.transfer)
        writer.member("total", item.ledger.total)
      }
      writer.object("charged_usd") { writer in
        writer.member("gpu", item.charged.gpu)
        writer.member("storage", item.charged.disk)
        writer.member("transfer", item.charged.transfer)
        writer.member("other", item.charged.other)
        writer.member("total", item.charged.amount)
      }
      writer.member("difference_usd", item.comparison.difference)
      writer.member("explained_usd", item.comparison.explained)
      writer.member("rest_usd", item.comparison.rest)
      writer.member("settled", item.isSettled)
      writer.member("within_tolerance", item.comparison.isWithinTolerance)
      writer.member("has_unseen_gap", item.hasUnseenGap)
    }
  }
}
