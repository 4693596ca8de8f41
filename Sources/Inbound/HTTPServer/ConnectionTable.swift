import CSystem
import Locking
import Synchronization

/// Every open connection, under a token that stays unique when its slot is used again, and the wheel of their deadlines.
///
/// A connection's descriptor belongs to the library, which closes it on a thread of its own. Whoever touches it from
/// elsewhere does so inside `whileOpen`: the library reports the end of a connection before it closes the descriptor, and
/// that report waits for the table.
final class ConnectionTable: Sendable {
  private let state: Locked<State>
  /// Wakes the watching thread when something is due before it would look.
  private let wake: @Sendable () -> Void

  private struct State {
    var slots: [Slot] = []
    var free: [Int] = []
    var wheel: TimerWheel
    var open = 0
    /// Until when the watching thread sleeps; the distant past while it is awake.
    var sleepsUntil: Int64 = .min
  }

  private struct Slot {
    var generation: UInt32
    var connection: Connection?
  }

  init(wake: @escaping @Sendable () -> Void) {
    self.wake = wake
    state = Locked(State(wheel: TimerWheel(now: csystem_monotonic_ns())))
  }

  var count: Int { state.withLock { $0.open } }
  var all: [Connection] { state.withLock { $0.slots.compactMap(\.connection) } }

  func insert(_ connection: Connection, now: Int64) {
    let mustWake = state.withLock { state in
      let slot: Int
      if let reused = state.free.popLast() {
        slot = reused
      } else {
        slot = state.slots.count
        state.slots.append(Slot(generation: 0, connection: nil))
      }
      state.slots[slot].generation &+= 1
      state.slots[slot].connection = connection
      state.open += 1
      connection.token = UInt64(state.slots[slot].generation) << 32 | UInt64(slot)
      return file(connection, slot: slot, now: now, in: &state)
    }
    if mustWake { wake() }
  }

  func remove(_ connection: Connection) {
    state.withLock { state in
      guard let slot = slot(of: connection.token, in: state) else { return }
      state.slots[slot].connection = nil
      state.free.append(slot)
      state.open -= 1
      state.wheel.remove(slot)
    }
  }

  func connection(_ token: UInt64) -> Connection? {
    state.withLock { state in slot(of: token, in: state).flatMap { state.slots[$0].connection } }
  }

  /// Runs `body` with the connection's descriptor held open; not at all when the connection is over.
  func whileOpen(_ connection: Connection, _ body: (Int32) -> Void) {
    state.withLock { state in
      if slot(of: connection.token, in: state) != nil { body(connection.descriptor) }
    }
  }

  /// Files a connection anew because its deadline has come nearer than its next look.
  func reschedule(_ connection: Connection, now: Int64) {
    let mustWake = state.withLock { state in
      guard let slot = slot(of: connection.token, in: state) else { return false }
      return file(connection, slot: slot, now: now, in: &state)
    }
    if mustWake { wake() }
  }

  /// The connections whose deadline has passed. They are looked at again after a second, in case they resist.
  func expired(now: Int64) -> [Connection] {
    state.withLock { state in
      state.sleepsUntil = .min
      var expired: [Connection] = []
      for slot in state.wheel.advance(to: now) {
        guard let connection = state.slots[slot].connection else { continue }
        let deadline = connection.deadline.load(ordering: .acquiring)
        if deadline <= now {
          expired.append(connection)
          connection.nextLook.store(
            state.wheel.file(slot, at: now + 1_000_000_000, now: now), ordering: .releasing)
        } else {
          _ = file(connection, slot: slot, now: now, in: &state)
        }
      }
      return expired
    }
  }

  /// How long the watching thread may sleep, in milliseconds; -1 for as long as nothing happens.
  func sleepMilliseconds(now: Int64) -> Int32 {
    state.withLock { state in
      state.sleepsUntil = state.wheel.nextDue ?? .max
      guard state.sleepsUntil != .max else { return -1 }
      return Int32(max(0, state.sleepsUntil - now) / 1_000_000 + 1)
    }
  }

  private func file(_ connection: Connection, slot: Int, now: Int64, in state: inout State) -> Bool {
    let deadline = connection.deadline.load(ordering: .acquiring)
    let look = state.wheel.file(slot, at: deadline, now: now)
    connection.nextLook.store(look, ordering: .releasing)
    return look < state.sleepsUntil && state.sleepsUntil != .min
  }

  private func slot(of token: UInt64, in state: State) -> Int? {
    let slot = Int(token & 0xFFFF_FFFF)
    guard slot < state.slots.count, state.slots[slot].connection != nil,
      state.slots[slot].generation == UInt32(token >> 32)
    else { return nil }
    return slot
  }
}
