import CSystem
import Domain
import Glibc
import Locking
import SSHShell
import TestSupport

/// A machine, and a shell that may enter it. Both are gone when the test is.
final class World: Sendable {
  let server: SSHServer
  let shell: OpenSSHShell
  let folder: String
  let host: RemoteHost
  /// Removed with the rest.
  private let tools: String?

  init(options: [String] = [], path: String? = nil, tools: String? = nil, isAuthorized: Bool = true) async throws {
    self.tools = tools
    server = try await SSHServer.start(path: path, options: options)
    folder = server.folder + "/data"
    mkdir(folder, 0o700)
    shell = try Self.shell(folder: folder, user: server.user)
    host = RemoteHost(address: server.address, pinName: "ins_1-boot-1")
    if isAuthorized { try server.authorize([try await shell.publicKey()]) }
  }

  deinit {
    shell.close()
    server.destroy()
    if let tools { removeTree(tools) }
  }

  static func shell(folder: String, user: String) throws -> OpenSSHShell {
    var configuration = OpenSSHShell.Configuration(dataDirectory: folder)
    configuration.user = user
    configuration.runtimeDirectory = folder.count > 60 ? "/tmp/" + folder.split(separator: "/")[1] : folder
    return try OpenSSHShell(configuration)
  }

  func run(
    _ script: String, input: RemoteCommand.Input = .none, output: RemoteCommand.Output = .collected(limit: 1 << 20),
    timeout: Duration = .seconds(20)
  ) async throws(RemoteShellError) -> RemoteResult {
    var command = RemoteCommand(script: script, timeout: timeout)
    command.input = input
    command.output = output
    return try await shell.run(command, on: host)
  }
}

/// Polls until it is so, for ten seconds at the most.
func eventually(_ condition: () async throws -> Bool) async rethrows -> Bool {
  for _ in 0..<1000 {
    if try await condition() { return true }
    try? await ContinuousClock().pause(for: .milliseconds(10))
  }
  return false
}

/// Whether a process lives; a zombie that nobody reaps does not.
func isRunning(_ process: Int32) -> Bool {
  guard let bytes = try? contents("/proc/\(process)/stat") else { return false }
  let text = String(decoding: bytes, as: UTF8.self)
  return !text.contains(") Z ") && !text.isEmpty
}

struct FileFailure: Error {
  let path: String
}

func contents(_ path: String) throws -> [UInt8] {
  let descriptor = csystem_open(path, O_RDONLY, 0)
  guard descriptor >= 0 else { throw FileFailure(path: path) }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = read(descriptor, &buffer, buffer.count)
    if count <= 0 { return bytes }
    bytes += buffer[..<count]
  }
}

func save(_ bytes: [UInt8], to path: String) throws {
  let descriptor = csystem_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
  guard descriptor >= 0 else { throw FileFailure(path: path) }
  defer { close(descriptor) }
  var written = 0
  while written < bytes.count {
    let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + written, $0.count - written) }
    guard count > 0 else { throw FileFailure(path: path) }
    written += count
  }
}

/// A megabyte or more that does not repeat, the same at each call.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var state = seed
  var bytes: [UInt8] = []
  bytes.reserveCapacity(count + 8)
  while bytes.count < count {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    withUnsafeBytes(of: state >> 8) { bytes += $0.prefix(7) }
  }
  bytes.removeLast(bytes.count - count)
  return bytes
}
