import Domain
import SSHShell
import Testing

/// The scripts of checkpoints, on real machines of every kind.
struct CheckpointTests {
  private func write(_ text: String, to path: String, on bench: Bench) async throws {
    _ = try await bench.world.run(
      "cd ~/\(bench.workspace.folder) && mkdir -p \"$(dirname \(path))\" && printf '%s' '\(text)' >\(path)")
  }

  @Test(arguments: MachineKind.present)
  func `a checkpoint is taken, is not taken again unchanged, and is put back for the next attempt`(kind: MachineKind)
    async throws
  {
    let bench = try await Bench(kind)
    let workspace = bench.workspace
    try await bench.start("sleep 300")
    #expect(try await bench.run(workspace.checkpoint(path: "checkpoints/", known: nil)).exitCode == 76, "it is empty")
    #expect(try await bench.run(workspace.checkpoint(path: "a/b", known: nil)).exitCode == 76, "it is not there")
    try await write("step 1", to: "checkpoints/model.pt", on: bench)
    try await write("deep", to: "'checkpoints/a b/x'", on: bench)
    let first = try await bench.run(workspace.checkpoint(path: "checkpoints/", known: nil))
    #expect(first.exitCode == 0)
    let mark = try #require(RemoteWorkspace.checkpointMark(in: first.standardError))
    #expect(try await bench.run(workspace.checkpoint(path: "checkpoints/", known: mark)).exitCode == 76)
    // The same size, and perhaps the same second: another file all the same.
    try await write("step 2", to: "checkpoints/new && mv -f checkpoints/new checkpoints/model.pt; :", on: bench)
    let second = try await bench.run(workspace.checkpoint(path: "checkpoints/", known: mark))
    #expect(second.exitCode == 0)
    #expect(RemoteWorkspace.checkpointMark(in: second.standardError) != mark)
    #expect(try await bench.status().isRunning)

    let next = bench.attempt(2)
    _ = try await bench.status(next.prepare())
    try await write("from the inputs", to: "checkpoints/old", on: bench)
    for _ in 0..<2 {
      let restored = try await bench.run(next.restore(path: "checkpoints/"), input: .bytes(second.standardOutput))
      #expect(restored.exitCode == 0)
    }
    let command = "cat checkpoints/model.pt 'checkpoints/a b/x'; ls checkpoints; echo \"resume=$VASTD_RESUME\""
    try await bench.run(next.install(environment: [:], setup: nil, command: command, resumes: true))
    _ = try await bench.status(next.launch())
    let log = try await bench.run(next.follow(from: 0))
    #expect(String(decoding: log.standardOutput, as: UTF8.self) == "step 2deepa b\nmodel.pt\nresume=1\n")
    // Once the command has started nothing is put back under it.
    #expect(try await bench.run(next.restore(path: "checkpoints/"), input: .bytes(first.standardOutput)).exitCode == 0)
    #expect(try await bench.world.run("cat ~/\(next.folder)/checkpoints/model.pt").outputText == "step 2")
  }

  @Test(arguments: MachineKind.present)
  func `nothing but the folder is taken out of a checkpoint, and the variable names it`(kind: MachineKind) async throws
  {
    let bench = try await Bench(kind)
    let workspace = bench.workspace
    _ = try await bench.status(workspace.prepare())
    try await write("step", to: "out/ck/model", on: bench)
    // As of a machine that wants the next one to find a command ended and inputs replaced.
    let packed = try await bench.world.run(
      "cd ~/\(workspace.folder) && echo 0 >.vastd/exit_code && echo '1 1 1' >.vastd/pid && echo forged >input.txt && tar -czf - out .vastd input.txt"
    )
    let next = bench.attempt(2)
    _ = try await bench.status(next.prepare())
    try await write("mine", to: "input.txt", on: bench)
    let restored = try await bench.run(next.restore(path: "out/ck/"), input: .bytes(packed.standardOutput))
    #expect(restored.exitCode == 0, "\(restored.errorText)")
    #expect(
      try await bench.world.run("cat ~/\(next.folder)/out/ck/model ~/\(next.folder)/input.txt").outputText == "stepmine"
    )
    #expect(try await bench.status(next.status()).state == .notStarted)
    let command = "echo \"${VASTD_CHECKPOINT_DIR#$HOME/}\""
    try await bench.run(next.install(environment: [:], setup: nil, command: command, checkpointPath: "out/ck"))
    _ = try await bench.status(next.launch())
    let log = try await bench.run(next.follow(from: 0))
    #expect(String(decoding: log.standardOutput, as: UTF8.self) == "\(next.folder)/out/ck\n")
    let empty = bench.attempt(3)
    _ = try await bench.status(empty.prepare())
    #expect(
      try await bench.run(empty.restore(path: "elsewhere"), input: .bytes(packed.standardOutput)).exitCode == 75,
      "an archive without the folder")
  }

  @Test(arguments: MachineKind.present)
  func `files that change while they are packed make no checkpoint`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    try await bench.start(
      "mkdir -p checkpoints; i=0; while :; do i=$((i + 1)); echo $i >checkpoints/f.$((i % 50)); done")
    #expect(
      await eventually {
        (try? await bench.world.run("ls ~/\(bench.workspace.folder)/checkpoints").outputText.count) ?? 0 > 60
      })
    let result = try await bench.run(bench.workspace.checkpoint(path: "checkpoints", known: nil))
    #expect(result.exitCode == 77)
    #expect(RemoteWorkspace.checkpointMark(in: result.standardError) == nil)
    _ = try await bench.status(bench.workspace.terminate(grace: .milliseconds(200)))
  }

  @Test func `half a checkpoint is repeated from the beginning`() async throws {
    let bench = try await Bench()
    try await bench.start("sleep 300")
    try await write(String(repeating: "x", count: 20_000), to: "checkpoints/a", on: bench)
    let whole = try await bench.run(bench.workspace.checkpoint(path: "checkpoints/", known: nil)).standardOutput
    let next = bench.attempt(2)
    _ = try await bench.status(next.prepare())
    let half = try await bench.run(
      next.restore(path: "checkpoints/"), input: .bytes(Array(whole.prefix(whole.count / 2))))
    #expect(half.exitCode == 75)
    #expect(try await bench.run(next.restore(path: "checkpoints/"), input: .bytes(whole)).exitCode == 0)
    #expect(try await bench.world.run("wc -c <~/\(next.folder)/checkpoints/a").outputText.contains("20000"))
  }

  @Test(arguments: [
    "vastd-mark \n", "vastd-mark ../x\n", "vastd-mark AB\n", "mark ab\n",
    "vastd-mark " + String(repeating: "a", count: 65),
  ])
  func `a mark that is none is not taken`(text: String) {
    #expect(RemoteWorkspace.checkpointMark(in: Array(text.utf8)) == nil)
  }

  @Test(arguments: ["", "/", "/etc", "../x", ".", "./", "a/../../b"])
  func `a path that leads elsewhere is refused before anything is sent`(path: String) {
    let workspace = RemoteWorkspace(jobID: ID(at: Timestamp(seconds: 1)), attempt: 1)
    #expect(throws: RemoteWorkspace.InvalidInput.self) { _ = try workspace.checkpoint(path: path, known: nil) }
    #expect(throws: RemoteWorkspace.InvalidInput.self) { _ = try workspace.restore(path: path) }
  }
}
