import CSystem
import Glibc
import TestSupport

/// A program of ours as a user would start it: a process with an environment, its output in a file.
final class Program: Sendable {
  let pid: pid_t
  let outputPath: String
  private let ending: Int32

  /// - Parameter name: `vastd` or `vast-sim`, from the folder that the tests were built in.
  init(_ name: String, _ arguments: [String], environment: [String: String] = [:], output: String) throws {
    outputPath = output
    let input = csystem_open("/dev/null", O_RDONLY, 0)
    let out = csystem_open(output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    defer {
      close(input)
      close(out)
    }
    var variables = environment
    variables["PATH"] = variables["PATH"] ?? "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    variables["HOME"] = variables["HOME"] ?? "/tmp"
    if let libraries = getenv("LD_LIBRARY_PATH") { variables["LD_LIBRARY_PATH"] = String(cString: libraries) }
    let path = Self.path(name)
    var argumentPointers = ([path] + arguments).map { strdup($0) } + [nil]
    var environmentPointers = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for pointer in argumentPointers + environmentPointers { free(pointer) } }
    var pid: pid_t = 0
    let failure = csystem_spawn(&pid, path, &argumentPointers, &environmentPointers, input, out, out)
    guard failure == 0 else { throw Fault("\(path) does not start: errno \(failure)") }
    self.pid = pid
    ending = csystem_pidfd_open(pid)
  }

  deinit {
    kill(pid, SIGKILL)
    waitpid(pid, nil, 0)
    close(ending)
  }

  func signal(_ number: Int32) { kill(pid, number) }

  /// Its exit code, or 256 and the signal that ended it; nil when it still runs after `patience`.
  func exitCode(within patience: Duration = .seconds(20)) -> Int32? {
    var descriptor = pollfd(fd: ending, events: Int16(POLLIN), revents: 0)
    guard poll(&descriptor, 1, Int32(patience.components.seconds * 1000)) == 1 else { return nil }
    var status: Int32 = 0
    // Without reaping: the number stays ours until deinit.
    var information = siginfo_t()
    guard waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) == 0 else { return nil }
    status = information._sifields._sigchld.si_status
    return information.si_code == Int32(CLD_EXITED) ? status : 256 + status
  }

  var output: String { (try? String(decoding: contents(of: outputPath), as: UTF8.self)) ?? "" }

  static func path(_ name: String) -> String { folder + "/" + name }

  /// Where SwiftPM put the tests it put the programs too.
  private static let folder: String = {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    let path = String(decoding: buffer[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
  }()
}

struct Fault: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

func contents(of path: String) throws -> [UInt8] {
  let descriptor = csystem_open(path, O_RDONLY, 0)
  guard descriptor >= 0 else { throw Fault("cannot read \(path)") }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65_536)
  while true {
    let count = read(descriptor, &buffer, buffer.count)
    guard count > 0 else { return bytes }
    bytes += buffer[..<count]
  }
}

/// Runs a command of the system to its end; its exit code and what it printed.
func run(_ arguments: [String], folder: String) throws -> (code: Int32, output: String) {
  let output = folder + "/command.out"
  unlink(output)
  let input = csystem_open("/dev/null", O_RDONLY, 0)
  let out = csystem_open(output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
  var pointers = arguments.map { strdup($0) } + [nil]
  var variables =
    ["PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=\(folder)", "LC_ALL=C"].map { (text: String) in
      strdup(text)
    } + [nil]
  defer { for pointer in pointers + variables { free(pointer) } }
  var pid: pid_t = 0
  let failure = csystem_spawn(&pid, arguments[0], &pointers, &variables, input, out, out)
  close(input)
  close(out)
  guard failure == 0 else { throw Fault("\(arguments[0]) does not start: errno \(failure)") }
  var status: Int32 = 0
  waitpid(pid, &status, 0)
  return ((status >> 8) & 0xFF, String(decoding: try contents(of: output), as: UTF8.self))
}
