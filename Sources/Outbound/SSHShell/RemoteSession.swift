import CSystem
import Domain
import Glibc
import Locking

/// One command over a host's connection, from the start of its client to the result.
///
/// The talking is done by a thread of its own; the calling task only waits, or hands pieces on, one at a time: while one
/// is being handled nothing more is read from stdout, so a slow reader slows the machine down instead of filling memory.
final class RemoteSession: Sendable {
  private let command: RemoteCommand
  private let frame: RemoteFrame
  private let options: SSHOptions
  private let mailbox = Mailbox()
  private let begun = Locked(false)

  init(command: RemoteCommand, frame: RemoteFrame, options: SSHOptions) {
    self.command = command
    self.frame = frame
    self.options = options
  }

  /// Whether the script was seen to start.
  var hasBegun: Bool { begun.withLock { $0 } }

  func run() async throws(RemoteShellError) -> RemoteResult {
    let control = try ConversationControl()
    let result = await withTaskCancellationHandler {
      startThread(name: "ssh-session") { [self] in
        do throws(RemoteShellError) {
          mailbox.end(.success(try converse(control)))
        } catch {
          mailbox.end(.failure(error))
        }
      }
      while true {
        switch await mailbox.next() {
        case .ended(let result): return result
        case .piece(let piece):
          guard case .pieces(let handler) = command.output else { continue }
          if await handler(piece) { control.resume() } else { control.stop() }
        }
      }
    } onCancel: {
      control.cancel()
    }
    return try result.get()
  }

  /// On the thread.
  private func converse(_ control: ConversationControl) throws(RemoteShellError) -> RemoteResult {
    let preface = try frame.preface(for: command.script)
    let source = try openSource()
    defer { if case .file(let descriptor) = source { close(descriptor) } }
    let listener = try SessionListener(command.output, frame: frame, mailbox: mailbox) { [begun] in
      begun.withLock { $0 = true }
    }
    let child = try ChildProcess.start(
      options.session(command: frame.command(prefaceSize: preface.count)), environment: SSHOptions.environment)
    let conversation = Conversation(
      preface: preface, source: source, deadline: csystem_monotonic_ns() + command.timeout.nanoseconds,
      control: control, onOutput: listener.hearOutput, onError: listener.hearError)
    let ending = conversation.hold(child)
    try listener.finish()
    switch ending {
    case .timedOut: throw .timedOut
    case .cancelled: throw .cancelled
    case .failed(let detail): throw .local(detail: detail)
    case .stopped:
      if let failure = listener.failure { throw failure }
      return listener.result(exitCode: 128 + SIGPIPE, isCutShort: true)
    case .exited(let exit):
      if let failure = listener.failure { throw failure }
      // Both: the command's own status, and a client that brought everything home. The status alone may have overtaken
      // output that was lost with the connection.
      guard let exitCode = listener.exitCode, exit == .code(0) else {
        throw SSHFailure.classify(listener.clientMessage, exit: exit)
      }
      return listener.result(exitCode: exitCode, isCutShort: false)
    }
  }

  private func openSource() throws(RemoteShellError) -> Conversation.Source {
    switch command.input {
    case .none: return .none
    case .bytes(let bytes): return .bytes(bytes)
    case .file(let path):
      let descriptor = csystem_open(path, O_RDONLY, 0)
      if descriptor < 0 { throw Files.failure("open", path) }
      return .file(descriptor)
    }
  }
}

extension Duration {
  /// Without a trap for the durations that mean "for ever".
  var nanoseconds: Int64 {
    let limit: Int64 = 4_000_000_000
    return components.seconds >= limit ? limit * 1_000_000_000 : max(0, microseconds) * 1000
  }
}

/// Where the thread leaves pieces and the end for the task. At most one piece lies in it.
private final class Mailbox: Sendable {
  enum Letter: Sendable {
    case piece([UInt8])
    case ended(Result<RemoteResult, RemoteShellError>)
  }

  private struct State {
    var letters: [Letter] = []
    var reader: CheckedContinuation<Letter, Never>?
  }

  private let state = Locked(State())

  func put(_ piece: [UInt8]) { deliver(.piece(piece)) }
  func end(_ result: Result<RemoteResult, RemoteShellError>) { deliver(.ended(result)) }

  func next() async -> Letter {
    await withCheckedContinuation { continuation in
      let letter: Letter? = state.withLock { state in
        if !state.letters.isEmpty { return state.letters.removeFirst() }
        state.reader = continuation
        return nil
      }
      if let letter { continuation.resume(returning: letter) }
    }
  }

