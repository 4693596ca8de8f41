import CMicrohttpd
import CSystem
import Glibc
import Locking
import Synchronization

/// The library's daemon and the order in which it comes to rest.
///
/// `@unchecked Sendable`: the pointers are set once; `drain` runs once.
final class Daemon: @unchecked Sendable {
  private let pointer: OpaquePointer
  private let callbackTable: UnsafeMutablePointer<cmhd_callbacks>
  private let core: Unmanaged<ServerCore>

  /// nil when the library could not start. The listening descriptor stays the caller's then, and becomes the library's otherwise.
  init?(core: ServerCore, listener: Int32) {
    self.core = Unmanaged.passRetained(core)
    callbackTable = .allocate(capacity: 1)
    callbackTable.initialize(to: callbacks(for: self.core))
    let configuration = core.configuration
    var options = cmhd_options(
      listen_descriptor: listener, threads: UInt32(max(configuration.threads, 1)),
      connection_limit: UInt32(Daemon.connectionLimit(configuration)),
      per_address_limit: UInt32(configuration.perAddressLimit ?? 0),
      connection_memory: max(2 * configuration.headerLimitBytes, 8192),
      idle_timeout_seconds: UInt32(configuration.idleTimeoutSeconds))
    guard let pointer = cmhd_start(&options, callbackTable) else {
      self.core.release()
      callbackTable.deallocate()
      return nil
    }
    self.pointer = pointer
  }

  private static func connectionLimit(_ configuration: HTTPServerConfiguration) -> Int {
    configuration.share(of: configuration.raiseDescriptors()).connections
  }

  func drain(_ core: ServerCore, grace: Duration) async {
    // Who connects from now on is hung up on at once.
    core.isDraining.store(true, ordering: .sequentiallyConsistent)
    for connection in core.table.all { connection.waiting.withLock { $0.stream }?.cut() }

    let clock = ContinuousClock()
    let end = clock.now.advanced(by: grace)
    while clock.now < end, core.inFlight.load(ordering: .sequentiallyConsistent) > 0 || core.runsTasks {
      await Daemon.pause()
    }
    // The library aborts when it is stopped with a suspended connection; a request without an answer may still suspend.
    while core.unanswered.load(ordering: .sequentiallyConsistent) > 0
      || core.suspended.load(ordering: .sequentiallyConsistent) > 0
    {
      for connection in core.table.all { connection.giveUp() }
      await Daemon.pause()
    }
    await closeConnections(core)
    await stop()
    core.watch.stop()
  }

  /// Leaves the library nothing to do when it is stopped: 0.9.75 that is stopped while it refuses a request by itself, such as
  /// a head that is too large, reads the answer that it did not make any more, and the process dies.
  private func closeConnections(_ core: ServerCore) async {
    let clock = ContinuousClock()
    let end = clock.now.advanced(by: Daemon.closingTime)
    while core.table.count > 0, clock.now < end {
      for connection in core.table.all { core.table.whileOpen(connection) { _ = csystem_shutdown_both($0) } }
      await Daemon.pause()
    }
  }

  /// Shut sockets are closed within a turn of the library's loop; a client that goes on sending may hold its own longer.
  private static let closingTime = Duration.seconds(1)

  /// Stopping joins the library's threads, which must not hold up the cooperative pool.
  private func stop() async {
    await withCheckedContinuation { continuation in
      startThread(name: "http-stop") {
        cmhd_stop(self.pointer)
        self.callbackTable.deallocate()
        self.core.release()
        continuation.resume()
      }
    }
  }

  /// A look every 2 ms, and only while draining. The sleep ends early when the task is cancelled, which a drain ignores.
  private static func pause() async {
    do {
      try await ContinuousClock().pause(for: .milliseconds(2))
    } catch {
      await Task.yield()
    }
  }
}

extension ServerCore {
  fileprivate var runsTasks: Bool { tasks.load(ordering: .sequentiallyConsistent) > 0 }
}
