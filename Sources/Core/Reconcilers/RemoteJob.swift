import Logging
import Artifacts
import Domain
import Glibc
import Locking

/// A job on its machine: the scripts of `RemoteWorkspace` run through the shell, and what their answers mean.
struct RemoteJob: Sendable {
  /// How the command came to its end, or why it cannot be known.
  enum Ending: Sendable, Hashable {
    /// - Parameter isOurs: it was told to end, by this vastd or by one before it.
    case exited(code: Int32, inSetup: Bool, isOurs: Bool)
    /// Failed, or gone, on a disk without room.
    case diskFull
    case vanished
    case neverStarted
    case silent(Duration)
    case unreachable(Failure)

    /// Told to end, so how it ended says nothing of the work.
    var isOurs: Bool { if case .exited(_, _, true) = self { true } else { false } }
  }

  let job: Job
  let host: RemoteHost
  let marketID: MarketID
  let context: JobContext
  let workspace: RemoteWorkspace
  private let contact = Locked<Timestamp?>(nil)
  /// Looks in a row that brought no byte; a connection that breaks in between does not end the silence.
  private let silentLooks = Locked(0)
  /// There was no room for a piece of the log: what follows it is dropped too, so that the file has no hole.
  private let isDropping = Locked(false)
  /// How much of this attempt's log was fetched again by this, where what was there cannot be trusted.
  private let refetched = Locked<Int64>(0)

  /// Of an earlier attempt: what this one is to go on from.
  let checkpointToRestore: Checkpoint?

  init?(_ job: Job, on instance: Instance, context: JobContext, restoring checkpoint: Checkpoint? = nil) {
    guard instance.sshAddress != nil, let address = instance.currentSSHAddress, let marketID = instance.marketID else {
      return nil
    }
    self.job = job
    checkpointToRestore = checkpoint
    host = RemoteHost(address: address, pinName: instance.pinName)
    self.marketID = marketID
    self.context = context
    workspace = RemoteWorkspace(jobID: job.id, attempt: job.attempt)
  }

  /// When the machine was last heard of.
  var lastContact: Timestamp? { contact.withLock { $0 } }

  // MARK: Starting

  /// From an empty machine to a running command. May be called again after any break: what is done is not done twice.
  func start() async throws(RemoteJobError) {
    let specification = job.specification
    let prepared = try status(
      of: try await expect(
        workspace.prepare(minimumFreeBytes: Self.minimumFreeBytes), "the folder could not be made"))
    guard prepared.state == .notStarted else { return }
    try await checkGPU()
    if let upload = specification.inputUploadID, !prepared.hasInputs {
      var command = workspace.receiveInputs()
      command.input = .file(path: context.data.uploadPath(upload))
      command.timeout = context.settings.preparationTimeout
      try await expect(command, "the inputs could not be unpacked")
    }
    let checkpoint = checkpointToRestore
    if let checkpoint, let policy = specification.checkpoint { try await restore(checkpoint, policy) }
    try await expect(try installation(resumes: checkpoint != nil), "the command could not be installed")
    try await expect(workspace.launch(), "the command could not be started")
  }

  /// A new machine with less than this cannot hold the outputs of anything; 8 GB and more were ordered.
  private static let minimumFreeBytes: Int64 = 256 << 20

  private func installation(resumes: Bool) throws(RemoteJobError) -> RemoteCommand {
    let specification = job.specification
    do throws(RemoteWorkspace.InvalidInput) {
      return try workspace.install(
        environment: specification.environment.merging(specification.secrets) { $1 }, setup: specification.setup,
        command: specification.command, checkpointPath: specification.checkpoint?.path, resumes: resumes)
    } catch {
      throw .hopeless(Failure(code: "invalid_specification", detail: "The job cannot be put into a script: \(error)"))
    }
  }

  /// A machine whose GPUs are not there would run the job on its processor, slowly and for the full price.
  private func checkGPU() async throws(RemoteJobError) {
    let result = try await run(RemoteGPU.inspect())
    let count = result.exitCode == 0 ? RemoteGPU.parse(result.standardOutput)?.count ?? 0 : 0
    let wanted = job.specification.resources.gpuCount
    guard count >= wanted else {
      let detail = "nvidia-smi shows \(count) of \(wanted) GPUs. \(StatusMessage.display(result.errorText))"
      throw .failed(Failure(code: "gpu_missing", detail: detail, isRetryable: true))
    }
  }

