import CSystem
import Domain
import Glibc
import SSHShell
import TestSupport
import Testing

struct OpenSSHShellTests {
  @Test func `output, errors and the exit status come home apart`() async throws {
    let world = try await World()
    let result = try await world.run("echo out; echo err >&2; exit 7")
    #expect(
      result == RemoteResult(exitCode: 7, standardOutput: Array("out\n".utf8), standardError: Array("err\n".utf8)))
  }

  @Test(arguments: [0, 1, 126, 127, 128, 137, 254, 255])
  func `every exit status is the command's own, 255 too`(status: Int32) async throws {
    let world = try await World()
    #expect(try await world.run("exit \(status)").exitCode == status)
  }

  @Test func `the key pair is made once with mode 0600 and kept`() async throws {
    let world = try await World(isAuthorized: false)
    async let first = world.shell.publicKey()
    async let second = world.shell.publicKey()
    let keys = try await [first, second]
    #expect(keys[0] == keys[1])
    #expect(keys[0].hasPrefix("ssh-ed25519 ") && keys[0].hasSuffix(" vastd") && !keys[0].contains("\n"))
    var status = stat()
    #expect(stat(world.folder + "/ssh/id_ed25519", &status) == 0)
    #expect(status.st_mode & 0o7777 == 0o600)
    #expect(stat(world.folder + "/ssh", &status) == 0)
    #expect(status.st_mode & 0o7777 == 0o700)
    let later = try World.shell(folder: world.folder, user: world.server.user)
    #expect(try await later.publicKey() == keys[0])
  }

  @Test func `a command gets its input byte for byte and sees its end`() async throws {
    let world = try await World()
    let bytes = noise(3 << 20)
    let result = try await world.run("cat", input: .bytes(bytes), output: .collected(limit: 4 << 20))
    #expect(result.standardOutput == bytes)
    #expect(try await world.run("cat; echo end").outputText == "end\n")
  }

  @Test func `a file goes up and comes back byte for byte`() async throws {
    let world = try await World()
    let bytes = noise(10_000_019)
    try save(bytes, to: world.folder + "/up")
    let up = try await world.run("cat >~/there; wc -c <~/there", input: .file(path: world.folder + "/up"))
    #expect(up.outputText.contains("10000019"))
    let down = try await world.run("cat ~/there", output: .file(path: world.folder + "/down", limit: 10_000_019))
    #expect(down.exitCode == 0)
    #expect(try contents(world.folder + "/down") == bytes)
  }

  @Test func `a script shows in no argument, here or there`() async throws {
    let world = try await World()
    let canary = "CANARY-\(UInt64.random(in: .min ... .max))"
    let script = "secret=\(canary); tr '\\000' ' ' </proc/[0-9]*/cmdline 2>/dev/null; cat /proc/[0-9]*/cmdline"
    let result = try await world.run(script, output: .collected(limit: 8 << 20))
    #expect(!result.standardOutput.isEmpty)
    #expect(!result.outputText.contains(canary))
  }

  @Test func `what login files print is not taken for output`() async throws {
    let world = try await World()
    try save(Array("echo Welcome to the machine; echo and more >&2\n".utf8), to: world.server.home + "/.bashrc")
    #expect(try await world.run("echo mine").outputText == "mine\n")
  }

  @Test func `a shell of the script's own does not swallow the payload`() async throws {
    let world = try await World()
    let result = try await world.run("read -r first; echo \"<$first>\"; cat", input: .bytes(Array("one\ntwo\n".utf8)))
    #expect(result.outputText == "<one>\ntwo\n")
  }

  @Test func `many commands at once share one connection`() async throws {
    let world = try await World()
    let answers = try await withThrowingTaskGroup(of: String.self) { group in
      for number in 0..<30 {
        group.addTask { try await world.run("sleep 0.05; echo \(number)").outputText }
      }
      var all: Set<String> = []
      for try await answer in group { all.insert(answer) }
      return all
    }
    #expect(answers.count == 30)
    #expect(world.server.log.components(of: "Accepted publickey") == 1)
  }

  @Test func `output past the limit is dropped and marked`() async throws {
    let world = try await World()
    let result = try await world.run(
      "head -c 100000 /dev/zero; head -c 50 /dev/zero >&2", output: .collected(limit: 1000))
    #expect(result.standardOutput.count == 1000)
    #expect(result.standardError.count == 50)
    #expect(result.isTruncated)
    #expect(result.exitCode == 0)
  }

  @Test func `a file that grows past its limit is an error`() async throws {
    let world = try await World()
    await #expect(throws: RemoteShellError.tooMuchOutput(limit: 1000)) {
      try await world.run("cat /dev/zero", output: .file(path: world.folder + "/big", limit: 1000))
    }
    #expect(try contents(world.folder + "/big").count <= 1000)
  }

  @Test func `pieces come as they are made, and false ends the command`() async throws {
    let world = try await World()
    let seen = Seen()
    let output = RemoteCommand.Output.pieces { piece in await seen.take(piece) < 3 }
    let result = try await world.run("i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done", output: output)
    #expect(await seen.text.hasPrefix("1\n2\n"))
    #expect(result.isTruncated)
  }

  @Test func `a slow reader holds the machine up and loses nothing`() async throws {
    let world = try await World()
    let seen = Seen()
    let output = RemoteCommand.Output.pieces { piece in
      await seen.take(piece)
      await Task.yield()
      return true
    }
    let result = try await world.run("head -c 20000000 /dev/zero; printf end", output: output)
    #expect(result.exitCode == 0)
    #expect(await seen.count == 20_000_003)
  }

  @Test func `a command that takes too long is ended and reported as such`() async throws {
    let world = try await World()
    await #expect(throws: RemoteShellError.timedOut) {
      try await world.run("sleep 60", timeout: .milliseconds(300))
    }
    #expect(try await world.run("echo fine").outputText == "fine\n")
  }

  @Test func `a cancelled command ends at once`() async throws {
    let world = try await World()
    _ = try await world.run(":")
    let task = Task { () -> RemoteShellError? in
      do throws(RemoteShellError) {
        _ = try await world.run("touch ~/begun; sleep 60", timeout: .seconds(60))
        return nil
      } catch {
        return error
      }
    }
    #expect(await eventually { (try? contents(world.server.home + "/begun")) != nil })
    let before = csystem_monotonic_ns()
    task.cancel()
    #expect(await task.value == .cancelled)
    #expect(csystem_monotonic_ns() - before < 10_000_000_000)
  }

  @Test func `a second process with the same folder replaces the connection of the first`() async throws {
    let world = try await World()
    _ = try await world.run(":")
    let successor = try World.shell(folder: world.folder, user: world.server.user)
    defer { successor.close() }
    let command = RemoteCommand(script: "echo mine", timeout: .seconds(10))
    #expect(try await successor.run(command, on: world.host).outputText == "mine\n")
    #expect(world.server.log.components(of: "Accepted publickey") == 2)
  }

  @Test func `a data directory with a long path or a space works`() async throws {
    let world = try await World(isAuthorized: false)
    let folder = world.folder + "/with a space and 100%h/" + String(repeating: "long", count: 30)
    mkdir(world.folder + "/with a space and 100%h", 0o700)
    mkdir(folder, 0o700)
    let shell = try World.shell(folder: folder, user: world.server.user)
    defer { shell.close() }
    try world.server.authorize([try await shell.publicKey()])
    let command = RemoteCommand(script: "echo yes", timeout: .seconds(10))
    #expect(try await shell.run(command, on: world.host).outputText == "yes\n")
    #expect(world.server.log.components(of: "Accepted publickey") == 1)
  }

  @Test func `bad input is refused before anything runs`() async throws {
    let world = try await World()
    for address in ["-oProxyCommand=touch", "", "a b", "a\nb", "$(id)"] {
      let host = RemoteHost(address: SSHAddress(host: address, port: 22), pinName: "pin")
      await #expect(throws: RemoteShellError.local(detail: "no plausible address of an SSH server")) {
        try await world.shell.run(RemoteCommand(script: ":", timeout: .seconds(1)), on: host)
      }
    }
    for pin in ["", ".", "..", "../x", "a b", "-x", "a/b"] {
      let host = RemoteHost(address: world.server.address, pinName: pin)
      await #expect(throws: RemoteShellError.local(detail: "no plausible name for a pin")) {
        try await world.shell.run(RemoteCommand(script: ":", timeout: .seconds(1)), on: host)
      }
    }
    await #expect(throws: RemoteShellError.local(detail: "NUL in a script")) { try await world.run("echo \0") }
    await #expect(throws: RemoteShellError.self) { try await world.run(":", input: .file(path: "/nowhere/at/all")) }
    await #expect(throws: RemoteShellError.self) {
      try await world.run("echo x", output: .file(path: "/nowhere/at/all", limit: 9))
    }
  }
}

actor Seen {
  private(set) var bytes: [UInt8] = []
  private(set) var count = 0
  private var pieces = 0

  @discardableResult
  func take(_ piece: [UInt8]) -> Int {
    if bytes.count < 1 << 20 { bytes += piece }
    count += piece.count
    pieces += 1
    return pieces
  }

  var text: String { String(decoding: bytes, as: UTF8.self) }
}

extension String {
  /// How often a part occurs in it.
  func components(of part: String) -> Int {
    var count = 0
    var rest = self[...]
    while let range = rest.firstRange(of: part) {
      count += 1
      rest = rest[range.upperBound...]
    }
    return count
  }
}
