import HTTPServer
import Testing

@testable import API

@Suite struct AuthenticationTests {
  static let secret = "correct-horse-battery-staple"

  private func attempt(_ values: [String], configured: Bool = true) throws -> Result<String, APIError> {
    let token = configured ? try AccessToken(bootstrap: Self.secret) : nil
    let head = try #require(
      RequestHead(method: .get, target: "/v1/jobs", headers: values.map { ("Authorization", $0) }))
    do throws(APIError) {
      return .success(try Authenticator(token: token).principal(of: head, for: .operate))
    } catch {
      return .failure(error)
    }
  }

  @Test(arguments: [
    "Bearer correct-horse-battery-staple", "bearer correct-horse-battery-staple", "BEARER correct-horse-battery-staple",
    "Bearer   correct-horse-battery-staple",
  ])
  func `the token lets in, whatever the case of its scheme`(value: String) throws {
    #expect(try attempt([value]) == .success("bootstrap"))
  }

  @Test(arguments: [
    "Bearer", "Bearer ", "correct-horse-battery-staple", "Basic correct-horse-battery-staple", "Bearercorrect-horse",
    "Bearer correct-horse-battery-stapl", "Bearer correct-horse-battery-staplee", "Bearer Correct-horse-battery-staple",
    "Bearer correct-horse-battery-staple,x", "Token correct-horse-battery-staple",
    "Bearer " + String(repeating: "a", count: 100_000),
  ])
  func `anything else in the header is a wrong token`(value: String) throws {
    #expect(try attempt([value]) == .failure(.unauthenticated(wasTokenShown: true)))
  }

  @Test func `no header is a missing token, two are no request`() throws {
    #expect(try attempt([]) == .failure(.unauthenticated(wasTokenShown: false)))
    let good = "Bearer " + Self.secret
    #expect(throws: Never.self) { try attempt([good]).get() }
    guard case .failure(.malformedRequest) = try attempt([good, good]) else {
      Issue.record("two headers were taken")
      return
    }
  }

  @Test func `without a configured token everybody is the local caller`() throws {
    #expect(try attempt([], configured: false) == .success("local"))
    #expect(try attempt(["Basic x"], configured: false) == .success("local"))
  }

  @Test func `a token must be long and plain enough to be one`() throws {
    #expect(throws: AccessToken.Weakness.tooShort(minimum: 16)) { try AccessToken(bootstrap: "changeme") }
    #expect(throws: AccessToken.Weakness.tooShort(minimum: 16)) { try AccessToken(bootstrap: " \n") }
    #expect(throws: AccessToken.Weakness.unusableCharacters) { try AccessToken(bootstrap: "sixteen letters or more") }
    #expect(throws: AccessToken.Weakness.tooLong(maximum: 4096)) {
      try AccessToken(bootstrap: String(repeating: "a", count: 4097))
    }
    // A file ends in a line end, and an editor may have added more.
    let fromFile = try AccessToken(bootstrap: "\n" + Self.secret + " \n")
    #expect(fromFile.digest == (try AccessToken(bootstrap: Self.secret)).digest)
  }

  @Test func `a scope includes those before it`() {
    #expect(Scope.read < .operate && .operate < .admin && .read < .admin)
  }

  @Test(
    arguments: [
      ("127.0.0.1:8080", nil), ("localhost", nil), ("LOCALHOST:1", nil), ("[::1]:8080", nil), ("127.9.9.9", nil),
      (nil, nil),
      ("localhost:8080", "http://localhost:3000"), ("127.0.0.1", "https://[::1]"),
    ] as [(String?, String?)])
  func `without a token this machine's own programs are let in`(host: String?, origin: String?) throws {
    #expect(LocalCaller.isPlausible(host: host, origin: origin))
  }

  @Test(
    arguments: [
      ("evil.example.com:8080", nil), ("127.0.0.1.evil.example.com", nil), ("localhost.evil.example.com", nil),
      ("10.0.0.1", nil), ("127.0.0.256", nil), ("127.1", nil), ("[::2]", nil), ("", nil),
      ("127.0.0.1:8080", "http://evil.example.com"), ("127.0.0.1:8080", "null"), ("localhost", "file://localhost"),
    ] as [(String?, String?)])
  func `without a token a page of the web is not let in by a name that it chose`(host: String?, origin: String?) throws
  {
    #expect(!LocalCaller.isPlausible(host: host, origin: origin))
  }

  @Test func `with a token it is the token that counts`() throws {
    let head = try #require(
      RequestHead(
        method: .get, target: "/v1/jobs",
        headers: [
          ("Host", "vastd.internal.example.com"), ("Origin", "http://tools.example.com"),
          ("Authorization", "Bearer " + Self.secret),
        ]))
    let token = try AccessToken(bootstrap: Self.secret)
    #expect(try Authenticator(token: token).principal(of: head, for: .admin) == "bootstrap")
    #expect(throws: APIError.self) {
      try Authenticator(token: nil).principal(of: head, for: .read)
    }
  }
}
