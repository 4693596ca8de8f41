package import Artifacts
package import Domain
package import Locking
package import Logging
package import Store

/// Carries every job from its row to its report: one task per active job, each step idempotent and guarded by the state
/// that it was begun from, so that a restart at any instruction goes on where the store says.
package final class JobRunner: Reconciler {
  package let name = "jobs"

  let context: JobContext
  private let tasks = OwnedTasks<ID<Job>>()
  private let rests = Locked<[ID<Job>: BudgetRest]>([:])

  package init(context: JobContext) {
    self.context = context
  }

  package func activate() async -> Outcome {
    var outcome = Outcome()
    do throws(StoreError) {
      let jobs = try context.store.read { (r) throws(StoreError) in try r.activeJobs() }
      outcome.examined = jobs.count
      // What has a machine goes first, whatever its priority: it costs money. What is to be cancelled waits for nobody.
      let begun = jobs.filter { $0.state != .queued || $0.isCancelRequested }
      let now = context.now()
      let resting = rests.withLock { rests in
        let active = Set(jobs.map(\.id))
        rests = rests.filter { active.contains($0.key) }
        return rests
      }
      // What waits for a budget takes nobody's place.
      let queued = jobs.filter {
        $0.state == .queued && !$0.isCancelRequested && !(resting[$0.id]?.goesOn(at: now) ?? false)
      }
      for job in begun + queued.prefix(max(0, context.settings.maximumActiveJobs - begun.count)) {
        let drive = JobDrive(id: job.id, context: context, refused: resting[job.id]?.refused)
        let isNew = tasks.start(job.id) { [rests] in
          let rest = await drive.run()
          rests.withLock { $0[job.id] = rest }
        }
        if isNew { outcome.changed += 1 }
      }
    } catch {
      context.logger.error("jobs cannot be read", metadata: ["error": "\(error)"])
      outcome.failures = 1
    }
    return outcome
  }

  /// Leaves the jobs where they are: commands run on, and the next start of the service goes on watching them.
  package func close() async { await tasks.close() }
}

/// A queued job's wait for a budget, without a task of its own.
struct BudgetRest: Sendable {
  /// What was too dear, so that offers are not searched for again while it still is: the day's searches are counted.
  struct Refused: Sendable, Hashable {
    var pricePerHour: Money
    var searchedAt: Timestamp

    /// Prices fall, too.
    static let lifetime = Duration.seconds(600)
  }

  var until: Timestamp
  /// The job's news, whose count was `seen` when the wait began.
  var news: Signal
  var seen: UInt64
  var refused: Refused?

  func goesOn(at now: Timestamp) -> Bool { now < until && news.count == seen }
}

/// What driving a job needs; shared by all.
package struct JobContext: Sendable {
  package var store: Store
  /// Searches here are never answered from a cache: what is rented must be there now.
  package var marketplace: any Marketplace
  package var shell: any RemoteShell
  package var data: DataDirectory
  package var settings: JobSettings
  package var jobNews: KeyedSignals<ID<Job>>
  package var logNews: KeyedSignals<ID<Job>>
  /// Raised when instances should be looked at.
  package var instances: Signal
  /// Told when a phase ends, for the metrics.
  package var finishedPhase: @Sendable (_ name: String, _ span: Duration) -> Void
  package var counted: @Sendable (FleetEvent) -> Void
  /// Why an instance must be given up by a budget that stops what runs.
  package var budgetStop: @Sendable (ID<Instance>) -> Failure?
  /// Told what became of lost work: `lost`, `revived`, `recovered`, `gave_up`.
  package var recovered: @Sendable (_ result: String) -> Void
  package var clock: any Clock<Duration>
  package var now: @Sendable () -> Timestamp
  package var logger: Logger

  package init(
    store: Store, marketplace: any Marketplace, shell: any RemoteShell, data: DataDirectory, settings: JobSettings,
    jobNews: KeyedSignals<ID<Job>>, logNews: KeyedSignals<ID<Job>>, instances: Signal,
    finishedPhase: @escaping @Sendable (String, Duration) -> Void = { _, _ in },
    counted: @escaping @Sendable (FleetEvent) -> Void = { _ in },
    budgetStop: @escaping @Sendable (ID<Instance>) -> Failure? = { _ in nil },
    recovered: @escaping @Sendable (_ result: String) -> Void = { _ in },
    clock: any Clock<Duration>, now: @escaping @Sendable () -> Timestamp, logger: Logger
  ) {
    self.store = store
    self.marketplace = marketplace
    self.shell = shell
    self.data = data
    self.settings = settings
    self.jobNews = jobNews
    self.logNews = logNews
    self.instances = instances
    self.finishedPhase = finishedPhase
    self.counted = counted
    self.budgetStop = budgetStop
    self.recovered = recovered
    self.clock = clock
    self.now = now
    self.logger = logger
  }
}

/// How long a job may take for what, besides what its caller bounds.
package struct JobSettings: Sendable {
  /// From running to an SSH banner (`VASTD_SSH_TIMEOUT_S`).
  package var sshTimeout = Duration.seconds(120)
  /// From the first contact to the started command: upload and unpacking on a slow line.
  package var preparationTimeout = Duration.seconds(3600)
  /// SSH may be deaf this long while Vast says that the machine runs. SkyPilot recovered a healthy job 24 times over
  /// shorter silences.
  package var silenceTimeout = Duration.seconds(900)
  /// A machine's GPUs may be idle this long under a command that names no bound (`VASTD_IDLE_GPU_STOP_S`); nil for ever.
  package var maximumGPUIdle: Duration?
  /// Results may take this long to come back; the machine costs money meanwhile.
  package var collectionTimeout = Duration.seconds(3600)
  /// The same after a command that was cut short because its time or its money was over.
  package var cutShortCollectionTimeout = Duration.seconds(300)
  /// Largest results archive. A full disk of ours would hurt every job.
  package var maximumResultsBytes: Int64 = 100 << 30
  /// Largest copy of a checkpoint folder, packed. Two are kept of each job.
  package var maximumCheckpointBytes: Int64 = 20 << 30
  /// A copy may take this long; the job runs on meanwhile.
  package var checkpointTimeout = Duration.seconds(1800)
  /// The last try before a machine is given up: it may be dead, and the next one waits.
  package var lastCheckpointTimeout = Duration.seconds(30)
  /// Largest log kept of one job; the command runs on when it writes more.
  package var maximumLogBytes: Int64 = 4 << 30
  /// A command is asked to end before it is killed.
  package var terminationGrace = Duration.seconds(10)
  /// Between two tries of something that the network broke.
  package var retryPause = Duration.seconds(1)
  /// A search that was given up is made again after this; one that failed, after four times as long.
  package var searchPause = Duration.seconds(2)
  /// Jobs under way at once; the rest stay queued. Each holds an SSH process of 1.3 MB.
  package var maximumActiveJobs = 200

  package init() {}
}
