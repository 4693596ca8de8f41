import Domain
import HTTPClient
import JSON
import Locking
import VastMarketplace

/// Stands in for the transport: gives the answers that a test lines up, and keeps what was asked.
final class FakeVast: Sendable {
  typealias Answer = Result<HTTPClientResponse, HTTPClientError>

  private struct State {
    var answers: [Answer]
    var requests: [HTTPClientRequest] = []
  }

  private let state: Locked<State>

  init(_ answers: Answer...) { state = Locked(State(answers: answers)) }

  static func recorded(_ names: String...) throws -> FakeVast {
    let vast = FakeVast()
    for name in names { vast.add(.success(try Recordings.response(name))) }
    return vast
  }

  func add(_ answer: Answer) { state.withLock { $0.answers.append(answer) } }

  var requests: [HTTPClientRequest] { state.withLock { $0.requests } }

  func send(_ request: HTTPClientRequest) throws(HTTPClientError) -> HTTPClientResponse {
    let answer = state.withLock { state -> Answer in
      state.requests.append(request)
      return state.answers.isEmpty ? .failure(.notSent(reason: "no answer was lined up")) : state.answers.removeFirst()
    }
    return try answer.get()
  }

  var marketplace: VastMarketplace { marketplace() }

  func marketplace(
    configure: (inout VastConfiguration) -> Void = { _ in },
    turn: @escaping VastMarketplace.Turn = { _ in }, observe: @escaping VastClient.Observer = { _, _, _ in }
  ) -> VastMarketplace {
    var configuration = VastConfiguration()
    configuration.now = { FakeVast.now }
    configure(&configuration)
    let client = VastClient(
      configuration: configuration, credentials: VastCredentials(source: .key(Self.key)),
      send: { request async throws(HTTPClientError) in try self.send(request) }, observe: observe)
    return VastMarketplace(client: client, turn: turn)
  }

  static let key = "0123456789abcdef-the-key"
  /// 2026-11-21T12:00:00Z
  static let now = Timestamp(seconds: 1_795_262_400)
}

extension HTTPClientResponse {
  static func json(_ text: String, status: Int = 200, headers: [(name: String, value: String)] = []) -> Self {
    HTTPClientResponse(status: status, headers: headers, body: Array(text.utf8), duration: .zero)
  }
}

extension HTTPClientRequest {
  var path: String { String(url.dropFirst(VastConfiguration.defaultURL.count).prefix { $0 != "?" }) }

  /// The decoded query; values that are JSON are read as such.
  var query: JSONValue {
    guard let start = url.firstIndex(of: "?") else { return .object(JSONObject()) }
    let pairs = url[url.index(after: start)...].split(separator: "&").map { pair in
      let parts = pair.split(separator: "=", maxSplits: 1).map { Self.decoded(String($0)) }
      return JSONObject.Member(name: parts[0], value: (try? JSONValue.parse(parts[1].utf8)) ?? .string(parts[1]))
    }
    return .object(JSONObject(pairs))
  }

  private static func decoded(_ text: String) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// What a call threw; nil when it did not.
func failure<Answer>(_ call: () async throws(MarketplaceError) -> Answer) async -> MarketplaceError? {
  do throws(MarketplaceError) {
    _ = try await call()
    return nil
  } catch {
    return error
  }
}
