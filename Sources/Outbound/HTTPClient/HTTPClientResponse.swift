/// A whole answer, whatever its status.
package struct HTTPClientResponse: Sendable {
  package let status: Int
  /// As received, in order.
  package let headers: [(name: String, value: String)]
  package let body: [UInt8]
  /// From the start of the transfer to its end.
  package let duration: Duration

  package init(status: Int, headers: [(name: String, value: String)], body: [UInt8], duration: Duration) {
    self.status = status
    self.headers = headers
    self.body = body
    self.duration = duration
  }

  /// The last header of this name, letters' case aside.
  package func header(_ name: String) -> String? {
    let wanted = name.lowercased()
    return headers.last { $0.name.lowercased() == wanted }?.value
  }
}
