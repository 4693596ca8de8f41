/// The end of a mishap that lasts for a time, or of a contract's term. The contract's own plan is no place for it: a stop and a
/// start replace that.
struct Ending: Sendable {
  var at: Double
  var what: What

  enum What: Hashable, Sendable {
    /// Whoever won the contract's GPUs leaves.
    case outbid(contract: Int)
    /// The host of the contract is heard of again.
    case offline(contract: Int)
    case machineOffline(Int)
    /// The contract's end date has come, see `World.finishTerm`.
    case term(contract: Int)
  }
}
