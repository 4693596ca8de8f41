import ArgumentParser
import Glibc
import JSON
import Locking
import Simulator

@main
struct VastSim: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vast-sim",
    abstract: "Vast.ai on this machine, for trying and testing: its REST API, with a real sshd behind every instance.",
    discussion: """
      Prints one line of JSON with its address, its key and the address of its control surface, then serves until SIGTERM
      or SIGINT. Nothing that it started outlives it, however it ends. Must run as
      root unless --machines is off.
      """)

  @Option(help: "Where to listen; port 0 takes any free one.")
  var listen = "127.0.0.1:0"
  @Option(help: "Folder for the instances and the log of what truly happened. One simulator at a time.")
  var dir: String
  @Option(help: "The API key; a random one if none is given.")
  var key: String?
  @Option(help: "Seconds from a create to running, without the pull.")
  var boot = 1.0
  @Option(help: "Seconds an image is pulled.")
  var pull = 1.0
  @Option(help: "Seconds from running to SSH.")
  var sshDelay = 0.5
  @Option(help: "Seconds from a stop to exited.")
  var stop = 0.3
  @Option(help: "Seconds from losing a bid to exited.")
  var outbidGrace = 10.0
  @Option(help: "Seconds until a new instance shows in lists and reads.")
  var visibility = 0.0
  @Option(help: "Seconds a destroyed instance lingers in lists and reads.")
  var settle = 0.0
  @Option(help: "Whether to enforce the service's minimum intervals: on or off.")
  var thresholds = OnOff.off
  @Option(help: "Whether instances have real processes behind them: on or off. Off needs no root.")
  var machines = OnOff.on
  @Option(help: "The account's credit in dollars.")
  var credit = 100.0
  @Option(help: "Seconds billed per second.")
  var accrualSpeed = 1.0

  @Flag(help: "End when standard input does: with the program that holds its other end, however that ends.")
  var endWithInput = false

  enum OnOff: String, ExpressibleByArgument, CaseIterable { case on, off }

  mutating func run() throws {
    let parts = listen.split(separator: ":")
    guard parts.count == 2, ["127.0.0.1", "localhost"].contains(parts[0]), let port = UInt16(parts[1]) else {
      throw ValidationError("--listen takes 127.0.0.1:PORT; the simulator serves this machine only")
    }
    // Before any thread starts, so that none of them takes the signals that `sigwait` below is for.
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGTERM)
    sigaddset(&signals, SIGINT)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    signal(SIGPIPE, SIG_IGN)

    let simulator = try Simulator(configuration(port: port))
    announce(simulator)
    if endWithInput { Self.followInput() }
    var received: Int32 = 0
    while sigwait(&signals, &received) != 0 {}
    Task {
      await simulator.stop()
      Glibc.exit(0)
    }
    // The task ends the process.
    while true { pause() }
  }

  private func configuration(port: UInt16) -> SimulatorConfiguration {
    var configuration = SimulatorConfiguration(folder: dir, apiKey: key ?? Self.randomKey()) { sentence in
      let line = "vast-sim: \(sentence)\n"
      _ = write(2, line, line.utf8.count)
    }
    configuration.port = port
    configuration.credit = credit
    configuration.hasMachines = machines == .on
    configuration.settings.boot = boot
    configuration.settings.pull = pull
    configuration.settings.sshDelay = sshDelay
    configuration.settings.stop = stop
    configuration.settings.outbidGrace = outbidGrace
    configuration.settings.visibility = visibility
    configuration.settings.settle = settle
    configuration.settings.thresholds = thresholds == .on
    configuration.settings.accrualSpeed = accrualSpeed
    return configuration
  }

  private func announce(_ simulator: Simulator) {
    var writer = JSONWriter()
    writer.object { writer in
      writer.member("url", simulator.url)
      writer.member("api_key", simulator.apiKey)
      writer.member("control", simulator.url + "/sim")
      writer.member("pid", getpid())
    }
    print(String(decoding: writer.bytes, as: UTF8.self))
    fflush(nil)
  }

  private static func followInput() {
    startThread(name: "input") {
      var byte: UInt8 = 0
      while read(0, &byte, 1) > 0 {}
      kill(getpid(), SIGTERM)
    }
  }

  private static func randomKey() -> String {
    (0..<4).map { _ in String(UInt64.random(in: 0 ... .max), radix: 16) }.joined()
  }
}
