import Domain
import JSON
import Store
import TestSupport
import Testing

@Suite struct SettingsCallTests {
  @Test func `settings show their values and where each comes from`() async throws {
    let world = try APIWorld()
    let before = try await world.call("GET", "/v1/settings").json
    #expect(before["rate_limit_mode"] == .string("queue"))
    #expect(before["fallback"] == .bool(false))
    #expect(before["poll_interval_s"] == .integer(30) || before["poll_interval_s"] == .number(30))
    for name in ["rate_limit_mode", "fallback", "poll_interval_s"] {
      #expect(before["sources"]?[name] == .string("configuration"))
    }
    let changed = try await world.call("PUT", "/v1/settings", #"{"rate_limit_mode":"reject","poll_interval_s":0.25}"#)
    #expect(changed.status == 200)
    let after = try await world.call("GET", "/v1/settings")
    #expect(after.body == changed.body)
    #expect(try after.json["rate_limit_mode"] == .string("reject"))
    #expect(try after.json["poll_interval_s"] == .number(0.25))
    #expect(try after.json["sources"]?["poll_interval_s"] == .string("api"))
    #expect(try after.json["sources"]?["fallback"] == .string("configuration"))
    await world.close()
  }

  @Test func `null gives a setting back, and what is left out stays`() async throws {
    let world = try APIWorld()
    _ = try await world.call("PUT", "/v1/settings", #"{"rate_limit_mode":"reject","fallback":true}"#)
    let answer = try await world.call("PUT", "/v1/settings", #"{"rate_limit_mode":null}"#).json
    #expect(answer["rate_limit_mode"] == .string("queue"))
    #expect(answer["sources"]?["rate_limit_mode"] == .string("configuration"))
    #expect(answer["fallback"] == .bool(true))
    #expect(try await world.call("PUT", "/v1/settings", "{}").json["fallback"] == .bool(true))
    await world.close()
  }

  @Test(arguments: [
    (#"{"rate_limit_mode":"shrug"}"#, "/rate_limit_mode"), (#"{"rate_limit_mode":1}"#, "/rate_limit_mode"),
    (#"{"fallback":"true"}"#, "/fallback"), (#"{"fallback":1}"#, "/fallback"),
    (#"{"poll_interval_s":0.09}"#, "/poll_interval_s"), (#"{"poll_interval_s":3601}"#, "/poll_interval_s"),
    (#"{"poll_interval_s":"30"}"#, "/poll_interval_s"), (#"{"pacing":0}"#, "/pacing"), (#"{"sources":{}}"#, "/sources"),
  ])
  func `a wrong setting is named, and then nothing is changed`(body: String, pointer: String) async throws {
    let world = try APIWorld()
    let mixed = #"{"fallback":true,"# + body.dropFirst()
    for text in pointer == "/fallback" ? [body] : [body, mixed] {
      let response = try await world.call("PUT", "/v1/settings", text)
      #expect(response.status == 422)
      #expect(try response.pointers == [pointer])
    }
    #expect(try await world.call("GET", "/v1/settings").json["fallback"] == .bool(false))
    await world.close()
  }

  @Test func `settings are for who has the token, in the shape that is asked for`() async throws {
    let world = try APIWorld()
    #expect(try await world.call("GET", "/v1/settings", token: nil).status == 401)
    #expect(try await world.call("PUT", "/v1/settings", #"{"fallback":true}"#, token: nil).status == 401)
    #expect(try await world.call("GET", "/v1/settings?x=1").status == 400)
    #expect(try await world.call("PUT", "/v1/settings?x=1", "{}").status == 400)
    #expect(try await world.call("PUT", "/v1/settings", "[]").status == 422)
    #expect(try await world.call("PUT", "/v1/settings", "{").status == 400)
    #expect(try await world.call("PUT", "/v1/settings", "{}", headers: [("Content-Type", "text/plain")]).status == 415)
    #expect(try await world.call("GET", "/v1/settings").json["fallback"] == .bool(false))
    await world.close()
  }

  @Test func `settings that cannot be kept are not in force`() async throws {
    let world = try APIWorld()
    await world.store.close()
    let response = try await world.call("PUT", "/v1/settings", #"{"fallback":true}"#)
    #expect(response.status >= 500)
    #expect(try await world.call("GET", "/v1/settings").json["fallback"] == .bool(false))
    await world.close()
  }
}
