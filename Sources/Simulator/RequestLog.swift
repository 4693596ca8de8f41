import JSON
import Locking

/// Counts of requests and the last of them, so that a test can tell how often a client called.
final class RequestLog: Sendable {
  private struct State {
    var counts: [String: Int] = [:]
    var total = 0
    var last: [Entry] = []
  }

  struct Entry: Sendable {
    var time: Double
    var method: String
    var path: String
    var route: String
    var status: Int
    var agent: String?
  }

  /// Older entries are forgotten; the counts are not.
  static let capacity = 5000
  private let state = Locked(State())

  func add(_ entry: Entry) {
    state.withLock { state in
      state.total += 1
      state.counts[entry.route, default: 0] += 1
      state.last.append(entry)
      if state.last.count > Self.capacity { state.last.removeFirst(state.last.count - Self.capacity) }
    }
  }

  func clear() { state.withLock { $0 = State() } }

  var json: JSONValue {
    let state = state.withLock { $0 }
    var row = Row()
    row["total"] = .int(state.total)
    row["counts"] = .object(
      JSONObject(state.counts.sorted { $0.key < $1.key }.map { .init(name: $0.key, value: .int($0.value)) }))
    row["requests"] = .array(
      state.last.map { entry in
        var row = Row()
        row["time"] = .number(entry.time)
        row["method"] = .string(entry.method)
        row["path"] = .string(entry.path)
        row["route"] = .string(entry.route)
        row["status"] = .int(entry.status)
        row["user_agent"] = .text(entry.agent)
        return row.json
      })
    return row.json
  }
}
