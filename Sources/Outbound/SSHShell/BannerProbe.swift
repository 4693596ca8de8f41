import CSystem
import Domain
import Glibc
import Locking

/// Finds out at which of a machine's addresses an SSH server speaks.
///
/// An open port proves nothing: Vast's proxy accepts connections for machines that are still booting. So a probe is a
/// connection that brings the line `SSH-…`. A thread for each address, since a name may take the resolver its time;
/// the earlier address is preferred when a later one is only a little faster.
final class BannerProbe: Sendable {
  private static let preference: Int64 = 300_000_000
  /// A machine can begin to answer at any moment, and every moment until we see it is paid for: often at first, then less.
  private static let intervals: [(until: Int64, pause: Int64)] = [
    (5_000_000_000, 100_000_000), (20_000_000_000, 250_000_000), (60_000_000_000, 500_000_000),
  ]
  private static let lastInterval: Int64 = 1_000_000_000
  /// A lost SYN is sent again only after a second by the kernel; a new connection of ours is quicker at first.
  private static let connectPatience: Int64 = 1_500_000_000
  private static let bannerPatience: Int64 = 5_000_000_000

  private struct State {
    /// The address that answered, by its place in the list.
    var best: Int?
    var running: Int
    var isDecided = false
    var decision: CheckedContinuation<Int?, Never>?
  }

  private let state: Locked<State>
  /// Ends the waits of all threads at once.
  private let stop: ConversationControl
  private let deadline: Int64

  private init(count: Int, deadline: Int64, stop: ConversationControl) {
    state = Locked(State(running: count))
    self.deadline = deadline
    self.stop = stop
  }

  /// Nil when none answers in time, when the task is cancelled, for an empty list, and when this process has no descriptor
  /// left to ask with: the caller tries again in each case.
  static func firstAnswering(among addresses: [SSHAddress], patience: Duration) async -> SSHAddress? {
    guard !addresses.isEmpty, let stop = try? ConversationControl() else { return nil }
    let probe = BannerProbe(
      count: addresses.count, deadline: csystem_monotonic_ns() + patience.nanoseconds, stop: stop)
    let found = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        probe.state.withLock { $0.decision = continuation }
        for (place, address) in addresses.enumerated() {
          startThread(name: "ssh-probe") { probe.follow(address, at: place) }
        }
      }
    } onCancel: {
      stop.cancel()
    }
    return found.map { addresses[$0] }
  }

  /// One address until it answers, another one has won, or time is up.
  private func follow(_ address: SSHAddress, at place: Int) {
    let start = csystem_monotonic_ns()
    var answered = false
    while !answered && csystem_monotonic_ns() < deadline && !stop.isCancelled {
      answered = attempt(address)
      if answered { break }
      let age = csystem_monotonic_ns() - start
      let pause = Self.intervals.first { age < $0.until }?.pause ?? Self.lastInterval
      wait(until: csystem_monotonic_ns() + pause)
    }
    if answered {
      let mayWait = state.withLock { state in
        state.best = min(state.best ?? place, place)
        return state.best == place && place > 0 && state.running > 1
      }
      if mayWait { wait(until: csystem_monotonic_ns() + Self.preference) }
    }
    let decision = state.withLock { state in
      state.running -= 1
      let isLast = state.running == 0
      guard !state.isDecided, answered || isLast else { return nil as (CheckedContinuation<Int?, Never>?, Int?)? }
      state.isDecided = true
      return (state.decision, state.best)
    }
    if let decision {
      stop.cancel()
      decision.0?.resume(returning: decision.1)
    }
  }

  private func wait(until moment: Int64) {
    while !stop.isCancelled {
      let left = min(moment, deadline) - csystem_monotonic_ns()
      if left <= 0 { return }
      var watched = pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0)
      poll(&watched, 1, Int32(left / 1_000_000 + 1))
    }
  }

  /// One connection to each of the name's addresses in turn, until one shows a banner.
  private func attempt(_ address: SSHAddress) -> Bool {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(address.host, "\(address.port)", &hints, &list) == 0 else { return false }
    defer { freeaddrinfo(list) }
    var next = list
    while let entry = next {
      if !stop.isCancelled && readsBanner(entry.pointee) { return true }
      next = entry.pointee.ai_next
    }
    return false
  }

  private func readsBanner(_ entry: addrinfo) -> Bool {
    let descriptor = socket(
      entry.ai_family, entry.ai_socktype | Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), entry.ai_protocol)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    if connect(descriptor, entry.ai_addr, entry.ai_addrlen) != 0 {
      guard csystem_errno() == EINPROGRESS,
        isReady(descriptor, POLLOUT, until: csystem_monotonic_ns() + Self.connectPatience)
      else { return false }
    }
    var reader = BannerReader()
    var buffer = [UInt8](repeating: 0, count: 512)
    let end = csystem_monotonic_ns() + Self.bannerPatience
    while isReady(descriptor, POLLIN, until: end) {
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0 && (csystem_errno() == EAGAIN || csystem_errno() == EINTR) { continue }
      if count <= 0 { return false }
      switch reader.feed(buffer[..<count]) {
      case .banner: return true
      case .nonsense: return false
      case .more: break
      }
    }
    return false
  }

  private func isReady(_ descriptor: Int32, _ events: Int32, until moment: Int64) -> Bool {
    while !stop.isCancelled {
      let left = min(moment, deadline) - csystem_monotonic_ns()
      if left <= 0 { return false }
      var watched = [
        pollfd(fd: descriptor, events: Int16(events), revents: 0),
        pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0),
      ]
      poll(&watched, 2, Int32(left / 1_000_000 + 1))
      if watched[0].revents != 0 { return true }
    }
    return false
  }
}

/// What a server says first: RFC 4253 allows other lines before the one that begins with `SSH-`, of 255 bytes each.
struct BannerReader {
  enum Progress {
    case more
    case banner
    case nonsense
  }

  /// Enough for a long notice, and an end to a flood.
  static let lineLimit = 64
  private static let lengthLimit = 255
  private var line: [UInt8] = []
  private var lines = 0

  mutating func feed(_ bytes: some Sequence<UInt8>) -> Progress {
    for byte in bytes {
      if byte == UInt8(ascii: "\n") {
        lines += 1
        line = []
        if lines > Self.lineLimit { return .nonsense }
        continue
      }
      line.append(byte)
      if line.elementsEqual("SSH-".utf8) { return .banner }
      if line.count > Self.lengthLimit { return .nonsense }
    }
    return .more
  }
}
