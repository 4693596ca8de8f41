import Domain

/// Reads the body of PUT /v1/settings: what is left out stays, null gives back the configured value.
enum SettingsInput {
  static func read(_ body: [UInt8]) throws(APIError) -> SettingChanges {
    let problems = FieldProblems()
    let reader = ObjectReader(try JSONBody.object(body), problems: problems)
    var changes = SettingChanges()
    changes.rateLimitMode = change(reader, "rate_limit_mode", reader.choice("rate_limit_mode", of: RateLimitMode.self))
    changes.isFallback = change(reader, "fallback", reader.flag("fallback"))
    let seconds = reader.number("poll_interval_s", ServiceSettings.pollIntervalSeconds)
    changes.pollInterval = change(
      reader, "poll_interval_s", seconds.map { .microseconds(Int64(($0 * 1_000_000).rounded())) })
    reader.finish()
    try problems.check()
    return changes
  }

  private static func change<Value>(
    _ reader: ObjectReader, _ name: StaticString, _ value: Value?
  ) -> SettingChange<Value> {
    if let value { return .set(value) }
    return reader.isNull(name) ? .giveBack : .keep
  }
}
