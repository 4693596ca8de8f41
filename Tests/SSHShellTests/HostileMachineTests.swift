import CSystem
import Domain
import Glibc
import SSHShell
import TestSupport
import Testing

/// The machine is a stranger's: what it may do to us, and what we make of it.
struct HostileMachineTests {
  private func failure(_ world: World, _ script: String = "echo x", timeout: Duration = .seconds(20)) async
    -> RemoteShellError?
  {
    do throws(RemoteShellError) {
      _ = try await world.run(script, timeout: timeout)
      return nil
    } catch {
      return error
    }
  }

  private func failure(of shell: OpenSSHShell, on address: SSHAddress) async -> RemoteShellError? {
    do throws(RemoteShellError) {
      let command = RemoteCommand(script: ":", timeout: .seconds(5))
      _ = try await shell.run(command, on: RemoteHost(address: address, pinName: "pin"))
      return nil
    } catch {
      return error
    }
  }

  private func isUnreachable(_ error: RemoteShellError?) -> Bool {
    if case .unreachable = error { true } else { false }
  }

  @Test func `a key that is not accepted is told, and accepted once it is attached`() async throws {
    let world = try await World(isAuthorized: false)
    #expect(await failure(world) == .permissionDenied)
    try world.server.authorize([try await world.shell.publicKey()])
    #expect(await failure(world) == nil)
  }

