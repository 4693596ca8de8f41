import Locking
import Logging
import Domain
import Store

/// What ends a step from outside.
enum Interruption: Sendable, Hashable {
  case cancelled
  /// The instance stopped, was lost or failed, on the instance loop's word.
  case machineLost(Failure)
  /// It stopped and is started once more; whatever ran on it is gone.
  case machineStopped(Failure)
  case timeUp
  case overBudget
  /// A budget beside the job's own is used up, and is to stop what runs.
  case budgetStop(Failure)
  /// Its machine's GPUs have been idle for too long.
  case gpuIdle(Failure)
}

extension JobDrive {
  /// Runs a long step beside a watch over the job. Whichever ends first ends the other.
  func guarded<R: Sendable>(
    _ operation: @escaping @Sendable () async -> R
  ) async -> Result<R, InterruptedStep> {
    await withTaskGroup(of: Result<R, InterruptedStep>.self) { group in
      group.addTask { .success(await operation()) }
      group.addTask {
        guard let interruption = await interruption() else { return .failure(InterruptedStep(by: nil)) }
        return .failure(InterruptedStep(by: interruption))
      }
      let first = await group.next() ?? .failure(InterruptedStep(by: nil))
      group.cancelAll()
      return first
    }
  }

  /// Waits for what ends a step; nil when the task is cancelled because the service stops. What cannot be read now is
  /// looked at again: a store in trouble is no reason to end anything.
  private func interruption() async -> Interruption? {
    let signal = context.jobNews.signal(for: id)
    while !Task.isCancelled {
      let seen = signal.count
      var nextLook = Duration.seconds(1)
      do throws(StoreError) {
        if let job = read() {
          if let interruption = try interruption(of: job) { return interruption }
          nextLook = self.nextLook(at: job)
        }
      } catch {
        context.logger.error("job's instance cannot be read", metadata: metadata(["error": "\(error)"]))
      }
      await signal.wait(after: seen, upTo: nextLook, clock: context.clock)
    }
    return nil
  }

  func interruption(of job: Job) throws(StoreError) -> Interruption? {
    if job.isCancelRequested { return .cancelled }
    let instance = try instance(of: job)
    if let lost = instance?.lossForJob { return .machineLost(lost) }
    if let instance, let failure = budgetStop(of: job, on: instance) { return .budgetStop(failure) }
    guard job.state == .running else { return nil }
    // Its command is gone, whatever becomes of the machine.
    if let instance, instance.isRestarting { return .machineStopped(instance.failure ?? .machineGone) }
    if let end = job.deadline, context.now() >= end { return .timeUp }
    if let budget = job.specification.maximumCost, costNow(of: job) >= budget { return .overBudget }
    if let instance, let failure = job.idleFailure(on: instance, unlessSaid: context.settings.maximumGPUIdle) {
      return .gpuIdle(failure)
    }
    return nil
  }

  /// What was decided once and written down stands, whatever becomes of the budget.
  func budgetStop(of job: Job, on instance: Instance) -> Failure? {
    guard [.provisioning, .starting, .running].contains(job.state) else { return nil }
    if let failure = job.failure, failure.code == Budget.exceeded { return failure }
    return context.budgetStop(instance.id)
  }

  /// By the ledger up to this moment, also while nothing is heard from the provider.
  func costNow(of job: Job) -> Money {
    let now = context.now()
    do throws(StoreError) {
      return try context.store.read { (r) throws(StoreError) in
        var cost = Money.zero
        for instance in try r.instances(ofJob: job.id) { cost += try r.usage(of: instance.id, now: now).cost.total }
        return cost
      }
    } catch {
      return job.cost
    }
  }

  private func nextLook(at job: Job) -> Duration {
    var rest = Duration.seconds(30)
    if job.state == .running, let deadline = job.deadline { rest = min(rest, deadline - context.now()) }
    if job.specification.maximumCost != nil { rest = min(rest, .seconds(5)) }
    return max(rest, .milliseconds(50))
  }
}

struct InterruptedStep: Error, Sendable, Hashable {
  /// Nil when the service is stopping: the step is taken up again after the next start.
  let by: Interruption?
}

extension Job {
  var deadline: Timestamp? {
    guard let startedAt, let span = specification.maximumDuration else { return nil }
    return startedAt + span
  }
}

extension Instance {
  /// On its way to run once more, after it stopped under its job.
  var isRestarting: Bool {
    guard desired == .running else { return false }
    return state == .stopped ? mayRevive : state == .loading && runningAt != nil
  }

  /// Why it can serve its job no longer; nil while it can or may yet.
  fileprivate var lossForJob: Failure? {
    let reason =
      failure ?? Failure(code: "instance_destroyed", detail: "The instance was destroyed.", isRetryable: true)
    switch state {
    case .stopped where isRestarting: return nil
    case .requested, .creating, .loading, .running: return desired == .destroyed ? reason : nil
    case .stopping, .stopped, .destroying, .destroyed, .failed, .lost: return reason
    }
  }
}