  private func deliver(_ letter: Letter) {
    let reader = state.withLock { state in
      if let reader = state.reader {
        state.reader = nil
        return reader as CheckedContinuation<Letter, Never>?
      }
      state.letters.append(letter)
      return nil
    }
    reader?.resume(returning: letter)
  }
}

/// Takes a session's streams apart: marks, output, limits. Belongs to the session's thread.
private final class SessionListener {
  private(set) var exitCode: Int32?
  private(set) var failure: RemoteShellError?

  private let output: RemoteCommand.Output
  private let mailbox: Mailbox
  private let hasBegun: () -> Void
  private var begin: MarkFinder
  private var end: MarkFinder
  /// What follows the mark of the end: the status and a line break.
  private var status: [UInt8] = []
  private var standardOutput: ByteBudget
  private var standardError: ByteBudget
  private var file: Int32 = -1
  private var written: Int64 = 0
  /// What may come before the mark on stdout; a login file that prints more has gone mad.
  private var noise = 1 << 20
  /// Of stderr, when stdout goes elsewhere; the client's own complaints are in it too.
  private static let errorLimit = 64 << 10

  init(
    _ output: RemoteCommand.Output, frame: RemoteFrame, mailbox: Mailbox, hasBegun: @escaping () -> Void
  ) throws(RemoteShellError) {
    self.output = output
    self.mailbox = mailbox
    self.hasBegun = hasBegun
    begin = MarkFinder(frame.beginMark)
    end = MarkFinder(frame.endMark)
    switch output {
    case .collected(let limit):
      standardOutput = ByteBudget(limit: limit)
      standardError = ByteBudget(limit: limit)
    case .file(let path, _):
      standardOutput = ByteBudget(limit: 0)
      standardError = ByteBudget(limit: Self.errorLimit)
      file = csystem_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
      if file < 0 { throw Files.failure("write", path) }
    case .pieces:
      standardOutput = ByteBudget(limit: 0)
      standardError = ByteBudget(limit: Self.errorLimit)
    }
  }

  deinit { if file >= 0 { close(file) } }

  func hearOutput(_ piece: UnsafeRawBufferPointer) -> Conversation.Flow {
    if begin.isFound { return take(piece) }
    let rest = begin.feed(piece) { noise -= $0.count }
    if begin.isFound { hasBegun() }
    if noise < 0 {
      failure = .unreachable(detail: "the login printed more than 1 MiB before the command")
      return .stop
    }
    guard let rest, !rest.isEmpty else { return .more }
    return rest.withUnsafeBytes { take($0) }
  }

  func hearError(_ piece: UnsafeRawBufferPointer) {
    guard let rest = end.feed(piece, before: { standardError.append($0) }), exitCode == nil else { return }
    status += rest.prefix(16)
    guard let newline = status.firstIndex(of: UInt8(ascii: "\n")) else { return }
    exitCode = Int32(String(decoding: status[..<newline], as: UTF8.self))
  }

  /// What the ssh client said when the command did not end in order: it is at the end of stderr.
  var clientMessage: [UInt8] { standardError.bytes.suffix(1000) + end.remainder }

  /// Closes the file; a write that failed late shows here.
  func finish() throws(RemoteShellError) {
    guard file >= 0 else { return }
    defer { file = -1 }
    if close(file) != 0, case .file(let path, _) = output { throw Files.failure("write", path) }
  }

  func result(exitCode: Int32, isCutShort: Bool) -> RemoteResult {
    RemoteResult(
      exitCode: exitCode, standardOutput: standardOutput.bytes, standardError: standardError.bytes,
      isTruncated: isCutShort || standardOutput.isTruncated || standardError.isTruncated)
  }

  private func take(_ piece: UnsafeRawBufferPointer) -> Conversation.Flow {
    switch output {
    case .collected:
      standardOutput.append(piece)
      return .more
    case .pieces:
      mailbox.put(Array(piece))
      return .pause
    case .file(let path, let limit):
      written += Int64(piece.count)
      if written > limit {
        failure = .tooMuchOutput(limit: limit)
        return .stop
      }
      var rest = piece
      while !rest.isEmpty {
        let count = write(file, rest.baseAddress, rest.count)
        if count > 0 {
          rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        } else if csystem_errno() != EINTR {
          failure = Files.failure("write", path)
          return .stop
        }
      }
      return .more
    }
  }
}
