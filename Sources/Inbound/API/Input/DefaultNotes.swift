import Domain
import FleetService

/// Gathers what a request leaves out, in the order in which it is noted.
struct DefaultNotes {
  private(set) var notes: [AppliedDefault] = []

  /// - Parameters:
  ///   - reader: nil for an object that is not there at all.
  ///   - field: where the name alone says too little.
  mutating func note(
    _ name: StaticString, of reader: ObjectReader?, as field: String? = nil, _ value: AppliedDefault.Value,
    _ source: AppliedDefault.Source = .contract
  ) {
    if let reader, reader.has(name) { return }
    notes.append(AppliedDefault(field ?? name.description, value, source))
  }

  mutating func note(_ transfer: Transfer, of reader: ObjectReader) {
    note("transfer_up_gb", of: reader, .number(transfer.upGigabytes))
    note("transfer_down_gb", of: reader, .number(transfer.downGigabytes))
  }

  /// What a job names within `resources` and an instance too.
  mutating func note(_ resources: JobSpecification.Resources, of reader: ObjectReader?) {
    note("num_gpus", of: reader, .integer(Int64(resources.gpuCount)))
    if let reliability = resources.minimumReliability {
      note("min_reliability", of: reader, .number(reliability))
    }
    note("selection", of: reader, .text(resources.selection.rawValue))
  }

  /// What a job names within `resources` and an instance beside it.
  mutating func noteRental(_ resources: JobSpecification.Resources, of reader: ObjectReader?) {
    note("disk_gb", of: reader, .integer(Int64(resources.diskGigabytes)))
    note("interruptible", of: reader, .flag(resources.isInterruptible))
  }
}
