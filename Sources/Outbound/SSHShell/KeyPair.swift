import Domain
import Glibc

/// The key pair that all machines know us by, made once and kept with mode 0600 beside nothing else.
///
/// An actor only so that a pair is made once when many ask at the same time; the work is ssh-keygen's.
actor KeyPair {
  nonisolated let path: String
  private let keygenPath: String
  private var publicKey: Task<Result<String, RemoteShellError>, Never>?

  init(path: String, keygenPath: String) {
    self.path = path
    self.keygenPath = keygenPath
  }

  /// The public half in one line. A failure is not kept: the next call tries again.
  func load() async throws(RemoteShellError) -> String {
    let task =
      publicKey
      ?? Task { [path, keygenPath] in
        do throws(RemoteShellError) {
          return .success(try await Self.readOrMake(path, keygenPath))
        } catch {
          return .failure(error)
        }
      }
    publicKey = task
    let result = await task.value
    if case .failure = result, publicKey == task { publicKey = nil }
    return try result.get()
  }

  private static func readOrMake(_ path: String, _ keygenPath: String) async throws(RemoteShellError) -> String {
    if Files.size(path) == nil { try await make(path, keygenPath) }
    // A restored backup may have lost the mode, and ssh refuses a key that others can read.
    if chmod(path, 0o600) != 0 { throw Files.failure("protect", path) }
    // From the private half each time: there is no second file that could disagree.
    let derived = try await keygen([keygenPath, "-y", "-P", "", "-f", path])
    let line = String(decoding: derived, as: UTF8.self).prefix { $0 != "\n" }
    guard line.hasPrefix("ssh-") else { throw .local(detail: "\(path) holds no key that we can use") }
    // Newer versions print the comment along with the key.
    return line.split(separator: " ").prefix(2).joined(separator: " ") + " vastd"
  }

  /// Complete under its final name or not there at all, also after a power cut.
  private static func make(_ path: String, _ keygenPath: String) async throws(RemoteShellError) {
    let draft = path + ".new"
    unlink(draft)
    unlink(draft + ".pub")
    _ = try await keygen([keygenPath, "-q", "-t", "ed25519", "-N", "", "-C", "vastd", "-f", draft])
    unlink(draft + ".pub")
    try Files.synchronize(draft)
    try Files.move(draft, to: path)
    try Files.synchronize(Files.folder(of: path))
  }

  private static func keygen(_ arguments: [String]) async throws(RemoteShellError) -> [UInt8] {
    let ended = try await LocalCommand.run(arguments, environment: SSHOptions.environment, patience: .seconds(30))
    guard ended.exit == .code(0) else { throw .local(detail: "ssh-keygen: " + SSHFailure.plain(ended.error)) }
    return ended.output
  }
}
