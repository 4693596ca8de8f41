import Domain
import Testing

@Suite struct `The plan of a recovery` {
  private let now = Timestamp(seconds: 1_800_000_000)

  private func attempts(_ losses: [Duration], code: String = "preempted") -> [Job.Attempt] {
    losses.enumerated().map { number, ago in
      var attempt = Job.Attempt(
        number: number + 1, instanceID: ID(at: now), machineID: Int64(number), startedAt: now - ago - .seconds(60))
      attempt.finishedAt = now - ago
      attempt.hasLaunched = true
      attempt.failure = Failure(code: code, detail: "")
      return attempt
    }
  }

  private func rest(_ losses: [Duration], code: String = "preempted") -> Duration? {
    RecoveryPlan(attempts: attempts(losses, code: code), now: now).notBefore.map { $0 - now }
  }

  @Test func `the first loss is answered at once, the next after pauses that grow`() {
    #expect(rest([]) == nil)
    #expect(rest([.zero]) == nil)
    #expect(rest([.seconds(100), .zero]) == .seconds(30))
    #expect(rest([.seconds(100), .seconds(31)]) == nil)
    #expect(rest([.seconds(7200), .seconds(7100), .zero]) == .seconds(120))
    #expect(rest([.seconds(9000), .seconds(8000), .seconds(7000), .zero]) == .seconds(600))
  }

  @Test func `three losses within an hour are enough for that hour`() {
    let plan = RecoveryPlan(attempts: attempts([.seconds(3000), .seconds(2000), .seconds(1000)]), now: now)
    #expect(plan.notBefore == now + .seconds(600))
    #expect(plan.isLimited)
    #expect(!RecoveryPlan(attempts: attempts([.seconds(3601), .seconds(2000), .seconds(1000)]), now: now).isLimited)
  }

  @Test func `a loss stays open until a command goes on with it, whatever comes to nothing on the way`() {
    var all = attempts([.seconds(60)])
    #expect(all.openLoss?.number == 1)
    all += attempts([.seconds(30)], code: "ssh_timeout")
    all[1].hasLaunched = false
    #expect(all.openLoss?.number == 1)
    all += attempts([.zero], code: "idle_timeout")
    #expect(all.openLoss == nil)
    all += attempts([.zero], code: "start_timeout")
    all[3].hasLaunched = false
    #expect(all.openLoss == nil)
  }

  @Test func `a machine that is lost before its command began took no work with it`() {
    var all = attempts([.seconds(3), .seconds(2), .seconds(1)], code: "instance_exited")
    for number in all.indices { all[number].hasLaunched = false }
    #expect(all.openLoss == nil)
    #expect(RecoveryPlan(attempts: all, now: now).notBefore == nil)
  }

  @Test func `failures of a start do not count: they have their own bound`() {
    #expect(rest([.seconds(3), .seconds(2), .seconds(1)], code: "start_timeout") == nil)
  }

  @Test func `the next machine is like the lost one where there is one, and within what the job asked for`() {
    var wanted = OfferQuery()
    wanted.minimumReliability = 0.9
    wanted.maximumPricePerHour = Money(microdollars: 500_000)
    let queries = RecoveryPlan.queries(wanted, lostGPU: "RTX 4090")
    #expect(queries.map(\.gpuName) == ["RTX 4090", "RTX 4090", nil])
    #expect(queries.map(\.minimumReliability) == [0.98, 0.9, 0.9])
    #expect(queries.allSatisfy { $0.maximumPricePerHour == wanted.maximumPricePerHour })
    wanted.gpuName = "H100"
    wanted.minimumReliability = 0.99
    #expect(RecoveryPlan.queries(wanted, lostGPU: "RTX 4090") == [wanted])
  }

  @Test(arguments: [
    ("preempted", true), ("gpu_missing", true), ("host_offline", true), ("offer_taken", false),
    ("never_created", false),
    ("command_failed", false), ("idle_timeout", false), ("disk_full", false), ("instance_destroyed", false),
    ("max_cost_exceeded", false),
  ])
  func `others are warned of a machine, not of a command or an order`(code: String, warns: Bool) {
    #expect(Failure(code: code, detail: "").warnsOthers == warns)
  }

  @Test func `a host with two failed machines is suspect itself`() {
    func exclusion(_ machine: Int64, _ host: Int64?, _ reason: String = "gpu_missing") -> Exclusion {
      Exclusion(id: ID(at: now), machineID: machine, hostID: host, reason: reason, jobID: nil, createdAt: now)
    }
    let all = Exclusions([
      exclusion(1, 7), exclusion(2, 7), exclusion(2, 7), exclusion(3, 8), exclusion(3, 8), exclusion(4, nil),
    ])
    #expect(all.machines == [1, 2, 3, 4])
    #expect(all.hosts == [7])
    #expect(exclusion(1, 7).until == now + .seconds(6 * 3600))
    #expect(exclusion(1, 7, "preempted").until == now + .seconds(3600))
  }
}
