import Artifacts
import CSystem
import Domain
import Locking
import Logging
import Store

/// What time it is, for everything that is written down or waited for: see `TimeLine`.
final class ServiceClock: Sendable {
  private let line: Locked<TimeLine>

  init() { line = Locked(Self.wall()) }

  var now: Timestamp { line.withLock { $0 }.moment(atBoot: Self.boot()) }

  /// Takes up the time of the last life where something of it is under way.
  func begin(after store: Store, logger: Logger) throws(StoreError) {
    let (kept, newest) = try store.read { (r) throws(StoreError) in (try r.keptTimeLine(), try r.newestMomentUnderWay())
    }
    let wall = Self.wall()
    let chosen = TimeLine.beginning(wall: wall, after: kept, newest: newest, atBoot: Self.boot())
    line.withLock { $0 = chosen }
    let difference = Timestamp(microseconds: chosen.offset) - Timestamp(microseconds: wall.offset)
    guard abs(difference.inSeconds) >= 1 else { return }
    logger.warning(
      "the wall clock was set; what is under way goes on by the time before",
      metadata: ["ahead_s": "\(difference.inSeconds)"]
    )
  }

  /// For the next life.
  func keep(in store: Store, logger: Logger) async {
    let line = line.withLock { $0 }
    do throws(StoreError) {
      try await store.write { (tx) throws(StoreError) in try tx.keep(line) }
    } catch {
      logger.warning("the time line cannot be kept", metadata: ["error": "\(error)"])
    }
  }

  private static func boot() -> Int64 { csystem_boottime_ns() / 1000 }

  private static func wall() -> TimeLine {
    TimeLine(bootID: Boot.id ?? "", offset: csystem_realtime_ns() / 1000 - boot())
  }
}

private let serviceClock = ServiceClock()

/// The one clock of the process.
func currentTime() -> Timestamp { serviceClock.now }

extension Composition {
  static var clock: ServiceClock { serviceClock }
}
