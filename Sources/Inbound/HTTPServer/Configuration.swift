import CSystem

/// The limits and deadlines of one server. The defaults suit an API behind an ingress; tests make them small.
package struct HTTPServerConfiguration: Sendable {
  /// A numeric address or a name that resolves at start. Loopback unless the caller decides otherwise.
  package var host: String
  /// 0 takes any free port; `HTTPServer.port` tells which.
  package var port: UInt16
  /// The library's event loops. Two keep one loop free while a synchronous handler holds the other; more than cores is waste.
  package var threads = 2
  /// Connections above it wait in the listen queue. 4,096 idle slow clients did not starve the others, 1,000 did; each
  /// costs up to 32 KiB and a descriptor, and the server lowers the number when the process may not open that many files.
  package var connectionLimit = 4096
  /// Descriptors that the rest of the process may need: 200 jobs with at most eight each, for ssh, log and lease, and some
  /// hundred for the database, calls and threads.
  package var otherDescriptors = 2048

  /// Has the kernel allow what all of these need, as far as it does. How many the process may open now.
  package func raiseDescriptors() -> Int {
    Int(clamping: csystem_raise_open_files(UInt64(max(connectionLimit, threads) + otherDescriptors)))
  }

  /// How `allowed` descriptors are shared out between connections and all else: half each where they are few. A process that
  /// can open nothing more does not live: Swift's own thread pool looks into /proc every second and ends it when it cannot.
  package func share(of allowed: Int) -> (connections: Int, others: Int) {
    let wanted = max(connectionLimit, threads)
    let others = min(otherDescriptors, allowed / 2)
    return (max(min(wanted, allowed - others), threads, 16), others)
  }
  /// Connections from one address. Off: behind an ingress all clients share one address.
  package var perAddressLimit: Int?
  /// Request line and headers together; above it 431. The library's memory for a connection is twice this, so that its own
  /// refusal (plain HTML, above some 30 KB) comes after ours.
  package var headerLimitBytes = 16 * 1024
  /// The request target; above it 414. 8 KiB is what RFC 9110 asks of everybody.
  package var targetLimitBytes = 8 * 1024
  /// Header fields of a request; above it 431. Browsers send about 20.
  package var headerCountLimit = 100
  /// Pairs in the query; above it 400. The API's widest call takes about 15.
  package var queryItemLimit = 100
  /// From the accept, or from the first byte that can be seen of a later request, to the end of its headers. Absolute: the
  /// library's own timeout starts anew with each byte, so one byte a second would hold a connection for ever.
  package var headerDeadlineSeconds = 10
  /// From the end of the headers to the end of the body, for bodies that are gathered in memory; absolute.
  package var bodyDeadlineSeconds = 30
  /// A kept-alive connection without a request, and an answer that makes no progress, end after this.
  package var idleTimeoutSeconds = 60
  /// An asynchronous handler that has not answered by then is cancelled and answered for with 503. Long enough for a
  /// long-poll, short enough that a wedged handler does not hold its connection for good.
  package var answerDeadlineSeconds = 300
  /// An answer of known length must be taken within `idleTimeoutSeconds` and its length at this rate: who reads slower holds
  /// memory and a connection on purpose. Streams of unknown length are bounded by their queue instead.
  package var slowestReaderBytesPerSecond = 16 * 1024

  package init(host: String = "127.0.0.1", port: UInt16 = 0) {
    self.host = host
    self.port = port
  }
}

/// Why a server did not start.
package enum HTTPServerError: Error, Sendable, Equatable {
  /// The address cannot be listened on; `errno` says why (in use, not ours, no permission).
  case cannotListen(host: String, port: UInt16, errno: Int32)
  /// The checks on request headers were written against libmicrohttpd 0.9.75 and would be blind with another.
  case unsupportedLibrary(version: String)
  /// Threads or descriptors ran out.
  case cannotStart
}
