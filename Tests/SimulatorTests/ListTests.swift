import JSON
import Testing

@testable import Simulator

@Suite struct ListTests {
  /// 60 contracts, labels a and b in turn, on machines of their own.
  private func full() throws -> Fixture {
    let offers = (1...60).map { number in
      var machine = Catalogue.machines[2]
      machine.id = number
      return Offer(id: number, machine: machine, slots: 0..<1)
    }
    var fixture = Fixture(offers: offers)
    for number in 1...60 {
      _ = try fixture.create(offer: number, ", \"label\": \"\(number % 2 == 0 ? "b" : "a")\"")
    }
    return fixture
  }

  private func pages(_ fixture: inout Fixture, _ query: [(String, String)]) throws -> [[JSONValue]] {
    var pages: [[JSONValue]] = []
    var token: String?
    repeat {
      let answer = try fixture.call("list", query: query + (token.map { [("after_token", $0)] } ?? []))
      pages.append(try #require(answer.body["instances"]?.asArray))
      token = answer.body["next_token"]?.asText
    } while token != nil && pages.count < 20
    return pages
  }

  @Test func `pages hold 25 at most, and every contract is on one of them`() throws {
    var fixture = try full()
    for limit in ["25", "100"] {
      let pages = try pages(&fixture, [("limit", limit)])
      #expect(pages.map(\.count) == [25, 25, 10])
      #expect(pages.joined().compactMap { $0["id"]?.asInt } == Array(1...60))
    }
    #expect(try fixture.call("list", query: [("limit", "0")]).body["instances_found"]?.asInt == 5)
  }

  @Test func `a page goes on where the last ended although rows came and went`() throws {
    var fixture = try full()
    let first = try fixture.call("list").body
    _ = try fixture.call("destroy", 3)
    _ = try fixture.call("destroy", 25)
    let token = try #require(first["next_token"]?.asText)
    let second = try fixture.call("list", query: [("after_token", token)]).body["instances"]?.asArray
    #expect(second?.first?["id"]?.asInt == 26)
  }

  @Test func `another order pages too, with the number as the last resort`() throws {
    var fixture = try full()
    let order = #"[{"col": "label", "dir": "desc"}, {"col": "id", "dir": "desc"}]"#
    let ids = try pages(&fixture, [("order_by", order)]).joined().compactMap { $0["id"]?.asInt }
    #expect(
      ids == Array((1...60).filter { $0 % 2 == 0 }.reversed()) + Array((1...60).filter { $0 % 2 == 1 }.reversed()))
  }

  @Test func `filters look at stored columns only, and totals count over all pages`() throws {
    var fixture = try full()
    let answer = try fixture.call(
      "list", query: [("select_filters", #"{"label": {"in": ["a", null]}}"#), ("limit", "10")])
    #expect(answer.body["total_instances"]?.asInt == 30)
    #expect(answer.body["instances_found"]?.asInt == 10)
    #expect(answer.body["label_counts"]?["a"]?.asInt == 30)
    let computed = try fixture.call("list", query: [("select_filters", #"{"dph_total": {"lt": 1}}"#)])
    #expect(computed.status == 400)
    #expect(computed.body["error"]?.asText == "invalid_request")
  }

  @Test func `columns may be chosen, and unknown ones are null`() throws {
    var fixture = try full()
    let answer = try fixture.call("list", query: [("select_cols", #"["id", "nonsense"]"#), ("limit", "1")])
    #expect(answer.body["instances"]?.asArray?.first?.asObject?.members.map(\.name) == ["id", "nonsense"])
  }

  @Test(arguments: ["bm9uc2Vuc2U=", "not base64!", "e30="])
  func `a token that is none is refused`(_ token: String) throws {
    var fixture = try full()
    let answer = try fixture.call("list", query: [("after_token", token)])
    #expect(answer.status == 400)
    #expect(answer.body["error"]?.asText == "invalid_token")
  }

  @Test func `a label that looks like a number is a text, and an empty one is none`() throws {
    var fixture = Fixture()
    let id = try fixture.create(", \"label\": \"07\"")
    func count(_ filter: String) throws -> Int? {
      var fixture = fixture
      return try fixture.call("list", query: [("select_filters", filter)]).body["total_instances"]?.asInt
    }
    #expect(try count(#"{"label": {"eq": "7"}}"#) == 0)
    #expect(try count(#"{"label": {"eq": "07"}}"#) == 1)
    _ = try fixture.call("manage", id, body: #"{"label": ""}"#)
    #expect(try count(#"{"label": {"eq": null}}"#) == 1)
  }

  @Test func `the old list is gone, unless it is switched on`() throws {
    var fixture = try full()
    #expect(try fixture.call("list_v0").status == 410)
    try fixture.control("POST", "settings", #"{"v0_list": true}"#)
    #expect(try fixture.call("list_v0").body["instances"]?.asArray?.count == 60)
  }

  @Test func `bulk stop and destroy take 64 and do what they can`() throws {
    var fixture = try full()
    let many = (1...65).map(String.init).joined(separator: ",")
    #expect(try fixture.call("manage_bulk", body: #"{"state": "stopped", "ids": [\#(many)]}"#).status == 400)
    #expect(try fixture.call("manage_bulk", body: #"{"state": "stopped", "ids": [1, 2, 999]}"#).status == 200)
    #expect(try fixture.status(2).hasSuffix("stopped stopped stopped"))
    #expect(try fixture.call("destroy_bulk", body: #"{"instance_ids": [1, 2, 999]}"#).status == 200)
    #expect(try fixture.call("destroy_bulk", body: #"{"instance_ids": [1, 2]}"#).status == 404)
    #expect(try fixture.call("list").body["total_instances"]?.asInt == 58)
  }
}
