import Locking

/// The series of one metric, told apart by their label values. Look a series up once and keep it: a look-up takes a lock.
///
/// Label values come from route templates and enums. A word that a provider or a caller made up could still slip in, so past
/// `maximumSeries` everything new is counted under `other`: a flood of names costs detail, never memory.
package final class Family<Cell: Sendable>: Sendable {
  private let labels: [String]
  private let makeCell: @Sendable () -> Cell
  private let cells = Locked<[[String]: Cell]>([:])
  private let maximumSeries: Int

  init(labels: [String], maximumSeries: Int = 1_000, makeCell: @escaping @Sendable () -> Cell) {
    self.labels = labels
    self.maximumSeries = maximumSeries
    self.makeCell = makeCell
  }

  func cell(_ values: [String]) -> Cell {
    precondition(values.count == labels.count, "one value per label")
    return cells.withLock { cells in
      if let cell = cells[values] { return cell }
      let key = cells.count < maximumSeries ? values : values.map { _ in "other" }
      if let cell = cells[key] { return cell }
      let cell = makeCell()
      cells[key] = cell
      return cell
    }
  }

  /// Every series with its labels, in the order of their values.
  var series: [(labels: [(name: String, value: String)], cell: Cell)] {
    let all = cells.withLock { $0 }
    return all.sorted { $0.key.lexicographicallyPrecedes($1.key) }
      .map { (Array(zip(labels, $0.key)).map { (name: $0.0, value: $0.1) }, $0.value) }
  }
}

package typealias CounterFamily = Family<Counter>
package typealias GaugeFamily = Family<Gauge>
package typealias HistogramFamily = Family<Histogram>

extension Family where Cell == Counter {
  package func counter(_ labels: String...) -> Counter { cell(labels) }
}

extension Family where Cell == Histogram {
  package func histogram(_ labels: String...) -> Histogram { cell(labels) }
}

extension Family where Cell == Gauge {
  package func gauge(_ labels: String...) -> Gauge { cell(labels) }

  /// For a family with one label: sets these, and every series that is not among them to 0, so that a state that
  /// emptied does not stand in the graph for ever.
  package func replace(_ values: [String: Double]) {
    for (labels, gauge) in series where values[labels[0].value] == nil { gauge.set(0) }
    for (label, value) in values { cell([label]).set(value) }
  }
}