  @discardableResult
  func expect(_ command: RemoteCommand, _ fault: String) async throws(RemoteJobError) -> RemoteResult {
    let result = try await run(command)
    guard result.exitCode == 0 else { throw .odd(fault, result) }
    return result
  }

  private func status(of result: RemoteResult) throws(RemoteJobError) -> RemoteStatus {
    guard let status = RemoteStatus(printed: result.standardOutput) ?? RemoteStatus(printed: result.standardError)
    else {
      throw .odd("its state could not be read", result)
    }
    return status
  }

  // MARK: Watching

  /// The log is looked at this many times in the span that a command may be silent, so that silence is told at most a
  /// quarter late.
  private static let idleLooks = 4

  /// Follows the log from where the local copy ends until the command has ended, or has been silent for too long: that many
  /// looks in a row without a byte. No clock is asked, ours or the machine's, since each may be set while a command runs.
  func followToEnd(idleTimeout: Duration?) async throws(RemoteJobError) -> Ending {
    let look = idleTimeout.map { max($0 / Self.idleLooks, .milliseconds(250)) }
    let enough = look.flatMap { look in idleTimeout.map { Int(($0.inSeconds / look.inSeconds).rounded(.up)) } } ?? 0
    isDropping.withLock { $0 = false }
    var position = try nextLogByte()
    while true {
      let (status, count, isCut) = try await followLog(from: position, cutAfter: look)
      position += count
      // It ended between the look and the question how it stands: what it wrote last is still to be fetched.
      if isCut, !status.isRunning, status.logBytes > position { continue }
      // A look may end before its first byte has come over a slow line: what the machine's own log holds counts as well.
      let isSilent = count == 0 && status.logBytes <= position
      let looks = silentLooks.withLock { looks in
        looks = isSilent ? looks + 1 : 0
        return looks
      }
      guard status.hasFolder else { return .neverStarted }
      switch status.state {
      case .ended(let code):
        if code != 0, status.isDiskFull { return .diskFull }
        return .exited(code: code, inSetup: status.hasSetupFailed, isOurs: status.isToldToEnd && code != 0)
      case .vanished: return status.isDiskFull ? .diskFull : .vanished
      case .notStarted: return .neverStarted
      case .running:
        if let idleTimeout, looks >= enough { return .silent(idleTimeout) }
      }
    }
  }

  /// How the command has ended, with the rest of its log; nil while it runs, and when that cannot be known now.
  func endingSoFar() async -> Ending? {
    do throws(RemoteJobError) {
      let status = try status(of: try await expect(workspace.status(), "its state could not be read"))
      guard status.hasFolder, !status.isRunning, status.state != .notStarted else { return nil }
      let ending = try await followToEnd(idleTimeout: nil)
      await synchronizeLog()
      return ending
    } catch {
      return nil
    }
  }

  /// What the local log held before this attempt.
  private var logStart: Int64 { job.attempts.last?.logStart ?? 0 }

  /// Before the first byte of an attempt: where its part of the log begins. What earlier attempts left there is durable.
  func beginLog() throws(RemoteJobError) -> Int64 {
    let size = try localSize()
    trustLog()
    return size
  }

  private func localSize() throws(RemoteJobError) -> Int64 {
    let log = try openLog()
    defer { log.close() }
    return log.size
  }

  /// Up to where the local log may have holes, because the machine that we run on has been started anew while the command ran;
  /// nil when all of it is sure.
  private func doubtfulEnd() throws(RemoteJobError) -> Int64? {
    LogFile.isTrusted(path: context.data.logPath(job.id)) ? nil : try localSize()
  }

  /// From where the machine's log is to be fetched.
  private func nextLogByte() throws(RemoteJobError) -> Int64 {
    try doubtfulEnd() == nil ? localSize() - logStart : refetched.withLock { $0 }
  }

