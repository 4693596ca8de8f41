import Artifacts
import Locking
package import Domain
import Glibc
import Store

/// A job's output so far, in a file.
package struct JobLog: Sendable {
  package var path: String
  package var size: Int64
  /// Nothing will be added.
  package var isComplete: Bool
}

package struct ResultsFile: Sendable {
  package var path: String
  package var sizeBytes: Int64
  package var sha256: String
}

package struct JobReport: Sendable {
  package var job: Job
  /// Of all attempts, oldest first.
  package var instances: [Instance]
  package var gpuName: String?
  package var pricePerHour: Money?
  /// From the command's start to its end, or to now.
  package var runtime: Duration?
  package var usage: Usage
  /// Of each attempt, in their order. One that went on where another ended has what came after that.
  package var attempts: [Usage]
  package var areInstancesDestroyed: Bool
  package var verifiedAt: Timestamp?

  /// Of all its instances together.
  package var idleTime: Duration { instances.reduce(.zero) { $0 + $1.idleTime } }
  package var idleCost: Money { instances.reduce(.zero) { $0 + $1.idleCost } }
}

extension Fleet {
  package func log(of id: ID<Job>) throws(FleetError) -> JobLog {
    let job = try job(id)
    let path = data.logPath(id)
    return JobLog(path: path, size: fileSize(path) ?? 0, isComplete: job.isLogComplete)
  }

  /// Hands over the log from a byte on as it grows, until it is complete. The sink answers false to stop.
  package func followLog(
    of id: ID<Job>, from offset: Int64, into sink: @Sendable ([UInt8]) async -> Bool
  ) async throws(FleetError) {
    let signal = connections.logNews.signal(for: id)
    var position = offset
    while !Task.isCancelled {
      let seen = signal.count
      // Asked before the bytes are read: what is complete now has all its bytes in the file.
      let isComplete = try job(id).isLogComplete
      while let piece = readPiece(data.logPath(id), at: position), !piece.isEmpty {
        position += Int64(piece.count)
        guard await sink(piece) else { return }
      }
      if isComplete { return }
      await signal.wait(after: seen)
    }
  }

  package func results(of id: ID<Job>) throws(FleetError) -> ResultsFile {
    let job = try job(id)
    guard let results = job.results else {
      guard job.state.isFinal else {
        throw .notYet(
          code: "not_collected_yet", detail: "The job is \(job.state.rawValue); its results are not collected yet.")
      }
      throw .conflict(code: "no_results", detail: "The job ended as \(job.state.rawValue) without results.")
    }
    return ResultsFile(path: data.resultsPath(id), sizeBytes: results.sizeBytes, sha256: results.sha256)
  }

  package func report(on id: ID<Job>) throws(FleetError) -> JobReport {
    let job = try job(id)
    let instances = try read { (r) throws(StoreError) in try r.instances(ofJob: id) }
    let last = instances.last
    return JobReport(
      job: job, instances: instances, gpuName: last?.gpuName, pricePerHour: last?.pricePerHour,
      runtime: job.startedAt.map { (job.endedAt ?? job.finishedAt ?? now()) - $0 },
      usage: try usage(of: instances), attempts: try usage(ofAttempts: job.attempts),
      areInstancesDestroyed: instances.allSatisfy(\.state.isFinal),
      verifiedAt: job.verifiedAt)
  }

  /// By the ledger, up to now.
  private func usage(of instances: [Instance]) throws(FleetError) -> Usage {
    let now = now()
    return try read { (r) throws(StoreError) in
      var usage = Usage()
      for instance in instances { usage += try r.usage(of: instance.id, now: now) }
      return usage
    }
  }

  private func usage(ofAttempts attempts: [Job.Attempt]) throws(FleetError) -> [Usage] {
    let now = now()
    return try read { (r) throws(StoreError) in
      var usages: [Usage] = []
      for (index, attempt) in attempts.enumerated() {
        let lines = try r.billingEvents(of: attempt.instanceID)
        let isFirst = !attempts[..<index].contains { $0.instanceID == attempt.instanceID }
        let next = attempts[(index + 1)...].first { $0.instanceID == attempt.instanceID }
        var usage = lines.usage(until: next?.startedAt ?? now).values.reduce(into: Usage()) { $0 += $1 }
        if !isFirst {
          for before in lines.usage(until: attempt.startedAt).values { usage -= before }
        }
        usages.append(usage)
      }
      return usages
    }
  }
}

extension Job {
  /// Whether no more output can come: the command has ended and everything was fetched, or there never will be any.
  var isLogComplete: Bool {
    switch state {
    case .collecting, .cleaningUp, .succeeded, .failed, .cancelled: true
    case .awaitingApproval, .queued, .provisioning, .starting, .running: false
    }
  }
}

private func fileSize(_ path: String) -> Int64? {
  var status = stat()
  return stat(path, &status) == 0 ? Int64(status.st_size) : nil
}

/// Up to 64 KiB from an offset; nil when the file is not there yet.
private func readPiece(_ path: String, at offset: Int64) -> [UInt8]? {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  return [UInt8](unsafeUninitializedCapacity: 64 << 10) { buffer, count in
    count = max(0, pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset)))
  }
}
