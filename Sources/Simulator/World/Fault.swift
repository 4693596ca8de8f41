import JSON

/// Something that goes wrong with the next requests of one kind. Built from `POST /sim/fault`:
///
///     {"kind": "create_lost"}                                        the next create takes place, the answer is a 502
///     {"kind": "latency", "route": "list", "delay": 3, "count": 5}   five slow lists
///     {"route": "destroy", "happens": false, "reply": "success"}     a destroy that is a lie
///
/// A kind is short for a route, an effect and a reply; each can be given, and given beside a kind it wins.
struct Fault: Sendable {
  /// The name of a route, as `GET /sim/requests` counts them; nil for all.
  var route: String?
  /// Lets so many pass first.
  var skip = 0
  /// How many it hits.
  var count = 1
  /// Seconds before the answer leaves.
  var delay = 0.0
  /// Whether the request still does what it asks for.
  var happens = true
  /// What is answered instead; nil leaves the true answer.
  var reply: Reply?
  var limitForm: LimitForm?
  var retryAfter: Double?
  var takenForm: TakenForm?
  /// For `reply: status`.
  var status = 500
  var body: JSONValue?

  enum Reply: String, Sendable, CaseIterable {
    case badGateway = "502"
    case gatewayTimeout = "504"
    case internalError = "500"
    /// A page instead of JSON, with status 200.
    case html
    /// The true answer's first half in a whole response: no valid JSON.
    case half
    /// The true answer's first half, then the connection ends.
    case cut
    /// A list without rows, a spend of nothing, an object that is null.
    case empty
    /// A rate of spend that is far too high.
    case lie
    /// The list's last page too early: `total_instances`, or the charges' `total`, tells, if one looks.
    case short
    case limited = "429"
    case quota
    case badKey = "bad_key"
    case taken
    case noCredit = "no_credit"
    /// Created, but the GPU was just taken: not a success, and a contract that bills for its disk.
    case stopped
    case success
    case status
  }

  private static let kinds: [String: (route: String?, happens: Bool, reply: Reply?, delay: Double)] = [
    "create_lost": ("create", true, .badGateway, 0),
    "create_timeout": ("create", true, .gatewayTimeout, 130),
    "create_cut": ("create", true, .cut, 0),
    "create_half": ("create", true, .half, 0),
    "create_html": ("create", true, .html, 0),
    "create_refused": ("create", false, .badGateway, 0),
    "create_taken": ("create", false, .taken, 0),
    "create_no_credit": ("create", false, .noCredit, 0),
    "create_stopped": ("create", true, .stopped, 0),
    "list_fails": ("list", true, .internalError, 0),
    "list_empty": ("list", true, .empty, 0),
    "list_cut": ("list", true, .cut, 0),
    "list_half": ("list", true, .half, 0),
    "list_html": ("list", true, .html, 0),
    "list_short": ("list", true, .short, 0),
    "read_fails": ("read", true, .internalError, 0),
    "read_empty": ("read", true, .empty, 0),
    "search_fails": ("search", true, .badGateway, 0),
    "search_quota": ("search", false, .quota, 0),
    "destroy_lost": ("destroy", true, .badGateway, 0),
    "destroy_ignored": ("destroy", false, .success, 0),
    "spend_fails": ("spend", true, .internalError, 0),
    "spend_lies": ("spend", true, .lie, 0),
    "spend_zero": ("spend", true, .empty, 0),
    "bad_key": (nil, false, .badKey, 0),
    "limited": (nil, false, .limited, 0),
    "outage": (nil, false, .badGateway, 0),
    "latency": (nil, true, nil, 1),
  ]

  init(_ object: JSONObject, routes: Set<String>) throws(ControlError) {
    if let kind = object["kind"] {
      guard let name = kind.asText, let known = Self.kinds[name] else {
        throw ControlError("\"kind\" must be one of \(Self.kinds.keys.sorted().joined(separator: ", "))")
      }
      (route, happens, reply, delay) = known
    }
    for member in object.members {
      let value = member.value
      switch member.name {
      case "kind": break
      case "route":
        guard let name = value.asText, routes.contains(name) else {
          throw ControlError("\"route\" must be one of \(routes.sorted().joined(separator: ", "))")
        }
        route = name
      case "skip": skip = Int(try value.seconds(member.name))
      case "count": count = Int(try value.seconds(member.name))
      case "delay": delay = try value.seconds(member.name)
      case "happens": happens = try value.flag(member.name)
      case "reply": reply = try value.choice(member.name) as Reply
      case "form":
        // The same word for both: a 429 and a taken offer come in several forms.
        if let form = value.asText.flatMap(TakenForm.init) {
          takenForm = form
        } else {
          limitForm = try value.choice(member.name) as LimitForm
        }
      case "retry_after": retryAfter = try value.seconds(member.name)
      case "status": status = Int(try value.seconds(member.name))
      case "body": body = value
      default: throw ControlError("a fault has no \"\(member.name)\"")
      }
    }
  }

  var json: JSONValue {
    var row = Row()
    row["route"] = .text(route)
    row["skip"] = .int(skip)
    row["count"] = .int(count)
    row["delay"] = .number(delay)
    row["happens"] = .bool(happens)
    row["reply"] = .text(reply?.rawValue)
    return row.json
  }
}
