import Logging
import Artifacts
import Domain
import Locking

/// A job on its machine: the scripts of `RemoteWorkspace` run through the shell, and what their answers mean.
struct RemoteJob: Sendable {
  /// How the command came to its end, or why it cannot be known.
  enum Ending: Sendable, Hashable {
    case exited(code: Int32, inSetup: Bool)
    case vanished
    case neverStarted
    case silent(Duration)
    case unreachable(Failure)
  }

  let job: Job
  let host: RemoteHost
  let marketID: MarketID
  let context: JobContext
  let workspace: RemoteWorkspace
  private let contact = Locked<Timestamp?>(nil)

  init?(_ job: Job, on instance: Instance, context: JobContext) {
    guard let address = instance.sshAddress, let marketID = instance.marketID else { return nil }
    self.job = job
    host = RemoteHost(address: address, pinName: instance.pinName)
    self.marketID = marketID
    self.context = context
    workspace = RemoteWorkspace(jobID: job.id, attempt: job.attempt)
  }

  /// When the machine was last heard of.
  var lastContact: Timestamp? { contact.withLock { $0 } }

  /// Short scripts that touch a few files end within this, or the connection is broken.
  private static let shortTimeout = Duration.seconds(30)

  // MARK: Starting

  /// From an empty machine to a running command. May be called again after any break: what is done is not done twice.
  func start() async throws(RemoteJobError) {
    if try await state() != .notStarted { return }
    try await checkGPU()
    try await expect(workspace.prepare, "the folder could not be made")
    if let upload = job.specification.inputUploadID {
      let path = context.data.uploadPath(upload)
      try await expect(
        workspace.receiveInputs, "the inputs could not be unpacked", input: .file(path: path),
        timeout: context.settings.preparationTimeout)
    }
    let specification = job.specification
    let script = workspace.runScript(
      environment: specification.environment.merging(specification.secrets) { $1 }, setup: specification.setup,
      command: specification.command)
    try await expect(workspace.install, "the command could not be installed", input: .bytes(script))
    try await expect(workspace.launch, "the command could not be started")
  }

  func state() async throws(RemoteJobError) -> RemoteCommandState {
    let result = try await run(RemoteCommand(script: workspace.status, timeout: Self.shortTimeout))
    guard result.exitCode == 0, let state = RemoteCommandState(result.outputText) else {
      throw .failed(.odd("its state could not be read", result))
    }
    return state
  }

  /// A machine whose GPUs are not there would run the job on its processor, slowly and for the full price.
  private func checkGPU() async throws(RemoteJobError) {
    let result = try await run(RemoteCommand(script: RemoteWorkspace.inspectGPU, timeout: Self.shortTimeout))
    let count = result.outputText.split(separator: "\n").filter { $0.contains(",") }.count
    let wanted = job.specification.resources.gpuCount
    guard result.exitCode == 0, count >= wanted else {
      let detail = "nvidia-smi shows \(count) of \(wanted) GPUs. \(StatusMessage.display(result.errorText))"
      throw .failed(Failure(code: "gpu_missing", detail: detail, isRetryable: true))
    }
  }

  private func expect(
    _ script: String, _ fault: String, input: RemoteCommand.Input = .none, timeout: Duration = Self.shortTimeout
  ) async throws(RemoteJobError) {
    var command = RemoteCommand(script: script, timeout: timeout)
    command.input = input
    let result = try await run(command)
    guard result.exitCode == 0 else { throw .failed(.odd(fault, result)) }
  }

  // MARK: Watching

  /// Follows the log from where the local copy ends until the command has ended.
  func followToEnd(idleTimeout: Duration?) async throws(RemoteJobError) -> Ending {
    while true {
      try await followLog(idleTimeout: idleTimeout)
      switch try await state() {
      case .ended(let code, let inSetup):
        // What was written between the last byte followed and the end.
        try await followLog(idleTimeout: nil)
        return .exited(code: code, inSetup: inSetup)
      case .vanished:
        return .vanished
      case .notStarted:
        return .neverStarted
      case .running:
        if let idleTimeout, let last = lastOutput.withLock({ $0 }), context.now() - last >= idleTimeout {
          return .silent(idleTimeout)
        }
      }
    }
  }

  private let lastOutput = Locked<Timestamp?>(nil)

  private func followLog(idleTimeout: Duration?) async throws(RemoteJobError) {
    let log = try openLog()
    defer { log.close() }
    if lastOutput.withLock({ $0 }) == nil { lastOutput.withLock { $0 = context.now() } }
    let fault = Locked<ArtifactError?>(nil)
    // A day: the command itself has no bound here; the follow is simply begun again.
    var command = RemoteCommand(
      script: workspace.follow(fromOffset: log.size), timeout: idleTimeout ?? .seconds(86_400))
    let id = job.id
    command.output = .pieces { [context, contact, lastOutput] piece in
      contact.withLock { $0 = context.now() }
      lastOutput.withLock { $0 = context.now() }
      do throws(ArtifactError) {
        try log.append(piece)
      } catch {
        fault.withLock { $0 = error }
        return false
      }
      context.logNews.raise(id)
      return true
    }
    do throws(RemoteJobError) {
      _ = try await run(command)
    } catch {
      if let fault = fault.withLock({ $0 }) { throw .local("\(fault)") }
      guard idleTimeout != nil, case .broken(.timedOut) = error else { throw error }
    }
    if let fault = fault.withLock({ $0 }) { throw .local("\(fault)") }
  }

