import CSystem
import Glibc
import Locking

/// Places where a test lets this process die or a call fail: before and after every effect on the world outside of it. There
/// are no more of them than kinds of effects (a commit, a call to the marketplace, a command over SSH, a file that gets its
/// final name); a test reaches each single effect by its ordinal, and so all of them without anybody naming them.
///
/// Debug builds only. In a release build `pass` is empty, and the program refuses to start with `variable` set.
package enum Failpoints {
  /// `PLACE@N=kill` or `PLACE@N=fail`, joined by commas: what happens when PLACE is passed for the Nth time since the start.
  package static let variable = "VASTD_FAILPOINTS"
  /// A file to which every passing adds a line, `PLACE N`: how a run proves that its faults hit.
  package static let recordVariable = "VASTD_FAILPOINTS_RECORD"

  #if DEBUG
    package static let areCompiled = true

    /// True when the call at this place has to fail. Does not return when the process has to die here.
    package static func pass(_ place: String) -> Bool {
      guard let armed else { return false }
      return armed.pass(place)
    }

    private static let armed = ArmedFailpoints(
      plan: getenv(variable).map { String(cString: $0) }, record: getenv(recordVariable).map { String(cString: $0) })
  #else
    package static let areCompiled = false

    @inline(__always)
    package static func pass(_ place: String) -> Bool { false }
  #endif
}

/// What is to happen where, and how often each place was passed.
final class ArmedFailpoints: Sendable {
  enum Action: String, Sendable {
    /// As a power cut ends it: nothing is flushed, nothing is told.
    case kill
    case fail
  }

  struct Moment: Hashable, Sendable {
    let place: String
    let ordinal: Int
  }

  private let plan: [Moment: Action]
  private let record: Int32
  private let counts = Locked<[String: Int]>([:])
  private let die: @Sendable () -> Void

  /// Nil when nothing is planned and nothing is recorded. A plan that cannot be read ends the process: a test that believes
  /// to have armed something must not pass.
  init?(
    plan text: String?, record path: String?,
    die: @escaping @Sendable () -> Void = {
      kill(getpid(), SIGKILL)
      while true { pause() }
    }
  ) {
    guard text != nil || path != nil else { return nil }
    plan = Self.parse(text ?? "")
    record = path.map { csystem_open($0, O_WRONLY | O_CREAT | O_APPEND, 0o600) } ?? -1
    precondition(path == nil || record >= 0, "\(Failpoints.recordVariable) names a file that cannot be written")
    self.die = die
  }

  deinit { if record >= 0 { close(record) } }

  func pass(_ place: String) -> Bool {
    let ordinal = counts.withLock { counts in
      counts[place, default: 0] += 1
      return counts[place, default: 0]
    }
    if record >= 0 {
      // One write: appended whole, and there when the process dies in the next line.
      let line = "\(place) \(ordinal)\n"
      _ = write(record, line, line.utf8.count)
    }
    switch plan[Moment(place: place, ordinal: ordinal)] {
    case .kill:
      die()
      return false
    case .fail: return true
    case nil: return false
    }
  }

  static func parse(_ text: String) -> [Moment: Action] {
    var plan: [Moment: Action] = [:]
    for entry in text.split(separator: ",") {
      let sides = entry.split(separator: "=", maxSplits: 1).map(String.init)
      let moment = sides[0].split(separator: "@", maxSplits: 1).map(String.init)
      guard sides.count == 2, let action = Action(rawValue: sides[1]), moment.count == 2, let ordinal = Int(moment[1]),
        ordinal > 0
      else { preconditionFailure("\(Failpoints.variable): '\(entry)' is not PLACE@N=kill or PLACE@N=fail") }
      plan[Moment(place: moment[0], ordinal: ordinal)] = action
    }
    return plan
  }
}
