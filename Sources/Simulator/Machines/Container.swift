import CInit
import CSystem
import Glibc

/// The running processes of one contract. Used by one work queue only.
struct Container {
  let process: pid_t
  /// Writing ends it gracefully, closing at once.
  private let control: Int32
  /// Sockets that take connections and never answer.
  private let silent: [Int32]
  private let folder: ContainerFolder

  /// From SIGTERM to SIGKILL. Docker gives 10 s; this is enough for a handler that saves a file.
  private static let graceMilliseconds: Int32 = 1000

  init(_ plan: ContainerPlan, in folder: ContainerFolder) throws(MachineError) {
    try folder.prepare(plan)
    var control: Int32 = -1
    let process = Self.withCStrings(["/bin/sh", folder.boot]) { arguments in
      Self.withCStrings(folder.environment(plan)) { environment in
        cinit_start(
          "/bin/sh", arguments, environment, folder.home, folder.daemonLog, Self.graceMilliseconds, &control)
      }
    }
    guard process > 0 else { throw .system("cannot start container \(plan.contract)") }
    self.process = process
    self.control = control
    self.folder = folder
    silent = plan.silentPorts.map { Ports.listen(on: $0) }.filter { $0 >= 0 }
    try Files.write(Leftovers.record(of: process), to: folder.initRecord)
  }

  /// Returns when the last process is gone.
  func end(gracefully: Bool) throws(MachineError) {
    for socket in silent { close(socket) }
    if gracefully { _ = write(control, "t", 1) } else { close(control) }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, csystem_errno() == EINTR {}
    if gracefully { close(control) }
    try Files.remove(folder.initRecord)
  }

  private static func withCStrings<Result>(
    _ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    var pointers: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeBufferPointer { body($0.baseAddress!) }
  }
}
