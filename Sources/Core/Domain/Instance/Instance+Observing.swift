extension Instance {
  /// Takes over what the provider shows of it. Decides nothing.
  package mutating func observe(_ seen: MarketInstance, at moment: Timestamp) {
    noteUse(seen, at: moment)
    marketStatus = seen.actualStatus
    intendedStatus = seen.intendedStatus
    statusMessage = seen.statusMessage.map(StatusMessage.display)
    contractStartedAt = seen.startedAt ?? contractStartedAt
    bootedAt = seen.uptime.map { moment - $0 }
    machineID = seen.machineID ?? machineID
    hostID = seen.hostID ?? hostID
    gpuName = seen.gpuName ?? gpuName
    gpuCount = seen.gpuCount ?? gpuCount
    region = seen.region ?? region
    pricePerHour = seen.runningPricePerHour ?? pricePerHour
    storagePerHour = seen.storagePricePerHour ?? storagePerHour
    directAddress = seen.directAddress
    proxyAddress = seen.proxyAddress
    lastSeenAt = max(moment, lastSeenAt ?? moment)
    absences = 0
    let isQuiet = seen.actualStatus == "offline" || seen.actualStatus == "unknown"
    absentSince = isQuiet ? absentSince ?? moment : nil
    let tellsTrouble =
      state == .loading
      ? seen.statusMessage.map(StatusMessage.tellsError) ?? false
      : seen.actualStatus == "exited" || seen.actualStatus == "stopped"
    errorSightings = tellsTrouble ? errorSightings + 1 : 0
  }

  /// Where its SSH server may be, best first: direct, then the proxy. Nothing is guessed beside them: the proxy's other
  /// ports lead to other people's machines, which must not be shown our inputs and secrets.
  package var sshCandidates: [SSHAddress] { [directAddress, proxyAddress].compactMap { $0 }.filter(\.isPlausible) }

  /// Where to log in: what answered before, as long as the provider still names it. A machine that came back after its host
  /// did has other ports, and behind the old ones may be somebody else.
  package var currentSSHAddress: SSHAddress? {
    let candidates = sshCandidates
    guard let sshAddress, candidates.isEmpty || candidates.contains(sshAddress) else { return candidates.first }
    return sshAddress
  }

  /// The GPUs' part of the price: what stops flowing when the machine stops.
  package var gpuPerHour: Money {
    Money(microdollars: max(0, (pricePerHour?.microdollars ?? 0) - (storagePerHour?.microdollars ?? 0)))
  }

  /// What Vast charges by the hour as it stands: GPUs while the container runs, the disk for as long as it exists, and neither while
  /// its host is not heard of.
  package var billedRates: (gpu: Money, storage: Money) {
    let storage = storagePerHour ?? .zero
    switch state {
    case .requested, .creating, .destroyed, .failed: return (.zero, .zero)
    case .loading: return (.zero, storage)
    // One that is asked to go bills on as what it was.
    case .running, .stopping, .stopped, .destroying, .lost:
      switch marketStatus {
      case "offline", "unknown": return (.zero, .zero)
      case "running": return (gpuPerHour, storage)
      default: return (.zero, storage)
      }
    }
  }

  /// One name for one boot of one contract, so that another machine behind the same address is never taken for it.
  package var pinName: String {
    "\(id.rawValue)-\(marketID?.rawValue ?? 0)-\((runningAt?.microseconds ?? 0) / 1_000_000)"
  }
}
