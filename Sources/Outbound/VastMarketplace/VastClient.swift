package import Domain
package import HTTPClient
import JSON

/// Vast's REST API: a method for each endpoint, which sends what the official client sends and hands back what comes. No
/// retries, no waiting, no judgement; those belong to others.
package struct VastClient: Sendable {
  package typealias Send = @Sendable (HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse
  /// Told of each call: its HTTP status, or nil when no answer came, and how long it took.
  package typealias Observer = @Sendable (MarketplaceOperation, _ status: Int?, Duration) -> Void

  let configuration: VastConfiguration
  private let credentials: VastCredentials
  private let send: Send
  private let observe: Observer

  package init(
    configuration: VastConfiguration, credentials: VastCredentials, send: @escaping Send,
    observe: @escaping Observer = { _, _, _ in }
  ) {
    self.configuration = configuration
    self.credentials = credentials
    self.send = send
    self.observe = observe
  }

  // MARK: Offers

  /// `body` is the query itself. Repeating a search is harmless, so it may use an idle connection.
  func searchOffers(_ body: [UInt8]) async throws(VastError) -> VastReply {
    try await call(.searchOffers, "POST", "/api/v0/bundles/", body: body, mayBeRepeated: true)
  }

  /// Public: the official client sends no key with it, and neither do we.
  func gpuNames() async throws(VastError) -> VastReply {
    try await call(.gpuNames, "GET", "/api/v0/gpu_names/unique/", isPublic: true)
  }

  // MARK: Instances

  func create(offerID: Int64, _ body: [UInt8]) async throws(VastError) -> VastReply {
    try await call(.create, "PUT", "/api/v0/asks/\(offerID)/", body: body, mayBeRepeated: false)
  }

  /// One page of the list, 25 instances at most, oldest first so that new ones come at the end of the paging.
  func instances(after token: String?) async throws(VastError) -> VastReply {
    var query = [
      ("select_filters", "{}"), ("order_by", #"[{"col":"id","dir":"asc"}]"#), ("limit", String(Self.pageLimit)),
    ]
    if let token { query.append(("after_token", token)) }
    return try await call(.listInstances, "GET", "/api/v1/instances/", query: query)
  }

  /// What the server gives at most; a newer page of its documentation says that it gives 5 when not asked.
  static let pageLimit = 25

  func instance(_ id: MarketID) async throws(VastError) -> VastReply {
    try await call(.readInstance, "GET", "/api/v0/instances/\(id)/", query: [("owner", "me")])
  }

  func start(_ id: MarketID) async throws(VastError) -> VastReply {
    try await call(
      .start, "PUT", "/api/v0/instances/\(id)/", body: Array(#"{"state":"running"}"#.utf8), mayBeRepeated: true)
  }

  func stop(_ id: MarketID) async throws(VastError) -> VastReply {
    try await call(
      .stop, "PUT", "/api/v0/instances/\(id)/", body: Array(#"{"state":"stopped"}"#.utf8), mayBeRepeated: true)
  }

  func destroy(_ id: MarketID) async throws(VastError) -> VastReply {
    try await call(.destroy, "DELETE", "/api/v0/instances/\(id)/", body: Array("{}".utf8), mayBeRepeated: true)
  }

  // MARK: Keys and account

  func sshKeys() async throws(VastError) -> VastReply {
    try await call(.registerKey, "GET", "/api/v0/ssh/")
  }

  func addSSHKey(_ publicKey: String) async throws(VastError) -> VastReply {
    try await call(.registerKey, "POST", "/api/v0/ssh/", body: keyBody(publicKey), mayBeRepeated: false)
  }

  func attachSSHKey(_ publicKey: String, to id: MarketID) async throws(VastError) -> VastReply {
    try await call(
      .attachKey, "POST", "/api/v0/instances/\(id)/ssh/", body: keyBody(publicKey), mayBeRepeated: true)
  }

  private func keyBody(_ publicKey: String) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { $0.member("ssh_key", publicKey) }
    return writer.bytes
  }

  func webhooks() async throws(VastError) -> VastReply {
    try await call(.registerWebhook, "GET", "/api/v0/webhooks/")
  }

  func addWebhook(_ url: String, _ eventTypes: [String]) async throws(VastError) -> VastReply {
    var writer = JSONWriter()
    writer.object { writer in
      writer.member("webhook_url", url)
      writer.array("event_types") { writer in for type in eventTypes { writer.element(type) } }
      writer.member("name", "vastd")
    }
    return try await call(.registerWebhook, "POST", "/api/v0/webhooks/", body: writer.bytes, mayBeRepeated: false)
  }

  func rotateWebhookSecret(_ id: Int64) async throws(VastError) -> VastReply {
    try await call(
      .registerWebhook, "POST", "/api/v0/webhooks/\(id)/rotate-secret/", body: Array("{}".utf8), mayBeRepeated: false)
  }

  /// Without a slash at the end, as the official client has it. The answer repeats the API key.
  func currentUser() async throws(VastError) -> VastReply {
    try await call(.account, "GET", "/api/v0/users/current")
  }

  func spendRate() async throws(VastError) -> VastReply {
    try await call(.spend, "GET", "/api/v0/users/spend-rate/")
  }

  // MARK: Charges and prices

  /// One page of what instances were charged on the UTC day that begins at `day`. The last second of the day ends it: so
  /// Vast's documentation gives whole days.
  func charges(day: Timestamp, after token: String?) async throws(VastError) -> VastReply {
    let first = day.microseconds / 1_000_000
    let last = day.nextMidnight.microseconds / 1_000_000 - 1
    var query = [
      ("select_filters", #"{"day":{"gte":\#(first),"lte":\#(last)},"type":{"in":["instance"]}}"#),
      ("latest_first", "false"), ("limit", String(Self.chargeLimit)), ("format", "table"),
    ]
    if let token { query.append(("after_token", token)) }
    return try await call(.charges, "GET", "/api/v0/charges/", query: query)
  }

  /// What the server gives at most.
  static let chargeLimit = 500

  func priceIncreases() async throws(VastError) -> VastReply {
    try await call(.priceIncreases, "GET", "/api/v0/instances/pending-price-increases/")
  }

  /// Any further member of the body is refused.
  func answerPriceIncrease(_ id: PriceIncreaseID, accept: Bool) async throws(VastError) -> VastReply {
    try await call(
      .answerPriceIncrease, "PUT", "/api/v0/instances/\(accept ? "accept" : "reject")-price-increase/",
      body: Array(#"{"pending_price_increase_id":\#(id)}"#.utf8), mayBeRepeated: false)
  }

  // MARK: Sending

  /// Throws only when there is no key to send.
  private func call(
    _ operation: MarketplaceOperation, _ method: String, _ path: String, query: [(String, String)] = [],
    body: [UInt8]? = nil, isPublic: Bool = false, mayBeRepeated: Bool? = nil
  ) async throws(VastError) -> VastReply {
    let key = isPublic ? "" : try credentials.key()
    var request = HTTPClientRequest(
      method: method, url: configuration.baseURL + path + Self.encoded(query), body: body,
      timeout: configuration.timeout, responseLimit: configuration.responseLimit, mayBeRepeated: mayBeRepeated)
    request.headers = [("Accept", "*/*")]
    if !isPublic { request.headers.append(("Authorization", "Bearer \(key)")) }
    if body != nil { request.headers.append(("Content-Type", "application/json")) }
    if let id = configuration.requestID(), Self.isPlainWord(id) { request.headers.append(("X-Request-Id", id)) }

    let start = ContinuousClock.now
    let outcome: Result<HTTPClientResponse, HTTPClientError>
    do throws(HTTPClientError) { outcome = .success(try await send(request)) } catch { outcome = .failure(error) }
    observe(operation, outcome.status, ContinuousClock.now - start)
    return VastReply(outcome, receivedAt: configuration.now(), secret: key)
  }

  private static func encoded(_ query: [(String, String)]) -> String {
    query.isEmpty ? "" : "?" + query.map { "\($0)=\(percentEncoded($1))" }.joined(separator: "&")
  }

  private static func percentEncoded(_ text: String) -> String {
    var encoded = ""
    for byte in text.utf8 {
      if isUnreserved(byte) {
        encoded.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        encoded += byte < 16 ? "%0" + digits : "%" + digits
      }
    }
    return encoded
  }

  private static func isPlainWord(_ text: String) -> Bool {
    (1...128).contains(text.utf8.count) && text.utf8.allSatisfy { isUnreserved($0) }
  }

  /// RFC 3986: never escaped, and safe in a header.
  private static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
      UInt8(ascii: "~"):
      true
    default: false
    }
  }
}

extension Result<HTTPClientResponse, HTTPClientError> {
  fileprivate var status: Int? {
    switch self {
    case .success(let response): response.status
    case .failure: nil
    }
  }
}
