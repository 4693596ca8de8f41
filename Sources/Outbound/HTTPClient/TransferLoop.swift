import CCurl
import Glibc

/// Drives every transfer, on one thread of its own. Not Sendable: made, used and freed on that thread.
///
/// The thread sleeps in `curl_multi_poll` until a socket, a timer of libcurl or a wake-up wants it; with nothing under way
/// there is no timer, and it sleeps until the next request.
final class TransferLoop {
  private let inbox: TransferInbox
  private let multi: UnsafeMutableRawPointer
  private let configuration: HTTPClientConfiguration
  private var transfers: [UInt64: (transfer: Transfer, easy: UnsafeMutableRawPointer)] = [:]
  /// Handles that wait to be used again: making one costs more than a small request.
  private var idleHandles: [UnsafeMutableRawPointer] = []

  /// Handles kept for reuse: a few kilobytes each, and more transfers than these at a time are a rare burst.
  private static let idleHandleLimit = 16
  /// How long to sleep when nothing asks for less. A day: libcurl shortens it by its own timers.
  private static let longestSleepMs: Int32 = 86_400_000

  init(inbox: TransferInbox, multi: UnsafeMutableRawPointer, configuration: HTTPClientConfiguration) {
    self.inbox = inbox
    self.multi = multi
    self.configuration = configuration
  }

  /// Returns when the client is shut down, with every transfer ended and every handle freed.
  func run() {
    blockBrokenPipeSignal()
    while true {
      let mail = inbox.take()
      for command in mail.commands { obey(command) }
      if mail.isShutDown { break }
      _ = ccurl_multi_perform(multi)
      endFinished()
      _ = ccurl_multi_poll(multi, Self.longestSleepMs)
    }
    for id in Array(transfers.keys) { end(id) { .failure(Self.interruption($0, "the client was shut down")) } }
    for easy in idleHandles { ccurl_easy_free(easy) }
    ccurl_multi_free(multi)
  }

  private func obey(_ command: TransferInbox.Command) {
    switch command {
    case .start(let transfer): start(transfer)
    case .cancel(let id):
      end(id) { .failure(.cancelled(wasSent: ccurl_easy_bytes_sent($0) > 0)) }
    }
  }

  private func start(_ transfer: Transfer) {
    guard let easy = idleHandles.popLast() ?? ccurl_easy_new() else {
      return transfer.finish(.failure(.notSent(reason: "out of memory")))
    }
    var result = prepare(easy, for: transfer)
    if result == CCURL_OK { result = ccurl_multi_add(multi, easy) }
    guard result == CCURL_OK else {
      release(easy, of: transfer)
      return transfer.finish(.failure(.notSent(reason: String(cString: ccurl_error_text(result)))))
    }
    transfers[transfer.id] = (transfer, easy)
  }

  private func prepare(_ easy: UnsafeMutableRawPointer, for transfer: Transfer) -> Int32 {
    let request = transfer.request
    for line in request.headers.map({ $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }) + ["Expect:"] {
      if let list = ccurl_headers_append(transfer.headerLines, line) { transfer.headerLines = list }
    }
    var settings = ccurl_request()
    settings.headers = transfer.headerLines
    transfer.addressLines = transfer.addresses.flatMap { ccurl_headers_append(nil, $0.line) }
    settings.addresses = transfer.addressLines
    settings.timeout_ms = request.timeout.milliseconds
    settings.connect_timeout_ms = request.connectTimeout.milliseconds
    settings.fresh_connection = request.mayBeRepeated ? 0 : 1
    if let letsThrough = configuration.letsThrough { transfer.guardAddresses(letsThrough) }
    settings.gate = transfer.gate.map { UnsafePointer($0) }
    settings.on_header = receiveTransferHeader
    settings.on_body = receiveTransferBody
    // Unretained: `transfers` holds it for as long as the handle can call back.
    settings.context = Unmanaged.passUnretained(transfer).toOpaque()
    return request.url.withCString { url in
      request.method.withCString { method in
        configuration.userAgent.withCString { userAgent in
          (request.body ?? []).withUnsafeBytes { body in
            settings.url = url
            settings.method = method
            settings.user_agent = userAgent
            settings.body_length = body.count
            // An empty body is a body; any pointer will do for it, and an empty array may have none.
            settings.body = request.body == nil ? nil : body.baseAddress ?? UnsafeRawPointer(url)
            return ccurl_easy_prepare(easy, &settings)
          }
        }
      }
    }
  }

  private func endFinished() {
    var result: Int32 = 0
    while let easy = ccurl_multi_next_finished(multi, &result) {
      guard let context = ccurl_easy_context(easy) else { continue }
      let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
      end(transfer.id) { transfer.outcome(result: result, easy: $0) }
    }
  }

  /// Takes a transfer out and answers its caller; a number that is not there has ended already.
  private func end(_ id: UInt64, with outcome: (UnsafeMutableRawPointer) -> Transfer.Outcome) {
    guard let (transfer, easy) = transfers.removeValue(forKey: id) else { return }
    let outcome = outcome(easy)
    ccurl_multi_remove(multi, easy)
    release(easy, of: transfer)
    transfer.finish(outcome)
  }

  private func release(_ easy: UnsafeMutableRawPointer, of transfer: Transfer) {
    ccurl_headers_free(transfer.headerLines)
    transfer.headerLines = nil
    ccurl_headers_free(transfer.addressLines)
    transfer.addressLines = nil
    if idleHandles.count < Self.idleHandleLimit { idleHandles.append(easy) } else { ccurl_easy_free(easy) }
  }

  private static func interruption(_ easy: UnsafeMutableRawPointer, _ reason: String) -> HTTPClientError {
    ccurl_easy_bytes_sent(easy) > 0 ? .broken(reason: reason) : .notSent(reason: reason)
  }

  /// With NOSIGNAL libcurl leaves SIGPIPE alone, and OpenSSL writes without MSG_NOSIGNAL: a peer that is gone would end
  /// the process. Blocked on this thread, the write just fails.
  private func blockBrokenPipeSignal() {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
  }
}

extension Duration {
  /// At least one: to libcurl 0 means its default or no limit.
  fileprivate var milliseconds: Int {
    max(1, Int(components.seconds) * 1000 + Int(components.attoseconds / 1_000_000_000_000_000))
  }
}
