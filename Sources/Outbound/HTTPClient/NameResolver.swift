import Glibc
import Locking

/// Finds the addresses of names on threads of its own, each call bounded in time.
///
/// libcurl's own resolver has a thread as well, but waits for it to end when a transfer is given up meanwhile, and all
/// transfers with it: one name whose server hangs would hold up every other receiver. `getaddrinfo` cannot be broken off, so here
/// its thread is left behind to end when it likes. There are few of them: one for each name, and a name that hangs keeps its own
/// until then. Once all hang, further names fail at once, for no thread will be free in time; what is known already goes on.
package final class NameResolver: Sendable {
  /// Blocks; the addresses of a name as text, none when it leads nowhere.
  package typealias Lookup = @Sendable (_ name: String) -> [String]

  /// Names looked up at a time. 16: a burst to all fifty receivers is through in four rounds, and as many threads that hang
  /// cost some kilobytes each.
  package static let threads = 16
  /// A name not found by then is overdue. A resolver asks again after five seconds: a lost packet alone does not use it up, and
  /// the rest of ten seconds is left for the connection.
  package static let patience = Duration.seconds(7)
  /// How long an answer is good, as libcurl has it.
  static let lifetime = Duration.seconds(60)
  /// Names kept; more than there are receivers, and a few kilobytes.
  static let memory = 256
  private static let overdue = "its name was not found in time"

  /// Under way on a thread.
  private final class Search: Sendable {
    let begun: Duration
    let ended = Signal()
    let found = Locked<[String]?>(nil)

    init(begun: Duration) { self.begun = begun }
  }

  private struct State: Sendable {
    var searches: [String: Search] = [:]
    var known: [String: (addresses: [String], until: Duration)] = [:]
  }

  private enum Turn {
    case known([String])
    /// Somebody searches already.
    case joins(Search)
    case begins(Search)
    /// No thread is free, and one may be soon.
    case waits
    /// No thread will be free in time.
    case isHopeless(reason: String)
  }

  private let lookup: Lookup
  private let threads: Int
  private let patience: Duration
  private let clock: any Clock<Duration>
  private let elapsed: @Sendable () -> Duration
  private let state = Locked(State())
  /// Raised when a thread has ended.
  private let freed = Signal()

  package init(
    threads: Int = NameResolver.threads, patience: Duration = NameResolver.patience,
    clock: any Clock<Duration> = ContinuousClock(),
    lookup: @escaping Lookup = NameResolver.systemLookup
  ) {
    self.lookup = lookup
    self.threads = threads
    self.patience = patience
    self.clock = clock
    elapsed = clock.stopwatch
  }

  /// The addresses of a name; `.notSent` when there are none, or none in time.
  func addresses(of name: String, within limit: Duration) async throws(HTTPClientError) -> [String] {
    let end = elapsed() + min(limit, patience)
    while !Task.isCancelled {
      let seen = freed.count
      let rest = end - elapsed()
      guard rest > .zero else { throw .notSent(reason: Self.overdue) }
      switch turn(for: name) {
      case .known(let addresses):
        return addresses
      case .isHopeless(let reason):
        throw .notSent(reason: reason)
      case .waits:
        await freed.wait(after: seen, upTo: rest, clock: clock)
      case .joins(let search):
        if let found = try await result(of: search, within: rest) { return found }
      case .begins(let search):
        begin(search, name)
        if let found = try await result(of: search, within: rest) { return found }
      }
    }
    throw .cancelled(wasSent: false)
  }

  private func turn(for name: String) -> Turn {
    let now = elapsed()
    return state.withLock { state in
      if let known = state.known[name], now < known.until { return .known(known.addresses) }
      if let search = state.searches[name] {
        return isOverdue(search, now) ? .isHopeless(reason: Self.overdue) : .joins(search)
      }
      guard state.searches.count >= threads else {
        let search = Search(begun: now)
        state.searches[name] = search
        return .begins(search)
      }
      let isStuck = state.searches.values.allSatisfy { isOverdue($0, now) }
      return isStuck ? .isHopeless(reason: "no name is found in time at present") : .waits
    }
  }

  private func isOverdue(_ search: Search, _ now: Duration) -> Bool { now - search.begun >= patience }

  /// Nil when it has not ended in time.
  private func result(of search: Search, within limit: Duration) async throws(HTTPClientError) -> [String]? {
    await search.ended.wait(after: 0, upTo: limit, clock: clock)
    guard let found = search.found.withLock({ $0 }) else { return nil }
    guard !found.isEmpty else { throw .notSent(reason: "its name leads nowhere") }
    return found
  }

  private func begin(_ search: Search, _ name: String) {
    startThread(name: "name-lookup") { [self] in
      let found = lookup(name)
      let now = elapsed()
      search.found.withLock { $0 = found }
      state.withLock { state in
        state.searches[name] = nil
        guard !found.isEmpty else { return }
        if state.known.count >= Self.memory { state.known = state.known.filter { now < $0.value.until } }
        if state.known.count < Self.memory { state.known[name] = (found, now + Self.lifetime) }
      }
      search.ended.raise()
      freed.raise()
    }
  }

  /// By the system's resolver: its files, its servers, its time-outs.
  package static let systemLookup: Lookup = { name in
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
    defer { freeaddrinfo(list) }
    var found: [String] = []
    var next = list
    while let entry = next {
      next = entry.pointee.ai_next
      var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
      guard
        getnameinfo(
          entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0
      else { continue }
      // Without the interface of a link-local address: nobody can be reached by one from here.
      found.append(String(decoding: text.prefix { $0 != 0 && $0 != 0x25 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
    return found
  }
}
