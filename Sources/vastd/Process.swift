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

func currentTime() -> Timestamp {
  Timestamp(microseconds: csystem_realtime_ns() / 1000)
}

/// Secrets leave the environment once read, so that neither `/proc/PID/environ` of a child nor a crash report shows them.
func forgetSecrets() {
  for setting in Setting.all where setting.isSecret { unsetenv(setting.variable) }
  var none = rlimit(rlim_cur: 0, rlim_max: 0)
  setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
}

/// Blocks the signals that end the service, in this thread and all that it starts, so that `waitForEnd` gets them.
func blockEndingSignals() {
  signal(SIGPIPE, SIG_IGN)
  var signals = endingSignals()
  pthread_sigmask(SIG_BLOCK, &signals, nil)
}

/// Waits, on the calling thread, for SIGTERM or SIGINT and says which.
func waitForEnd() -> Int32 {
  var signals = endingSignals()
  var received: Int32 = 0
  sigwait(&signals, &received)
  return received
}

private func endingSignals() -> sigset_t {
  var signals = sigset_t()
  sigemptyset(&signals)
  sigaddset(&signals, SIGTERM)
  sigaddset(&signals, SIGINT)
  return signals
}
