/// The end of a mishap that lasts for a time. The contract's own plan is no place for it: a stop and a start replace that.
struct Ending: Sendable {
  var at: Double
  var mishap: Mishap

  enum Mishap: Hashable, Sendable {
    /// Whoever won the contract's GPUs leaves.
    case outbid(contract: Int)
    /// The host of the contract is heard of again.
    case offline(contract: Int)
    case machineOffline(Int)
  }
}
