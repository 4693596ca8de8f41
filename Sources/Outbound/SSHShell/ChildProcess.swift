import CSystem
import Domain
import Glibc

/// A program started by us, with pipes to its stdin, stdout and stderr, in a process group of its own.
///
/// Our own and not swift-subprocess: that package brings Foundation's parts and swift-system along, keeps a thread and an
/// epoll set of its own alive, and bridges every chunk through async sequences; a daemon that idles in 25 MB and moves
/// gigabytes of results wants one posix_spawn and one poll loop. The program is named by its path and gets an array of
/// arguments: no shell of ours ever reads them. `csystem_spawn` closes every descriptor but the three.
///
/// Belongs to the thread that started it. SIGCHLD plays no part: the end shows on a pidfd, and only `reap` waits.
final class ChildProcess {
  let pid: pid_t
  /// Readable once the process has ended.
  let ending: Int32
  private(set) var input: Int32
  private(set) var output: Int32
  private(set) var error: Int32
  private var status: Int32?

  enum Exit: Equatable {
    case code(Int32)
    case signal(Int32)
  }

  private init(pid: pid_t, ending: Int32, input: Int32, output: Int32, error: Int32) {
    self.pid = pid
    self.ending = ending
    self.input = input
    self.output = output
    self.error = error
  }

  deinit {
    if status == nil {
      kill()
      _ = reap()
    }
    for descriptor in [input, output, error, ending] where descriptor >= 0 { close(descriptor) }
  }

  /// Our ends of the pipes do not block.
  static func start(_ arguments: [String], environment: [String]) throws(RemoteShellError) -> ChildProcess {
    var pipes: [[Int32]] = []
    var failure: Int32 = 0
    for _ in 0..<3 {
      var ends: [Int32] = [-1, -1]
      if csystem_pipe(&ends) != 0 {
        failure = csystem_errno()
        break
      }
      pipes.append(ends)
    }
    var pid: pid_t = 0
    if failure == 0 {
      for descriptor in [pipes[0][1], pipes[1][0], pipes[2][0]] { csystem_set_nonblocking(descriptor) }
      var argumentPointers = arguments.map { strdup($0) } + [nil]
      var environmentPointers = environment.map { strdup($0) } + [nil]
      failure = csystem_spawn(
        &pid, arguments[0], &argumentPointers, &environmentPointers, pipes[0][0], pipes[1][1], pipes[2][1])
      for pointer in argumentPointers + environmentPointers { free(pointer) }
    }
    guard failure == 0 else {
      for ends in pipes { for descriptor in ends { close(descriptor) } }
      throw .local(detail: "\(arguments[0]) cannot be started: \(String(cString: strerror(failure)))")
    }
    for descriptor in [pipes[0][0], pipes[1][1], pipes[2][1]] { close(descriptor) }
    let child = ChildProcess(
      pid: pid, ending: csystem_pidfd_open(pid), input: pipes[0][1], output: pipes[1][0], error: pipes[2][0])
    guard child.ending >= 0 else { throw .local(detail: "no pidfd: \(String(cString: strerror(csystem_errno())))") }
    return child
  }

  func closeInput() { Self.shut(&input) }
  func closeOutput() { Self.shut(&output) }
  func closeError() { Self.shut(&error) }

  /// Ends the whole group at once. Not before `reap`, after which the number may be another's.
  func kill() {
    if status == nil { Glibc.kill(-pid, SIGKILL) }
  }

  /// Waits for the end. Blocks, so only once `ending` is readable or after `kill`.
  func reap() -> Exit {
    var status = self.status ?? 0
    while self.status == nil {
      let reaped = waitpid(pid, &status, 0)
      if reaped == pid || csystem_errno() != EINTR { self.status = status }
    }
    return status & 0x7f == 0 ? .code((status >> 8) & 0xff) : .signal(status & 0x7f)
  }

  private static func shut(_ descriptor: inout Int32) {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
  }
}
