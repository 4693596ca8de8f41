import Domain
import Glibc
import TestSupport

/// One life's way to the machines: what `RemoteWorkspace` and `RemoteLease` send, done by `Machine`, over a line that breaks.
struct MachineLine: RemoteShell {
  let vast: Vast
  let life: Holder

  func publicKey() async throws(RemoteShellError) -> String { "ssh-ed25519 AAAA simulated" }

  func forget(_ host: RemoteHost) async {}

  private func contract(at address: SSHAddress) -> Contract? {
    guard let number = Int64(address.host.dropFirst()), let contract = vast.contracts[MarketID(number)],
      contract.isUp(at: vast.thread.time), contract.fate != .deaf
    else { return nil }
    return contract
  }

  func reachableAddress(among addresses: [SSHAddress], patience: Duration) async -> SSHAddress? {
    let thread = vast.thread
    let found = await Reply<SSHAddress?>.wait(isAlive: { life.isAlive }) { reply in
      look(addresses, until: thread.time + patience, reply)
    }
    return found ?? nil
  }

  private func look(_ addresses: [SSHAddress], until end: Duration, _ reply: Reply<SSHAddress?>) {
    let thread = vast.thread
    thread.after(.milliseconds(500)) {
      if let address = addresses.first(where: { contract(at: $0) != nil }), !vast.goesWrong(100) {
        reply.give(.some(address))
      } else if thread.time >= end {
        reply.give(.some(nil))
      } else {
        look(addresses, until: end, reply)
      }
    }
  }

  /// What came of a command, and what it wrote to stdout before that.
  private typealias Outcome = (bytes: [UInt8], result: Result<RemoteResult, RemoteShellError>)

  func run(_ command: RemoteCommand, on host: RemoteHost) async throws(RemoteShellError) -> RemoteResult {
    let thread = vast.thread
    let script = Script(command.script)
    let outcome = await Reply<Outcome>.wait(isAlive: { life.isAlive }) { reply in
      let breaks = vast.goesWrong(30)
      let arrives = !breaks || thread.dice.isIn(500)
      thread.after(thread.dice.seconds(0.01...0.2)) {
        guard let contract = contract(at: host.address), arrives else {
          return thread.after(.seconds(2)) { reply.give(Self.broken()) }
        }
        if !contract.machine.hasKey, vast.goesWrong(300) { return reply.give(([], .failure(.permissionDenied))) }
        switch script.verb {
        case "follow":
          let cut = thread.time + command.timeout
          let breaksAt = vast.goesWrong(100) ? thread.time + thread.dice.seconds(0...10) : nil
          follow(script, at: host.address, cutAt: cut, breaksAt: breaksAt, reply)
        default:
          let result = perform(script, on: contract)
          thread.after(.milliseconds(20)) { reply.give(breaks ? Self.broken() : result) }
        }
      }
    }
    guard let outcome else { throw .cancelled }
    switch command.output {
    case .pieces(let sink): if !outcome.bytes.isEmpty { _ = await sink(outcome.bytes) }
    case .file(let path, _): Self.write(outcome.bytes, to: path)
    case .collected: break
    }
    return try outcome.result.get()
  }

  private static func broken(after bytes: [UInt8] = []) -> Outcome {
    (bytes, .failure(.unreachable(detail: "simulated break")))
  }

  private func perform(_ script: Script, on contract: Contract) -> Outcome {
    let thread = vast.thread
    guard script.verb != "collect" else {
      guard let folder = contract.machine.folders[script.job] else {
        return ([], .success(Machine.refusal(.notPrepared)))
      }
      guard folder.attempt == script.attempt else { return ([], .success(Machine.refusal(.anotherAttempt))) }
      return (Archives.good, .success(RemoteResult(exitCode: 0)))
    }
    let before = contract.machine.folders[script.job]?.launches ?? 0
    let result = contract.machine.perform(script, at: thread.time)
    if let folder = contract.machine.folders[script.job], folder.launches > before {
      vast.launched(script.job, attempt: script.attempt, on: contract.id)
      if folder.resumes != folder.isRestored {
        vast.violate(
          "\(script.job): attempt \(script.attempt) is told to resume and has nothing, or has it and is not told")
      }
    }
    if script.verb == "lease" { vast.watchLease(of: contract.id) }
    return (script.verb == "checkpoint" && result.exitCode == 0 ? Archives.good : [], .success(result))
  }

  /// Looks twice a second, as the script does.
  private func follow(
    _ script: Script, at address: SSHAddress, cutAt: Duration, breaksAt: Duration?, _ reply: Reply<Outcome>
  ) {
    let thread = vast.thread
    guard let contract = contract(at: address) else {
      // The line is dead; SSH notices after a while.
      return thread.after(.seconds(5)) { reply.give(Self.broken()) }
    }
    guard let folder = contract.machine.folders[script.job] else {
      return reply.give(([], .success(Machine.refusal(.notPrepared))))
    }
    guard folder.attempt == script.attempt else { return reply.give(([], .success(Machine.refusal(.anotherAttempt)))) }
    let bytes = Array(folder.log(at: thread.time).dropFirst(script.offset))
    if let breaksAt, thread.time >= breaksAt { return reply.give(Self.broken(after: bytes)) }
    if thread.time >= cutAt { return reply.give((bytes, .failure(.timedOut))) }
    guard folder.isRunning(at: thread.time) else {
      let status = contract.machine.status(of: script.job, at: thread.time)
      return reply.give((bytes, .success(RemoteResult(exitCode: 0, standardError: Array(status.utf8)))))
    }
    thread.after(.milliseconds(500)) { follow(script, at: address, cutAt: cutAt, breaksAt: breaksAt, reply) }
  }

  private static func write(_ bytes: [UInt8], to path: String) {
    guard let file = fopen(path, "w") else { return }
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }
}