  private func openLog() throws(RemoteJobError) -> LogFile {
    do throws(ArtifactError) {
      _ = try context.data.jobDirectory(job.id)
      return try LogFile(path: context.data.logPath(job.id), limitBytes: context.settings.maximumLogBytes)
    } catch {
      throw .local("\(error)")
    }
  }

  /// After the command was ended by us; a fault here loses a few last lines, not the job.
  func fetchRestOfLog() async {
    do throws(RemoteJobError) {
      try await followLog(idleTimeout: nil)
    } catch {
      context.logger.warning("end of log not fetched", metadata: ["job_id": "\(job.id)", "error": "\(error)"])
    }
  }

  func terminate() async {
    let grace = context.settings.terminationGrace
    do throws(RemoteJobError) {
      _ = try await run(RemoteCommand(script: workspace.terminate(grace: grace), timeout: grace + Self.shortTimeout))
    } catch {
      context.logger.warning("command not ended", metadata: ["job_id": "\(job.id)", "error": "\(error)"])
    }
  }

  // MARK: Collecting

  func collect(_ outputs: [String]) async throws(RemoteJobError) -> Job.Results {
    let path = context.data.resultsPath(job.id)
    let partial = ResultsFile.partialPath(for: path)
    try makeJobDirectory()
    var command = RemoteCommand(
      script: workspace.collect(outputs: outputs), timeout: context.settings.collectionTimeout)
    command.output = .file(path: partial, limit: context.settings.maximumResultsBytes)
    let result = try await run(command)
    guard result.exitCode == 0 else { throw .failed(.odd("the outputs could not be packed", result)) }
    let missing = result.errorText.split(separator: "\n").filter { $0.hasPrefix(RemoteWorkspace.missingMark) }
      .map { StatusMessage.display(String($0.dropFirst(RemoteWorkspace.missingMark.count))) }
    do throws(ArtifactError) {
      let file = try await ResultsFile.commit(partial: partial, to: path)
      return Job.Results(sizeBytes: file.sizeBytes, sha256: file.sha256, missing: missing)
    } catch {
      throw .failed(Failure(code: "unsafe_results", detail: "The outputs are refused: \(error)"))
    }
  }

  private func makeJobDirectory() throws(RemoteJobError) {
    do throws(ArtifactError) {
      _ = try context.data.jobDirectory(job.id)
    } catch {
      throw .local("\(error)")
    }
  }

  // MARK: The shell

  /// For a machine that refuses our key: Vast's own word on when keys reach an instance is contradictory.
  func attachKey() async {
    do throws(RemoteShellError) {
      let key = try await context.shell.publicKey()
      do throws(MarketplaceError) {
        try await context.marketplace.attachKey(key, to: marketID)
      } catch {
        context.logger.warning("key not attached", metadata: ["job_id": "\(job.id)", "code": "\(error.code)"])
      }
    } catch {
      context.logger.error("no key to attach", metadata: ["job_id": "\(job.id)", "error": "\(error)"])
    }
  }

  private func run(_ command: RemoteCommand) async throws(RemoteJobError) -> RemoteResult {
    do throws(RemoteShellError) {
      let result = try await context.shell.run(command, on: host)
      contact.withLock { $0 = context.now() }
      guard result.exitCode != RemoteWorkspace.missingFolderCode else {
        throw RemoteShellError.local(detail: "folder gone")
      }
      return result
    } catch {
      throw error == .local(detail: "folder gone") ? .failed(.folderGone) : .broken(error)
    }
  }
}

enum RemoteJobError: Error, Sendable, Hashable {
  /// The connection broke, or SSH could not be used: see the cause.
  case broken(RemoteShellError)
  /// This machine cannot do it; another may.
  case failed(Failure)
  /// No machine can.
  case hopeless(Failure)

  static func local(_ detail: String) -> RemoteJobError {
    .hopeless(
      Failure(code: "local_storage", detail: "vastd could not write its own files: \(detail)", isRetryable: true))
  }

  var failure: Failure {
    switch self {
    case .broken(.hostKeyChanged):
      Failure(
        code: "host_key_changed",
        detail: "The machine shows another SSH host key than before; it is not trusted any more.")
    case .broken(let cause): Failure(code: "ssh_failed", detail: "SSH failed: \(cause)", isRetryable: true)
    case .failed(let failure), .hopeless(let failure): failure
    }
  }
}

extension Failure {
  fileprivate static let folderGone = Failure(
    code: "workspace_gone", detail: "The machine no longer has the job's folder.", isRetryable: true)

  fileprivate static func odd(_ fault: String, _ result: RemoteResult) -> Failure {
    let said = StatusMessage.display(result.errorText)
    return Failure(
      code: "machine_unfit", detail: "On the machine \(fault) (exit code \(result.exitCode)). \(said)",
      isRetryable: true)
  }
}
