import Domain
import Glibc
import Locking
import SSHShell
import TestSupport
import Testing

/// The script of the dead man's switch on real shells, with a Vast that only takes notes.
@Suite struct `A machine's lease` {
  @Test(arguments: MachineKind.present)
  func `a machine that nobody renews asks for its own end, with its own key and in no argument`(
    kind: MachineKind
  ) async throws {
    let bench = try await Bench(kind)
    let key = "CANARY-\(UInt64.random(in: .min ... .max))"
    let arguments = Locked("")
    let vast = ScriptedServer { _ in
      let all = allArguments()
      arguments.withLock { $0 = all }
      return .json(200, #"{"success": true}"#)
    }
    let begun = try await bench.renew(RemoteLease(span: .seconds(1), providerURL: vast.url), key: key)
    #expect(begun.exitCode == 0 && RemoteLease.hasBegun(begun), "\(begun.errorText)")
    // The connection that started it is gone, as with a vastd that was killed.
    bench.world.server.dropConnections()
    #expect(await eventually { !vast.requests.isEmpty && arguments.withLock { !$0.isEmpty } })
    let request = try #require(vast.requests.first)
    #expect(request.method == "DELETE" && request.target == "/api/v0/instances/4711/")
    #expect(request.header("Authorization") == "Bearer \(key)")
    #expect(request.text == "{}")
    let seen = arguments.withLock { $0 }
    #expect(seen.contains("watch.sh"))
    #expect(!seen.contains(key))
    let found = try await bench.world.run("grep -r \(key) ~ ; stat -c %a ~/vastd/.lease ~/vastd/.lease/watch.sh")
    #expect(found.outputText == "700\n600\n")
  }

  @Test(arguments: MachineKind.present)
  func `a machine that is renewed lives past many leases, with one watcher however often it was begun`(
    kind: MachineKind
  ) async throws {
    let bench = try await Bench(kind)
    let vast = ScriptedServer { _ in .json(200, "{}") }
    // Long: eight at once on a busy machine take their time.
    let long = RemoteLease(span: .seconds(60), providerURL: vast.url)
    try await withThrowingTaskGroup(of: RemoteResult.self) { group in
      for _ in 0..<8 { group.addTask { try await bench.renew(long) } }
      for try await result in group { #expect(result.exitCode == 0, "\(result.errorText)") }
    }
    #expect(await eventually { bench.watchers().count == 1 })
    let watcher = bench.watchers()
    let lease = RemoteLease(span: .seconds(4), providerURL: vast.url)
    let end = ContinuousClock.now + .seconds(14)
    while ContinuousClock.now < end {
      let renewed = try await bench.renew(lease)
      #expect(renewed.exitCode == 0 && !RemoteLease.hasBegun(renewed), "\(renewed.errorText)")
      try await ContinuousClock().pause(for: .milliseconds(300))
    }
    #expect(vast.requests.isEmpty)
    #expect(bench.watchers() == watcher)
    #expect(await eventually { vast.requests.first?.method == "DELETE" }, "and ends once nobody renews it")
  }

  @Test(arguments: [401, 403, 404]) func `where it may not destroy itself it stops itself`(status: Int) async throws {
    let bench = try await Bench()
    let vast = ScriptedServer { $0.method == "DELETE" ? .json(status, "{}") : .json(200, "{}") }
    try await bench.renew(RemoteLease(span: .seconds(1), providerURL: vast.url))
    #expect(await eventually { vast.requests.count >= 2 })
    let stop = try #require(vast.requests.dropFirst().first)
    #expect(stop.method == "PUT" && stop.target == "/api/v0/instances/4711/")
    #expect(stop.text == #"{"state": "stopped"}"#)
    #expect(stop.header("Authorization") == "Bearer k3y")
  }

  @Test(arguments: [([], "curl/"), (["curl"], "Wget/"), (["curl", "wget"], "Python-urllib/")], MachineKind.present)
  func `what cannot reach Vast is followed by the next tool`(
    tools: (broken: [String], agent: String), kind: MachineKind
  ) async throws {
    let bench = try await Bench(kind)
    // Found, and of no use: as a curl without certificates.
    for tool in tools.broken {
      _ = try await bench.world.run("d=${PATH%%:*}; printf '#!/bin/sh\\nexit 60\\n' >$d/\(tool); chmod +x $d/\(tool)")
    }
    let vast = ScriptedServer { $0.method == "DELETE" ? .json(403, "{}") : .json(200, "{}") }
    let begun = try await bench.renew(RemoteLease(span: .seconds(1), providerURL: vast.url))
    #expect(begun.exitCode == 0, "\(begun.errorText)")
    #expect(await eventually { vast.requests.count >= 2 })
    for (request, method) in zip(vast.requests, ["DELETE", "PUT"]) {
      let agent = request.header("User-Agent") ?? ""
      // busybox's sh may take its own wget, which can do neither.
      let isNext = kind == .busybox && tools.agent == "Wget/" && agent.hasPrefix("Python-urllib/")
      #expect(agent.hasPrefix(tools.agent) || isNext, "\(agent)")
      #expect(request.method == method && request.target == "/api/v0/instances/4711/")
      #expect(request.header("Authorization") == "Bearer k3y")
    }
    #expect(vast.requests.dropFirst().first?.text == #"{"state": "stopped"}"#)
    #expect(try await bench.world.run("ls -A ~/vastd/.lease | sort").outputText == "deadline\nwatch.sh\nwatcher\n")
  }

  @Test func `it asks again until it is gone, and no longer once somebody renews it`() async throws {
    let bench = try await Bench()
    let vast = ScriptedServer { _ in .json(502, "<html>") }
    var lease = RemoteLease(span: .seconds(1), providerURL: vast.url)
    lease.firstPause = 1
    try await bench.renew(lease)
    #expect(await eventually { vast.requests.count >= 3 })
    #expect(vast.requests.allSatisfy { $0.method == "DELETE" }, "a failure is no refusal")
    let saved = RemoteLease(span: .seconds(3600), providerURL: vast.url)
    #expect(try await !RemoteLease.hasBegun(bench.renew(saved)))
    let asked = vast.requests.count
    // Its pause is 4 s by now.
    try await ContinuousClock().pause(for: .seconds(6))
    #expect(vast.requests.count <= asked + 1)
    #expect(bench.watchers().count == 1)
  }

  @Test(arguments: MachineKind.present)
  func `a full disk, a garbled deadline and a killed watcher do not end it`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    let vast = ScriptedServer { _ in .json(200, "{}") }
    let lease = RemoteLease(span: .seconds(1000), providerURL: vast.url)
    try await bench.renew(lease)
    func deadline() throws -> Int? {
      let bytes = try contents(bench.world.server.home + "/vastd/.lease/deadline")
      return Int(String(decoding: bytes.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self))
    }
    let first = try #require(try deadline())
    // No new file can take the old one's name.
    _ = try await bench.world.run("d=${PATH%%:*}; rm -f $d/mv; printf '#!/bin/sh\\nexit 1\\n' >$d/mv; chmod +x $d/mv")
    let later = try await bench.renew(RemoteLease(span: .seconds(2000), providerURL: vast.url))
    #expect(later.exitCode == 0, "\(later.errorText)")
    #expect(try #require(try deadline()) >= first + 990)
    _ = try await bench.world.run(
      "rm ${PATH%%:*}/mv; cd ~/vastd/.lease; echo x >deadline; sleep 1; rm deadline")
    let watcher = try #require(bench.watchers().first)
    kill(watcher, SIGKILL)
    #expect(await eventually { !isRunning(watcher) })
    #expect(try await RemoteLease.hasBegun(bench.renew(lease)))
    #expect(bench.watchers().count == 1)
    #expect(vast.requests.isEmpty)
  }

  @Test func `a machine without a key or without a way to ask says so and starts nothing`() async throws {
    let bench = try await Bench(.busybox)
    let lease = RemoteLease(span: .seconds(1), providerURL: "http://127.0.0.1:1")
    let keyless = try await bench.renew(lease, key: nil)
    #expect(keyless.exitCode == RemoteLease.Refusal.noKey.rawValue)
    #expect(keyless.errorText.contains("CONTAINER_API_KEY"))
    let odd = try await bench.renew(lease, key: #"'x"$y'"#)
    #expect(odd.exitCode == RemoteLease.Refusal.noKey.rawValue, "what is no key goes into no header")
    guard MachineKind.present.contains(.busybox) else { return }
    let mute = try await bench.renew(lease, preface: "PATH=${PATH%%:*}\n")
    #expect(mute.exitCode == RemoteLease.Refusal.missingTool.rawValue)
    #expect(mute.errorText.contains("neither curl nor python3"))
    #expect(bench.watchers().isEmpty)
  }
}

extension Bench {
  /// Renews as in a container: the first process has the key, here the login's shell.
  @discardableResult
  fileprivate func renew(
    _ lease: RemoteLease, key: String? = "k3y", preface: String = ""
  ) async throws(RemoteShellError) -> RemoteResult {
    var command = lease.renew()
    let own = key.map { "export CONTAINER_ID=4711 CONTAINER_API_KEY=\($0)\n" } ?? ""
    // One process more: a child of the one that has it.
    let inner = "unset CONTAINER_API_KEY; sh -c \(ShellQuoting.quote(command.script)); exit $?"
    command.script = preface + own + "sh -c \(ShellQuoting.quote(inner))"
    return try await world.shell.run(command, on: world.host)
  }

  /// The processes that watch this machine's lease.
  fileprivate func watchers() -> [Int32] {
    let script = world.server.home + "/vastd/.lease/watch.sh"
    return processes().filter { process in
      let words = ((try? contents("/proc/\(process)/cmdline")) ?? []).split(separator: 0)
      // A subshell that asks has the same arguments: its parent is one too.
      return words.count == 2 && words[1].elementsEqual(script.utf8) && isRunning(process)
    }
  }
}

private func processes() -> [Int32] {
  guard let folder = opendir("/proc") else { return [] }
  defer { closedir(folder) }
  var found: [Int32] = []
  while let entry = readdir(folder) {
    let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    if let process = Int32(name) { found.append(process) }
  }
  return found
}

/// What `ps` shows of the whole machine.
private func allArguments() -> String {
  processes().map { String(decoding: (try? contents("/proc/\($0)/cmdline")) ?? [], as: UTF8.self) }
    .joined(separator: "\n")
}
