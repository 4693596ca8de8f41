import Domain
import EventFormats
import FleetService
import HTTPServer
import Locking
import Logging

/// Carries new events to all listeners of the stream.
///
/// One task for all of them, while there are any: it reads what was committed, renders each event once, and hands the same bytes
/// to every listener's queue. An idle listener has no task and no timer. One that does not take what it is sent is cut off when
/// its queue is full, and comes again with the id of the last event that it got.
///
/// A listener that names an event is brought up to date from the store first, by a task of its own, and joins the others when
/// it has all that they have. Positions make sure that nothing is missed or sent twice at that moment.
final class EventStreams: Sendable {
  private struct Listener: Sendable {
    let stream: ResponseStream
    let filter: EventFilter
    /// The last event that it was sent, or decided to leave out.
    var position: Int64
    /// When its stream last got anything, by the time that these streams have been there.
    var heardAt: Duration

    mutating func passed(_ position: Int64) { self.position = max(self.position, position) }
  }

  private struct State: Sendable {
    var listeners: [UInt64: Listener] = [:]
    /// Streams that are open, those that are being brought up to date included.
    var open = 0
    var lastNumber: UInt64 = 0
    /// All listeners have been offered what stands up to here.
    var position: Int64 = 0
    var isRunning = false
  }

  static let heartbeat = Array(": heartbeat\n\n".utf8)
  /// Proxies give an idle connection a minute or more.
  static let heartbeatInterval = Duration.seconds(15)
  /// How long a browser waits before it comes again.
  private static let opening = Array("retry: 2000\n\n".utf8)
  private static let pageSize = 500

  private let fleet: Fleet
  private let clock: any Clock<Duration>
  private let elapsed: @Sendable () -> Duration
  private let logger: Logger
  private let state = Locked(State())

  init(fleet: Fleet, clock: any Clock<Duration>, logger: Logger) {
    self.fleet = fleet
    self.clock = clock
    elapsed = clock.stopwatch
    self.logger = logger
  }

  /// Nil when there are too many.
  func open(_ input: EventInput) throws(FleetError) -> ResponseStream? {
    var position = try fleet.lastEventPosition()
    var isReset = false
    if let after = input.after {
      let known = try fleet.position(of: after)
      isReset = known == nil
      position = known ?? 0
    }
    let hasRoom = state.withLock { state in
      guard state.open < Limits.eventStreams else { return false }
      state.open += 1
      return true
    }
    guard hasRoom else { return nil }
    let stream = ResponseStream(bound: Limits.streamedEventBytes)
    stream.onClose { [self] in state.withLock { $0.open -= 1 } }
    _ = stream.tryWrite(Self.opening)
    if isReset {
      _ = stream.tryWrite(
        Array("event: reset\ndata: {\"detail\":\"The event of Last-Event-ID is not kept any more.\"}\n\n".utf8))
    }
    let listener = Listener(stream: stream, filter: input.filter, position: position, heardAt: elapsed())
    if !join(listener) {
      let task = Task { await catchUp(listener) }
      stream.onClose { task.cancel() }
    }
    return stream
  }

  // MARK: Listeners

  /// False when others have been offered more than this one has.
  private func join(_ listener: Listener) -> Bool {
    let (number, starts) = state.withLock { state -> (UInt64?, Bool) in
      if state.listeners.isEmpty, !state.isRunning { state.position = listener.position }
      guard listener.position >= state.position else { return (nil, false) }
      state.lastNumber += 1
      state.listeners[state.lastNumber] = listener
      defer { state.isRunning = true }
      return (state.lastNumber, !state.isRunning)
    }
    guard let number else { return false }
    listener.stream.onClose { [self] in state.withLock { _ = $0.listeners.removeValue(forKey: number) } }
    if starts { Task { await run() } }
    return true
  }

