import Domain
import HTTPClient
import JSON
import Testing

@testable import VastMarketplace

/// Every recorded answer means what its name says.
struct ResponseTests {
  enum Meaning: String {
    case accepted, unauthorized, insufficientCredit, offerGone, gone, rateLimited, quotaExceeded, refused, queued,
      unclear,
      serverFailed, unreadable
  }

  /// Everything that is not here is an accepted answer.
  static let failures: [String: Meaning] = [
    "bid_400_on_demand": .refused, "bulk_update_400_too_many": .refused, "charges_400_no_range": .refused,
    "create_400_insufficient_credit": .insufficientCredit, "create_400_invalid_price": .refused,
    "create_400_no_ssh_key_for_vm": .refused, "create_400_no_such_ask_live_form": .offerGone,
    "create_403_not_own_machine": .refused, "create_404_no_such_ask_doc_form": .offerGone,
    "create_410_no_such_ask": .offerGone, "create_stopped_contract_exists": .queued, "err_400_bad_query": .refused,
    "err_400_duplicate_param": .refused, "err_400_invalid_column": .refused, "err_400_invalid_json": .refused,
    "err_400_invalid_token": .refused, "err_401_2fa": .unauthorized, "err_401_generic": .unauthorized,
    "err_403_no_login": .unauthorized, "err_404_bad_key": .unauthorized, "err_404_session_expired": .unauthorized,
    "err_410_deprecated": .refused, "err_429_detail": .rateLimited, "err_429_error_msg": .rateLimited,
    "err_429_plain_text": .rateLimited, "err_429_retry_after": .rateLimited, "err_429_search_quota": .quotaExceeded,
    "err_500": .serverFailed, "err_502_html": .serverFailed, "err_503_copy": .serverFailed,
    "execute_400_running": .refused, "instances_v0_list_410": .refused, "invoices_v1_bad_range": .refused,
    "launch_offer_not_found": .refused, "logs_404": .gone, "logs_result": .unreadable,
    "logs_result_not_ready": .unreadable, "manage_404_no_such_instance": .gone, "reboot_200_not_started": .refused,
    "reboot_400_not_owned": .refused, "ssh_attach_already": .unclear, "ssh_keys_list_404_none": .gone,
    "start_400_missing_billing": .insufficientCredit, "start_queued": .queued, "volume_delete_409": .refused,
  ]

  private func meaning(_ response: HTTPClientResponse) -> (Meaning, VastError?) {
    do throws(VastError) {
      _ = try VastReply(.success(response), receivedAt: FakeVast.now, secret: FakeVast.key).accepted()
      return (.accepted, nil)
    } catch {
      let meaning: Meaning =
        switch error {
        case .unauthorized: .unauthorized
        case .insufficientCredit: .insufficientCredit
        case .offerGone: .offerGone
        case .gone: .gone
        case .rateLimited: .rateLimited
        case .quotaExceeded: .quotaExceeded
        case .refused: .refused
        case .queued: .queued
        case .unclear: .unclear
        case .serverFailed, .notSent, .noAnswer, .cancelled: .serverFailed
        case .unreadable: .unreadable
        }
      return (meaning, error)
    }
  }

  @Test func `every recorded answer means what its name says`() throws {
    let names = try Recordings.responseNames()
    #expect(names.count > 100)
    #expect(Set(Self.failures.keys).isSubset(of: names))
    for name in names.sorted() {
      let (found, _) = meaning(try Recordings.response(name))
      #expect(found == Self.failures[name] ?? .accepted, "\(name)")
    }
  }

  @Test func `every recorded instance and offer is read with its id`() throws {
    for name in try Recordings.responseNames() where name.hasPrefix("instance_") && name != "instance_gone" {
      let body = try JSONValue.parse(try Recordings.response(name).body)
      let row = try #require(body["instances"], "\(name)")
      let instance = try #require(MarketInstance(row: row), "\(name)")
      #expect(instance.id == MarketID(48_201_337), "\(name)")
      #expect(instance.machineID == 27_182, "\(name)")
    }
    for name in ["offers_ondemand", "offers_bid", "offers_truncated"] {
      guard case .array(let rows) = try JSONValue.parse(try Recordings.response(name).body)["offers"] else {
        throw Recordings.Missing(name: name)
      }
      #expect(rows.allSatisfy { Offer(row: $0) != nil }, "\(name)")
    }
  }

