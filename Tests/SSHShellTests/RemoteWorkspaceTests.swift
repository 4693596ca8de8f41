import CSystem
import Domain
import Glibc
import SSHShell
import TestSupport
import Testing

struct RemoteWorkspaceTests {
  @Test(arguments: MachineKind.present)
  func `a job goes from its inputs to its results`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    let workspace = bench.workspace
    let prepared = try await bench.status(workspace.prepare())
    #expect(prepared.state == .notStarted && prepared.hasFolder && !prepared.hasInputs && !prepared.isInstalled)
    #expect(prepared.freeBytes ?? 0 > 0)

    let archive = try await bench.world.run(
      """
      mkdir -p ~/in/deep/er && cd ~/in && echo data >deep/er/file && echo mine >run.sh && echo dot >.hidden \\
        && ln -s deep link && mkdir .vastd && echo evil >.vastd/pid && tar -czf - .
      """
    ).standardOutput
    #expect(try await bench.run(workspace.receiveInputs(), input: .bytes(archive)).exitCode == 0)
    let command = """
      echo "$VASTD_JOB_ID $VASTD_ATTEMPT $GREETING"; pwd; cat deep/er/file run.sh .hidden link/er/file
      mkdir -p output; echo plot >output/plot; ln -s /etc/passwd output/link; exit 3
      """
    let installed = try await bench.run(
      workspace.install(environment: ["GREETING": "hello 'you'"], setup: "echo set up; echo x >made", command: command))
    #expect(installed.exitCode == 0)
    #expect(try await bench.status().isInstalled)
    _ = try await bench.status(workspace.launch())
    let (log, status) = try await bench.log()
    let expected = """
      set up
      \(workspace.jobID) 1 hello 'you'
      \(bench.folder)
      data
      mine
      dot
      data

      """
    #expect(String(decoding: log, as: UTF8.self) == expected)
    #expect(status?.state == .ended(exitCode: 3))
    #expect(status?.logBytes == Int64(log.count))
    #expect(status?.hasSetupFailed == false && status?.hasInputs == true)