  private func catchUp(_ behind: Listener) async {
    var listener = behind
    while !Task.isCancelled, !listener.stream.isClosed {
      do throws(FleetError) {
        let events = try fleet.events(after: listener.position, EventFilter(), limit: Self.pageSize)
        for event in events where listener.filter.includes(event.event) {
          do throws(StreamClosed) {
            try await listener.stream.write(Self.frame(event, source: fleet.eventSource))
          } catch {
            return
          }
          listener.heardAt = elapsed()
        }
        listener.position = events.last?.position ?? listener.position
        // Who joins has just heard something: those who are there may all have, and be looked at in a quarter of a minute.
        let mayJoin = events.count < Self.pageSize
        beat(&listener, after: mayJoin ? .seconds(1) : Self.heartbeatInterval)
        if mayJoin, join(listener) { return }
        // A long search for what few want must not keep others from their turn.
        await Task.yield()
      } catch {
        logger.warning("a stream of events failed", metadata: ["error": "\(error)"])
        return listener.stream.cut()
      }
    }
  }

  // MARK: The one task

  /// Ends when nobody listens any more.
  private func run() async {
    while true {
      let seen = fleet.eventNews.count
      let isIdle = offerNew()
      let rest = beat()
      let goesOn = state.withLock { state in
        state.isRunning = !state.listeners.isEmpty
        return state.isRunning
      }
      guard goesOn else { return }
      if isIdle { await fleet.eventNews.wait(after: seen, upTo: rest, clock: clock) } else { await Task.yield() }
    }
  }

  /// Hands a page of new events to everybody; true when there is no more.
  private func offerNew() -> Bool {
    let position = state.withLock { $0.position }
    do throws(FleetError) {
      let events = try fleet.events(after: position, EventFilter(), limit: Self.pageSize)
      guard let last = events.last else { return true }
      let frames = events.map { Self.frame($0, source: fleet.eventSource) }
      // What they are about to be offered counts as offered: who joins meanwhile and has less fetches it from the store.
      let listeners = state.withLock { state in
        defer {
          state.position = last.position
          for number in state.listeners.keys { state.listeners[number]?.passed(last.position) }
        }
        return state.listeners
      }
      var heard: [UInt64] = []
      for (number, listener) in listeners {
        switch Self.offer(events, frames, to: listener) {
        case .none: break
        case .some(true): heard.append(number)
        case .some(false): listener.stream.cut()
        }
      }
      note(heard)
      return events.count < Self.pageSize
    } catch {
      logger.warning("events cannot be read", metadata: ["error": "\(error)"])
      return true
    }
  }

  /// Nil when nothing is for this listener, false when it has no room for what is.
  private static func offer(_ events: [RecordedEvent], _ frames: [[UInt8]], to listener: Listener) -> Bool? {
    var isHeard: Bool?
    for (event, frame) in zip(events, frames)
    where event.position > listener.position && listener.filter.includes(event.event) {
      guard listener.stream.tryWrite(frame) else { return false }
      isHeard = true
    }
    return isHeard
  }

  // MARK: Heartbeats

  /// To all who have heard nothing for a while, however much goes by them; how long until the next is due.
  private func beat() -> Duration {
    let now = elapsed()
    let (due, rest) = state.withLock { state in
      var due: [(number: UInt64, stream: ResponseStream)] = []
      var rest = Self.heartbeatInterval
      for (number, listener) in state.listeners {
        let left = listener.heardAt + Self.heartbeatInterval - now
        if left > .zero { rest = min(rest, left) } else { due.append((number, listener.stream)) }
      }
      return (due, rest)
    }
    // One that has no room has more to read than this.
    for (_, stream) in due { _ = stream.tryWrite(Self.heartbeat) }
    note(due.map(\.number))
    return rest
  }

  /// To one that is being brought up to date.
  private func beat(_ listener: inout Listener, after silence: Duration) {
    let now = elapsed()
    guard now - listener.heardAt >= silence else { return }
    _ = listener.stream.tryWrite(Self.heartbeat)
    listener.heardAt = now
  }

  private func note(_ heard: [UInt64]) {
    guard !heard.isEmpty else { return }
    let now = elapsed()
    state.withLock { state in
      for number in heard { state.listeners[number]?.heardAt = now }
    }
  }

  /// No `event:` field, so that a browser's `onmessage` gets every type; `data` names it.
  static func frame(_ event: RecordedEvent, source: String) -> [UInt8] {
    Array("id: \(event.event.id.rawValue)\ndata: ".utf8) + CloudEvent.json(event, source: source) + [0x0A, 0x0A]
  }
}
