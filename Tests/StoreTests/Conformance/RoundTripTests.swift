import Domain
import Store
import Testing

@Suite struct RoundTripTests {
  private let world: World

  init() throws { world = try World() }

  @Test(arguments: Backend.allCases)
  func `a job comes back as it went in, every field of it`(backend: Backend) async throws {
    let store = try world.open(backend)
    let instance = Instance.make()
    var job = Job.full(instance: instance.id)
    try await store.edit { [job] transaction in
      try transaction.insert(instance)
      try transaction.insert(job)
    }
    #expect(try store.view { try $0.job(job.id) } == job)
    job.cost = Money(microdollars: 17)
    job.attempts[0].failure = nil
    job.specification.priority = -3
    let version = try await store.edit { [job] transaction -> Int64? in
      var job = job
      let isWritten = try transaction.update(&job)
      return isWritten ? job.version : nil
    }
    #expect(version == 1)
    job.version = 1
    #expect(try store.view { try $0.job(job.id) } == job)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a job with nothing but a command comes back the same`(backend: Backend) async throws {
    let store = try world.open(backend)
    var job = Job.make()
    job.specification.resources.minimumReliability = nil
    job.specification.outputs = []
    job.phases = []
    try await store.edit { [job] in try $0.insert(job) }
    #expect(try store.view { try $0.job(job.id) } == job)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `an instance comes back as it went in, every field of it`(backend: Backend) async throws {
    let store = try world.open(backend)
    let job = Job.make()
    let instance = Instance.full(job: job.id)
    try await store.edit { transaction in
      try transaction.insert(job)
      try transaction.insert(instance)
    }
    #expect(try store.view { try $0.instance(instance.id) } == instance)
    let bare = Instance.make(state: .creating)
    try await store.edit { try $0.insert(bare) }
    #expect(try store.view { try $0.instance(bare.id) } == bare)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `what is not there reads as nothing`(backend: Backend) async throws {
    let store = try world.open(backend)
    let now = world.now
    #expect(try store.view { try $0.job(ID(at: now)) } == nil)
    #expect(try store.view { try $0.instance(ID(at: now)) } == nil)
    #expect(try store.view { try $0.upload(ID(at: now)) } == nil)
    #expect(try store.view { try $0.setting("nothing") } == nil)
    #expect(try store.view { try $0.jobCounts() } == [:])
    #expect(try store.view { try $0.events(after: 0, limit: 10) } == [])
    #expect(try store.view { try $0.billingEvents(of: ID(at: now)) } == [])
    await store.close()
  }
}

