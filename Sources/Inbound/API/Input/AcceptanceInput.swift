/// Reads the body of `POST …/accept`, which may be empty.
enum AcceptanceInput {
  /// Whether to accept also above what was approved.
  static func read(_ body: [UInt8]) throws(APIError) -> Bool {
    guard !body.isEmpty else { return false }
    let problems = FieldProblems()
    let reader = ObjectReader(try JSONBody.object(body), problems: problems)
    let isAboveApproval = reader.flag("above_approval") ?? false
    reader.finish()
    try problems.check()
    return isAboveApproval
  }
}
