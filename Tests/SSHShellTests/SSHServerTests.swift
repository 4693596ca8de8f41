import Domain
import TestSupport
import Testing

/// The recipe of the test machine itself.
struct SSHServerTests {
  @Test func `a login finds the test machine's folder as its home and its programs first`() async throws {
    let world = try await World()
    let result = try await world.run(#"printf '%s|%s|' "$HOME" "${PATH%%:*}"; cd; pwd"#)
    #expect(result.outputText == "\(world.server.home)|/usr/local/bin|\(world.server.home)\n")
  }

  @Test func `a reboot kills what detached itself, a cut connection does not`() async throws {
    let world = try await World()
    let started = try await world.run("setsid sleep 300 </dev/null >/dev/null 2>&1 & echo $!")
    let process = Int32(started.outputText.split(separator: "\n")[0])!
    world.server.dropConnections()
    #expect(isRunning(process))
    world.server.reboot()
    #expect(await eventually { !isRunning(process) })
  }
}
