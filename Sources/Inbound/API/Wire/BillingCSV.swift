import Domain
import FleetService
import JSON

/// The same figures for a spreadsheet, by RFC 4180: a header, CRLF, quotes where they are needed.
enum BillingCSV {
  static func render(_ lines: [LedgerLine]) -> [UInt8] {
    table(
      [
        "id", "kind", "instance_id", "job_id", "at", "until", "gpu_per_hour_usd", "disk_per_hour_usd", "gpu_usd",
        "disk_usd", "transfer_usd", "total_usd", "unseen_since",
      ],
      lines.map { line in
        let event = line.event
        let rates = event.kind.isRate ? [event.gpuPerHour.decimal, event.storagePerHour.decimal] : ["", ""]
        return [
          event.key, event.kind.rawValue, event.instanceID.rawValue, event.jobID?.rawValue ?? "", event.at.rfc3339,
          line.until?.rfc3339 ?? "",
        ] + rates + columns(line.cost) + [event.unseenSince?.rfc3339 ?? ""]
      })
  }

  /// What a limit left out is the last row, without a key.
  static func render(_ report: SummaryReport, by grouping: SummaryGrouping) -> [UInt8] {
    let summary = report.summary
    var rows = summary.items.map { row($0.key ?? "", $0.instances, $0.usage) }
    if summary.otherCount > 0 { rows.append(row("(\(summary.otherCount) others)", nil, summary.others)) }
    return table(
      [grouping.rawValue, "instances", "gpu_usd", "disk_usd", "transfer_usd", "total_usd", "gpu_hours"], rows)
  }

  private static func row(_ key: String, _ instances: Int?, _ usage: Usage) -> [String] {
    [key, instances.map { String($0) } ?? ""] + columns(usage.cost) + [String(usage.gpuTime.inSeconds / 3600)]
  }

  private static func columns(_ cost: Cost) -> [String] {
    [cost.gpu.decimal, cost.storage.decimal, cost.transfer.decimal, cost.total.decimal]
  }

  private static func table(_ header: [String], _ rows: [[String]]) -> [UInt8] {
    var text = ""
    for row in [header] + rows { text += row.map(cell).joined(separator: ",") + "\r\n" }
    return Array(text.utf8)
  }

  /// A spreadsheet takes a cell that begins with one of these for a formula, and labels are callers' words.
  private static func cell(_ text: String) -> String {
    let isFormula = text.first.map { "=+-@\t\r".contains($0) } ?? false && Double(text) == nil
    let safe = isFormula ? "'" + text : text
    guard safe.utf8.contains(where: { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }) else { return safe }
    return "\"" + safe.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}
