import Domain
import Glibc
import SSHShell
import TestSupport

/// What `sh` and the small tools are on a machine: images differ, and the scripts must run on each.
enum MachineKind: String, CaseIterable, Sendable, CustomStringConvertible {
  /// The system's own: dash and the GNU tools on Debian.
  case system
  case bash
  case busybox

  var description: String { rawValue }

  /// Those that this system can play; busybox is not everywhere.
  static var present: [MachineKind] { allCases.filter { $0.program.map { access($0, X_OK) == 0 } ?? true } }

  /// busybox's `find` cannot look at a path that is longer than a system call takes.
  var namesLongPaths: Bool { self != .busybox }

  private var program: String? {
    switch self {
    case .system: nil
    case .bash: "/bin/bash"
    case .busybox: "/usr/bin/busybox"
    }
  }

  /// Fills a folder that goes to the head of the machine's PATH.
  func furnish(_ folder: String) {
    guard let program else { return }
    let names =
      self == .bash
      ? ["sh"]
      : [
        "sh", "awk", "cat", "cp", "cut", "date", "df", "dd", "env", "find", "grep", "gzip", "head", "kill", "ln", "ls",
        "mkdir", "mv", "printf", "ps", "readlink", "rm", "sed", "setsid", "sleep", "sort", "stat", "tail", "tar",
        "touch", "tr",
        "wc",
      ]
    for name in names { symlink(program, folder + "/" + name) }
  }
}

/// A machine of a kind with a job on it.
struct Bench {
  let world: World
  let workspace: RemoteWorkspace

  init(_ kind: MachineKind = .system, attempt: Int = 1) async throws {
    var template = Array("/tmp/vastd-tools-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw FileFailure(path: "/tmp") }
    let tools = String(cString: made)
    kind.furnish(tools)
    world = try await World(path: tools, tools: tools)
    workspace = RemoteWorkspace(jobID: ID(at: Timestamp(seconds: 1_790_000_000)), attempt: attempt)
  }

  var folder: String { world.server.home + "/" + workspace.folder }

  func attempt(_ number: Int) -> RemoteWorkspace { RemoteWorkspace(jobID: workspace.jobID, attempt: number) }

  /// Runs a verb in the machine's own `sh`, which is found by its PATH.
  @discardableResult
  func run(
    _ verb: RemoteCommand, input: RemoteCommand.Input = .none, output: RemoteCommand.Output = .collected(limit: 8 << 20)
  ) async throws(RemoteShellError) -> RemoteResult {
    var command = verb
    command.script = "exec sh -c \(ShellQuoting.quote(verb.script))"
    command.input = input
    command.output = output
    return try await world.shell.run(command, on: world.host)
  }

  func status(_ verb: RemoteCommand) async throws -> RemoteStatus {
    let result = try await run(verb)
    guard result.exitCode == 0, let status = RemoteStatus(printed: result.standardOutput) else {
      throw Unexpected(result: result)
    }
    return status
  }

  func status() async throws -> RemoteStatus { try await status(workspace.status()) }

  /// Prepares, installs and launches.
  @discardableResult
  func start(_ command: String, setup: String? = nil, environment: [String: String] = [:]) async throws -> RemoteStatus
  {
    _ = try await status(workspace.prepare())
    let installed = try await run(workspace.install(environment: environment, setup: setup, command: command))
    guard installed.exitCode == 0 else { throw Unexpected(result: installed) }
    return try await status(workspace.launch())
  }

  /// The log from an offset to the job's end, and the status that follow ends with.
  func log(from offset: Int64 = 0) async throws -> (bytes: [UInt8], status: RemoteStatus?) {
    let result = try await run(workspace.follow(from: offset))
    guard result.exitCode == 0 else { throw Unexpected(result: result) }
    return (result.standardOutput, RemoteStatus(printed: result.standardError))
  }
}

struct Unexpected: Error, CustomStringConvertible {
  let result: RemoteResult
  var description: String { "exit \(result.exitCode)\n\(result.outputText)\n\(result.errorText)" }
}
