import CSystem
import Domain
import Glibc

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

/// The wall clock as it was at the start, carried on by the monotonic one: a step of the wall clock must neither end a
/// settling time early nor stall one.
func currentTime() -> Timestamp {
  Timestamp(microseconds: (startOfClock + csystem_monotonic_ns()) / 1000)
}

private let startOfClock = csystem_realtime_ns() - csystem_monotonic_ns()

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
