import Domain
import Testing

struct RemoteWorkspaceParsingTests {
  private let workspace = RemoteWorkspace(jobID: ID("job_01j9z3v8k2m4n6p8q0r2s4t6v8")!, attempt: 1)

  private func line(_ state: String, pid: String = "-", code: String = "-", log: String = "12") -> String {
    "vastd-status state=\(state) pid=\(pid) code=\(code) prepared=1 inputs=0 installed=1 setup_failed=0 told=0 log=\(log) idle=3 free=9"
  }

  @Test func `each state is read as it was printed`() {
    func state(_ text: String) -> RemoteStatus.State? { RemoteStatus(printed: Array(text.utf8))?.state }
    #expect(state(line("not_started")) == .notStarted)
    #expect(state(line("running", pid: "77")) == .running(process: 77))
    #expect(state(line("ended", pid: "77", code: "0")) == .ended(exitCode: 0))
    #expect(state(line("ended", pid: "77", code: "255")) == .ended(exitCode: 255))
    #expect(state(line("vanished", pid: "77")) == .vanished)
    #expect(
      state("noise\n" + line("vanished") + "\n" + line("ended", code: "1") + "\nmore noise\n") == .ended(exitCode: 1))
  }

  @Test func `the rest of a status is read along`() throws {
    let status = try #require(RemoteStatus(printed: Array(line("not_started").utf8)))
    #expect(
      status.hasFolder && !status.hasInputs && status.isInstalled && !status.hasSetupFailed && !status.isToldToEnd)
    let told = line("ended", code: "143").replacing("told=0", with: "told=1")
    #expect(try #require(RemoteStatus(printed: Array(told.utf8))).isToldToEnd)
    #expect(status.logBytes == 12 && status.idle == .seconds(3) && status.freeBytes == 9)
  }

  @Test(arguments: [
    "", "vastd-status", "vastd-status ", "vastd-status state=ended", "state=running pid=1",
    "vastd-status state=running pid=- code=- prepared=1 inputs=0 installed=1 setup_failed=0 told=0 log=1 idle=0 free=0",
    "vastd-status state=running pid=-5 code=- prepared=1 inputs=0 installed=1 setup_failed=0 told=0 log=1 idle=0 free=0",
    "vastd-status state=ended pid=1 code=256 prepared=1 inputs=0 installed=1 setup_failed=0 told=0 log=1 idle=0 free=0",
    "vastd-status state=ended pid=1 code=x prepared=1 inputs=0 installed=1 setup_failed=0 told=0 log=1 idle=0 free=0",
    "vastd-status state=asleep pid=1 code=0 prepared=1 inputs=0 installed=1 setup_failed=0 told=0 log=1 idle=0 free=0",
    "vastd-status state=not_started pid=- code=- prepared=1 inputs=0 installed=1 setup_failed=0 told=0 log=-1 idle=0 free=0",
    "vastd-status state=not_started pid=- code=- prepared=1 inputs=0 installed=1 setup_failed=0 told=0 log=9223372036854775808 idle=0 free=0",
    "vastd-status state=not_started nonsense prepared=1 inputs=0 installed=1 setup_failed=0 told=0 log=1 idle=0 free=0",
  ])
  func `what is no status in order is none`(text: String) {
    #expect(RemoteStatus(printed: Array(text.utf8)) == nil)
  }

  @Test func `an output that is named twice is asked for once`() throws {
    let once = try workspace.collect(outputs: ["a/b", "c"]).script
    #expect(try workspace.collect(outputs: ["a/b", "./a//b/", "c", "c/", "job_output.log"]).script == once)
    #expect(try workspace.collect(outputs: ["a/b", "c", "a/*"]).script != once)
  }

  @Test func `what was left out is named once, whatever else a machine says`() {
    let said = "find: x: Permission denied\nvastd-missing a b\nvastd-missing c\nvastd-missing a b\n"
    #expect(RemoteWorkspace.missingOutputs(in: Array(said.utf8)) == ["a b", "c"])
  }

  @Test func `GPUs are read from the driver's table`() {
    func parse(_ text: String) -> [RemoteGPU]? { RemoteGPU.parse(Array(text.utf8)) }
    let gpus = parse("NVIDIA GeForce RTX 4090, 24564\r\nNVIDIA A100-SXM4-80GB, 81920\n")
    #expect(gpus?.map(\.name) == ["NVIDIA GeForce RTX 4090", "NVIDIA A100-SXM4-80GB"])
    #expect(gpus?.map(\.memoryMegabytes) == [24564, 81920])
    #expect(parse("NVIDIA GB10, [N/A]\n")?.first?.memoryMegabytes == 0)
    for text in [
      "", "\n", "No devices were found\n", "a, b\n", ", 5\n", "GPU, -5\n", "\u{1b}[2J, 5\n", "GPU, 5\nERR!\n",
      "Failed to initialize NVML: Driver/library version mismatch\n",
    ] {
      #expect(parse(text) == nil, "\(text)")
    }
  }

  @Test func `names of variables are checked`() throws {
    for name in ["A", "_", "PATH2", "aB_9"] { #expect(RemoteWorkspace.isEnvironmentName(name)) }
    for name in ["", "9A", "-p 80:80", "A B", "A\n", "A=B", "É", "A;id", "$A", String(repeating: "A", count: 257)] {
      #expect(!RemoteWorkspace.isEnvironmentName(name))
      #expect(throws: RemoteWorkspace.InvalidInput.environmentName(name)) {
        try workspace.install(environment: [name: "x"], setup: nil, command: "true")
      }
    }
  }

  @Test func `NUL is refused wherever it stands`() {
    #expect(throws: RemoteWorkspace.InvalidInput.nul("command")) {
      try workspace.install(environment: [:], setup: nil, command: "a\0b")
    }
    #expect(throws: RemoteWorkspace.InvalidInput.nul("setup")) {
      try workspace.install(environment: [:], setup: "\0", command: "true")
    }
    #expect(throws: RemoteWorkspace.InvalidInput.nul("A")) {
      try workspace.install(environment: ["A": "\0"], setup: nil, command: "true")
    }
  }

  @Test func `outputs stay below the folder`() {
    for path in ["output/", "a/b.txt", "*.png", "./x", ".", "a..b", "...", "it's", "-x", "a b"] {
      #expect(RemoteWorkspace.isOutput(path))
    }
    for path in ["", "/etc/passwd", "..", "../x", "a/../../b", "a/..", "a\nb", "a\0", "\u{7f}", "./.."] {
      #expect(!RemoteWorkspace.isOutput(path))
      #expect(throws: RemoteWorkspace.InvalidInput.output(path)) { try workspace.collect(outputs: [path]) }
    }
  }

  @Test func `missing outputs are found between other complaints`() {
    let text = "tar: something\nvastd-missing a b/c\n\nvastd-missing *.png\nxvastd-missing no\n"
    #expect(RemoteWorkspace.missingOutputs(in: Array(text.utf8)) == ["a b/c", "*.png"])
  }

  @Test func `a follow from before the beginning begins at the beginning`() {
    #expect(workspace.follow(from: -5).script == workspace.follow(from: 0).script)
  }
}