  /// When this fails the log is only fetched once more than it has to be.
  private func trustLog() {
    do throws(ArtifactError) {
      try LogFile.trust(path: context.data.logPath(job.id))
    } catch {
      context.logger.warning("log not marked", metadata: ["job_id": "\(job.id)", "error": "\(error)"])
    }
  }

  /// To be called before the log counts as complete. A disk that fails here takes a log, and no money.
  func synchronizeLog() async {
    do throws(ArtifactError) {
      try await LogFile.synchronize(path: context.data.logPath(job.id))
    } catch {
      context.logger.error("log not flushed", metadata: ["job_id": "\(job.id)", "error": "\(error)"])
    }
  }

  /// Copies output from a byte of the machine's log on until the command has ended, or until `cutAfter` has passed; the
  /// state then, how many bytes came, and whether there may be more of an ended command's.
  private func followLog(
    from position: Int64, cutAfter: Duration?
  ) async throws(RemoteJobError) -> (status: RemoteStatus, count: Int64, isCut: Bool) {
    let doubtfulEnd = try doubtfulEnd()
    let log = try openLog(from: doubtfulEnd.map { _ in logStart + refetched.withLock { $0 } })
    defer { log.close() }
    if let doubtfulEnd, log.size >= doubtfulEnd { trustLog() }
    let fault = Locked<ArtifactError?>(nil)
    let count = Locked<Int64>(0)
    var command = workspace.follow(from: position)
    if let cutAfter { command.timeout = cutAfter }
    command.output = .pieces { [self, id = job.id] piece in
      contact.withLock { $0 = context.now() }
      count.withLock { $0 += Int64(piece.count) }
      if isDropping.withLock({ $0 }) { return true }
      do throws(ArtifactError) {
        try log.append(piece)
      } catch {
        // A log that has reached its bound, or that has filled our disk, is no reason to end the command: the rest is dropped.
        // A later connection goes on from where the file ends.
        if error.isNoRoom {
          context.logger.warning("log is cut", metadata: ["job_id": "\(id)", "reason": "\(error)"])
          isDropping.withLock { $0 = true }
          return true
        }
        fault.withLock { $0 = error }
        return false
      }
      if let doubtfulEnd {
        refetched.withLock { $0 = log.size - logStart }
        if log.size >= doubtfulEnd, log.size - Int64(piece.count) < doubtfulEnd { trustLog() }
      }
      context.logNews.raise(id)
      return true
    }
    do throws(RemoteJobError) {
      let result = try await run(command)
      if let fault = fault.withLock({ $0 }) { throw RemoteJobError.local("\(fault)") }
      return (try status(of: result), count.withLock { $0 }, false)
    } catch {
      guard cutAfter != nil, case .broken(.timedOut) = error else { throw error }
      let status = try status(of: try await expect(workspace.status(), "its state could not be read"))
      return (status, count.withLock { $0 }, true)
    }
  }

  private func openLog(from offset: Int64? = nil) throws(RemoteJobError) -> LogFile {
    do throws(ArtifactError) {
      _ = try context.data.jobDirectory(job.id)
      return try LogFile(
        path: context.data.logPath(job.id), from: offset, limitBytes: context.settings.maximumLogBytes,
        hasRoom: { [data = context.data] in data.hasRoomForLogs })
    } catch {
      throw .local("\(error)")
    }
  }

  /// After the command was ended by us; a fault here loses a few last lines, not the job.
  func fetchRestOfLog() async {
    do throws(RemoteJobError) {
      isDropping.withLock { $0 = false }
      _ = try await followLog(from: try nextLogByte(), cutAfter: Self.restTimeout)
    } catch {
      context.logger.warning("end of log not fetched", metadata: ["job_id": "\(job.id)", "error": "\(error)"])
    }
    await synchronizeLog()
  }

  /// The rest of a log that nobody writes to any more.
  private static let restTimeout = Duration.seconds(120)

  func terminate() async {
    do throws(RemoteJobError) {
      _ = try await run(workspace.terminate(grace: context.settings.terminationGrace))
    } catch {
      context.logger.warning("command not ended", metadata: ["job_id": "\(job.id)", "error": "\(error)"])
    }
  }

  // MARK: Collecting

