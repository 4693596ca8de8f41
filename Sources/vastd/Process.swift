import CSystem
import Domain
import Glibc
import HTTPServer

/// The environment as a dictionary.
func processEnvironment() -> [String: String] {
  var variables: [String: String] = [:]
  var entry = environ
  while let text = entry.pointee.map({ String(cString: $0) }) {
    if let equals = text.firstIndex(of: "=") {
      variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
    }
    entry += 1
  }
  return variables
}

/// How many jobs may be under way with the descriptors that the server leaves: each has up to eight for ssh, log and lease.
/// 64 are for the database, the calls and the threads.
func affordableJobs(_ wanted: Int) -> Int {
  let server = HTTPServerConfiguration()
  return max(1, min(wanted, (server.share(of: server.raiseDescriptors()).others - 64) / 8))
}

/// Secrets leave the environment once read, so that neither `/proc/PID/environ` of a child nor a crash report shows them.
func forgetSecrets() {
  for setting in Setting.all where setting.isSecret { unsetenv(setting.variable) }
  var none = rlimit(rlim_cur: 0, rlim_max: 0)
  setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
}

/// Waits, on the calling thread, for the next byte that `csystem_catch_ending_signals` promised: SIGTERM or SIGINT.
func waitForEnd(on descriptor: Int32) -> Int32 {
  var number: UInt8 = 0
  while read(descriptor, &number, 1) != 1 {}
  return Int32(number)
}
