import JSON
import Testing

@testable import Simulator

@Suite struct SearchTests {
  var fixture = Fixture()

  private mutating func search(_ body: String) throws -> [JSONValue] {
    let answer = try fixture.call("search", body: body, key: nil)
    #expect(answer.status == 200)
    return try #require(answer.body["offers"]?.asArray)
  }

  @Test(arguments: [
    (#"{"num_gpus": {"eq": "8"}}"#, [27185, 27250]),
    (#"{"num_gpus": {"eq": 8}}"#, [27185, 27250]),
    (#"{"gpu_name": {"eq": "H100 SXM"}, "num_gpus": {"gte": "2", "lt": 8}}"#, [27250]),
    (#"{"gpu_name": {"in": ["Tesla V100", "L40S"]}}"#, [27230, 27260]),
    (#"{"gpu_name": {"eq": "RTX 3060"}, "machine_id": {"notin": [27210]}}"#, []),
    (#"{"geolocation": {"eq": "VN"}}"#, [27187, 27188]),
    (#"{"geolocation": {"in": ["NO", "BG"]}}"#, [27201, 27210]),
    (#"{"verified": {"eq": false}}"#, [27187, 27188]),
    (#"{"datacenter": {"eq": true}, "dph_total": {"lt": "0.5"}}"#, [27185]),
    (#"{"external": {"eq": false}, "cuda_max_good": {"gte": 12.9}}"#, [27201, 27202]),
    (#"{"cpu_cores": {"eq": null}}"#, [27191]),
    (#"{"reliability": {"gt": "0.999"}}"#, [27185, 27250]),
    // A 24 GB card reports less than 24 times 1024.
    (#"{"gpu_name": {"eq": "RTX 4090"}, "gpu_ram": {"gte": 24576}}"#, []),
    (#"{"gpu_name": {"eq": "RTX_4090"}}"#, []),
    (#"{"id": {"eq": 31018400}}"#, []),
    (#"{"ask_contract_id": {"eq": 31018400}}"#, [27184]),
    (#"{"nothing_like_it": {"eq": 1}, "num_gpus": {"eq": 8}}"#, [27185, 27250]),
    (#"{"num_gpus": {"eq": 0}}"#, [27270]),
    (#"{"num_gpus": {"eq": 0}, "rentable": {"eq": true}}"#, []),
  ])
  mutating func `filters take numbers and texts, and know the service's oddities`(_ query: String, machines: [Int])
    throws
  {
    let rows = try search(query)
    #expect(Set(rows.compactMap { $0["machine_id"]?.asInt }) == Set(machines))
  }

  @Test mutating func `a filter that is no object of operators is refused`() throws {
    for query in [#"{"gpu_name": "RTX 4090"}"#, #"{"gpu_name": {"like": "RTX"}}"#] {
      let answer = try fixture.call("search", body: query)
      #expect(answer.status == 400)
      #expect(answer.body["msg"]?.asText == "q.gpu_name: Input should be a valid dictionary")
    }
  }

  @Test mutating func `unknown filters are refused when told to`() throws {
    try fixture.control("POST", "settings", #"{"strict_filters": true}"#)
    #expect(try fixture.call("search", body: #"{"nothing_like_it": {"eq": 1}}"#).status == 400)
  }

  @Test mutating func `rows come in the order asked for, and as many`() throws {
    let prices = try search(#"{"order": [["dph_total", "asc"]], "limit": 7}"#).compactMap { $0["dph_total"]?.asNumber }
    #expect(prices.count == 7)
    #expect(prices == prices.sorted())
    let scores = try search("{}").compactMap { $0["score"]?.asNumber }
    #expect(scores == scores.sorted(by: >))
    // Rows without the value are last, either way.
    for direction in ["asc", "desc"] {
      let floors = try search(#"{"gpu_name": {"eq": "RTX 3090"}, "order": [["min_bid", "\#(direction)"]]}"#).map {
        $0["min_bid"]
      }
      #expect(floors.last == .some(.null))
    }
  }

  @Test mutating func `no answer has more than 64 rows`() throws {
    let many = (1...100).map { Offer(id: $0, machine: Catalogue.machines[2], slots: 0..<1) }
    fixture = Fixture(offers: many)
    let answer = try fixture.call("search", body: #"{"limit": 3000}"#)
    #expect(answer.body["offers"]?.asArray?.count == 64)
    #expect(answer.body["truncated"] == .bool(true))
  }

  @Test mutating func `the price holds the disk that was asked for, and a bid's its floor`() throws {
    let plain = try search(#"{"ask_contract_id": {"eq": 31018400}, "allocated_storage": 100}"#)[0]
    #expect(abs((plain["dph_total"]?.asNumber ?? 0) - (0.29 + 100 * 0.15 / 720)) < 1e-12)
    let bid = try search(#"{"ask_contract_id": {"eq": 31018400}, "type": "bid", "allocated_storage": 0}"#)[0]
    #expect(bid["dph_total"]?.asNumber == 0.13)
    #expect(bid["is_bid"] == .bool(true))
  }

  @Test mutating func `a rented GPU takes every offer that holds it away, and a destroy brings them back`() throws {
    let query = #"{"machine_id": {"eq": 27183}, "rentable": {"eq": true}}"#
    #expect(try search(query).count == 3)
    let id = try fixture.create(offer: 31_018_300)
    #expect(try search(query).compactMap { $0["id"]?.asInt } == [31_018_301])
    #expect(try search(#"{"machine_id": {"eq": 27183}}"#).count == 3)
    _ = try fixture.call("destroy", id)
    #expect(try search(query).count == 3)
  }

  @Test mutating func `the catalogue's names need no key, and the other forms of search agree`() throws {
    let names = try fixture.call("gpu_names", key: nil).body["gpu_names"]?.asArray?.compactMap(\.asText)
    #expect(names?.contains("RTX 4090") == true)
    let post = try search(#"{"num_gpus": {"eq": 2}, "limit": 5}"#)
    let get = try fixture.call("search_get", query: [("q", #"{"num_gpus": {"eq": 2}, "limit": 5}"#)], key: nil)
    let new = try fixture.call("search_new", body: #"{"select_cols": ["*"], "q": {"num_gpus": {"eq": 2}, "limit": 5}}"#)
    #expect(get.body["offers"] == .array(post))
    #expect(new.body["offers"] == .array(post))
  }
}
