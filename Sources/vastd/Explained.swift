import ArgumentParser
import Artifacts
import Domain
import HTTPServer
import Store

/// Runs what a command does; what stops it is told as a sentence for the person at the terminal, with exit code 1.
func explained(_ body: () async throws -> Void) async throws {
  do {
    try await body()
  } catch {
    // Not a usage error: the parser would add its help text.
    let sentence =
      switch error {
      case let error as StoreError: error.detail
      case let error as RemoteShellError: "SSH: \(error)"
      case let error as HTTPServerError: "\(error)"
      default: "\(error)"
      }
    print("vastd: \(sentence)")
    throw ExitCode.failure
  }
}
