/// Where blocking work is done: on threads of its own, unless a simulation that has but one thread takes it over.
///
/// A value of the task and no setting of the process: who binds `present` around a store and the loops over it gets their
/// commits and their reading of archives handed to it, in the order in which they were asked for, and may run or drop each
/// when it likes. The service never binds it.
package final class BlockingWork: Sendable {
  @TaskLocal package static var present: BlockingWork?

  package let schedule: @Sendable (@escaping @Sendable () -> Void) -> Void

  package init(schedule: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void) { self.schedule = schedule }

  /// Runs `body` on a thread that ends with it, or wherever the simulation wants.
  package static func start(name: String, _ body: @escaping @Sendable () -> Void) {
    if let present { present.schedule(body) } else { startThread(name: name, body) }
  }
}
