import ArgumentParser
import Domain
import Glibc

/// Plays seeds, one after another. Ends with 0 when nothing was violated.
@main
struct Simulate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "vastd's core over a simulated provider, on one thread, by the dice of a seed.")

  @Option(help: "The first seed.") var seed: UInt64 = 1
  @Option(help: "How many seeds, counted up from the first.") var count = 1
  @Flag(help: "Print what happened and everything that was recorded; for one seed.") var log = false

  func run() throws {
    try Self.makeHashingRepeatable()
    var deaths = 0, openDeaths = 0, faults = 0, steps = 0, jobs = 0, violations = 0
    var seconds = 0.0
    var audited = 0, longRuns = 0, budgeted = 0, givenUp = 0
    var ledger = 0.0, meter = 0.0
    for seed in seed..<(seed + UInt64(count)) {
      let outcome = try Run(seed: seed).play()
      if log { print(outcome.history, terminator: "") }
      for violation in outcome.violations { print("seed \(seed): \(violation)") }
      deaths += outcome.deaths
      openDeaths += outcome.openDeaths
      faults += outcome.faults
      steps += outcome.steps
      jobs += outcome.jobs
      violations += outcome.violations.count
      seconds += outcome.span.inSeconds
      audited += outcome.audited
      longRuns += outcome.longRuns
      budgeted += outcome.isBudgeted ? 1 : 0
      givenUp += outcome.givenUp
      ledger += outcome.ledger
      meter += outcome.meter
    }
    print(
      "seeds=\(count) jobs=\(jobs) deaths=\(deaths) open_deaths=\(openDeaths) faults=\(faults) steps=\(steps)",
      "simulated_s=\(Int(seconds)) violations=\(violations) audited=\(audited) long_runs=\(longRuns)",
      "ledger_microdollars=\(Int(ledger)) meter_microdollars=\(Int(meter)) budgeted=\(budgeted) given_up=\(givenUp)")
    if violations > 0 { throw ExitCode.failure }
  }

  /// The order of sets and dictionaries is drawn anew in each process unless this variable is there when it starts.
  private static func makeHashingRepeatable() throws {
    guard getenv("SWIFT_DETERMINISTIC_HASHING") == nil else { return }
    setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
    var arguments = CommandLine.arguments.map { strdup($0) } + [nil]
    execv("/proc/self/exe", &arguments)
    throw ValidationError("the program could not start itself again")
  }
}
