import ArgumentParser
import Artifacts
import Domain
import Glibc
import HTTPServer
import Store

/// Runs what a command does; what stops it is told as a sentence on standard error, with exit code 1.
func explained(_ body: () async throws -> Void) async throws {
  do {
    try await body()
  } catch {
    // Not a usage error: the parser would add its help text.
    let sentence =
      switch error {
      case let error as StoreError: error.detail
      case let error as RemoteShellError: "SSH: \(error)"
      case HTTPServerError.cannotListen(let host, let port, let number):
        "cannot listen on \(host):\(port): \(String(cString: strerror(number)))"
      case HTTPServerError.unsupportedLibrary(let version):
        "libmicrohttpd \(version) is installed; the checks on requests are written for 0.9.75, as in Debian 12"
      case HTTPServerError.cannotStart: "the HTTP server ran out of threads or descriptors"
      default: "\(error)"
      }
    let line = "vastd: \(sentence)\n"
    _ = write(2, line, line.utf8.count)
    throw ExitCode.failure
  }
}
