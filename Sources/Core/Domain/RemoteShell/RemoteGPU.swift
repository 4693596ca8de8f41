/// A GPU as the machine's own driver tells it: what we got, against what was offered.
package struct RemoteGPU: Sendable, Hashable {
  package var name: String
  package var memoryMegabytes: Int64

  /// Asks the driver; `.noGPU` when there is none or it does not answer. A broken driver hangs, hence the short timeout.
  package static func inspect() -> RemoteCommand {
    RemoteCommand(
      script: """
        # vastd inspect
        command -v nvidia-smi >/dev/null 2>&1 || {
          echo 'the machine has no nvidia-smi' >&2
          exit \(RemoteWorkspace.Refusal.noGPU.rawValue)
        }
        nvidia-smi --query-gpu=name,memory.total --format=csv,noheader,nounits || exit \(RemoteWorkspace.Refusal.noGPU.rawValue)

        """, timeout: .seconds(30))
  }

  /// One for each line `NVIDIA GeForce RTX 4090, 24564`. Nil when a line is none of that kind, and for no line at all.
  /// Memory that the driver does not tell (`[N/A]`, on some shared-memory systems) counts as 0.
  package static func parse(_ output: [UInt8]) -> [RemoteGPU]? {
    var found: [RemoteGPU] = []
    for line in String(decoding: output, as: UTF8.self).split(whereSeparator: \.isNewline) {
      guard let comma = line.lastIndex(of: ",") else { return nil }
      let name = line[..<comma].drop { $0 == " " }
      let memory = line[line.index(after: comma)...].filter { $0 != " " }
      guard !name.isEmpty, name.utf8.count <= 200,
        name.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 }),
        let megabytes = memory == "[N/A]" ? 0 : Int64(memory), megabytes >= 0
      else { return nil }
      found.append(RemoteGPU(name: String(name), memoryMegabytes: megabytes))
    }
    return found.isEmpty ? nil : found
  }
}
