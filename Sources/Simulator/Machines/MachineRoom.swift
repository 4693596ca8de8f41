import Glibc
import Locking

/// Carries out what the world orders: real processes and folders. Orders for one contract are carried out in turn, those for
/// different contracts side by side.
final class MachineRoom: Sendable {
  private let folder: String
  private let queues: [WorkQueue]
  private let containers = Locked<[Int: Container]>([:])
  private let report: @Sendable (String) -> Void

  /// - Parameter report: called with a sentence when an order cannot be carried out.
  init(folder: String, report: @escaping @Sendable (String) -> Void) throws(MachineError) {
    self.folder = folder
    self.report = report
    try Leftovers.clear(folder)
    try Files.makeFolder(folder, mode: 0o700)
    queues = (0..<4).map { WorkQueue(name: "machines-\($0)") }
  }

  func carryOut(_ orders: [MachineOrder]) {
    for order in orders {
      queues[order.contract % queues.count].append {
        do {
          try self.perform(order)
        } catch {
          self.report("\(order.name) of container \(order.contract) failed: \(error)")
        }
      }
    }
  }

  func folder(of contract: Int) -> ContainerFolder { ContainerFolder(path: "\(folder)/\(contract)") }

  /// Ends every container and the threads; returns when no process is left.
  func close() {
    let done = Countdown(queues.count)
    for (index, queue) in queues.enumerated() {
      queue.append {
        let own = self.containers.withLock { containers in
          containers.keys.filter { $0 % self.queues.count == index }
        }
        for contract in own {
          do { try self.end(contract, gracefully: false) } catch {
            self.report("ending container \(contract) failed: \(error)")
          }
        }
        done.countDown()
      }
      queue.close()
    }
    done.wait()
  }

  private func perform(_ order: MachineOrder) throws(MachineError) {
    switch order {
    case .start(let plan):
      try end(plan.contract, gracefully: false)
      let container = try Container(plan, in: folder(of: plan.contract))
      containers.withLock { $0[plan.contract] = container }
    case .stop(let contract, let gracefully):
      try end(contract, gracefully: gracefully)
    case .wipe(let contract):
      try folder(of: contract).wipe()
    case .remove(let contract):
      try end(contract, gracefully: false)
      try Files.remove(folder(of: contract).path)
    case .authorize(let contract, let keys):
      try folder(of: contract).authorize(keys)
    }
  }

  private func end(_ contract: Int, gracefully: Bool) throws(MachineError) {
    guard let container = containers.withLock({ $0.removeValue(forKey: contract) }) else { return }
    try container.end(gracefully: gracefully)
  }
}

extension MachineOrder {
  var contract: Int {
    switch self {
    case .start(let plan): plan.contract
    case .stop(let contract, _), .wipe(let contract), .remove(let contract), .authorize(let contract, _): contract
    }
  }

  var name: String {
    switch self {
    case .start: "start"
    case .stop: "stop"
    case .wipe: "wipe"
    case .remove: "removal"
    case .authorize: "authorization"
    }
  }
}

/// Waits on a plain thread until a number of others are done.
///
/// `@unchecked Sendable`: a POSIX semaphore is made for that, and its memory never moves.
private final class Countdown: @unchecked Sendable {
  private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
  private let count: Int

  init(_ count: Int) {
    self.count = count
    sem_init(semaphore, 0, 0)
  }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  func countDown() { sem_post(semaphore) }

  func wait() {
    for _ in 0..<count { while sem_wait(semaphore) != 0 {} }
  }
}
