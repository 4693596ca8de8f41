import Glibc
import Locking
import Telemetry
import Testing

@Suite struct MetricsTests {
  private let clock = Locked<Int64>(0)
  private let metrics: Metrics

  init() {
    let clock = clock
    metrics = Metrics(version: "1.2.3", commit: "abc", now: { clock.withLock { $0 } })
  }

  private var lines: [Substring] { String(decoding: metrics.render(), as: UTF8.self).split(separator: "\n") }

  @Test func `promtool finds nothing to object to in a page with every series filled`() {
    metrics.vastRequests.counter("search", "200").increment()
    metrics.vastErrors.counter("search", "rate_limited").increment()
    metrics.vastRequestDuration.histogram("search").observe(.milliseconds(120))
    metrics.vastRateLimitWait.increment(by: 1_500_000_000)
    metrics.vastCacheRequests.counter("hit").increment()
    metrics.http.route("/v1/jobs/{id}", method: "GET").record(status: 200, durationNs: 250_000)
    metrics.instances.replace(["running": 2])
    metrics.jobs.replace(["queued": 1])
    metrics.jobPhaseDuration.histogram("running").observe(.seconds(90))
    metrics.events.counter("job.succeeded").increment()
    metrics.pollLag.mark()
    metrics.spend.increment(by: 1_234_567)
    metrics.burnRate.set(0.42)
    metrics.credit.set(25)
    let path = "/tmp/vastd-metrics-\(getpid()).txt"
    guard let file = fopen(path, "w") else { return #expect(Bool(false), "no file at \(path)") }
    let text = metrics.render()
    #expect(fwrite(text, 1, text.count, file) == text.count)
    fclose(file)
    defer { unlink(path) }
    let (output, status) = shell("promtool check metrics < \(path)")
    #expect(output == "")
    #expect(status == 0)
  }

  @Test func `promtool finds nothing to object to in a page of a process that did nothing yet`() {
    let path = "/tmp/vastd-metrics-empty-\(getpid()).txt"
    guard let file = fopen(path, "w") else { return #expect(Bool(false), "no file at \(path)") }
    let text = metrics.render()
    fwrite(text, 1, text.count, file)
    fclose(file)
    defer { unlink(path) }
    let (output, status) = shell("promtool check metrics < \(path)")
    #expect(output == "")
    #expect(status == 0)
  }

  @Test func `the series of the contract are all there, under their names`() {
    #expect(
      metrics.names == [
        "vastai_requests_total", "vastai_errors_total", "vastai_request_duration_seconds",
        "vastai_rate_limit_wait_seconds_total", "vastai_cache_requests_total", "vastai_circuit_state",
        "vastd_http_requests_total",
        "vastd_http_request_duration_seconds", "vastd_instances", "vastd_jobs", "vastd_job_phase_duration_seconds",
        "vastd_events_total", "vastd_recoveries_total", "vastd_webhook_deliveries_total", "vastd_outbox_pending",
        "vastd_orphans_total", "vastd_poll_lag_seconds", "vastd_spend_usd_total",
        "vastd_burn_rate_usd_per_hour",
        "vastd_credit_usd", "vastd_build_info", "process_cpu_seconds_total", "process_resident_memory_bytes",
        "process_virtual_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds",
      ])
    for name in metrics.names { #expect(lines.contains { $0.hasPrefix("# TYPE \(name) ") }, "\(name)") }
  }

  @Test func `a request shows its exact status, and one that no standard knows is counted as other`() {
    let route = metrics.http.route("/v1/jobs", method: "POST")
    route.record(status: 201, durationNs: 1)
    route.record(status: 201, durationNs: 1)
    route.record(status: 422, durationNs: 1)
    for strange in [-1, 0, 299, 599, 600, 1 << 40] { route.record(status: strange, durationNs: 1) }
    #expect(lines.contains(#"vastd_http_requests_total{route="/v1/jobs",method="POST",status="201"} 2"#))
    #expect(lines.contains(#"vastd_http_requests_total{route="/v1/jobs",method="POST",status="422"} 1"#))
    #expect(lines.contains(#"vastd_http_requests_total{route="/v1/jobs",method="POST",status="other"} 6"#))
  }

  @Test func `both methods of a route share one histogram, and a route asked for twice is the same`() {
    metrics.http.route("/v1/jobs", method: "POST").record(status: 201, durationNs: 1)
    metrics.http.route("/v1/jobs", method: "GET").record(status: 200, durationNs: 1)
    metrics.http.route("/v1/jobs", method: "GET").record(status: 200, durationNs: 1)
    #expect(lines.contains(#"vastd_http_request_duration_seconds_count{route="/v1/jobs"} 3"#))
    #expect(lines.contains(#"vastd_http_requests_total{route="/v1/jobs",method="GET",status="200"} 2"#))
  }

  @Test func `a histogram counts a bound's own value below it, a negative duration as zero, and all under +Inf`() {
    let histogram = metrics.vastRequestDuration.histogram("list")
    histogram.observe(nanoseconds: 10_000_000)
    histogram.observe(nanoseconds: 10_000_001)
    histogram.observe(nanoseconds: -5)
    histogram.observe(.seconds(3_600))
    let series = #"vastai_request_duration_seconds_bucket{endpoint="list",le="#
    #expect(lines.contains("\(series)\"0.01\"} 2"))
    #expect(lines.contains("\(series)\"0.025\"} 3"))
    #expect(lines.contains("\(series)\"30\"} 3"))
    #expect(lines.contains("\(series)\"+Inf\"} 4"))
    #expect(lines.contains(#"vastai_request_duration_seconds_count{endpoint="list"} 4"#))
    #expect(lines.contains(#"vastai_request_duration_seconds_sum{endpoint="list"} 3600.020000001"#))
  }

  @Test func `a label value cannot end its line or its quotes`() {
    metrics.events.counter("a\"b\\c\nd 1\n# TYPE").increment()
    #expect(lines.contains(#"vastd_events_total{type="a\"b\\c\nd 1\n# TYPE"} 1"#))
  }

  @Test func `a flood of made-up label values ends in one series named other`() {
    for number in 0..<5_000 { metrics.events.counter("made.up.\(number)").increment() }
    let events = lines.filter { $0.hasPrefix("vastd_events_total{") }
    #expect(events.count == 1_001)
    #expect(events.contains(#"vastd_events_total{type="other"} 4000"#))
  }

  @Test func `what is not known yet is left out, and what is forgotten leaves again`() {
    func shown(_ name: String) -> [Substring] { lines.filter { $0.hasPrefix(name + " ") } }
    #expect(shown("vastd_credit_usd").isEmpty)
    #expect(shown("vastd_poll_lag_seconds").isEmpty)
    metrics.credit.set(0)
    #expect(shown("vastd_credit_usd") == ["vastd_credit_usd 0"])
    metrics.credit.forget()
    #expect(shown("vastd_credit_usd").isEmpty)
  }

  @Test func `the poll's lag grows by itself until the next mark`() {
    metrics.pollLag.mark()
    clock.withLock { $0 = 7_500_000_000 }
    #expect(lines.contains("vastd_poll_lag_seconds 7.5"))
    #expect(metrics.pollLag.seconds == 7.5)
    metrics.pollLag.mark()
    #expect(lines.contains("vastd_poll_lag_seconds 0"))
  }

  @Test func `a state that nothing is in any more goes to 0`() {
    metrics.jobs.replace(["queued": 3, "running": 1])
    metrics.jobs.replace(["running": 4])
    #expect(lines.contains(#"vastd_jobs{state="queued"} 0"#))
    #expect(lines.contains(#"vastd_jobs{state="running"} 4"#))
  }

  @Test func `money is exact to the micro-dollar, and the ledger's sum never goes back`() {
    metrics.spend.raise(to: 123_456_000_001)
    metrics.spend.raise(to: 5)
    #expect(lines.contains("vastd_spend_usd_total 123456.000001"))
    metrics.spend.increment(by: 999_999)
    #expect(lines.contains("vastd_spend_usd_total 123457"))
  }

  @Test func `the process's own figures are those of a live process`() throws {
    func value(_ name: String) throws -> Double {
      let line = try #require(lines.first { $0.hasPrefix(name + " ") })
      return try #require(Double(line.dropFirst(name.count + 1)))
    }
    #expect(try value("process_resident_memory_bytes") > 1_000_000)
    let fdsBefore = try value("process_open_fds")
    #expect(fdsBefore >= 3)
    #expect(try value("process_max_fds") > fdsBefore)
    let now = Double(time(nil))
    #expect(try value("process_start_time_seconds") <= now + 2)
    #expect(try value("process_start_time_seconds") > now - 86_400)
    #expect(try value("process_cpu_seconds_total") > 0)
    #expect(lines.contains(#"vastd_build_info{version="1.2.3",commit="abc"} 1"#))
  }

  @Test func `no count is lost when many threads bump one series`() async {
    let route = metrics.http.route("/livez", method: "GET")
    let wait = metrics.vastRateLimitWait
    await withTaskGroup { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<10_000 {
            route.record(status: 200, durationNs: 1_000)
            wait.increment(by: 1_000_000)
          }
        }
      }
    }
    #expect(lines.contains(#"vastd_http_requests_total{route="/livez",method="GET",status="200"} 80000"#))
    #expect(lines.contains(#"vastd_http_request_duration_seconds_sum{route="/livez"} 0.08"#))
    #expect(lines.contains("vastai_rate_limit_wait_seconds_total 80"))
  }
}
