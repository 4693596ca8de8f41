import HTTPServer

extension RequestHead {
  /// Whether `Accept` prefers CSV to JSON: it names CSV, and JSON less or not at all.
  var prefersCSV: Bool {
    let ranges = headerValues("accept").joined(separator: ",").split(separator: ",").map(MediaRange.init)
    guard let csv = ranges.first(where: { $0.type == "text/csv" }), csv.quality > 0 else { return false }
    return csv.quality > (ranges.first { $0.type == "application/json" }?.quality ?? 0)
  }
}

/// One range of an Accept header, by RFC 9110.
private struct MediaRange {
  var type: String
  var quality = 1.0

  init(_ text: Substring) {
    let parts = text.split(separator: ";").map { part in
      String(part.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed()).lowercased()
    }
    type = parts.first ?? ""
    for parameter in parts.dropFirst() where parameter.hasPrefix("q=") {
      quality = Double(parameter.dropFirst(2)) ?? 0
    }
  }
}
