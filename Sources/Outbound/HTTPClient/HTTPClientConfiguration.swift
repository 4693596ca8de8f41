package struct HTTPClientConfiguration: Sendable {
  package var userAgent: String
  /// Connections to one host at a time, and the most kept open over all hosts; further transfers wait for one, within their
  /// time-out. 16: several times what a paced client of one API has under way, and few enough that a stuck provider cannot
  /// eat the descriptors.
  package var connectionsPerHost: Int

  package init(userAgent: String, connectionsPerHost: Int = 16) {
    self.userAgent = userAgent
    self.connectionsPerHost = connectionsPerHost
  }
}
