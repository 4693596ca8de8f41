import Domain
import FleetService
import Testing

@testable import API

@Suite struct JobInputTests {
  private func problems(_ body: String) -> [FieldProblem] {
    do throws(APIError) {
      _ = try JobInput.read(Array(body.utf8), lease: nil)
      return []
    } catch {
      guard case .invalid(let problems) = error else { return [FieldProblem(pointer: "\(error)", detail: "")] }
      return problems
    }
  }

  @Test func `a command alone is a job, with the defaults of the contract`() throws {
    let job = try JobInput.read(Array(#"{"command":"python train.py"}"#.utf8), lease: nil)
    #expect(job == JobSpecification(command: "python train.py"))
    #expect(job.resources.minimumReliability == 0.9 && job.resources.diskGigabytes == 64)
    #expect(job.outputs == ["output/", "job_output.log"] && job.maximumAttempts == 3)
  }

  @Test func `every field of this version is read`() throws {
    let body = """
      {"name":"train","command":"c","kind":"jax","image":"ghcr.io/a/b:1","template_hash":"0a1b","env":{"A":"1\\n2"},
       "secrets":{"S":"x"},"setup":"s","registry_login":{"server":"ghcr.io","user":"u","password":"p"},
       "resources":{"gpu_name":"RTX_4090","num_gpus":2,"min_gpu_ram_gb":24,"min_reliability":0,"disk_gb":100,
        "regions":["us"],"max_price_per_hour_usd":0.5,"interruptible":true,"bid_per_hour_usd":0.25,
        "selection":"most_reliable","exclude_machines":[7,9],"filters":{"inet_down":{"gte":500,"lt":1e4}}},
       "input_upload_id":"upl_01kajv0c3m7q2x9d4f8w6r5tnh","outputs":["./-odd","a b"],"max_duration_s":60,
       "max_cost_usd":1.000001,"approval":"required","max_attempts":1,"on_failure":"keep","idle_timeout_s":30,
       "max_gpu_idle_s":900,"priority":-5,"recover":false,"lease_s":3600,"transfer_up_gb":0.5,
       "transfer_down_gb":20,"checkpoint":{"path":"out/ck","interval_s":60},"preflight":{},"volume":null}
      """
    let job = try JobInput.read(Array(body.utf8), lease: nil)
    var expected = JobSpecification(command: "c")
    expected.name = "train"
    expected.recovers = false
    expected.checkpoint = CheckpointPolicy(path: "out/ck", interval: .seconds(60))
    expected.kind = .jax
    expected.maximumGPUIdle = .seconds(900)
    expected.image = "ghcr.io/a/b:1"
    expected.templateHash = "0a1b"
    expected.environment = ["A": "1\n2"]
    expected.secrets = ["S": "x"]
    expected.setup = "s"
    expected.registryLogin = RegistryLogin(server: "ghcr.io", user: "u", password: "p")
    expected.resources.gpuName = "RTX 4090"
    expected.resources.gpuCount = 2
    expected.resources.minimumGPURAMGigabytes = 24
    expected.resources.minimumReliability = 0
    expected.resources.diskGigabytes = 100
    expected.resources.regions = ["US"]
    expected.resources.maximumPricePerHour = Money(microdollars: 500_000)
    expected.resources.isInterruptible = true
    expected.resources.bidPerHour = Money(microdollars: 250_000)
    expected.resources.selection = .mostReliable
    expected.resources.excludedMachines = [7, 9]
    expected.resources.filters = ["inet_down": #"{"gte":500,"lt":10000}"#]
    expected.inputUploadID = ID<Upload>("upl_01kajv0c3m7q2x9d4f8w6r5tnh")
    expected.outputs = ["./-odd", "a b"]
    expected.maximumDuration = .seconds(60)
    expected.maximumCost = Money(microdollars: 1_000_001)
    expected.approval = .required
    expected.expectedTransfer.upGigabytes = 0.5
    expected.expectedTransfer.downGigabytes = 20
    expected.maximumAttempts = 1
    expected.onFailure = .keep
    expected.idleTimeout = .seconds(30)
    expected.lease = .seconds(3600)
    expected.priority = -5
    #expect(job == expected)
  }

  @Test func `a job that says nothing of a lease has the server's, and null switches it off`() throws {
    let silent = Array(#"{"command":"c"}"#.utf8)
    #expect(try JobInput.read(silent, lease: .seconds(7200)).lease == .seconds(7200))
    #expect(try JobInput.read(silent, lease: nil).lease == nil)
    let off = Array(#"{"command":"c","lease_s":null}"#.utf8)
    #expect(try JobInput.read(off, lease: .seconds(7200)).lease == nil)
    let own = Array(#"{"command":"c","lease_s":60}"#.utf8)
    #expect(try JobInput.read(own, lease: nil).lease == .seconds(60))
  }

  @Test(arguments: [("60", Duration.seconds(60)), ("86400", .seconds(86_400)), ("null", nil)])
  func `a bound on idle GPUs is read, and null leaves it to the service`(value: String, bound: Duration?) throws {
    let body = Array("{\"command\":\"c\",\"max_gpu_idle_s\":\(value)}".utf8)
    let (job, defaults) = try JobInput.readNoting(body, lease: nil, gpuIdle: .seconds(600))
    #expect(job.maximumGPUIdle == bound)
    let noted = defaults.filter { $0.field == "max_gpu_idle_s" }
    #expect(noted == (bound == nil ? [AppliedDefault("max_gpu_idle_s", .integer(600), .configuration)] : []))
  }

  @Test(arguments: [
    (ApprovalPolicy.always, "", Approval.required), (.always, #","approval":null"#, .required),
    (.always, #","approval":"auto""#, .automatic), (.never, "", .automatic),
    (.never, #","approval":"required""#, .required), (.withoutBudget, "", .required),
    (.withoutBudget, #","max_cost_usd":5"#, .automatic), (.withoutBudget, #","max_duration_s":60"#, .required),
    (.withoutBudget, #","max_duration_s":60,"resources":{"max_price_per_hour_usd":1}"#, .automatic),
    (.withoutBudget, #","approval":"auto""#, .automatic),
    (.withoutBudget, #","approval":"required","max_cost_usd":5"#, .required),
  ])
  func `the policy speaks for a job that does not`(policy: ApprovalPolicy, members: String, approval: Approval) throws {
    let body = Array("{\"command\":\"c\"\(members)}".utf8)
    let (job, defaults) = try JobInput.readNoting(body, lease: nil, policy: policy)
    #expect(job.approval == approval)
    let isSilent = !members.contains(#""approval":""#)
    let noted = defaults.filter { $0.field == "approval" }
    #expect(noted == (isSilent ? [AppliedDefault("approval", .text(approval.rawValue), .policy)] : []))
  }

  @Test func `each default is told, with where it comes from`() throws {
    let body = Array(#"{"command":"c","kind":"jax","checkpoint":{"interval_s":60}}"#.utf8)
    let list = try JobInput.readNoting(body, lease: .seconds(7200)).defaults
    #expect(
      list == [
        AppliedDefault("image", .text(JobKind.jax.image), .kind), AppliedDefault("num_gpus", .integer(1)),
        AppliedDefault("min_reliability", .number(0.9)), AppliedDefault("selection", .text("cheapest")),
        AppliedDefault("disk_gb", .integer(64)), AppliedDefault("interruptible", .flag(false)),
        AppliedDefault("outputs", .texts(["output/", "job_output.log"])),
        AppliedDefault("approval", .text("auto"), .policy), AppliedDefault("max_attempts", .integer(3)),
        AppliedDefault("recover", .flag(true)), AppliedDefault("checkpoint.path", .text("checkpoints/")),
        AppliedDefault("on_failure", .text("destroy")), AppliedDefault("lease_s", .integer(7200), .configuration),
        AppliedDefault("priority", .integer(0)), AppliedDefault("transfer_up_gb", .number(0)),
        AppliedDefault("transfer_down_gb", .number(0)),
      ])
  }

  @Test func `what is given is no default`() throws {
    let body = """
      {"command":"c","image":"a","resources":{"num_gpus":1,"min_reliability":0.9,"disk_gb":64,"interruptible":false,
       "selection":"cheapest"},"outputs":[],"approval":"auto","max_attempts":3,"recover":true,"on_failure":"destroy",
       "lease_s":null,"priority":0,"transfer_up_gb":0,"transfer_down_gb":0}
      """
    #expect(try JobInput.readNoting(Array(body.utf8), lease: .seconds(7200)).defaults.isEmpty)
  }

  @Test func `the contract's full example is taken`() {
    let body = """
      {"name": "train", "command": "python train.py", "kind": "pytorch", "image": null, "template_hash": null,
       "env": {}, "secrets": {}, "setup": "pip install -r requirements.txt", "registry_login": null,
       "resources": {"gpu_name": null, "num_gpus": 1, "min_gpu_ram_gb": 24, "min_reliability": 0.9, "disk_gb": 64,
                     "regions": [], "max_price_per_hour_usd": null, "interruptible": false, "bid_per_hour_usd": null,
                     "selection": "cheapest", "exclude_machines": [], "filters": {}},
       "input_upload_id": null, "outputs": ["output/", "job_output.log"],
       "max_duration_s": null, "max_cost_usd": null, "approval": "auto",
       "max_attempts": 3, "recover": true, "on_failure": "destroy", "idle_timeout_s": null, "lease_s": 21600,
       "checkpoint": {"path": "checkpoints/", "interval_s": 300}, "preflight": {}, "volume": null, "priority": 0}
      """
    #expect(problems(body).isEmpty)
  }

  /// A member, its JSON, and where the fault lies.
  @Test(arguments: [
    (#""name":5"#, "/name"), (#""name":"a\nb""#, "/name"),
    (#""name":"\#(String(repeating: "x", count: 129))""#, "/name"),
    (#""kind":"cobol""#, "/kind"), (#""kind":3"#, "/kind"),
    (#""image":"UPPER/case""#, "/image"), (#""image":"-v /:/host""#, "/image"), (#""image":"a b""#, "/image"),
    (#""image":"$(touch /tmp/pwn)""#, "/image"), (#""image":"""#, "/image"),
    (#""template_hash":"../x""#, "/template_hash"),
    (#""env":[]"#, "/env"), (#""env":{"A-B":"1"}"#, "/env/A-B"), (#""env":{"-v":"/:/h"}"#, "/env/-v"),
    (#""env":{"A\nB":"1"}"#, "/env/A\nB"), (#""env":{"":"1"}"#, "/env/"), (#""env":{"1A":"1"}"#, "/env/1A"),
    (#""env":{"a/b~c":"1"}"#, "/env/a~1b~0c"), (#""env":{"Ä":"1"}"#, "/env/Ä"), (#""env":{"A":1}"#, "/env/A"),
    (#""env":{"A":null}"#, "/env/A"), (#""env":{"A":"\u0000"}"#, "/env/A"),
    (#""env":{"A":"\#(String(repeating: "x", count: 32768))"}"#, "/env"),
    (#""secrets":{"A B":"1"}"#, "/secrets/A B"), (#""secrets":{"S":["x"]}"#, "/secrets/S"),
    (#""env":{"S":"1"},"secrets":{"S":"2"}"#, "/secrets/S"),
    (#""setup":true"#, "/setup"), (#""setup":"\u0000""#, "/setup"),
    (#""registry_login":"u:p""#, "/registry_login"),
    (#""registry_login":{"server":"s","user":"u"}"#, "/registry_login/password"),
    (#""registry_login":{"server":"s","user":"u v","password":"p"}"#, "/registry_login/user"),
    (#""registry_login":{"server":"-s","user":"u","password":"p"}"#, "/registry_login/server"),
    (#""registry_login":{"server":"s","user":"u","password":"p","token":"t"}"#, "/registry_login/token"),
    (#""resources":[]"#, "/resources"), (#""resources":{"gpu_name":" _ "}"#, "/resources/gpu_name"),
    (#""resources":{"num_gpus":0}"#, "/resources/num_gpus"), (#""resources":{"num_gpus":1.5}"#, "/resources/num_gpus"),
    (#""resources":{"num_gpus":"1"}"#, "/resources/num_gpus"),
    (#""resources":{"num_gpus":true}"#, "/resources/num_gpus"),
    (#""resources":{"num_gpus":9223372036854775808}"#, "/resources/num_gpus"),
    (#""resources":{"min_gpu_ram_gb":-1}"#, "/resources/min_gpu_ram_gb"),
    (#""resources":{"min_reliability":1.01}"#, "/resources/min_reliability"),
    (#""resources":{"disk_gb":7}"#, "/resources/disk_gb"), (#""resources":{"disk_gb":65537}"#, "/resources/disk_gb"),
    (#""resources":{"disk_gb":8.5}"#, "/resources/disk_gb"),
    (#""resources":{"regions":"US"}"#, "/resources/regions"),
    (#""resources":{"regions":["USA"]}"#, "/resources/regions/0"),
    (#""resources":{"regions":["US","C1"]}"#, "/resources/regions/1"),
    (#""resources":{"regions":[7]}"#, "/resources/regions/0"),
    (#""resources":{"max_price_per_hour_usd":-0.01}"#, "/resources/max_price_per_hour_usd"),
    (#""resources":{"max_price_per_hour_usd":10001}"#, "/resources/max_price_per_hour_usd"),
    (#""resources":{"interruptible":"yes"}"#, "/resources/interruptible"),
    (#""resources":{"bid_per_hour_usd":0.1}"#, "/resources/bid_per_hour_usd"),
    (#""resources":{"interruptible":false,"bid_per_hour_usd":0.1}"#, "/resources/bid_per_hour_usd"),
    (#""resources":{"selection":"best"}"#, "/resources/selection"),
    (#""resources":{"exclude_machines":[0]}"#, "/resources/exclude_machines/0"),
    (#""resources":{"exclude_machines":[1,"2"]}"#, "/resources/exclude_machines/1"),
    (#""resources":{"min_cuda":12}"#, "/resources/min_cuda"),
    (#""resources":{"filters":[]}"#, "/resources/filters"),
    (#""resources":{"filters":{"gpu_ram":24}}"#, "/resources/filters/gpu_ram"),
    (#""resources":{"filters":{"gpu_ram":{}}}"#, "/resources/filters/gpu_ram"),
    (#""resources":{"filters":{"gpu_ram":{"min":1}}}"#, "/resources/filters/gpu_ram/min"),
    (#""resources":{"filters":{"gpu_ram":{"gte":[1]}}}"#, "/resources/filters/gpu_ram/gte"),
    (#""resources":{"filters":{"gpu_ram":{"in":1}}}"#, "/resources/filters/gpu_ram/in"),
    (#""resources":{"filters":{"gpu_ram":{"in":[{}]}}}"#, "/resources/filters/gpu_ram/in"),
    (#""resources":{"filters":{"rentable":{"eq":false}}}"#, "/resources/filters/rentable"),
    (#""resources":{"filters":{"limit":{"eq":1}}}"#, "/resources/filters/limit"),
    (#""resources":{"filters":{"Gpu Ram":{"eq":1}}}"#, "/resources/filters/Gpu Ram"),
    (#""input_upload_id":"upl_1""#, "/input_upload_id"),
    (#""input_upload_id":"job_01kajv0c3m7q2x9d4f8w6r5tnh""#, "/input_upload_id"),
    (#""outputs":"out""#, "/outputs"), (#""outputs":["/etc"]"#, "/outputs/0"), (#""outputs":["~/x"]"#, "/outputs/0"),
    (#""outputs":["a","a/../../b"]"#, "/outputs/1"), (#""outputs":[".."]"#, "/outputs/0"),
    (#""outputs":[""]"#, "/outputs/0"),
    (#""outputs":["a\u0000"]"#, "/outputs/0"), (#""outputs":["a\nb"]"#, "/outputs/0"),
    (#""outputs":["-rf"]"#, "/outputs/0"),
    (#""max_duration_s":0"#, "/max_duration_s"), (#""max_duration_s":7776001"#, "/max_duration_s"),
    (#""max_duration_s":1.5"#, "/max_duration_s"), (#""max_cost_usd":-1"#, "/max_cost_usd"),
    (#""max_cost_usd":"5""#, "/max_cost_usd"), (#""max_cost_usd":1e9"#, "/max_cost_usd"),
    (#""approval":"maybe""#, "/approval"), (#""max_attempts":0"#, "/max_attempts"),
    (#""max_attempts":21"#, "/max_attempts"),
    (#""on_failure":"shrug""#, "/on_failure"), (#""idle_timeout_s":-1"#, "/idle_timeout_s"),
    (#""max_gpu_idle_s":59"#, "/max_gpu_idle_s"), (#""max_gpu_idle_s":86401"#, "/max_gpu_idle_s"),
    (#""max_gpu_idle_s":60.5"#, "/max_gpu_idle_s"), (#""max_gpu_idle_s":"60""#, "/max_gpu_idle_s"),
    (#""lease_s":59"#, "/lease_s"), (#""lease_s":2592001"#, "/lease_s"), (#""lease_s":90.5"#, "/lease_s"),
    (#""lease_s":false"#, "/lease_s"), (#""transfer_up_gb":-0.1"#, "/transfer_up_gb"),
    (#""transfer_up_gb":1000001"#, "/transfer_up_gb"), (#""transfer_down_gb":"20""#, "/transfer_down_gb"),
    (#""transfer_down_gb":[]"#, "/transfer_down_gb"),
    (#""priority":1001"#, "/priority"), (#""priority":"high""#, "/priority"),
    (#""recover":1"#, "/recover"), (#""lease_s":0"#, "/lease_s"), (#""checkpoint":true"#, "/checkpoint"),
    (#""checkpoint":{"path":"../c"}"#, "/checkpoint/path"), (#""checkpoint":{"path":"./"}"#, "/checkpoint/path"),
    (#""checkpoint":{"path":"a*"}"#, "/checkpoint/path"), (#""checkpoint":{"path":".vastd/x"}"#, "/checkpoint/path"),
    (#""checkpoint":{"interval_s":9}"#, "/checkpoint/interval_s"), (#""checkpoint":{"every":9}"#, "/checkpoint/every"),
    (#""preflight":[]"#, "/preflight"), (#""volume":"v""#, "/volume"), (#""template_id":7"#, "/template_id"),
    // What a caller must not set.
    (#""state":"succeeded""#, "/state"), (#""cost_usd":0"#, "/cost_usd"), (#""project_id":"x""#, "/project_id"),
    (#""owner":"x""#, "/owner"), (#""id":"job_1""#, "/id"), (#""Command":"x""#, "/Command"),
    (#""command ":"x""#, "/command "),
  ])
  func `a wrong field is named by its pointer`(member: String, pointer: String) {
    #expect(problems("{\"command\":\"c\"," + member + "}").map(\.pointer) == [pointer])
  }

  @Test(arguments: [
    ("{}", "/command"), (#"{"command":null}"#, "/command"), (#"{"command":""}"#, "/command"),
    (#"{"command":" \n\t "}"#, "/command"), (#"{"command":7}"#, "/command"), (#"{"command":["a"]}"#, "/command"),
    (#"{"command":"a\u0000b"}"#, "/command"), (#"{"command":"\#(String(repeating: "x", count: 65537))"}"#, "/command"),
    ("[]", ""), ("7", ""), ("null", ""), (#""x""#, ""),
  ])
  func `a body without a command is refused`(body: String, pointer: String) {
    #expect(problems(body).map(\.pointer) == [pointer])
  }

  @Test func `everything that is wrong is told at once`() {
    let found = problems(
      #"{"name":1,"resources":{"num_gpus":0,"regions":["x"],"hue":1},"env":{"-":""},"max_attempts":0,"zzz":1}"#)
    #expect(
      Set(found.map(\.pointer)) == [
        "/command", "/name", "/env/-", "/resources/num_gpus", "/resources/regions/0", "/resources/hue", "/max_attempts",
        "/zzz",
      ])
  }

  @Test func `an answer names a hundred faults and no more`() {
    let many = (0..<5000).map { "\"x\($0)\":1" }.joined(separator: ",")
    #expect(problems("{\"command\":\"c\",\(many)}").count == 100)
  }
}
