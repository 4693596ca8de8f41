import JSON

/// What a test or a demo may turn. All times are seconds of wall time.
package struct Settings: Sendable {
  /// From the create to `running`, without the pull: a third before the first status, the rest after the pull.
  package var boot = 1.0
  /// How long the image is pulled, on the first start and after a recycle.
  package var pull = 1.0
  /// From `running` to the moment sshd listens.
  package var sshDelay = 0.5
  /// From a stop to `exited`.
  package var stop = 0.3
  /// From losing priority to `exited`; 10 to 30 s were measured at the real service.
  package var outbidGrace = 10.0
  /// How long a new contract is missing from list and read.
  package var visibility = 0.0
  /// How long a destroyed contract lingers in list and read.
  package var settle = 0.0
  /// How long a failed pull stays `loading` with the wish to run, before the platform gives up.
  package var pullGiveUp = 420.0
  /// Whether the minimum intervals of the real service are enforced.
  package var thresholds = false
  /// Which of the four known bodies a 429 has.
  package var limitForm = LimitForm.thresholdText
  /// Whether a 429 tells how long to wait.
  package var sendsRetryAfter = false
  /// How a taken offer is answered for.
  package var takenForm = TakenForm.badRequest
  /// Whether the old list still answers; new accounts get 410.
  package var servesOldList = false
  /// How often the log's address answers 404 before the log is there.
  package var logPolls = 1
  /// Whether a filter on a field that does not exist is refused instead of ignored.
  package var strictFilters = false
  /// Seconds billed per second that passes.
  package var accrualSpeed = 1.0
  /// The rate of a stopped instance's disk, in running rates: stopped is often dearer.
  package var stoppedDiskFactor = 1.5

  package init() {}
}

/// The forms of 429 that were met at the real service.
package enum LimitForm: String, Sendable, CaseIterable {
  case text, thresholdText = "threshold_text", detail, error
}

/// The forms of "this offer is gone" that were met at the real service.
package enum TakenForm: String, Sendable, CaseIterable {
  case badRequest = "400"
  case notFound = "404"
  case gone = "410"
}

extension Settings {
  /// Takes over what `object` names. Throws at the first member that is unknown or of a wrong type.
  mutating func apply(_ object: JSONObject) throws(ControlError) {
    for member in object.members {
      let value = member.value
      switch member.name {
      case "boot": boot = try value.seconds(member.name)
      case "pull": pull = try value.seconds(member.name)
      case "ssh_delay": sshDelay = try value.seconds(member.name)
      case "stop": stop = try value.seconds(member.name)
      case "outbid_grace": outbidGrace = try value.seconds(member.name)
      case "visibility": visibility = try value.seconds(member.name)
      case "settle": settle = try value.seconds(member.name)
      case "pull_give_up": pullGiveUp = try value.seconds(member.name)
      case "accrual_speed": accrualSpeed = try value.seconds(member.name)
      case "stopped_disk_factor": stoppedDiskFactor = try value.seconds(member.name)
      case "thresholds": thresholds = try value.flag(member.name)
      case "retry_after": sendsRetryAfter = try value.flag(member.name)
      case "v0_list": servesOldList = try value.flag(member.name)
      case "strict_filters": strictFilters = try value.flag(member.name)
      case "log_polls": logPolls = Int(try value.seconds(member.name))
      case "limit_form": limitForm = try value.choice(member.name)
      case "taken_form": takenForm = try value.choice(member.name)
      default: throw ControlError("there is no setting \"\(member.name)\"")
      }
    }
  }

  var json: JSONValue {
    var row = Row()
    row["boot"] = .number(boot)
    row["pull"] = .number(pull)
    row["ssh_delay"] = .number(sshDelay)
    row["stop"] = .number(stop)
    row["outbid_grace"] = .number(outbidGrace)
    row["visibility"] = .number(visibility)
    row["settle"] = .number(settle)
    row["pull_give_up"] = .number(pullGiveUp)
    row["accrual_speed"] = .number(accrualSpeed)
    row["stopped_disk_factor"] = .number(stoppedDiskFactor)
    row["thresholds"] = .bool(thresholds)
    row["retry_after"] = .bool(sendsRetryAfter)
    row["v0_list"] = .bool(servesOldList)
    row["strict_filters"] = .bool(strictFilters)
    row["log_polls"] = .integer(Int64(logPolls))
    row["limit_form"] = .string(limitForm.rawValue)
    row["taken_form"] = .string(takenForm.rawValue)
    return row.json
  }
}

/// What is wrong with a call of the control surface, as a sentence.
struct ControlError: Error, Sendable, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

extension JSONValue {
  func seconds(_ name: String) throws(ControlError) -> Double {
    // Bounded, so that it fits an Int where one is meant: a count, a status.
    guard let number = asNumber, (0...1e9).contains(number) else {
      throw ControlError("\"\(name)\" must be a number from 0 to 1e9")
    }
    return number
  }

  func flag(_ name: String) throws(ControlError) -> Bool {
    guard case .bool(let value) = self else { throw ControlError("\"\(name)\" must be true or false") }
    return value
  }

  func choice<Choice: RawRepresentable & CaseIterable>(_ name: String) throws(ControlError) -> Choice
  where Choice.RawValue == String {
    if case .string(let text) = self, let choice = Choice(rawValue: text) { return choice }
    let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
    throw ControlError("\"\(name)\" must be one of \(known)")
  }
}
