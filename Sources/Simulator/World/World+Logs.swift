import JSON

/// A log on its way to the object store.
struct LogUpload: Sendable {
  var contract: Int
  var tail: Int
  var filter: String?
  var isDaemon: Bool
  /// How often its address still answers 404.
  var pollsLeft: Int
}

extension World {
  /// `PUT /instances/request_logs/{id}/`: an address where the log will be, without a key and after a while.
  mutating func requestLogs(_ call: Call) throws(Refused) -> Answer {
    let id = call.numbers[0]
    guard alive(id) != nil else { throw Refused(.failure(404, "invalid_id", "Invalid instance id.")) }
    let token = String(secret().prefix(32))
    // The tail comes as a text, the flag as the text "true".
    uploads[token] = LogUpload(
      contract: id, tail: call.body["tail"]?.asInt ?? 1000, filter: call.body["filter"]?.asText,
      isDaemon: call.body["daemon_logs"]?.asText == "true" || call.body["daemon_logs"]?.asBool == true,
      pollsLeft: settings.logPolls)
    var row = Row()
    row["success"] = .bool(true)
    row["result_url"] = .string("\(call.base)\(Self.resultPath)\(token).log")
    row["msg"] = .string("Logs are being uploaded, wait a few seconds and then view the result_url")
    return .ok(row.json)
  }

  static let resultPath = "/_result/vast.ai/instance_logs/"

  /// The log behind an address once it is there; nil before, which counts as a poll.
  mutating func takeUpload(_ token: String) -> LogUpload? {
    guard let upload = uploads[token] else { return nil }
    guard upload.pollsLeft <= 0 else {
      uploads[token]?.pollsLeft -= 1
      return nil
    }
    return upload
  }
}
