package struct HTTPClientConfiguration: Sendable {
  package var userAgent: String
  /// Connections to one host at a time, and the most kept open over all hosts; further transfers wait for one, within their
  /// time-out. 16: several times what a paced client of one API has under way, and few enough that a stuck provider cannot
  /// eat the descriptors.
  package var connectionsPerHost: Int

  /// Whether a connection may be made to an address, by its 4 or 16 bytes. Asked when the connection is opened and its name
  /// resolved, so that a name that changes its mind is caught too. Nil lets every address through.
  package var letsThrough: (@Sendable (_ address: [UInt8]) -> Bool)?

  /// Who looks for names, where the owners of many names are called: one that hangs then delays nobody else. Nil leaves it to
  /// libcurl, which is good enough for one server.
  package var names: NameResolver?

  package init(
    userAgent: String, connectionsPerHost: Int = 16, letsThrough: (@Sendable (_ address: [UInt8]) -> Bool)? = nil,
    names: NameResolver? = nil
  ) {
    self.userAgent = userAgent
    self.connectionsPerHost = connectionsPerHost
    self.letsThrough = letsThrough
    self.names = names
  }
}
