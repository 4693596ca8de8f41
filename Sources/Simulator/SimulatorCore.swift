import CSystem
import Glibc
import JSON
import Locking

/// Joins the world with what is real: the clock, the machines, the log of truth.
final class SimulatorCore: Sendable {
  let requests = RequestLog()
  let room: MachineRoom
  private let hasMachines: Bool
  private let world: Locked<World>
  private let truth: TruthLog
  private let base = Locked("")
  private let isOpen = Locked(true)
  private let report: @Sendable (String) -> Void
  private let folderLock: Int32

  init(_ configuration: SimulatorConfiguration) throws(MachineError) {
    if configuration.hasMachines { try Self.checkMachine() }
    let folder =
      configuration.folder.hasPrefix("/") ? configuration.folder : Self.workingFolder + "/" + configuration.folder
    try Files.makeFolder(folder, mode: 0o700)
    folderLock = csystem_open(folder + "/lock", O_RDWR | O_CREAT, 0o600)
    guard folderLock >= 0, flock(folderLock, LOCK_EX | LOCK_NB) == 0 else {
      throw MachineError("another vast-sim uses \(folder)")
    }
    let now = Self.now()
    report = configuration.report
    truth = try TruthLog(folder: folder, now: now)
    room = try MachineRoom(folder: folder + "/instances", report: configuration.report)
    hasMachines = configuration.hasMachines
    let ports = Ports()
    world = Locked(
      World(
        .init(
          settings: configuration.settings, now: now, apiKey: configuration.apiKey, credit: configuration.credit,
          // Numbers never repeat, also across starts in the same folder: clients remember them.
          firstContract: configuration.firstContract ?? 40_000_000 + Int(now - 1_790_000_000) * 4,
          freePort: { ports.take() },
          secret: { Self.secret() })))
  }

  deinit { Glibc.close(folderLock) }

  private static func checkMachine() throws(MachineError) {
    guard geteuid() == 0 else {
      throw MachineError("vast-sim must run as root: its instances take SSH logins as root, as Vast.ai's do")
    }
    guard access("/usr/sbin/sshd", X_OK) == 0 else {
      throw MachineError("there is no /usr/sbin/sshd; install it with: apt-get install openssh-server")
    }
    // sshd wants it to exist, and leaves it empty.
    try Files.makeFolder("/run/sshd")
  }

  /// Begins to let time pass. Until `close`.
  func open(base url: String) {
    base.withLock { $0 = url }
    startThread(name: "sim-clock") { [self] in
      while isOpen.withLock({ $0 }) {
        let next = update { $0.nextMoment }
        // Close enough for a boot of 10 ms; asleep most of the time when nothing is going on.
        let wait = min(max((next ?? .infinity) - Self.now(), 0.002), 0.02)
        usleep(UInt32(wait * 1_000_000))
      }
    }
  }

  func close() {
    isOpen.withLock { $0 = false }
    room.close()
  }

  var url: String { base.withLock { $0 } }

  /// Lets time pass up to now, then looks or changes. What was ordered is under way and what happened is on disk when this
  /// returns.
  func update<Result>(_ body: (inout World) -> Result) -> Result {
    let (result, wrote) = world.withLock { world in
      world.advance(to: Self.now())
      let result = body(&world)
      // Inside the lock, so that lines and orders keep the order of the changes; neither waits for a disk or a process.
      let records = world.takeRecords()
      if !records.isEmpty {
        do { try truth.append(records) } catch { report("the truth log failed: \(error)") }
      }
      let orders = world.takeOrders()
      if hasMachines, isOpen.withLock({ $0 }) { room.carryOut(orders) }
      return (result, !records.isEmpty)
    }
    if wrote {
      do { try truth.sync() } catch { report("the truth log failed: \(error)") }
    }
    return result
  }

  static func now() -> Double { Double(csystem_realtime_ns()) / 1e9 }

  private static func secret() -> String {
    var generator = SystemRandomNumberGenerator()
    let hex = (0..<4).map { _ in String(generator.next() as UInt64, radix: 16) }
    return hex.map { String(repeating: "0", count: 16 - $0.count) + $0 }.joined()
  }

  private static var workingFolder: String {
    guard let path = getcwd(nil, 0) else { return "" }
    defer { free(path) }
    return String(cString: path)
  }
}
