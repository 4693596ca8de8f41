import Domain
import FleetService

/// Whoever posts jobs: asks again under the same key until it is told yes, and remembers what it was told.
///
/// `@unchecked Sendable`: there is one thread.
final class Caller: @unchecked Sendable {
  /// `@unchecked Sendable`: there is one thread.
  final class Wish: @unchecked Sendable {
    let key: String
    let specification: JobSpecification
    let work: Machine.Work
    /// Nil until acknowledged.
    var id: ID<Job>?
    let isCancelled: Bool
    var isCancelAcknowledged = false

    init(key: String, specification: JobSpecification, work: Machine.Work, isCancelled: Bool) {
      self.key = key
      self.specification = specification
      self.work = work
      self.isCancelled = isCancelled
    }
  }

  private(set) var wishes: [Wish] = []
  private let thread: OneThread
  private let vast: Vast
  private let life: () -> Life?

  init(thread: OneThread, vast: Vast, life: @escaping () -> Life?) {
    self.thread = thread
    self.vast = vast
    self.life = life
    for number in 0..<Int.random(in: 1...3, using: &thread.dice) { wishes.append(makeWish("key-\(number)")) }
    for wish in wishes { thread.after(thread.dice.seconds(0...30)) { self.submit(wish) } }
  }

  private func makeWish(_ key: String) -> Wish {
    let dice = { (perMille: Int) in self.thread.dice.isIn(perMille) }
    let seconds = Int.random(in: 1...15, using: &thread.dice)
    let work = Machine.Work(seconds: seconds, code: dice(150) ? 3 : 0, lines: dice(100) ? seconds / 3 : seconds)
    var specification = JobSpecification(command: work.command)
    specification.name = key
    specification.secrets = ["TOKEN": "secret"]
    specification.maximumAttempts = 12
    specification.lease = .seconds(90)
    specification.resources.isInterruptible = dice(250)
    if dice(100) { specification.maximumDuration = .seconds(10) }
    if dice(200) { specification.idleTimeout = .seconds(8) }
    if dice(100) { specification.maximumCost = Money(microdollars: 20_000) }
    if dice(350) { specification.checkpoint = CheckpointPolicy(interval: .seconds(3)) }
    return Wish(key: key, specification: specification, work: work, isCancelled: dice(120))
  }

  private func submit(_ wish: Wish) {
    guard wish.id == nil else { return }
    // Nobody answered within 15 s: once more.
    thread.after(.seconds(15)) { self.submit(wish) }
    ask(wish)
  }

  private func ask(_ wish: Wish) {
    guard let life = life(), life.isAlive else { return }
    let request = IdempotentRequest<Job>(
      key: IdempotencyKey(principal: "caller", route: "createJob", key: wish.key, fingerprint: wish.key),
      encode: { StoredAnswer(status: 201, location: nil, body: Array($0.id.rawValue.utf8)) })
    Task {
      do throws(FleetError) {
        switch try await life.fleet.submit(wish.specification, idempotency: request) {
        case .made(let job): acknowledged(wish, as: job.id)
        case .replayed(let answer):
          if let id = ID<Job>(String(decoding: answer.body, as: UTF8.self)) { acknowledged(wish, as: id) }
        }
      } catch {
        vast.note("submit of \(wish.key) failed: \(error)")
      }
    }
  }

  private func acknowledged(_ wish: Wish, as id: ID<Job>) {
    if let known = wish.id, known != id { vast.violate("key \(wish.key) made \(known) and \(id)") }
    guard wish.id == nil else { return }
    wish.id = id
    vast.note("acknowledged \(wish.key) as \(id)")
    if wish.isCancelled { thread.after(thread.dice.seconds(0...60)) { self.cancel(wish, id) } }
  }

  private func cancel(_ wish: Wish, _ id: ID<Job>) {
    guard !wish.isCancelAcknowledged else { return }
    thread.after(.seconds(15)) { self.cancel(wish, id) }
    guard let life = life(), life.isAlive else { return }
    Task {
      do throws(FleetError) {
        _ = try await life.fleet.cancel(id)
        vast.note("cancel of \(id) acknowledged")
      } catch {
        // Too late is an answer too.
        guard case .conflict = error else { return }
      }
      wish.isCancelAcknowledged = true
    }
  }

  /// The same keys once more at the end: each names the job that it named.
  func askAgain() { for wish in wishes { ask(wish) } }
}
