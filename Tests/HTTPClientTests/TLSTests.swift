import Glibc
import HTTPClient
import TestSupport
import Testing

/// A server whose certificate nobody vouches for, by the openssl command; machines without it skip these.
@Suite(.enabled(if: access("/usr/bin/openssl", X_OK) == 0), .timeLimit(.minutes(1)))
final class TLSTests {
  private let folder: String
  private var server: pid_t = 0

  init() {
    var template = Array("/tmp/vastd-tls-XXXXXX".utf8CString)
    precondition(mkdtemp(&template) != nil)
    folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit {
    if server > 0 {
      kill(server, SIGKILL)
      waitpid(server, nil, 0)
    }
    for name in ["key", "certificate", "output"] { unlink("\(folder)/\(name)") }
    rmdir(folder)
  }

  /// Starts the command with its output in a file.
  private func openssl(_ arguments: [String]) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for descriptor: Int32 in [1, 2] {
      posix_spawn_file_actions_addopen(&actions, descriptor, "\(folder)/output", O_WRONLY | O_CREAT | O_APPEND, 0o600)
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    let words = (["openssl"] + arguments).map { strdup($0) }
    defer { for word in words { free(word) } }
    var process = pid_t()
    return posix_spawn(&process, "/usr/bin/openssl", &actions, nil, words + [nil], environ) == 0 ? process : 0
  }

  private static func output(in folder: String) -> String {
    guard let file = fopen("\(folder)/output", "r") else { return "" }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
  }

  @Test func `a certificate that nobody vouches for is refused before anything is sent`() async throws {
    let made = openssl([
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
      "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "\(folder)/key",
      "-out", "\(folder)/certificate",
    ])
    waitpid(made, nil, 0)
    // Any free port, which it tells; -www would answer whatever is asked.
    server = openssl([
      "s_server", "-accept", "127.0.0.1:0", "-key", "\(folder)/key", "-cert", "\(folder)/certificate", "-www",
    ])
    await eventually { [folder] in Self.output(in: folder).contains("ACCEPT 127.0.0.1:") }
    let output = Self.output(in: folder)
    let port = output.split(separator: "ACCEPT 127.0.0.1:").last?.prefix { $0.isNumber } ?? ""
    try #require(!port.isEmpty, "\(output)")

    let client = HTTPClient(configuration: .init(userAgent: "vastd/test"))
    let request = HTTPClientRequest(
      method: "PUT", url: "https://127.0.0.1:\(port)/", headers: [("Authorization", "Bearer secret")], body: [])
    do throws(HTTPClientError) {
      _ = try await client.send(request)
      Issue.record("it was sent")
    } catch .notSent(let reason) {
      #expect(reason.contains("certificate"))
    } catch {
      Issue.record("\(error)")
    }
  }
}
