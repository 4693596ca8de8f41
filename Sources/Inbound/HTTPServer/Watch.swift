import CSystem
import Glibc
import Locking
import Synchronization

/// One thread for what the library does not see: clients that leave while their connection is suspended, and absolute
/// deadlines. It sleeps in epoll until a client hangs up, a deadline is near, or it is woken; an idle server costs nothing.
final class Watch: Sendable {
  private let epoll: Int32
  private let alarm: Int32
  private let stops = Atomic(false)

  /// nil when descriptors ran out.
  init?() {
    epoll = csystem_epoll_create()
    alarm = csystem_eventfd()
    guard epoll >= 0, alarm >= 0, csystem_epoll_watch_readable(epoll, alarm, Watch.alarmToken) == 0 else {
      if epoll >= 0 { close(epoll) }
      if alarm >= 0 { close(alarm) }
      return nil
    }
  }

  deinit {
    close(epoll)
    close(alarm)
  }

  func wake() { csystem_eventfd_signal(alarm) }

  func stop() {
    stops.store(true, ordering: .releasing)
    wake()
  }

  /// From now on, and at once when it has happened already, tells when the client of a connection has hung up.
  func hangups(of descriptor: Int32, token: UInt64) -> Bool {
    csystem_epoll_watch_hangup(epoll, descriptor, token) == 0
  }

  func run(table: ConnectionTable) {
    var tokens = [UInt64](repeating: 0, count: 64)
    while !stops.load(ordering: .acquiring) {
      let sleep = table.sleepMilliseconds(now: csystem_monotonic_ns())
      let count = csystem_epoll_wait(epoll, &tokens, Int32(tokens.count), sleep)
      precondition(count >= 0, "epoll_wait failed on the server's own descriptor")
      for token in tokens[..<Int(count)] {
        if token == Watch.alarmToken {
          csystem_eventfd_clear(alarm)
        } else {
          table.connection(token)?.clientLeft()
        }
      }
      for connection in table.expired(now: csystem_monotonic_ns()) { connection.deadlinePassed() }
    }
  }

  private static let alarmToken = UInt64.max
}
