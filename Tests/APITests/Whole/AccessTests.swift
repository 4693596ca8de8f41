import API
import HTTPServer
import JSON
import TestSupport
import Testing

/// Who gets in, over real sockets.
@Suite struct AccessTests {
  @Test func `every route but the system's asks for the token, and takes it`() async throws {
    let world = try APIWorld()
    for route in world.api.routes {
      let (method, target) = (route.method.rawValue, route.template.withID)
      for (token, code) in [(nil, "token_missing"), ("wrong-token-of-some-length", "invalid_token")] {
        let response = try await world.call(method, target, token: token)
        guard route.scope != nil else {
          #expect(response.status != 401, "\(route.operation)")
          continue
        }
        #expect(response.status == 401, "\(route.operation) \(response.text)")
        #expect(try response.json["code"] == .string(code))
        let challenge = try #require(response.header("www-authenticate"))
        #expect(challenge.hasPrefix("Bearer") && challenge.contains("invalid_token") == (token != nil))
      }
      // A stream has no end that could be waited for.
      let allowed = try await world.call(route.operation == .streamEvents ? "HEAD" : method, target)
      #expect(![401, 403].contains(allowed.status), "\(route.operation)")
    }
    await world.close()
  }

  @Test(arguments: ["/v1", "/v1/", "/v1/nothing", "/v1/jobs/x/y/z", "/v1x"])
  func `below v1 nothing is told to who has no token, not even that it is not there`(path: String) async throws {
    let world = try APIWorld()
    #expect(try await world.call("GET", path, token: nil).status == 401)
    #expect(try await world.call("GET", path).status == 404)
    await world.close()
  }

  @Test func `the token is taken from one place only`() async throws {
    let world = try APIWorld()
    let token = APIWorld.token
    let refused: [(String, [(String, String)])] = [
      ("/v1/jobs?token=\(token)", []), ("/v1/jobs?access_token=\(token)", []),
      ("/v1/jobs", [("Cookie", "token=\(token)")]), ("/v1/jobs", [("Authorization", "Basic \(token)")]),
      ("/v1/jobs", [("X-Api-Key", token)]), ("/v1/jobs", [("Proxy-Authorization", "Bearer \(token)")]),
      ("/v1/jobs", [("Authorization", "Bearer \(token)x")]), ("/v1/jobs", [("Authorization", token)]),
    ]
    for (target, headers) in refused {
      #expect(try await world.call("GET", target, headers: headers, token: nil).status == 401, "\(target) \(headers)")
    }
    let lower = try await world.call("GET", "/v1/jobs", headers: [("authorization", "bearer \(token)")], token: nil)
    #expect(lower.status == 200, "the scheme's case does not matter")
    let twice = try await world.call("GET", "/v1/jobs", headers: [("Authorization", "Bearer \(token)")])
    #expect(twice.status == 400)
    let huge = try await world.call("GET", "/v1/jobs", token: String(repeating: "a", count: 12_000))
    #expect(huge.status == 401)
    await world.close()
  }

  @Test func `without a token configured everybody is let in`() async throws {
    let world = try APIWorld(token: nil)
    #expect(try await world.call("GET", "/v1/jobs", token: nil).status == 200)
    #expect(try await world.call("GET", "/v1/jobs", token: "whatever").status == 200)
    await world.close()
  }

  @Test func `the probe listener has probes and metrics and nothing else`() async throws {
    let world = try APIWorld(probes: true) { $0.servesMetrics = false }
    #expect(world.api.routes.map(\.template) == ["/health", "/livez", "/readyz", "/metrics"])
    for path in ["/health", "/livez", "/readyz", "/metrics"] {
      #expect(try await world.call("GET", path, token: nil).status == 200)
    }
    #expect(try await world.call("GET", "/openapi.yaml", token: nil).status == 404)
    #expect(try await world.call("GET", "/v1/jobs", token: nil).status == 404)
    await world.close()
  }

  @Test func `beside a probe listener the API has no metrics`() async throws {
    let world = try APIWorld { $0.servesMetrics = false }
    #expect(try await world.call("GET", "/metrics").status == 404)
    #expect(try await world.call("GET", "/livez").status == 200)
    await world.close()
  }
}
