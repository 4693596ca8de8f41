package import Domain

/// What one API listener is told at start.
package struct APIConfiguration: Sendable {
  /// Shown by `/health`.
  package var version: String
  /// Nil lets everybody in who can connect: the program then listens on loopback only.
  package var token: AccessToken?
  /// Signs cursors. Kept by the installation, so that a cursor outlives a restart; any 16 bytes or more.
  package var cursorSecret: [UInt8]
  /// False where a probe listener of its own serves `/metrics`.
  package var servesMetrics = true
  /// The largest upload. 10 GiB: a data set beyond is better fetched by the job itself than carried twice.
  package var uploadLimitBytes = 10 << 30
  /// From the headers to the end of an upload; absolute. An hour carries 10 GiB at 3 MB/s.
  package var uploadDeadlineSeconds = 3600

  /// Webhooks may lead to private addresses and speak plain HTTP (`VASTD_WEBHOOK_ALLOW_PRIVATE`).
  package var allowsPrivateWebhooks = false
  /// Paces the heartbeats of event streams.
  package var clock: any Clock<Duration> = ContinuousClock()

  /// The lease of jobs that say nothing of it; nil for none.
  package var defaultLease: Duration? = .seconds(21600)

  /// How long the GPUs may be idle under jobs that say nothing of it; nil for ever. For plans: the jobs' loop decides.
  package var defaultGPUIdle: Duration?

  /// Which jobs wait for approval when they say nothing of it.
  package var approvalPolicy = ApprovalPolicy.never

  package init(version: String, token: AccessToken?, cursorSecret: [UInt8]) {
    precondition(cursorSecret.count >= 16, "a secret of fewer bytes can be guessed")
    self.version = version
    self.token = token
    self.cursorSecret = cursorSecret
  }
}
