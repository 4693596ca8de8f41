import CMicrohttpd
import CSystem
import Glibc
import Locking
import Synchronization

/// An HTTP/1.1 server on libmicrohttpd: epoll, a pool of the library's own threads, and one thread of ours that watches
/// deadlines and clients that leave. It knows nothing of what it serves.
///
/// It runs until `drain`; dropping it does not stop it.
///
/// The library answers a few broken requests itself, before any of this code is asked, with its own small HTML page:
/// 400 for what is not HTTP, a broken chunk or an unreadable Content-Length (this one it says twice before it closes), 413
/// for an absurd one, 414 and 431 for a head that does not fit its memory (about 30 KB), 505 for versions other than 1.x.
/// Those do not reach `RequestHandler`.
package final class HTTPServer: Sendable {
  private let core: ServerCore
  private let daemon: Daemon
  private let drained = Locked<Task<Void, Never>?>(nil)

  /// The port that is listened on.
  package let port: UInt16

  /// Binds and starts. Raises the process's limit of open files as far as the connection limit needs it and the system
  /// allows, and lowers the connection limit to what remains.
  package init(configuration: HTTPServerConfiguration, handler: any RequestHandler) throws(HTTPServerError) {
    guard cmhd_is_supported() != 0 else { throw .unsupportedLibrary(version: String(cString: cmhd_version())) }
    let listener = csystem_listen_tcp(configuration.host, configuration.port, HTTPServer.backlog)
    guard listener >= 0 else {
      throw .cannotListen(host: configuration.host, port: configuration.port, errno: csystem_errno())
    }
    guard let watch = Watch() else {
      close(listener)
      throw .cannotStart
    }
    let core = ServerCore(configuration: configuration, handler: handler, watch: watch)
    guard let daemon = Daemon(core: core, listener: listener) else {
      close(listener)
      throw .cannotStart
    }
    startThread(name: "http-watch") { core.watch.run(table: core.table) }
    self.core = core
    self.daemon = daemon
    port = csystem_socket_port(listener)
  }

  /// Connections that clients hold, idle ones included.
  package var openConnections: Int { core.table.count }

  /// Requests whose headers were read and whose answer is not through.
  package var requestsInFlight: Int { core.inFlight.load(ordering: .relaxed) }

  /// Hangs up on whoever connects from now on; refuses requests on open ones with 503; cuts streams after what they have queued; lets
  /// other answers finish for up to `grace`, then cancels their handlers and answers for them; stops the daemon. Safe to
  /// call again: later calls wait for the first.
  package func drain(grace: Duration) async {
    let task = drained.withLock { drained in
      let task = drained ?? Task { [core, daemon] in await daemon.drain(core, grace: grace) }
      drained = task
      return task
    }
    await task.value
  }

  /// Bursts of connections wait here; Linux caps it at net.core.somaxconn.
  private static let backlog: Int32 = 4096
}
