package import Domain

extension StoreReader {
  /// The latest moment that was written down, while a job or an instance is under way; nil when none is. Recent rows only:
  /// it is asked at each start.
  package func newestMomentUnderWay() throws(StoreError) -> Timestamp? {
    let instances = try liveInstances()
    let jobs = try activeJobs()
    guard !instances.isEmpty || !jobs.isEmpty else { return nil }
    var moments = jobs.flatMap { [$0.createdAt, $0.startedAt, $0.endedAt] }.compactMap { $0 }
    for instance in instances {
      moments += [
        instance.createdAt, instance.orderedAt, instance.acceptedAt, instance.runningAt, instance.stoppedAt,
        instance.destroyAskedAt, instance.lastSeenAt, instance.absentSince,
      ].compactMap { $0 }
    }
    for query in [
      "SELECT time FROM events ORDER BY position DESC LIMIT 1", "SELECT at FROM ledger ORDER BY position DESC LIMIT 1",
    ] {
      let last = try connection.first(query) { row throws(StoreError) in Timestamp(microseconds: row.integer(0)) }
      if let last { moments.append(last) }
    }
    return moments.max()
  }

  package func keptTimeLine() throws(StoreError) -> TimeLine? { try setting("time_line").flatMap { TimeLine($0) } }
}

extension StoreTransaction {
  package func keep(_ line: TimeLine) throws(StoreError) { try setSetting("time_line", line.text) }
}