    let collected = try await bench.run(
      workspace.collect(outputs: ["output/", "job_output.log", "nothing/here", "ma?e"]))
    #expect(collected.exitCode == 0)
    #expect(
      RemoteWorkspace.missingOutputs(in: collected.standardError) == ["nothing/here", "output/link"])
    let listing = try await bench.world.run(
      "mkdir ~/back && cd ~/back && tar -xzf - && find . | sort && cat job_output.log",
      input: .bytes(collected.standardOutput))
    let names = "./job_output.log\n./made\n./output\n./output/plot\n"
    #expect(listing.outputText == ".\n" + names + expected)
  }

  @Test(arguments: MachineKind.present)
  func `however often and at once it is launched, it runs once`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    _ = try await bench.status(bench.workspace.prepare())
    try await bench.run(bench.workspace.install(environment: [:], setup: nil, command: "echo ran; sleep 1"))
    try await withThrowingTaskGroup(of: RemoteStatus.self) { group in
      for _ in 0..<16 { group.addTask { try await bench.status(bench.workspace.launch()) } }
      for try await status in group {
        switch status.state {
        case .running, .ended(exitCode: 0): break
        default: Issue.record("\(status)")
        }
      }
    }
    #expect(try await bench.log().bytes == Array("ran\n".utf8))
    // Nor after its end, nor when it is installed anew.
    try await bench.run(bench.workspace.install(environment: [:], setup: nil, command: "echo again"))
    #expect(try await bench.status(bench.workspace.launch()).state == .ended(exitCode: 0))
    #expect(try await bench.log().bytes == Array("ran\n".utf8))
  }

  @Test(arguments: MachineKind.present)
  func `a command that at once deletes its folder has been started, and following it says that it is gone`(
    kind: MachineKind
  ) async throws {
    let bench = try await Bench(kind)
    _ = try await bench.status(bench.workspace.prepare())
    try await bench.run(bench.workspace.install(environment: [:], setup: nil, command: "rm -rf .vastd"))
    var launch = bench.workspace.launch()
    // So that it is gone before the first look.
    launch.script = launch.script.replacing("i=0\n", with: "i=0; sleep 0.5\n")
    #expect(try await bench.status(launch).hasFolder == false)
    let followed = try await bench.run(bench.workspace.follow(from: 0))
    #expect(followed.exitCode == RemoteWorkspace.Refusal.notPrepared.rawValue)
  }

  @Test(arguments: MachineKind.present)
  func `a setup that fails is told apart from a command that fails`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    try await bench.start("echo never", setup: "echo setting up; exit 9")
    let (log, status) = try await bench.log()
    #expect(log == Array("setting up\n".utf8))
    #expect(status?.state == .ended(exitCode: 9))
    #expect(status?.hasSetupFailed == true)
  }

  @Test(arguments: MachineKind.present)
  func `a job outlives its connection, and its log is read on without loss or repetition`(
    kind: MachineKind
  ) async throws {
    let bench = try await Bench(kind)
    let command = """
      i=0; while [ $i -lt 300 ]; do
        i=$((i+1)); echo line $i
        while [ $i = 100 ] && [ ! -e go ]; do sleep 0.02; done
      done
      """
    try await bench.start(command)
    let seen = Seen()
    let cut = Task { () -> RemoteShellError? in
      do throws(RemoteShellError) {
        try await bench.run(bench.workspace.follow(from: 0), output: .pieces { await seen.take($0) > 0 })
        return nil
      } catch {
        return error
      }
    }
    #expect(await eventually { await seen.text.hasSuffix("line 100\n") })
    bench.world.server.dropConnections()
    let told = await cut.value
    guard case .unreachable = told else {
      Issue.record("a cut connection must be told, and not as \(told as Any)")
      return
    }
    try save([], to: bench.folder + "/go")
    let (rest, status) = try await bench.log(from: Int64(await seen.count))
    let expected = (1...300).map { "line \($0)\n" }.joined()
    #expect(await seen.text + String(decoding: rest, as: UTF8.self) == expected)
    #expect(status?.state == .ended(exitCode: 0))
  }

  @Test(arguments: MachineKind.present)
  func `following ends soon after the job, with its last bytes`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    try await bench.start("sleep 0.5; head -c 300000 /dev/zero; printf last; date +%s.%N >ended")
    let (log, status) = try await bench.log()
    #expect(log.count == 300_004 && log.suffix(4) == Array("last".utf8))
    #expect(status?.state == .ended(exitCode: 0))
  }

  @Test(arguments: MachineKind.present)
  func `a reboot makes a running job vanish, and following it ends`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    let started = try await bench.start("echo up; sleep 300")
    guard case .running(let process) = started.state else {
      Issue.record("not running: \(started)")
      return
    }
    #expect(isRunning(Int32(process)))
    bench.world.server.reboot()
    #expect(await eventually { (try? await bench.status().state) == .vanished })
    let (log, status) = try await bench.log()
    #expect(log == Array("up\n".utf8))
    #expect(status?.state == .vanished)
    #expect(try await bench.status(bench.workspace.launch()).state == .vanished)
  }

  @Test func `another process under the old number is not taken for the job`() async throws {
    let bench = try await Bench()
    try await bench.start("sleep 300")
    let other =
      "echo \"$$ 12345 $(cat /proc/sys/kernel/random/boot_id)\" >~/\(bench.workspace.folder)/.vastd/pid; sleep 5"
    let task = Task { try await bench.world.run(other, timeout: .seconds(2)) }
    #expect(await eventually { (try? await bench.status().state) == .vanished })
    task.cancel()
    _ = await task.result
  }

  @Test(arguments: MachineKind.present)
  func `terminate lets a job end by itself and tells its exit code`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    try await bench.start("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done")
    #expect(await eventually { (try? await bench.status().logBytes) == 6 })
    let status = try await bench.status(bench.workspace.terminate(grace: .seconds(10)))
    #expect(status.state == .ended(exitCode: 5))
    // Between the two, bash may report the end of its sleep.
    let log = String(decoding: try await bench.log().bytes, as: UTF8.self)
    #expect(log.hasPrefix("ready\n") && log.hasSuffix("bye\n"))
    #expect(try await bench.status(bench.workspace.terminate()).state == .ended(exitCode: 5))
  }

  @Test(arguments: MachineKind.present)
  func `terminate kills what does not listen, also what left the group`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    try await bench.start(
      "trap '' TERM; setsid sh -c 'echo $$ >far; exec sleep 300' & echo $$ >near; while :; do sleep 0.05; done")
    let files = [bench.folder + "/near", bench.folder + "/far"]
    #expect(await eventually { files.allSatisfy { ((try? contents($0)) ?? []).last == UInt8(ascii: "\n") } })
    let processes = try files.map { Int32(String(decoding: try contents($0).dropLast(), as: UTF8.self))! }
    #expect(processes.allSatisfy { isRunning($0) })
    let status = try await bench.status(bench.workspace.terminate(grace: .milliseconds(300)))
    #expect(status.state == .ended(exitCode: 137))
    #expect(await eventually { processes.allSatisfy { !isRunning($0) } })
  }

  @Test func `what was terminated before its start never starts`() async throws {
    let bench = try await Bench()
    _ = try await bench.status(bench.workspace.prepare())
    try await bench.run(bench.workspace.install(environment: [:], setup: nil, command: "echo ran"))
    #expect(try await bench.status(bench.workspace.terminate()).state == .notStarted)
    #expect(try await bench.status(bench.workspace.launch()).state == .notStarted)
  }

  @Test(arguments: MachineKind.present)
  func `half an upload changes nothing, and the whole one may come twice`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    _ = try await bench.status(bench.workspace.prepare())
    let archive = try await bench.world.run(
      "mkdir ~/in && cd ~/in && mkdir a && head -c 300000 /dev/urandom >a/big && echo one >b && tar -czf - a b"
    ).standardOutput
    let receive = bench.workspace.receiveInputs()
    for part in [archive.count / 2, archive.count - 3, 0] {
      let broken = try await bench.run(receive, input: .bytes(Array(archive[..<part])))
      #expect(broken.exitCode == RemoteWorkspace.Refusal.brokenInputs.rawValue)
      #expect(try await !bench.status().hasInputs)
    }
    let listing = "cd ~/\(bench.workspace.folder) && find . ! -path './.vastd*' ! -name checkpoints | sort"
    #expect(try await bench.world.run(listing).outputText == ".\n")
    #expect(try await bench.run(receive, input: .bytes(archive)).exitCode == 0)
    _ = try await bench.world.run("echo changed >~/\(bench.workspace.folder)/b")
    #expect(try await bench.run(receive, input: .bytes(archive)).exitCode == 0)
    #expect(try await bench.world.run(listing + "; cat b").outputText == ".\n./a\n./a/big\n./b\nchanged\n")
  }

  @Test(arguments: MachineKind.present)
  func `inputs that fill the disk are told apart from inputs that are broken`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    _ = try await bench.status(bench.workspace.prepare())
    let broken = try await bench.run(bench.workspace.receiveInputs(), input: .bytes([1, 2, 3]))
    #expect(broken.exitCode == RemoteWorkspace.Refusal.brokenInputs.rawValue)
    _ = try await bench.world.run(
      "d=${PATH%%:*}; rm -f $d/df; printf '#!/bin/sh\\necho head; echo overlay 9 9 0 100%% /\\n' >$d/df; chmod +x $d/df"
    )
    #expect(try await bench.status().isDiskFull)
    let full = try await bench.run(bench.workspace.receiveInputs(), input: .bytes([1, 2, 3]))
    #expect(full.exitCode == RemoteWorkspace.Refusal.diskFull.rawValue)
  }

  @Test func `inputs that find no room are the disk's fault, and not their own`() async throws {
    let bench = try await Bench()
    _ = try await bench.status(bench.workspace.prepare())
    let archive = try await bench.world.run("mkdir ~/in && cd ~/in && echo one >b && tar -czf - b").standardOutput
    var receive = bench.workspace.receiveInputs()
    // A disk where nothing can be written any more.
    receive.script = receive.script.replacing("umask 022", with: "head() { return 1; }; tar() { return 2; }; umask 022")
    #expect(try await bench.run(receive, input: .bytes(archive)).exitCode == RemoteWorkspace.Refusal.diskFull.rawValue)
    receive.script = receive.script.replacing(
      "head() { return 1; }; tar() { return 2; }", with: "tar() { return 137; }")
    #expect(
      try await bench.run(receive, input: .bytes(archive)).exitCode == RemoteWorkspace.Refusal.inputOutput.rawValue)
    #expect(try await bench.run(bench.workspace.receiveInputs(), input: .bytes(archive)).exitCode == 0)
    #expect(try await bench.world.run("ls ~/\(bench.workspace.folder)/.vastd").outputText == "attempt\ninputs\n")
  }

  @Test func `a newer attempt wipes an older one, and an older one is refused`() async throws {
    let bench = try await Bench(attempt: 2)
    let started = try await bench.start("echo old >left; sleep 300")
    guard case .running(let process) = started.state else {
      Issue.record("not running: \(started)")
      return
    }
    for verb in [bench.attempt(1).prepare(), bench.attempt(1).status(), bench.attempt(1).launch()] {
      #expect(try await bench.run(verb).exitCode == RemoteWorkspace.Refusal.anotherAttempt.rawValue)
    }
    let status = try await bench.status(bench.attempt(3).prepare())
    #expect(status.state == .notStarted && !status.isInstalled)
    #expect(await eventually { !isRunning(Int32(process)) })
    #expect((try? contents(bench.folder + "/left")) == nil)
    #expect(try await bench.run(bench.workspace.launch()).exitCode == RemoteWorkspace.Refusal.anotherAttempt.rawValue)
  }

  @Test func `verbs on a bare machine say so`() async throws {
    let bench = try await Bench()
    #expect(try await bench.status().hasFolder == false)
    for verb in [bench.workspace.launch(), bench.workspace.receiveInputs(), bench.workspace.terminate()] {
      #expect(try await bench.run(verb).exitCode == RemoteWorkspace.Refusal.notPrepared.rawValue)
    }
    let full = try await bench.run(bench.workspace.prepare(minimumFreeBytes: 1 << 60))
    #expect(full.exitCode == RemoteWorkspace.Refusal.diskFull.rawValue)
    #expect(try await bench.run(bench.workspace.launch()).exitCode == RemoteWorkspace.Refusal.notPrepared.rawValue)
    var bare = bench.workspace.prepare()
    bare.script = "PATH=/nowhere; " + bare.script
    let lacking = try await bench.world.shell.run(bare, on: bench.world.host)
    #expect(lacking.exitCode == RemoteWorkspace.Refusal.missingTool.rawValue)
    #expect(lacking.errorText.contains("the image lacks setsid tar gzip"))
  }

  @Test(arguments: MachineKind.present)
  func `every value of the environment arrives byte for byte, and in no argument`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    let values = QuotingTests.strings(count: 300)
    // Another one each time: the whole machine's processes are searched for it, also those of other tests.
    let canary = "CANARY-\(UInt64.random(in: .min ... .max))"
    var environment = ["SECRET": canary]
    for (index, value) in values.enumerated() { environment["V\(index)"] = value }
    let command = """
      i=0; while [ $i -lt 300 ]; do eval "printf '%s\\\\0' \\"\\$V$i\\""; i=$((i+1)); done
      cat /proc/[0-9]*/cmdline >arguments 2>/dev/null; true
      """
    try await bench.start(command, environment: environment)
    let (log, _) = try await bench.log()
    #expect(log == values.flatMap { Array($0.utf8) + [UInt8(0)] })
    let arguments = try contents(bench.folder + "/arguments").split(separator: 0)
      .map { String(decoding: $0, as: UTF8.self) }
    #expect(arguments.count > 10)
    #expect(arguments.first { $0.contains(canary) } == nil)
    var status = stat()
    #expect(stat(bench.folder + "/.vastd/run.sh", &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(stat(bench.folder + "/.vastd", &status) == 0 && status.st_mode & 0o777 == 0o700)
  }

  @Test(arguments: MachineKind.present)
  func `what would spoil the archive is left out and named, and the rest comes home`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    try await bench.start(
      """
      mkdir -p out/deep/er; echo 1 >out/ok; ln -s ../../.. out/up; ln -s /root/ckpt out/absolute; ln -s ../../ok out/deep/er/fine
      ln -s a/../../../b out/sly; ln -s ok out/latest; mkfifo out/pipe; echo 2 >out/suid; chmod 4755 out/suid; ln -s ../../../.. out/deep/er/out
      """)
    _ = try await bench.log()
    let collected = try await bench.run(bench.workspace.collect(outputs: ["out/"]))
    #expect(collected.exitCode == 0)
    #expect(
      RemoteWorkspace.missingOutputs(in: collected.standardError).sorted()
        == ["out/absolute", "out/deep/er/out", "out/pipe", "out/sly", "out/suid", "out/up"])
    let listing = try await bench.world.run("tar -tzf - | sort", input: .bytes(collected.standardOutput))
    #expect(
      listing.outputText == "job_output.log\nout/\nout/deep/\nout/deep/er/\nout/deep/er/fine\nout/latest\nout/ok\n")
  }

  @Test(arguments: MachineKind.present)
  func `a name that no archive of ours may have is left out and named on one line`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    try await bench.start(
      #"""
      mkdir out; cd out; echo 1 >ok; echo 2 >"$(printf 'a\nvastd-missing b')"; echo 3 >"$(printf 'tab\there')"
      echo 4 >"$(printf 'esc\033[2J')"; mkdir "$(printf 'bad\001')"; echo 5 >"$(printf 'bad\001')/in"
      ln -s "$(printf 'a\nb')" sly; echo 6 >'back\slash'; echo 7 >ä; mkdir set; echo 8 >set/in; chmod 4755 set
      l=$(printf '%0250d' 0); i=0; while [ $i -lt 17 ]; do mkdir $l; cd $l; i=$((i + 1)); done; echo 9 >deep
      """#)
    _ = try await bench.log()
    let collected = try await bench.run(bench.workspace.collect(outputs: ["out/"]))
    #expect(collected.exitCode == 0, "\(collected.errorText)")
    let missing = RemoteWorkspace.missingOutputs(in: collected.standardError).sorted()
    let named = [
      #"out/a\nvastd-missing b"#, #"out/bad\x01"#, #"out/esc\x1b[2J"#, "out/set", "out/sly", #"out/tab\there"#,
    ]
    let long = missing.filter { $0.hasPrefix("out/0000") }
    #expect(missing.filter { !$0.hasPrefix("out/0000") } == named)
    #expect(long.count == (kind.namesLongPaths ? 1 : 0), "the first folder, and not again what lies in it")
    let listing = try await bench.world.run(
      "mkdir ~/back && cd ~/back && tar -xzf - && cd out && cat ok 'back\\slash' ä set/in && ls | grep -vc 000",
      input: .bytes(collected.standardOutput))
    #expect(listing.outputText == "1\n6\n7\n8\n4\n")
  }

  /// GNU tar writes a second mention of a file as a hard link to itself, which is refused here where it is a link's.
  @Test(arguments: MachineKind.present)
  func `outputs may repeat and overlap, also through links, and all of them come home`(kind: MachineKind) async throws {
    let layout =
      "mkdir -p o/s3; echo 3 >o/s3/m.pt; ln -s s3 o/latest; ln -s s3/m.pt o/best; ln -s gone out; echo -n >f;"
    let whole = "o/\no/best\no/latest\no/s3/\no/s3/m.pt\n"
    for (command, outputs, expected, missing) in [
      ("", ["o/", "o/best", "./o", "o"], whole, []),
      ("", ["o/latest/m.pt", "o/"], whole, []),
      ("", ["o/*", "o/latest/*", "o/late*"], "o/best\no/latest\no/s3/\no/s3/m.pt\n", []),
      ("", ["*", ".", "out/"], "checkpoints/\nf\n" + whole + "out\n", []),
      ("", ["o/latest/m.pt"], "o/latest/m.pt\n", []),
      ("", ["o/", "o/none"], whole, ["o/none"]),
      // What the link leads to is in no output: the file was asked for, so the link gives way to it.
      (
        "mkdir far; echo 1 >far/x; ln -s ../far o/l;", ["o/", "o/l/x"],
        "o/\no/best\no/l/x\no/latest\no/s3/\no/s3/m.pt\n", ["o/l"]
      ),
      ("ln -s $PWD/o/s3 o/l;", ["o/l/m.pt", "o/"], whole, ["o/l"]),
    ] {
      let bench = try await Bench(kind)
      try await bench.start(layout + command)
      _ = try await bench.log()
      let collected = try await bench.run(bench.workspace.collect(outputs: outputs))
      #expect(collected.exitCode == 0, "\(collected.errorText)")
      #expect(RemoteWorkspace.missingOutputs(in: collected.standardError) == missing, "\(outputs)")
      let listing = try await bench.world.run(
        "cat >~/a.tgz; tar -tzf ~/a.tgz | grep -v job_output | sort; tar -tvzf ~/a.tgz | grep -c ' link to '",
        input: .bytes(collected.standardOutput))
      #expect(listing.outputText == expected + "0\n", "\(outputs)")
    }
  }

  @Test(arguments: MachineKind.present)
  func `names that look like options or expressions change nothing`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    try await bench.start("echo 1 >./-delete; echo 1 >'loss - final.png'; : >'!'; : >'('; : >--; ln -s /etc/passwd abs")
    _ = try await bench.log()
    let collected = try await bench.run(bench.workspace.collect(outputs: ["*"]))
    #expect(collected.exitCode == 0, "\(collected.errorText)")
    #expect(RemoteWorkspace.missingOutputs(in: collected.standardError) == ["abs"])
    let listing = try await bench.world.run("tar -tzf - | sort", input: .bytes(collected.standardOutput))
    #expect(listing.outputText == "!\n(\n--\n-delete\ncheckpoints/\njob_output.log\nloss - final.png\n")
  }

  @Test func `a file that cannot be read is named, and the others come home`() async throws {
    let bench = try await Bench()
    try await bench.start("mkdir out; echo 1 >out/ok; echo 2 >out/bad")
    _ = try await bench.log()
    var collect = try bench.workspace.collect(outputs: ["out/"])
    // It is gone between the listing and the packing.
    collect.script = collect.script.replacing(
      "exec 4>&1",
      with: """
        tar() {
          if [ "$1" = -cf ]; then cat >"$d/l"; rm out/bad; command tar "$@" <"$d/l"; else command tar "$@"; fi
        }
        exec 4>&1
        """)
    let collected = try await bench.run(collect)
    #expect(collected.exitCode == 0, "\(collected.errorText)")
    #expect(RemoteWorkspace.missingOutputs(in: collected.standardError) == ["out/bad"])
    let listing = try await bench.world.run("tar -tzf -", input: .bytes(collected.standardOutput))
    #expect(listing.outputText == "job_output.log\nout/\nout/ok\n")
  }

  @Test func `the whole folder may be collected, without what is ours`() async throws {
    let bench = try await Bench()
    try await bench.start("mkdir -p 'a b' -- -x; echo 1 >'a b/c'; echo 2 >.dot; echo 3 >'*'; echo log")
    _ = try await bench.log()
    for (outputs, expected) in [
      (["."], "*\n-x/\n.dot\na b/\na b/c\ncheckpoints/\njob_output.log\n"),
      (["./a b/*", "-x"], "-x/\na b/c\njob_output.log\n"),
      ([".vastd/run.sh", ".vast*", "nothing/b"], "job_output.log\n"),
      ([], "job_output.log\n"),
    ] {
      let collected = try await bench.run(bench.workspace.collect(outputs: outputs))
      #expect(collected.exitCode == 0)
      let listing = try await bench.world.run("tar -tzf - | sort", input: .bytes(collected.standardOutput))
      #expect(listing.outputText == expected)
    }
  }

  @Test func `the variables of the image are taken over where Vast hides them`() async throws {
    let bench = try await Bench()
    let image = [
      "VAST_CONTAINERLABEL=C.1", "PATH=/opt/conda/bin", "CUDA_HOME=/usr/local/cuda", "HOME=/evil", "MINE=theirs",
      "CONTAINER_API_KEY=canary", "QUOTED=it's \"$(id)\" `id`", "bad-name=x", "MULTI=one\ntwo",
    ]
    try save(image.flatMap { Array($0.utf8) + [UInt8(0)] }, to: bench.world.server.home + "/environ")
    let path = bench.world.server.home + "/environ"
    let script = """
      MINE=mine; export MINE
      \(RemoteWorkspace.imageEnvironment(at: path))
      echo "${PATH%%:*} $CUDA_HOME $HOME $MINE <$CONTAINER_API_KEY> $QUOTED"
      """
    let expected = "/opt/conda/bin /usr/local/cuda \(bench.world.server.home) mine <> it's \"$(id)\" `id`\n"
    #expect(try await bench.world.run(script).outputText == expected)
    try save(Array("PATH=/opt/conda/bin\0".utf8), to: path)
    #expect(try await bench.world.run(script).outputText.hasPrefix("/tmp/vastd-tools-"))
  }

  @Test func `a GPU is what its driver says`() async throws {
    let bench = try await Bench()
    let absent = try await bench.run(RemoteGPU.inspect())
    #expect(absent.exitCode == RemoteWorkspace.Refusal.noGPU.rawValue)
    #expect(absent.errorText.contains("no nvidia-smi"))
    _ = try await bench.world.run(
      "d=${PATH%%:*}; printf '#!/bin/sh\\necho \"NVIDIA GeForce RTX 4090, 24564\"\\n' >$d/nvidia-smi; chmod +x $d/nvidia-smi"
    )
    let present = try await bench.run(RemoteGPU.inspect())
    #expect(RemoteGPU.parse(present.standardOutput)?.map(\.name) == ["NVIDIA GeForce RTX 4090"])
    _ = try await bench.world.run("d=${PATH%%:*}; printf '#!/bin/sh\\necho broken; exit 9\\n' >$d/nvidia-smi")
    #expect(try await bench.run(RemoteGPU.inspect()).exitCode == RemoteWorkspace.Refusal.noGPU.rawValue)
  }
}
