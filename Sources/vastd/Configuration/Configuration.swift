import Domain
import Glibc
import Logging
import Telemetry

/// What applies, checked. Built once at the start; nothing else reads the environment.
struct Configuration: Sendable {
  struct Address: Sendable, Hashable {
    var host: String
    var port: UInt16

    /// Only this machine can reach it.
    var isLoopback: Bool {
      var address = in_addr()
      if inet_pton(AF_INET, host, &address) == 1 { return UInt32(bigEndian: address.s_addr) >> 24 == 127 }
      return host == "::1" || host == "localhost"
    }
  }

  enum Key: Sendable, Hashable {
    case text(String)
    case file(path: String)
  }

  var vastKey: Key?
  var vastURL: String
  var listen: Address
  var probeListen: Address?
  var token: String?
  var databasePath: String?
  var dataDirectory: String
  var pollInterval: Duration
  var priceInterval: Duration
  var isCacheEnabled: Bool
  var cacheTTL: Duration
  var timeout: Duration
  var retries: Int
  var pacing: Double
  var rateLimitMode: RateLimitMode
  var isFallback: Bool
  var settlingTime: Duration
  var startTimeout: Duration
  var sshTimeout: Duration
  /// Nil for none.
  var lease: Duration?
  /// Nil for never.
  var idleGPUStop: Duration?
  var approval: ApprovalPolicy
  /// Zero for no alarm.
  var lowCredit: Duration
  var reconcileInterval: Duration
  var owner: Owner?
  var publicURL: String?
  /// A credential.
  var slackWebhookURL: String?
  var allowsPrivateWebhooks: Bool
  var logLevel: Logger.Level
  var logFormat: LogFormat
}

/// All that is wrong with the configuration, a line each.
struct ConfigurationProblems: Error, CustomStringConvertible {
  var lines: [String]
  var description: String { (["the configuration is wrong:"] + lines.map { "  " + $0 }).joined(separator: "\n") }
}

extension Configuration {
  /// A shorter token can be guessed.
  static let shortestToken = 16

  init(_ sources: SettingSources) throws(ConfigurationProblems) {
    var reader = SettingReader(sources: sources)
    vastKey = reader.key()
    vastURL = reader.url(.vastURL)
    listen = reader.address(.listen) ?? Address(host: "127.0.0.1", port: 8080)
    probeListen = reader.address(.probeListen)
    token = reader.token()
    databasePath = reader.databasePath()
    dataDirectory = reader.path(.dataDirectory)
    pollInterval = reader.seconds(.pollInterval, in: ServiceSettings.pollIntervalSeconds)
    priceInterval = reader.seconds(.priceInterval, in: 1...3600)
    isCacheEnabled = reader.truth(.cacheEnabled)
    cacheTTL = reader.seconds(.cacheTTL, in: 0...3600)
    timeout = reader.seconds(.timeout, in: 0.1...600)
    retries = Int(reader.number(.retries, in: 0...10))
    pacing = reader.number(.pacing, in: 0...100)
    rateLimitMode = reader.choice(.rateLimitMode, else: .queue)
    isFallback = reader.truth(.fallback)
    settlingTime = reader.seconds(.settle, in: 0.1...3600)
    startTimeout = reader.seconds(.startTimeout, in: 1...86_400)
    sshTimeout = reader.seconds(.sshTimeout, in: 1...3600)
    lease = reader.lease()
    idleGPUStop = reader.idleGPUStop()
    approval = reader.choice(.approval, else: .never)
    lowCredit = .seconds(reader.number(.lowCredit, in: 0...8760) * 3600)
    reconcileInterval = reader.seconds(.reconcileInterval, in: 60...86_400)
    owner = reader.owner()
    publicURL = reader.publicURL()
    allowsPrivateWebhooks = reader.truth(.webhookAllowPrivate)
    slackWebhookURL = reader.webhookURL(.slackWebhookURL, allowsPrivate: allowsPrivateWebhooks)
    logLevel = reader.logLevel()
    logFormat = reader.logFormat()
    if token == nil {
      for (setting, address) in [(Setting.listen, listen), (.probeListen, probeListen)] {
        guard let address, !address.isLoopback, setting == .listen else { continue }
        reader.problem(setting, "without \(Setting.token.variable) only a loopback address may be listened on")
      }
    }
    if pacing == 0, vastURL.contains("vast.ai") {
      reader.problem(.pacing, "0 is for a simulator; Vast.ai locks out callers without a pace")
    }
    guard reader.problems.isEmpty else { throw ConfigurationProblems(lines: reader.problems) }
  }
}
