import Domain
import HTTPClient
import JSON

/// What came of one call, before anybody judges it: an answer with any status, or none.
package struct VastReply: Sendable {
  let outcome: Result<HTTPClientResponse, HTTPClientError>
  /// The body, when it is JSON.
  let json: JSONValue?
  /// When it came, by the wall clock: dates in headers are told from it.
  let receivedAt: Timestamp
  /// The key that the call carried. Some services repeat what they refuse; `presentable` takes it out.
  private let secret: String

  init(_ outcome: Result<HTTPClientResponse, HTTPClientError>, receivedAt: Timestamp, secret: String = "") {
    self.outcome = outcome
    self.receivedAt = receivedAt
    self.secret = secret
    json =
      switch outcome {
      case .success(let response): Self.parse(response.body)
      case .failure: nil
      }
  }

  /// Most answers that are no JSON are HTML pages of gateways, so that is no error here.
  private static func parse(_ body: [UInt8]) -> JSONValue? {
    do throws(JSONError) { return try JSONValue.parse(body) } catch { return nil }
  }

  /// Text of the provider's, fit for an error.
  func presentable(_ text: String) -> String {
    (secret.isEmpty ? text : text.replacing(secret, with: "[key]")).presentable()
  }
}