  // MARK: What the recordings do not show

  @Test(arguments: [
    (200, "", Meaning.unreadable), (200, "<html>", .unreadable), (200, "{\"cut\":", .unreadable),
    (200, #"{"success": "false", "error": "x"}"#, .refused), (200, #"{"success": 0}"#, .unclear),
    (200, #"{"success": false, "error": "no_such_ask"}"#, .offerGone),
    (200, #"{"success": false, "error": "auth_error"}"#, .unauthorized), (204, "", .accepted),
    (301, "", .refused), (307, "{}", .refused), (400, "", .unreadable), (400, "<html>", .unreadable),
    (400, "[]", .unreadable), (400, "{}", .refused), (400, #"{"detail": [{"loc": ["q"]}]}"#, .refused),
    (402, "{}", .insufficientCredit), (403, "Forbidden", .unauthorized), (403, "<html>", .unauthorized),
    (403, #"{"error": "spend_rate_limit"}"#, .refused), (404, "", .unreadable),
    (404, "<html>404</html>", .unreadable), (404, #"{"detail": "Not Found"}"#, .refused),
    (404, #"{"error": "not_found"}"#, .gone), (404, #"{"msg": "error 404/12: no_such_instance"}"#, .gone),
    (404, #"{"msg": "Invalid user key"}"#, .unauthorized), (408, "{}", .serverFailed), (429, "", .rateLimited),
    (418, "{}", .refused), (451, #"{"error": "what"}"#, .refused), (500, "{}", .serverFailed), (599, "", .serverFailed),
  ])
  func `an odd answer has one meaning`(status: Int, body: String, expected: Meaning) {
    #expect(meaning(.json(body, status: status)).0 == expected)
  }

  @Test func `the key and what could break a terminal are taken out of an error's text`() {
    let (_, error) = meaning(
      .json("{\"error\": \"auth_error\", \"msg\": \"bad \(FakeVast.key)\\u001b[2J\\u202e\\nnext\"}", status: 401))
    #expect(error == .unauthorized(detail: "HTTP 401: bad [key] [2J  next"))
  }

  @Test func `a long text is cut`() throws {
    let (_, error) = meaning(.json(String(repeating: "x", count: 100_000), status: 500))
    guard case .serverFailed(let detail) = error else { throw Recordings.Missing(name: "detail") }
    #expect(detail.count < 320)
  }

  @Test func `how long to wait is read from seconds, a date or the reset`() {
    func wait(_ headers: [(name: String, value: String)]) -> Duration? {
      guard case .rateLimited(let wait) = meaning(.json("{}", status: 429, headers: headers)).1 else {
        return .seconds(-1)
      }
      return wait
    }
    #expect(wait([]) == nil)
    #expect(wait([("Retry-After", "2")]) == .seconds(2))
    #expect(wait([("retry-after", " 0.5 ")]) == .milliseconds(500))
    #expect(wait([("Retry-After", "0")]) == .zero)
    #expect(wait([("Retry-After", "-5")]) == .zero)
    #expect(wait([("Retry-After", "Sat, 21 Nov 2026 12:00:30 GMT")]) == .seconds(30))
    #expect(wait([("Retry-After", "Sat, 21 Nov 2026 11:00:30 GMT")]) == .zero)
    #expect(wait([("X-RateLimit-Reset", "1795262460")]) == .seconds(60))
    #expect(wait([("Retry-After", "soon"), ("X-RateLimit-Reset", "1795262460")]) == .seconds(60))
    for nonsense in ["soon", "", "1e300", "nan", "inf", "Sat, 99 Nov 2026 12:00:30 GMT", "Sat, 21 Nov 2026"] {
      #expect(wait([("Retry-After", nonsense)]) == nil, "\(nonsense)")
    }
  }

  @Test func `the daily quota says when it ends`() throws {
    #expect(meaning(try Recordings.response("err_429_search_quota")).1 == .quotaExceeded(retryAfter: .seconds(19_200)))
  }
}
