import CSystem

/// The metrics of this process: every series that it serves stands in this list, with its labels and its meaning.
/// Names are part of the contract; rules and dashboards are written against them.
package final class Metrics: Sendable {
  // Calls to Vast.
  /// By `MarketplaceOperation` and HTTP status, or `error` when no answer came.
  package let vastRequests: CounterFamily
  package let vastErrors: CounterFamily
  package let vastRequestDuration: HistogramFamily
  /// In nanoseconds.
  package let vastRateLimitWait: Counter
  /// `hit`, `miss`, `joined` (waited for a call already under way), `stale`.
  package let vastCacheRequests: CounterFamily
  package let vastCircuitState: Gauge

  // Requests to us.
  package let http: HTTPSeries

  // What the service holds and does.
  package let instances: GaugeFamily
  package let jobs: GaugeFamily
  package let jobPhaseDuration: HistogramFamily
  package let events: CounterFamily
  package let orphans: CounterFamily
  package let recoveries: CounterFamily
  package let webhookDeliveries: CounterFamily
  package let outboxPending: Gauge
  /// Marked after each complete list of instances.
  package let pollLag: ElapsedGauge

  // Money.
  /// In micro-dollars.
  package let spend: Counter
  package let burnRate: Gauge
  package let credit: Gauge

  private let list: SeriesList

  /// The media type of `render()`.
  package static let contentType = PrometheusText.contentType

  /// `now` gives monotonic nanoseconds.
  package init(version: String, commit: String, now: @escaping @Sendable () -> Int64 = { csystem_monotonic_ns() }) {
    var list = SeriesList()

    vastRequests = list.counters(
      "vastai_requests_total", labels: ["endpoint", "status"],
      "Calls to Vast by endpoint and HTTP status; status \"error\" when no answer came.")
    vastErrors = list.counters(
      "vastai_errors_total", labels: ["endpoint", "code"], "Calls to Vast that failed, by what the failure means.")
    vastRequestDuration = list.histograms(
      "vastai_request_duration_seconds", labels: ["endpoint"], .provider,
      "Time from sending a call to Vast to the end of its answer, waiting for a turn left out.")
    vastRateLimitWait = list.counter(
      "vastai_rate_limit_wait_seconds_total", unit: .nanoseconds,
      "Time that calls to Vast have waited for their turn.")
    vastCacheRequests = list.counters(
      "vastai_cache_requests_total", labels: ["result"], "Look-ups in the cache of Vast's answers by result.")
    vastCircuitState = list.gauge(
      "vastai_circuit_state",
      "Whether calls to Vast are made: 0 closed (all are), 1 half-open (one, to see whether it answers), 2 open (none)."
    )

    let requestDurations = HistogramFamily(labels: ["route"]) { Histogram(bounds: .request) }
    let http = HTTPSeries(durations: requestDurations)
    self.http = http
    list.computed(
      "vastd_http_requests_total", .counter, "Requests answered by route template, method and status."
    ) { http.writeRequests("vastd_http_requests_total", to: &$0) }
    list.computed(
      "vastd_http_request_duration_seconds", .histogram,
      "Time from the end of a request's headers to its answer being handed over, by route template."
    ) { text in
      for series in requestDurations.series {
        text.histogram("vastd_http_request_duration_seconds", series.labels, series.cell)
      }
    }

    instances = list.gauges("vastd_instances", labels: ["state"], "Instances on record by state.")
    jobs = list.gauges("vastd_jobs", labels: ["state"], "Jobs on record by state.")
    jobPhaseDuration = list.histograms(
      "vastd_job_phase_duration_seconds", labels: ["phase"], .phase, "How long jobs stayed in each phase.")
    events = list.counters("vastd_events_total", labels: ["type"], "Events recorded by type.")
    recoveries = list.counters(
      "vastd_recoveries_total", labels: ["result"],
      "Work that lost its machine: lost, revived on the same one, recovered on another, gave_up.")
    webhookDeliveries = list.counters(
      "vastd_webhook_deliveries_total", labels: ["result"],
      "Calls to webhooks by what came of them: delivered, retried, failed, disabled.")
    outboxPending = list.gauge("vastd_outbox_pending", "Events that wait for a webhook's receiver.")
    orphans = list.counters(
      "vastd_orphans_total", labels: ["action"], "Instances with our tag and without a row: found, destroyed.")
    pollLag = list.elapsed(
      "vastd_poll_lag_seconds", now: now, "Time since the last complete list of instances from Vast.")

    spend = list.counter("vastd_spend_usd_total", unit: .microdollars, "The sum of the ledger in US dollars.")
    burnRate = list.gauge("vastd_burn_rate_usd_per_hour", "What all live instances cost per hour in US dollars.")
    credit = list.gauge("vastd_credit_usd", "Credit left in the Vast account in US dollars.")

    list.computed("vastd_build_info", .gauge, "Always 1; the labels tell which build runs.") {
      $0.sample("vastd_build_info", [(name: "version", value: version), (name: "commit", value: commit)], 1)
    }
    Self.addProcess(to: &list)
    self.list = list
  }

  /// All series as Prometheus text 0.0.4.
  package func render() -> [UInt8] {
    var text = PrometheusText()
    list.write(to: &text)
    return text.bytes
  }

  /// The names in the order of the text, for the test that compares them with the documentation.
  package var names: [String] { list.names }

  /// The standard process metrics, under the names that every Prometheus client library uses.
  private static func addProcess(to list: inout SeriesList) {
    list.computed("process_cpu_seconds_total", .counter, "User and system CPU time spent.") {
      $0.sample("process_cpu_seconds_total", [], ProcessReading.cpuNanoseconds(), dividedBy: 1_000_000_000)
    }
    addProcess("process_resident_memory_bytes", "Resident memory.", to: &list) { ProcessReading.residentBytes() }
    addProcess("process_virtual_memory_bytes", "Virtual memory.", to: &list) { ProcessReading.virtualBytes() }
    addProcess("process_open_fds", "Open file descriptors.", to: &list) { ProcessReading.openDescriptors() }
    addProcess("process_max_fds", "Most file descriptors allowed.", to: &list) { ProcessReading.maximumDescriptors() }
    list.computed("process_start_time_seconds", .gauge, "Start of the process, in seconds since 1970.") {
      if let start = ProcessReading.startSeconds { $0.sample("process_start_time_seconds", [], start) }
    }
  }

  private static func addProcess(
    _ name: String, _ help: String, to list: inout SeriesList, _ read: @escaping @Sendable () -> Int?
  ) {
    list.computed(name, .gauge, help) { text in
      if let value = read() { text.sample(name, [], value) }
    }
  }
}