  /// A command that was cut short has had its time and its money: what it left behind gets minutes, not an hour.
  var collectionTimeout: Duration {
    switch job.failure?.code {
    case "max_duration_exceeded", "max_cost_exceeded", "idle_timeout", Idleness.code:
      context.settings.cutShortCollectionTimeout
    default: context.settings.collectionTimeout
    }
  }

  func collect(_ outputs: [String]) async throws(RemoteJobError) -> Job.Results {
    let path = context.data.resultsPath(job.id)
    let partial = ResultsFile.partialPath(for: path)
    try makeJobDirectory()
    // An earlier try's half is room for this one.
    unlink(partial)
    let room = context.data.roomForResults
    var command = try collection(of: outputs)
    command.timeout = collectionTimeout
    command.output = .file(path: partial, limit: min(context.settings.maximumResultsBytes, room))
    let result: RemoteResult
    do throws(RemoteJobError) {
      result = try await run(command)
    } catch {
      guard case .broken(.tooMuchOutput) = error, room < context.settings.maximumResultsBytes else { throw error }
      unlink(partial)
      throw .broken(.unreachable(detail: "the results do not fit on our own disk, which has room for \(room) bytes"))
    }
    guard result.exitCode == 0 else { throw .odd("the outputs could not be packed", result) }
    let missing = RemoteWorkspace.missingOutputs(in: result.standardError).map(StatusMessage.display)
    do throws(ArtifactError) {
      let file = try await ResultsFile.commit(partial: partial, to: path)
      return Job.Results(sizeBytes: file.sizeBytes, sha256: file.sha256, missing: missing)
    } catch {
      throw .failed(
        Failure(code: "unsafe_results", detail: "The outputs are refused: \(error).\(setAside(partial, error))"))
    }
  }

  /// What is refused is not thrown away: the machine is about to go, and a person may still want what it made. Kept beside
  /// under a name that is never served, unopened. Nothing is said of it when it cannot be kept.
  private func setAside(_ partial: String, _ refusal: ArtifactError) -> String {
    if case .io = refusal { return "" }
    do throws(ArtifactError) {
      try ResultsFile.setAside(partial: partial, of: context.data.resultsPath(job.id))
    } catch {
      context.logger.error("refused results lost", metadata: ["job_id": "\(job.id)", "error": "\(error)"])
      return ""
    }
    context.logger.warning("refused results kept", metadata: ["job_id": "\(job.id)", "error": "\(refusal)"])
    return
      " What came is kept, unopened and never served, as jobs/\(job.id)/results.tar.gz.refused in vastd's data directory."
  }

  private func collection(of outputs: [String]) throws(RemoteJobError) -> RemoteCommand {
    do throws(RemoteWorkspace.InvalidInput) {
      return try workspace.collect(outputs: outputs)
    } catch {
      throw .hopeless(Failure(code: "invalid_specification", detail: "The outputs cannot be collected: \(error)"))
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

  func run(_ command: RemoteCommand) async throws(RemoteJobError) -> RemoteResult {
    do throws(RemoteShellError) {
      let result = try await context.shell.run(command, on: host)
      contact.withLock { $0 = context.now() }
      return result
    } catch {
      throw .broken(error)
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

  /// What a refusal of a verb means. Inputs that passed the check here and no tar unpacks are the next machine's trouble too.
  static func odd(_ fault: String, _ result: RemoteResult) -> RemoteJobError {
    let said = StatusMessage.display(result.errorText)
    switch RemoteWorkspace.Refusal(rawValue: result.exitCode) {
    case .brokenInputs:
      return .hopeless(Failure(code: "bad_inputs", detail: "The machine's tar could not unpack the inputs. \(said)"))
    case .notPrepared: return .failed(.workspaceGone)
    case .diskFull: return .failed(.diskFull(said))
    default:
      return .failed(
        Failure(
          code: "machine_unfit", detail: "On the machine \(fault) (exit code \(result.exitCode)). \(said)",
          isRetryable: true))
    }
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
  static func diskFull(_ detail: String) -> Failure {
    Failure(code: "disk_full", detail: "The machine's disk is full: \(detail)", isRetryable: true)
  }

  static let workspaceGone = Failure(
    code: "workspace_gone", detail: "The machine no longer has the job's folder.", isRetryable: true)
}
