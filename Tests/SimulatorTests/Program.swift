import CSystem
import Glibc
import Locking

struct ProcessFailure: Error, CustomStringConvertible {
  let description: String
}

/// Programs that a test runs.
enum Program {
  /// Starts one found in PATH. `output` becomes the end to read what it prints from, errors included.
  /// - Parameter lifeline: the end of a pipe to read its input from; /dev/null if nil.
  static func start(_ command: [String], output: inout Int32, lifeline: Int32? = nil) throws -> pid_t {
    let ends = try makePipe()
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let lifeline {
      posix_spawn_file_actions_adddup2(&actions, lifeline, 0)
    } else {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var process = pid_t()
    let failure = posix_spawnp(&process, command[0], &actions, nil, &arguments, environ)
    close(ends[1])
    guard failure == 0 else {
      close(ends[0])
      throw ProcessFailure(description: "\(command[0]): \(String(cString: strerror(failure)))")
    }
    output = ends[0]
    return process
  }

  /// The end to read from and the end to write to; neither is handed on to programs by itself.
  static func makePipe() throws -> [Int32] {
    var ends: [Int32] = [-1, -1]
    guard csystem_pipe(&ends) == 0 else { throw ProcessFailure(description: "no pipe") }
    return ends
  }

  /// Runs one to its end, on a thread of its own: waiting would block the tests' pool.
  static func run(_ command: [String]) async throws -> (status: Int32, output: String) {
    var output: Int32 = -1
    let process = try start(command, output: &output)
    return await withCheckedContinuation { continuation in
      startThread(name: "program") { [output] in
        let text = readAll(output)
        close(output)
        continuation.resume(returning: (status(of: process), text))
      }
    }
  }

  /// The exit status, or 128 and the signal.
  static func wait(_ process: pid_t) async -> Int32 {
    await withCheckedContinuation { continuation in
      startThread(name: "program") { continuation.resume(returning: status(of: process)) }
    }
  }

  private static func status(of process: pid_t) -> Int32 {
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, csystem_errno() == EINTR {}
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
  }

  private static func readAll(_ descriptor: Int32) -> String {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }

  static func readLine(_ descriptor: Int32) -> String {
    var bytes: [UInt8] = []
    var byte: UInt8 = 0
    while read(descriptor, &byte, 1) == 1, byte != UInt8(ascii: "\n") { bytes.append(byte) }
    return String(decoding: bytes, as: UTF8.self)
  }

  static func temporaryFolder() throws -> String {
    var template = Array("/tmp/vast-sim-tests-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw ProcessFailure(description: "no temporary folder") }
    return String(cString: made)
  }

  /// Where SwiftPM put what it built: beside the bundle of these tests, else in the usual place.
  static let products: String = {
    // The helper is given the bundle or the binary in it: what ends in .xctest stands beside the products.
    let arguments = CommandLine.arguments
    if let index = arguments.firstIndex(of: "--test-bundle-path"), index + 1 < arguments.count {
      let parts = arguments[index + 1].split(separator: "/")
      if let bundle = parts.firstIndex(where: { $0.hasSuffix(".xctest") }) {
        return parts[..<bundle].reduce("") { $0 + "/" + $1 }
      }
    }
    return package + "/.build/debug"
  }()

  /// The folder of Package.swift.
  static let package = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
}
