import Artifacts
import Domain
import Glibc
import Locking
import Logging
import Reconcilers
import SQLiteDriver
import Store
import TestSupport
import Testing

private let quiet: Logger = {
  var logger = Logger(label: "test")
  logger.logLevel = .critical
  return logger
}()

@Suite struct `The keeper of the account` {
  private let market = InMemoryMarketplace(offers: [], now: { Timestamp(seconds: 1_800_000_000) })
  private let seen = Locked<[AccountReading]>([])

  private func makeKeeper() -> AccountKeeper {
    AccountKeeper(
      marketplace: market, shell: ScriptedShell(), seen: { [seen] account in seen.withLock { $0.append(account) } },
      logger: quiet)
  }

  @Test func `registers the key once and looks at the credit each time`() async {
    let keeper = makeKeeper()
    let first = await keeper.activate()
    let second = await keeper.activate()
    #expect(first.changed == 1)
    #expect(second.changed == 0)
    #expect(market.count(.registerKey) == 1)
    #expect(seen.withLock { $0.map(\.credit) } == [Money(microdollars: 25_000_000), Money(microdollars: 25_000_000)])
  }

  @Test func `tries the key again until Vast has it, and counts the failures`() async {
    market.change { $0.failures[.registerKey] = [.unavailable(detail: "down"), .rateLimited(retryAfter: nil)] }
    let keeper = makeKeeper()
    #expect(await keeper.activate().failures == 1)
    #expect(await keeper.activate().failures == 1)
    #expect(await keeper.activate().changed == 1)
    #expect(await keeper.activate().changed == 0)
    #expect(market.count(.registerKey) == 3)
    #expect(seen.withLock { $0.count } == 4, "the key's trouble does not hide the credit")
  }

  @Test func `tells nobody a credit that it could not read`() async {
    market.change { $0.failures[.account] = [.unauthorized(detail: "no")] }
    #expect(await makeKeeper().activate().failures == 1)
    #expect(seen.withLock { $0.isEmpty })
  }
}

@Suite struct `The janitor` {
  private let folder: TemporaryFolder
  private let data: DataDirectory
  private let store: Store
  private let time = Locked(Timestamp(seconds: 1_800_000_000))

  init() throws {
    folder = try TemporaryFolder("janitor")
    data = try DataDirectory(path: folder.path + "/data", reserveBytes: 0)
    let time = time
    store = try Store(driver: SQLiteDriver(path: data.databasePath), owner: nil, now: { time.withLock { $0 } })
  }

  private func tidy() async -> Outcome {
    await Janitor(store: store, data: data, now: { [time] in time.withLock { $0 } }, logger: quiet).activate()
  }

  private func upload(for job: JobState? = nil) async throws -> Upload {
    let now = time.withLock { $0 }
    let upload = Upload(id: ID(at: now), sha256: String(repeating: "a", count: 64), sizeBytes: 3, createdAt: now)
    try folder.write([1, 2, 3], to: data.uploadPath(upload.id))
    var specification = JobSpecification(command: "true")
    specification.inputUploadID = upload.id
    var row = job.map { Job(id: ID(at: now), specification: specification, state: $0, createdAt: now) }
    if job?.isFinal == true { row?.outcome = JobOutcome(rawValue: job?.rawValue ?? "") }
    let served = row
    try await store.write { (tx) throws(StoreError) in
      try tx.insert(upload)
      if let served { try tx.insert(served) }
    }
    return upload
  }

  private func isThere(_ upload: Upload) throws -> Bool {
    let row = try store.read { (r) throws(StoreError) in try r.upload(upload.id) }
    let file = access(data.uploadPath(upload.id), F_OK) == 0
    #expect((row != nil) == file, "row and file go together")
    return file
  }

  @Test func `removes an upload that nobody needs after a day, with its file`() async throws {
    let alone = try await upload()
    let ended = try await upload(for: .failed)
    let needed = try await upload(for: .running)
    time.withLock { $0 = $0 + .seconds(24 * 3600 - 1) }
    let fresh = try await upload()
    _ = await tidy()
    for upload in [alone, ended, needed, fresh] { #expect(try isThere(upload), "not a second too early") }
    time.withLock { $0 = $0 + .seconds(2) }
    let outcome = await tidy()
    #expect(outcome.changed == 2)
    #expect(try !isThere(alone))
    #expect(try !isThere(ended))
    #expect(try isThere(needed), "an unfinished job names it")
    #expect(try isThere(fresh))
  }

  @Test func `forgets a key when its day is over`() async throws {
    let key = IdempotencyKey(principal: "p", route: "r", key: "k", fingerprint: "f")
    let end = time.withLock { $0 } + .seconds(10)
    try await store.write { (tx) throws(StoreError) in
      try tx.remember(key, StoredAnswer(status: 201, location: nil, body: []), expiresAt: end)
    }
    #expect(await tidy().changed == 0)
    time.withLock { $0 = end }
    #expect(await tidy().changed == 1)
    #expect(await tidy().changed == 0, "a second activation changes nothing")
  }

  @Test func `counts a store that fails, and removes no file then`() async throws {
    let upload = try await upload()
    time.withLock { $0 = $0 + .seconds(48 * 3600) }
    await store.close()
    #expect(await tidy().failures == 1)
    #expect(access(data.uploadPath(upload.id), F_OK) == 0)
  }
}

/// Counts its activations.
private final class CountingReconciler: Reconciler {
  let name = "counting"
  let count = Locked(0)
  /// Raised within an activation, as a loop that changes something does.
  let during: @Sendable (Int) -> Void

  init(during: @escaping @Sendable (Int) -> Void = { _ in }) { self.during = during }

  func activate() async -> Outcome {
    let number = count.withLock { count in
      count += 1
      return count
    }
    during(number)
    return Outcome()
  }
}

@Suite struct `The driver of a loop` {
  private func run(
    _ reconciler: CountingReconciler, _ signal: Signal, _ clock: ManualClock
  ) -> Task<Void, Never> {
    let driver = ReconcilerDriver(reconciler, signal: signal, period: .seconds(5), clock: clock, logger: quiet)
    return Task { await driver.run() }
  }

  @Test func `activates at once, at each signal and after each period`() async {
    let (reconciler, signal, clock) = (CountingReconciler(), Signal(), ManualClock())
    let task = run(reconciler, signal, clock)
    await eventually { reconciler.count.withLock { $0 } == 1 }
    await clock.sleepers(1)
    clock.advance(by: .seconds(4))
    #expect(reconciler.count.withLock { $0 } == 1, "nothing happened and the period is not over")
    signal.raise()
    await eventually { reconciler.count.withLock { $0 } == 2 }
    await eventually { clock.untilNextDeadline == .seconds(5) }
    clock.advance(by: .seconds(5))
    await eventually { reconciler.count.withLock { $0 } == 3 }
    #expect(reconciler.count.withLock { $0 } == 3)
    task.cancel()
    await task.value
  }

  @Test func `looks once more when it was told something while it worked`() async {
    let (signal, clock) = (Signal(), ManualClock())
    let reconciler = CountingReconciler { if $0 == 1 { signal.raise() } }
    let task = run(reconciler, signal, clock)
    await eventually { reconciler.count.withLock { $0 } == 2 }
    await clock.sleepers(1)
    #expect(reconciler.count.withLock { $0 } == 2, "once, not for ever")
    task.cancel()
    await task.value
  }

  @Test(.timeLimit(.minutes(1))) func `ends with its task`() async {
    let task = run(CountingReconciler(), Signal(), ManualClock())
    task.cancel()
    await task.value
  }
}