extension Job {
  /// Each field differs from its default, so that a forgotten one shows.
  fileprivate static func full(instance: ID<Instance>) -> Job {
    let moment = Timestamp(microseconds: 1_800_000_000_123_456)
    var specification = JobSpecification(command: "printf '%s' \"ä\u{0}\\\n\" # 🦊")
    specification.name = "train"
    specification.kind = .jax
    specification.image = "registry/image:1"
    specification.templateHash = "abc"
    specification.environment = ["A": "1", "B": ""]
    specification.secrets = ["TOKEN": "s3cret"]
    specification.setup = "pip install x"
    specification.registryLogin = RegistryLogin(server: "r.io", user: "u", password: "p")
    specification.resources.gpuName = "RTX 4090"
    specification.resources.gpuCount = 2
    specification.resources.minimumGPURAMGigabytes = 23.5
    specification.resources.minimumReliability = 0.75
    specification.resources.diskGigabytes = 65
    specification.resources.regions = ["US", "CA"]
    specification.resources.maximumPricePerHour = Money(microdollars: 123_456)
    specification.resources.isInterruptible = true
    specification.resources.bidPerHour = Money(microdollars: 7)
    specification.resources.selection = .bestValue
    specification.resources.excludedMachines = [3, 1, 9_007_199_254_740_993]
    specification.resources.filters = ["inet_down": #"{"gte":500}"#]
    specification.inputUploadID = ID(at: moment)
    specification.outputs = ["out/"]
    specification.maximumDuration = .microseconds(1_500_001)
    specification.maximumCost = Money(microdollars: 5)
    specification.approval = .required
    specification.expectedTransfer.upGigabytes = 1.5
    specification.expectedTransfer.downGigabytes = 20
    specification.maximumAttempts = 7
    specification.onFailure = .keep
    specification.idleTimeout = .seconds(60)
    specification.lease = .seconds(7200)
    specification.maximumGPUIdle = .seconds(900)
    specification.priority = 4
    var job = Job(id: ID(at: moment), specification: specification, state: .collecting, createdAt: moment)
    job.attempt = 2
    job.instanceID = instance
    job.isCancelRequested = true
    job.outcome = .failed
    job.exitCode = -9
    job.failure = Failure(code: "command_failed", detail: "It ended with 1.", isRetryable: true)
    job.quote = Quote(offerID: 5, gpuName: "H100", pricePerHour: Money(microdollars: 2_000_000), madeAt: moment)
    job.quote?.storagePerHour = Money(microdollars: 3)
    job.quote?.transfer = Money(microdollars: 4)
    job.quote?.total = Money(microdollars: 5)
    job.quote?.ceiling = Money(microdollars: 2_200_000)
    job.cost = Money(microdollars: 42)
    job.failedMachines = [5, 4]
    job.results = Results(sizeBytes: 12, sha256: "00", missing: ["plot.png"])
    job.startedAt = moment + .seconds(1)
    job.endedAt = moment + .seconds(2)
    job.finishedAt = moment + .seconds(3)
    job.verifiedAt = moment + .seconds(4)
    var attempt = Attempt(number: 1, instanceID: instance, machineID: 8, startedAt: moment)
    attempt.finishedAt = moment + .seconds(5)
    attempt.logStart = 77
    attempt.failure = Failure(code: "ssh_timeout", detail: "Deaf.")
    job.attempts = [attempt, Attempt(number: 2, instanceID: instance, machineID: nil, startedAt: moment)]
    job.phases = [Phase(name: "queued", startedAt: moment, finishedAt: moment), Phase(name: "x", startedAt: moment)]
    return job
  }
}

extension Instance {
  fileprivate static func full(job: ID<Job>) -> Instance {
    let moment = Timestamp(microseconds: 1_800_000_000_123_456)
    var instance = Instance.make(state: .running, job: job, at: moment, marketID: 1001)
    instance.desired = .destroyed
    instance.order.environment = ["TOKEN": "s3cret"]
    instance.order.templateHash = "hash"
    instance.order.ports = ["8000/tcp"]
    instance.order.onStart = "sleep 1"
    instance.order.registryLogin = "-u a -p b c"
    instance.order.bidPerHour = Money(microdollars: 9)
    var query = OfferQuery()
    query.gpuName = "RTX 4090"
    query.gpuCount = 3
    query.minimumGPURAMGigabytes = 24
    query.minimumDiskGigabytes = 64.5
    query.maximumPricePerHour = Money(microdollars: 11)
    query.minimumReliability = 0.5
    query.minimumCUDA = 12.4
    query.regions = ["SE"]
    query.isInterruptible = true
    query.bidPerHour = Money(microdollars: 9)
    query.isVerified = false
    query.selection = .mostReliable
    query.excludedMachines = [2, 1]
    query.filters = ["a": "{}"]
    query.offerID = 77
    instance.query = query
    instance.machineID = 12
    instance.hostID = 13
    instance.gpuName = "RTX 4090"
    instance.region = "Sweden, SE"
    instance.pricePerHour = Money(microdollars: 14)
    instance.storagePerHour = Money(microdollars: 15)
    instance.onDemandGPUPerHour = Money(microdollars: 17)
    instance.cost = Money(microdollars: 16)
    instance.marketStatus = "running"
    instance.intendedStatus = "running"
    instance.statusMessage = "success, running"
    instance.contractStartedAt = moment + .seconds(9)
    instance.bootedAt = moment + .seconds(10)
    instance.directAddress = SSHAddress(host: "1.2.3.4", port: 65535)
    instance.proxyAddress = SSHAddress(host: "ssh4.vast.ai", port: 1)
    instance.sshAddress = SSHAddress(host: "1.2.3.4", port: 22)
    instance.failure = Failure(code: "x", detail: "y", isRetryable: true)
    instance.orderedAt = moment + .seconds(1)
    instance.acceptedAt = moment + .seconds(2)
    instance.runningAt = moment + .seconds(3)
    instance.stoppedAt = moment + .seconds(4)
    instance.destroyAskedAt = moment + .seconds(5)
    instance.destroyedAt = moment + .seconds(6)
    instance.lastSeenAt = moment + .seconds(7)
    instance.offersTried = 2
    instance.absences = 3
    instance.absentSince = moment + .seconds(8)
    instance.errorSightings = 4
    instance.gpuUtilization = 3.5
    instance.idleSince = moment + .seconds(9)
    instance.idleTime = .seconds(10)
    instance.watchedTime = .seconds(11)
    instance.idleCost = Money(microdollars: 12)
    instance.idleStop = IdleStop(
      Idleness(span: .seconds(13), cost: Money(microdollars: 14)), askedAt: moment + .seconds(15))
    return instance
  }
}
