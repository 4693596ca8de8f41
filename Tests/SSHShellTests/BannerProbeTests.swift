import CSystem
import Domain
import Glibc
import Locking
import SSHShell
import TestSupport
import Testing

struct BannerProbeTests {
  private let shell: OpenSSHShell
  private let folder: String

  init() throws {
    var template = Array("/tmp/vastd-probe-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw FileFailure(path: "/tmp") }
    folder = String(cString: made)
    shell = try World.shell(folder: folder, user: "root")
    removeTree(folder)
  }

  private func probe(_ addresses: [SSHAddress], _ patience: Duration = .seconds(20)) async -> SSHAddress? {
    await shell.reachableAddress(among: addresses, patience: patience)
  }

  private static func server(after delay: Duration = .zero) throws -> HostileServer {
    try HostileServer { connection in
      usleep(UInt32(delay.microseconds))
      _ = HostileServer.say(Array("SSH-2.0-Test\r\n".utf8), to: connection)
      HostileServer.ignore(connection)
    }
  }

  @Test func `a banner is an answer, also after lines that are none, and in drips`() async throws {
    let plain = try Self.server()
    #expect(await probe([plain.address]) == plain.address)
    let polite = try HostileServer { connection in
      _ = HostileServer.say(Array("Welcome!\r\n\r\nSSH is spoken here\nSSH-2.0-Test\r\n".utf8), to: connection)
    }
    #expect(await probe([polite.address]) == polite.address)
    let dripping = try HostileServer { connection in
      for byte in "hm\nSSH-1.99-x\n".utf8 {
        guard HostileServer.say([byte], to: connection) else { return }
        usleep(5000)
      }
    }
    #expect(await probe([dripping.address]) == dripping.address)
  }

  @Test func `what speaks no SSH is no answer, and is asked again`() async throws {
    let closing = try HostileServer { _ in }
    #expect(await probe([closing.address], .milliseconds(700)) == nil)
    #expect(closing.connections > 2)
    let web = try HostileServer { connection in
      _ = HostileServer.say(Array("HTTP/1.1 400 Bad Request\r\n\r\nno SSH-2.0 here\r\n".utf8), to: connection)
    }
    #expect(await probe([web.address], .milliseconds(400)) == nil)
    let silent = try HostileServer { HostileServer.ignore($0) }
    #expect(await probe([silent.address], .milliseconds(400)) == nil)
  }

  @Test func `a flood of no banner is cut short`() async throws {
    let longest = Locked(0)
    for piece in [[UInt8](repeating: 65, count: 60000), Array(String(repeating: "no\n", count: 20000).utf8)] {
      let flood = try HostileServer { connection in
        var sent = 0
        while sent < 1 << 30, HostileServer.say(piece, to: connection) { sent += piece.count }
        longest.withLock { $0 = max($0, sent) }
      }
      #expect(await probe([flood.address], .milliseconds(400)) == nil)
    }
    #expect(longest.withLock { $0 } < 64 << 20)
  }

  @Test func `the earlier address is preferred to one that is a little faster`() async throws {
    let first = try Self.server(after: .milliseconds(50))
    let second = try Self.server()
    #expect(await probe([first.address, second.address]) == first.address)
    #expect(await probe([second.address, first.address]) == second.address)
  }

  @Test func `the later address wins when the earlier one is deaf`() async throws {
    let deaf = try HostileServer { HostileServer.ignore($0) }
    let second = try Self.server()
    let before = csystem_monotonic_ns()
    #expect(await probe([deaf.address, second.address]) == second.address)
    #expect(csystem_monotonic_ns() - before < 4_000_000_000)
  }

  @Test func `an address that comes up later is found soon`() async throws {
    let isUp = Locked(false)
    let server = try HostileServer { connection in
      guard isUp.withLock({ $0 }) else { return }
      _ = HostileServer.say(Array("SSH-2.0-Test\r\n".utf8), to: connection)
    }
    async let found = probe([server.address])
    #expect(await eventually { server.connections > 2 })
    let before = csystem_monotonic_ns()
    isUp.withLock { $0 = true }
    #expect(await found == server.address)
    #expect(csystem_monotonic_ns() - before < 2_000_000_000)
  }

  @Test func `nothing to ask, nothing plausible and a cancel end at once`() async throws {
    #expect(await probe([]) == nil)
    #expect(
      await probe([SSHAddress(host: "-oProxyCommand=x", port: 1), SSHAddress(host: "127.0.0.1", port: 0)]) == nil)
    let task = Task { await probe([SSHAddress(host: "127.0.0.1", port: 1)], .seconds(600)) }
    task.cancel()
    #expect(await task.value == nil)
  }
}
