/// Every metric of the process in the order in which the text shows them.
struct SeriesList: Sendable {
  private struct Entry: Sendable {
    let name: String
    let write: @Sendable (inout PrometheusText) -> Void
  }

  private var entries: [Entry] = []

  var names: [String] { entries.map(\.name) }

  func write(to text: inout PrometheusText) {
    for entry in entries { entry.write(&text) }
  }

  mutating func counter(_ name: String, unit: Counter.Unit = .one, _ help: String) -> Counter {
    let counter = Counter(unit: unit)
    add(name, .counter, help) { $0.sample(name, [], counter.value, dividedBy: unit.rawValue) }
    return counter
  }

  mutating func counters(_ name: String, labels: [String], _ help: String) -> CounterFamily {
    let family = CounterFamily(labels: labels) { Counter() }
    add(name, .counter, help) { text in
      for series in family.series { text.sample(name, series.labels, series.cell.value) }
    }
    return family
  }

  mutating func gauge(_ name: String, _ help: String) -> Gauge {
    let gauge = Gauge()
    add(name, .gauge, help) { text in
      if let value = gauge.value { text.sample(name, [], value) }
    }
    return gauge
  }

  mutating func gauges(_ name: String, labels: [String], _ help: String) -> GaugeFamily {
    let family = GaugeFamily(labels: labels) { Gauge() }
    add(name, .gauge, help) { text in
      for series in family.series {
        if let value = series.cell.value { text.sample(name, series.labels, value) }
      }
    }
    return family
  }

  mutating func elapsed(_ name: String, now: @escaping @Sendable () -> Int64, _ help: String) -> ElapsedGauge {
    let gauge = ElapsedGauge(now: now)
    add(name, .gauge, help) { text in
      if let seconds = gauge.seconds { text.sample(name, [], seconds) }
    }
    return gauge
  }

  mutating func histograms(_ name: String, labels: [String], _ bounds: HistogramBounds, _ help: String)
    -> HistogramFamily
  {
    let family = HistogramFamily(labels: labels) { Histogram(bounds: bounds) }
    add(name, .histogram, help) { text in
      for series in family.series { text.histogram(name, series.labels, series.cell) }
    }
    return family
  }

  /// A metric whose samples are found out when the text is written.
  mutating func computed(
    _ name: String, _ kind: PrometheusText.Kind, _ help: String,
    _ samples: @escaping @Sendable (inout PrometheusText) -> Void
  ) {
    add(name, kind, help, samples)
  }

  private mutating func add(
    _ name: String, _ kind: PrometheusText.Kind, _ help: String,
    _ samples: @escaping @Sendable (inout PrometheusText) -> Void
  ) {
    precondition(!names.contains(name), "a metric has one entry")
    entries.append(
      Entry(name: name) { text in
        text.header(name, kind, help)
        samples(&text)
      })
  }
}
