import CSystem
import Glibc
import JSON

/// The oracle on disk: one JSON line per effect. A line is on stable storage before the answer that tells of it leaves.
final class TruthLog: Sendable {
  private let descriptor: Int32

  /// An earlier log in the folder is kept beside the new one, with the time of the change in its name.
  init(folder: String, now: Double) throws(MachineError) {
    let path = folder + "/truth.jsonl"
    if access(path, F_OK) == 0 { rename(path, "\(folder)/truth-\(Int(now)).jsonl") }
    descriptor = csystem_open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    guard descriptor >= 0 else { throw .system("cannot open \(path)") }
  }

  deinit { close(descriptor) }

  /// Writes in the order of the calls; `sync` makes it last.
  func append(_ records: [TruthRecord]) throws(MachineError) {
    var bytes: [UInt8] = []
    for record in records { bytes += record.json.bytes + [UInt8(ascii: "\n")] }
    try Files.writeAll(bytes, to: descriptor)
  }

  func sync() throws(MachineError) {
    guard fdatasync(descriptor) == 0 else { throw .system("cannot sync the truth log") }
  }
}
