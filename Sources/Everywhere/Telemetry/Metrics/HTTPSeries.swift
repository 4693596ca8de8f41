import Locking

/// What the HTTP front counts. The router asks once per route for a `HTTPRouteSeries` and keeps it beside the route,
/// so that a request costs three atomic additions and no look-up.
package final class HTTPSeries: Sendable {
  private let routes = Locked<[HTTPRouteSeries]>([])
  private let durations: HistogramFamily

  init(durations: HistogramFamily) { self.durations = durations }

  /// The series of a route template such as `/v1/jobs/{id}`; requests that match no route go under one name, `unmatched`.
  /// The same pair gives the same series; both methods of a template share its histogram.
  package func route(_ template: String, method: String) -> HTTPRouteSeries {
    let histogram = durations.histogram(template)
    return routes.withLock { routes in
      if let known = routes.first(where: { $0.route == template && $0.method == method }) { return known }
      let series = HTTPRouteSeries(route: template, method: method, durations: histogram)
      routes.append(series)
      return series
    }
  }

  func writeRequests(_ name: String, to text: inout PrometheusText) {
    for series in routes.withLock({ $0 }) { series.write(name, to: &text) }
  }
}

/// The counters of one route and method, one per status code.
package final class HTTPRouteSeries: Sendable {
  let route: String
  let method: String
  private let durations: Histogram
  private let counts = AtomicCells(count: HTTPStatusIndex.codes.count + 1)

  init(route: String, method: String, durations: Histogram) {
    self.route = route
    self.method = method
    self.durations = durations
  }

  package func record(status: Int, durationNs: Int64) {
    counts.add(1, at: HTTPStatusIndex.index(of: status))
    durations.observe(nanoseconds: durationNs)
  }

  func write(_ name: String, to text: inout PrometheusText) {
    for index in 0..<counts.count where counts[index] > 0 {
      let status = index < HTTPStatusIndex.codes.count ? String(HTTPStatusIndex.codes[index]) : "other"
      text.sample(
        name, [("route", route), ("method", method), ("status", status)].map { (name: $0.0, value: $0.1) },
        counts[index])
    }
  }
}

/// Finds a status code's place in a short row, so that a route needs some 300 bytes and not one cell for each of 600.
private enum HTTPStatusIndex {
  /// What the contract and libmicrohttpd can answer; anything else is counted as `other`.
  static let codes = [
    100, 101, 200, 201, 202, 203, 204, 205, 206, 301, 302, 303, 304, 307, 308,
    400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 425, 426, 428,
    429,
    431, 500, 501, 502, 503, 504, 505, 507,
  ]

  private static let table: [UInt8] = {
    var table = [UInt8](repeating: UInt8(codes.count), count: 600)
    for (index, code) in codes.enumerated() { table[code] = UInt8(index) }
    return table
  }()

  static func index(of status: Int) -> Int {
    status >= 0 && status < table.count ? Int(table[status]) : codes.count
  }
}
