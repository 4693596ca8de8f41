import CCurl
import Locking
import Synchronization

/// Sends HTTP requests through libcurl: one thread drives all transfers, callers await.
///
/// Verified TLS, http and https only, no redirects, no proxies or passwords from the surroundings, bounded in time and size.
/// The thread starts with the first request and costs nothing while none is under way. A client that is let go shuts down.
package final class HTTPClient: Sendable {
  private let configuration: HTTPClientConfiguration
  private let inbox = TransferInbox()
  private let lastID = Atomic<UInt64>(0)

  package init(configuration: HTTPClientConfiguration) { self.configuration = configuration }

  deinit { inbox.shutDown() }

  /// The whole answer, whatever its status. Cancelling the task ends the transfer at once.
  package func send(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse {
    if let fault = request.fault { throw .notSent(reason: fault) }
    if Task.isCancelled { throw .cancelled(wasSent: false) }
    let (request, addresses) = try await addressed(request)
    let id = lastID.wrappingAdd(1, ordering: .relaxed).newValue
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let transfer = Transfer(
          id: id, request: request, addresses: addresses, continuation: continuation)
        guard post(.start(transfer)) else {
          return transfer.finish(.failure(.notSent(reason: "the client is shut down")))
        }
        // A cancellation before the start was posted named a number that the loop did not know yet; say it again.
        if Task.isCancelled { _ = post(.cancel(id)) }
      }
    } onCancel: {
      _ = post(.cancel(id))
    }
    return try outcome.get()
  }

  /// Ends every transfer and the thread; later requests fail at once. Returns without waiting for that.
  package func shutdown() { inbox.shutDown() }

  /// Finds where the name leads, where that is ours to find. It takes part of the time that the request has.
  private func addressed(
    _ request: HTTPClientRequest
  ) async throws(HTTPClientError) -> (request: HTTPClientRequest, addresses: HostAddresses?) {
    guard let names = configuration.names else { return (request, nil) }
    guard let host = URLHost(request.url) else { throw .notSent(reason: "the URL names no host") }
    guard !host.isAddress else { return (request, nil) }
    let start = ContinuousClock.now
    let addresses = try await names.addresses(of: host.name, within: min(request.timeout, request.connectTimeout))
    let spent = ContinuousClock.now - start
    var request = request
    request.timeout -= spent
    request.connectTimeout -= spent
    return (request, HostAddresses(host: host, addresses: addresses))
  }

  private func post(_ command: TransferInbox.Command) -> Bool {
    inbox.post(command) { [configuration, inbox] in
      _ = ccurl_global_init()
      guard
        let multi = ccurl_multi_new(configuration.connectionsPerHost).map(
          MultiHandle.init)
      else { preconditionFailure("out of memory") }
      startThread(name: "http-client") {
        TransferLoop(inbox: inbox, multi: multi.pointer, configuration: configuration).run()
      }
      return multi
    }
  }
}