  @Test func `another host key under the same name is refused, under a new name it is pinned`() async throws {
    let world = try await World()
    #expect(await failure(world) == nil)
    world.server.dropConnections()
    world.server.stopListening()
    try world.server.makeHostKey()
    try await world.server.startListening()
    for _ in 0..<2 { #expect(await failure(world) == .hostKeyChanged) }
    let next = RemoteHost(address: world.server.address, pinName: "ins_1-boot-2")
    let command = RemoteCommand(script: "echo new", timeout: .seconds(10))
    #expect(try await world.shell.run(command, on: next).outputText == "new\n")
    await world.shell.forget(world.host)
    #expect(await failure(world) == nil)
  }

  @Test func `a host key of another kind is another host key`() async throws {
    let world = try await World()
    #expect(await failure(world) == nil)
    world.server.dropConnections()
    world.server.stopListening()
    try world.server.makeHostKey(type: "ecdsa")
    try await world.server.startListening()
    #expect(await failure(world) == .hostKeyChanged)
  }

  @Test func `nobody there, nobody answering and nobody sane are unreachable`() async throws {
    let world = try await World()
    let closing = try HostileServer { _ in }
    let early = try HostileServer { connection in
      _ = HostileServer.say(Array("SSH-2.0-Test\r\n".utf8), to: connection)
    }
    let babbling = try HostileServer { connection in
      _ = HostileServer.say(Array("SSH-2.0-Test\r\n".utf8), to: connection)
      while HostileServer.say(noise(60000), to: connection) {}
    }
    let banner = try HostileServer { connection in
      while HostileServer.say([UInt8](repeating: 65, count: 60000), to: connection) {}
    }
    for address in [
      closing.address, early.address, babbling.address, banner.address, SSHAddress(host: "127.0.0.1", port: 1),
      SSHAddress(host: "no-such-host.invalid", port: 22),
    ] {
      let error = await failure(of: world.shell, on: address)
      #expect(isUnreachable(error), "\(address): \(error as Any)")
    }
  }

  @Test func `a host that is deaf after its banner is given up`() async throws {
    let world = try await World(isAuthorized: false)
    let deaf = try HostileServer { connection in
      _ = HostileServer.say(Array("SSH-2.0-Test\r\n".utf8), to: connection)
      HostileServer.ignore(connection)
    }
    var configuration = OpenSSHShell.Configuration(dataDirectory: world.folder)
    configuration.loginPatience = .milliseconds(500)
    let shell = try OpenSSHShell(configuration)
    let error = await failure(of: shell, on: deaf.address)
    #expect(isUnreachable(error), "\(error as Any)")
  }

  @Test func `a login that ends or hangs instead of running the command is told`() async throws {
    let ending = try await World(options: ["ForceCommand exit 0"])
    #expect(isUnreachable(await failure(ending)))
    let failing = try await World(options: ["ForceCommand echo This account is closed >&2; exit 3"])
    let closed = await failure(failing)
    guard case .unreachable(let detail) = closed else {
      Issue.record("\(closed as Any)")
      return
    }
    #expect(detail == "This account is closed")
    let hanging = try await World(options: ["ForceCommand sleep 30"])
    #expect(await failure(hanging, timeout: .milliseconds(400)) == .timedOut)
  }

  @Test func `a login that floods either stream is cut off and costs no memory`() async throws {
    let world = try await World(options: ["ForceCommand head -c 300000000 /dev/zero"])
    #expect(isUnreachable(await failure(world)))
    let errors = try await World(options: ["ForceCommand cat /dev/zero >&2"])
    let before = residentKilobytes()
    #expect(await failure(errors, timeout: .seconds(2)) == .timedOut)
    #expect(residentKilobytes() - before < 64 << 10)
  }

  @Test func `a command that floods is held to its limit`() async throws {
    let world = try await World()
    let before = residentKilobytes()
    let result = try await world.run(
      "head -c 200000000 /dev/zero; head -c 50000000 /dev/zero >&2; exit 4", output: .collected(limit: 1 << 16),
      timeout: .seconds(60))
    #expect(result.exitCode == 4)
    #expect(result.isTruncated && result.standardOutput.count == 1 << 16 && result.standardError.count == 1 << 16)
    #expect(residentKilobytes() - before < 64 << 10)
  }

  @Test func `a connection that breaks under a command is told, and the next command makes a new one`() async throws {
    let world = try await World()
    let task = Task { await failure(world, "touch ~/begun; sleep 30; echo done", timeout: .seconds(60)) }
    #expect(await eventually { (try? contents(world.server.home + "/begun")) != nil })
    world.server.dropConnections()
    #expect(isUnreachable(await task.value))
    #expect(try await world.run("echo again").outputText == "again\n")
  }

  @Test func `a master that is killed under a command is told, and the next command makes a new one`() async throws {
    let world = try await World()
    let task = Task { await failure(world, "touch ~/begun; sleep 30; echo done", timeout: .seconds(60)) }
    #expect(await eventually { (try? contents(world.server.home + "/begun")) != nil })
    let masters = ProcessTable.all().filter { process in
      let arguments = (try? contents("/proc/\(process)/cmdline")).map { String(decoding: $0, as: UTF8.self) } ?? ""
      return arguments.contains(world.folder) && arguments.contains("ControlMaster=yes")
    }
    #expect(masters.count == 1)
    for master in masters { kill(master, SIGKILL) }
    #expect(isUnreachable(await task.value))
    // Its socket is still there, without an owner.
    #expect(try await world.run("echo again").outputText == "again\n")
  }

  @Test func `forgetting a host ends its connection`() async throws {
    let world = try await World()
    #expect(await failure(world) == nil)
    await world.shell.forget(world.host)
    #expect(await eventually { world.server.log.contains("Disconnected from user") })
    #expect((try? contents(world.folder + "/ssh/known/\(world.host.pinName)")) == nil)
  }

  @Test func `a forged end of one stream is no more than the machine could do anyway`() async throws {
    let world = try await World()
    // A command that prints marks of other commands does not confuse its own.
    let result = try await world.run(
      #"printf '0123456789abcdef-begin\n'; printf '\n0123456789abcdef-end 0\n' >&2; exit 6"#)
    #expect(result.exitCode == 6)
    #expect(result.outputText == "0123456789abcdef-begin\n")
    #expect(result.errorText == "\n0123456789abcdef-end 0\n")
  }

  private func residentKilobytes() -> Int {
    let status = (try? contents("/proc/self/status")).map { String(decoding: $0, as: UTF8.self) } ?? ""
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }) else { return 0 }
    return Int(line.filter(\.isNumber)) ?? 0
  }
}
