package import Domain
import Locking
package import Logging
package import Store

/// Renews the lease of every job's machine for as long as it is wanted: from the moment its SSH answers, through every step
/// of the job, and after it where the caller kept the machine. What vastd no longer renews ends itself, see `RemoteLease`.
///
/// Beside the jobs' own tasks, so that no long upload or silent command delays a renewal, and none of them waits for it.
package final class LeaseKeeper: Reconciler {
  package let name = "leases"

  /// Between two tries when SSH fails, where that is shorter than the interval: the line may be back any moment.
  private static let retryPause = Duration.seconds(10)

  private let store: Store
  private let shell: any RemoteShell
  private let providerURL: String
  private let clock: any Clock<Duration>
  private let logger: Logger
  private let tasks = OwnedTasks<ID<Instance>>()
  /// Machines that cannot have one; told once.
  private let refused = Locked<Set<ID<Instance>>>([])

  /// - Parameter providerURL: where a machine reaches Vast.
  package init(
    store: Store, shell: any RemoteShell, providerURL: String, clock: any Clock<Duration>, logger: Logger
  ) {
    self.store = store
    self.shell = shell
    self.providerURL = providerURL
    self.clock = clock
    self.logger = logger
  }

  package func activate() async -> Outcome {
    var outcome = Outcome()
    do throws(StoreError) {
      let (instances, leased) = try store.read { (r) throws(StoreError) in
        let instances = try r.liveInstances()
        var leased: [Instance] = []
        for instance in instances where instance.canBeLeased {
          if let jobID = instance.jobID, try r.job(jobID)?.specification.lease != nil { leased.append(instance) }
        }
        return (instances, leased)
      }
      outcome.examined = leased.count
      let live = Set(instances.map(\.id))
      let refused = refused.withLock { refused in
        refused.formIntersection(live)
        return refused
      }
      for instance in leased where !refused.contains(instance.id) {
        if tasks.start(instance.id, { await self.keep(instance.id) }) { outcome.changed += 1 }
      }
    } catch {
      logger.error("instances cannot be read", metadata: ["error": "\(error)"])
      outcome.failures = 1
    }
    return outcome
  }

  /// The leases run on: the next start renews them, or nobody does.
  package func close() async { await tasks.close() }

  /// One machine's renewals, until it is wanted no longer.
  private func keep(_ id: ID<Instance>) async {
    while !Task.isCancelled {
      do throws(StoreError) {
        guard let (instance, lease) = try leased(id), let host = instance.remoteHost else { return }
        guard let pause = await renew(lease, of: instance, on: host) else {
          refused.withLock { _ = $0.insert(id) }
          return
        }
        do { try await clock.pause(for: pause) } catch { return }
      } catch {
        logger.error("instance cannot be read", metadata: ["instance_id": "\(id)", "error": "\(error)"])
        do { try await clock.pause(for: Self.retryPause) } catch { return }
      }
    }
  }

  /// Nil when it needs no lease, or no longer.
  private func leased(_ id: ID<Instance>) throws(StoreError) -> (Instance, RemoteLease)? {
    try store.read { (r) throws(StoreError) in
      guard let instance = try r.instance(id), instance.canBeLeased, let jobID = instance.jobID,
        let span = try r.job(jobID)?.specification.lease
      else { return nil }
      return (instance, RemoteLease(span: span, providerURL: providerURL))
    }
  }

  /// When to renew again; nil when this machine cannot have a lease.
  private func renew(_ lease: RemoteLease, of instance: Instance, on host: RemoteHost) async -> Duration? {
    let again = min(lease.renewalInterval, Self.retryPause)
    let span = Int(lease.span.inSeconds)
    do throws(RemoteShellError) {
      let result = try await shell.run(lease.renew(), on: host)
      switch RemoteLease.Refusal(rawValue: result.exitCode) {
      case nil where result.exitCode == 0:
        if RemoteLease.hasBegun(result) {
          logger.info("lease begun", metadata: metadata(instance, ["lease_s": "\(span)"]))
        }
        return lease.renewalInterval
      case .missingTool, .noKey:
        logger.warning("machine takes no lease", metadata: metadata(instance, ["error": "\(said(result))"]))
        return nil
      case .inputOutput, nil:
        logger.warning("lease not renewed", metadata: metadata(instance, ["error": "\(said(result))"]))
        return again
      }
    } catch {
      // Whatever it is, of the line, of ours or of the machine's: a watcher may be there already, and nobody else will renew it.
      logger.warning("lease not renewed", metadata: metadata(instance, ["error": "\(error)"]))
      return again
    }
  }

  private func said(_ result: RemoteResult) -> String {
    "exit code \(result.exitCode): \(StatusMessage.display(result.errorText))"
  }

  private func metadata(_ instance: Instance, _ more: Logger.Metadata) -> Logger.Metadata {
    var metadata: Logger.Metadata = ["instance_id": "\(instance.id)"]
    if let jobID = instance.jobID { metadata["job_id"] = "\(jobID)" }
    return metadata.merging(more) { $1 }
  }
}

extension Instance {
  /// A job's machine that runs, is wanted, and whose SSH has answered.
  fileprivate var canBeLeased: Bool {
    jobID != nil && state == .running && desired == .running && sshAddress != nil
  }

  fileprivate var remoteHost: RemoteHost? {
    currentSSHAddress.map { RemoteHost(address: $0, pinName: pinName) }
  }
}
