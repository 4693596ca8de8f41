import Domain
import FleetService
import Testing

@testable import API

@Suite struct InstanceInputTests {
  private func problems(_ body: String) -> [FieldProblem] {
    do throws(APIError) {
      _ = try InstanceInput.read(Array(body.utf8))
      return []
    } catch {
      guard case .invalid(let problems) = error else { return [FieldProblem(pointer: "\(error)", detail: "")] }
      return problems
    }
  }

  @Test func `an offer and an image are enough`() throws {
    let (request, count) = try InstanceInput.read(Array(#"{"offer_id":7,"image":"python:3.11"}"#.utf8))
    #expect(request.offerID == 7 && request.query == nil && request.image == "python:3.11" && count == 1)
    #expect(request.diskGigabytes == 64 && !request.isInterruptible && request.label == nil)
  }

  private func defaults(_ body: String) throws -> [String: AppliedDefault] {
    let list = try InstanceInput.readNoting(Array(body.utf8)).defaults
    let byField = Dictionary(uniqueKeysWithValues: list.map { ($0.field, $0) })
    #expect(byField.count == list.count, "no field is named twice")
    return byField
  }

  @Test func `nothing at all is one RTX 4090 with PyTorch, and each default is told`() throws {
    let (request, count) = try InstanceInput.read(Array("{}".utf8))
    #expect(request.query?.gpuName == "RTX 4090" && request.query?.gpuCount == 1 && count == 1)
    #expect(request.image == "pytorch/pytorch:latest" && request.diskGigabytes == 64 && request.label == nil)
    #expect(
      try defaults("{}").mapValues(\.value) == [
        "gpu_name": .text("RTX 4090"), "num_gpus": .integer(1), "min_reliability": .number(0.9),
        "selection": .text("cheapest"), "image": .text("pytorch/pytorch:latest"), "disk_gb": .integer(64),
        "interruptible": .flag(false), "count": .integer(1), "transfer_up_gb": .number(0),
        "transfer_down_gb": .number(0),
      ])
    #expect(try defaults("{}").values.allSatisfy { $0.source == .contract })
  }

  @Test func `what is given is no default`() throws {
    let body = """
      {"resources":{"gpu_name":"H100","num_gpus":2,"min_reliability":0.5,"selection":"best_value"},"image":"a","disk_gb":64,
       "interruptible":false,"count":1,"transfer_up_gb":0,"transfer_down_gb":3}
      """
    #expect(try defaults(body).isEmpty)
    #expect(Set(try defaults(#"{"offer_id":7}"#).keys).isDisjoint(with: ["gpu_name", "num_gpus", "selection"]))
    #expect(try defaults(#"{"template_hash":"ff"}"#)["image"] == nil)
    #expect(try InstanceInput.read(Array(#"{"template_hash":"ff"}"#.utf8)).request.image == nil)
  }

  @Test(
    arguments: [
      (#"{"resources":{}}"#, "RTX 4090"), (#"{"resources":{"num_gpus":2}}"#, "RTX 4090"),
      (#"{"resources":null}"#, "RTX 4090"), (#"{"resources":{"gpu_name":null}}"#, nil),
      (#"{"resources":{"min_gpu_ram_gb":48}}"#, nil), (#"{"resources":{"filters":{"gpu_arch":{"eq":"amd"}}}}"#, nil),
      (#"{"resources":{"gpu_name":"h100"}}"#, "h100"),
    ] as [(String, String?)])
  func `a GPU is meant where nothing chooses one`(body: String, gpu: String?) throws {
    #expect(try InstanceInput.read(Array(body.utf8)).request.query?.gpuName == gpu)
    #expect((try defaults(body)["gpu_name"] != nil) == (gpu == "RTX 4090"))
  }

  @Test func `every field of this version is read`() throws {
    let body = """
      {"resources":{"gpu_name":"RTX_4090","num_gpus":2,"min_reliability":0.5},"image":"a/b","template_hash":"ff",
       "disk_gb":32,"label":"ada","env":{"A":"1"},"ports":[8000,"8001","9000/udp","22/tcp"],"onstart":"echo\\nhi",
       "registry_login":{"server":"s","user":"u","password":"p"},"interruptible":true,"bid_per_hour_usd":0.2,"count":3,
       "volume":{},"template_id":null}
      """
    let (request, count) = try InstanceInput.read(Array(body.utf8))
    #expect(count == 3)
    #expect(request.query?.gpuName == "RTX 4090" && request.query?.gpuCount == 2)
    #expect(request.query?.minimumDiskGigabytes == 32 && request.query?.isInterruptible == true)
    #expect(request.query?.minimumReliability == 0.5)
    #expect(request.diskGigabytes == 32 && request.label == "ada" && request.environment == ["A": "1"])
    #expect(request.ports == ["8000/tcp", "8001/tcp", "9000/udp", "22/tcp"])
    #expect(request.onStart == "echo\nhi" && request.templateHash == "ff")
    #expect(request.registryLogin == RegistryLogin(server: "s", user: "u", password: "p"))
    #expect(request.isInterruptible && request.bidPerHour == Money(microdollars: 200_000))
  }

  @Test(arguments: [
    (#""disk_gb":4"#, "/disk_gb"), (#""disk_gb":"64""#, "/disk_gb"), (#""label":"a\nb""#, "/label"),
    (#""label":"\u001b]0;x""#, "/label"), (#""env":{"A":"1\n2"}"#, "/env/A"),
    (#""env":{"-p 22:22":"1"}"#, "/env/-p 22:22"),
    (#""ports":[0]"#, "/ports/0"), (#""ports":[65536]"#, "/ports/0"), (#""ports":["8000/sctp"]"#, "/ports/0"),
    (#""ports":["8000",8000]"#, "/ports/1"), (#""ports":["-p 1"]"#, "/ports/0"),
    (#""ports":["1/tcp/udp"]"#, "/ports/0"),
    (#""ports":8000"#, "/ports"), (#""ports":["+1"]"#, "/ports/0"), (#""ports":[""]"#, "/ports/0"),
    (#""onstart":"\#(String(repeating: "x", count: 4097))""#, "/onstart"),
    (#""bid_per_hour_usd":1"#, "/bid_per_hour_usd"),
    (#""count":0"#, "/count"), (#""count":17"#, "/count"), (#""count":2"#, "/count"),
    (#""volume":{"id":1}"#, "/volume"),
    (#""template_id":3"#, "/template_id"), (#""resources":{}"#, "/resources"), (#""state":"running""#, "/state"),
    (#""provider_id":3"#, "/provider_id"),
  ])
  func `a wrong field is named by its pointer`(member: String, pointer: String) {
    #expect(problems("{\"offer_id\":7,\"image\":\"a\"," + member + "}").map(\.pointer) == [pointer])
  }

  @Test(arguments: [
    (#"{"offer_id":0,"image":"a"}"#, "/offer_id"), (#"{"transfer_up_gb":-1}"#, "/transfer_up_gb"),
    (#"{"transfer_down_gb":1000001}"#, "/transfer_down_gb"), (#"{"transfer_down_gb":"9"}"#, "/transfer_down_gb"),
    (#"{"offer_id":"7","image":"a"}"#, "/offer_id"),
    (#"{"resources":{"disk_gb":64},"image":"a"}"#, "/resources/disk_gb"),
    (#"{"resources":{"interruptible":true},"image":"a"}"#, "/resources/interruptible"),
  ])
  func `what a rental needs must be there, and in its place`(body: String, pointer: String) {
    #expect(problems(body).map(\.pointer) == [pointer])
  }
}
