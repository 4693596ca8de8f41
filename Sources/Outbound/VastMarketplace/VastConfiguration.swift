import CSystem
package import Domain

/// What the client of Vast needs to know besides the key.
package struct VastConfiguration: Sendable {
  /// `VAST_URL`, without a slash at its end.
  package let baseURL: String
  /// For a whole call, from the first byte sent to the last received.
  package var timeout: Duration
  /// The most that one answer may hold. 64 offers have 300 KB and a page of instances 130 KB; this is the room for surprises.
  package var responseLimit = 32 << 20
  /// The id of the request that a call is made for; sent on as `X-Request-Id` when it is a plain word.
  package var requestID: @Sendable () -> String? = { nil }
  /// The wall clock: for dates in headers and for `OfferListing.asOf`.
  package var now: @Sendable () -> Timestamp = { Timestamp(microseconds: csystem_realtime_ns() / 1000) }

  package static let defaultURL = "https://console.vast.ai"

  package init(baseURL: String = defaultURL, timeout: Duration = .seconds(30)) {
    var url = baseURL[...]
    while url.last == "/" { url.removeLast() }
    self.baseURL = String(url)
    self.timeout = timeout
  }
}
