import Domain
import JSON
import TestSupport
import Testing

@Suite struct IdempotencyTests {
  private let body = #"{"command":"true"}"#

  @Test func `the same key and body give the first answer again`() async throws {
    let world = try APIWorld()
    let first = try await world.call("POST", "/v1/jobs", body, headers: [("Idempotency-Key", "key-1")])
    let again = try await world.call("POST", "/v1/jobs", body, headers: [("Idempotency-Key", "\"key-1\"")])
    #expect(first.status == 201 && again.status == 201)
    #expect(again.body == first.body && again.header("location") == first.header("location"))
    #expect(first.header("idempotent-replayed") == nil && again.header("idempotent-replayed") == "true")
    // Also when the job has moved on since.
    guard case .string(let text) = try first.json["id"], let id = ID<Job>(text) else { throw Unexpected(what: "id") }
    try await world.move(id, [.placed])
    #expect(try await world.call("POST", "/v1/jobs", body, headers: [("Idempotency-Key", "key-1")]).body == first.body)
    #expect(try await world.jobCount() == 1)
    await world.close()
  }

  @Test func `the same key with another body is refused`() async throws {
    let world = try APIWorld()
    _ = try await world.call("POST", "/v1/jobs", body, headers: [("Idempotency-Key", "key-1")])
    let other = try await world.call("POST", "/v1/jobs", body + " ", headers: [("Idempotency-Key", "key-1")])
    #expect(other.status == 422)
    #expect(try other.json["code"] == .string("idempotency_key_reused"))
    #expect(try await world.jobCount() == 1)
    await world.close()
  }

  @Test func `a wrong body uses no key up`() async throws {
    let world = try APIWorld()
    let headers = [("Idempotency-Key", "key-1")]
    #expect(try await world.call("POST", "/v1/jobs", "{}", headers: headers).status == 422)
    #expect(try await world.call("POST", "/v1/jobs", body, headers: headers).status == 201)
    await world.close()
  }

  @Test func `many at once with one key make one job`() async throws {
    let world = try APIWorld()
    let bodies = try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
      for _ in 0..<24 {
        group.addTask {
          let response = try await world.call("POST", "/v1/jobs", body, headers: [("Idempotency-Key", "one")])
          return (response.status, response.body)
        }
      }
      return try await group.reduce(into: [(Int, [UInt8])]()) { $0.append($1) }
    }
    #expect(bodies.allSatisfy { $0.0 == 201 || $0.0 == 409 })
    #expect(Set(bodies.filter { $0.0 == 201 }.map(\.1)).count == 1)
    #expect(try await world.jobCount() == 1)
    await world.close()
  }

  @Test func `one key means one thing on each route, and one job on retry`() async throws {
    let world = try APIWorld()
    let headers = [("Idempotency-Key", "key-1")]
    var failed: [ID<Job>] = []
    for _ in 0..<2 {
      let id = try await world.submit()
      try await world.move(id, [.gaveUp, .finishedBadly]) { $0.outcome = .failed }
      failed.append(id)
    }
    #expect(try await world.call("POST", "/v1/jobs", body, headers: headers).status == 201)
    let first = try await world.call("POST", "/v1/jobs/\(failed[0])/retry", nil, headers: headers)
    #expect(first.status == 201 && first.header("idempotent-replayed") == nil)
    let again = try await world.call("POST", "/v1/jobs/\(failed[0])/retry", nil, headers: headers)
    #expect(again.header("idempotent-replayed") == "true" && again.body == first.body)
    #expect(try await world.call("POST", "/v1/jobs/\(failed[1])/retry", nil, headers: headers).status == 422)
    await world.close()
  }

  @Test func `instances are made once for a key`() async throws {
    let world = try APIWorld()
    let request = #"{"resources":{},"image":"a","count":2}"#
    let headers = [("Idempotency-Key", "key-1")]
    let first = try await world.call("POST", "/v1/instances", request, headers: headers)
    let again = try await world.call("POST", "/v1/instances", request, headers: headers)
    #expect(first.status == 202 && again.status == 202 && again.body == first.body)
    guard case .array(let items) = try await world.call("GET", "/v1/instances").json["items"] else {
      throw Unexpected(what: "no items")
    }
    #expect(items.count == 2)
    await world.close()
  }

  @Test(arguments: ["", "a b", "\"half", String(repeating: "k", count: 256)])
  func `an unusable key is refused before anything is made`(key: String) async throws {
    let world = try APIWorld()
    #expect(try await world.call("POST", "/v1/jobs", body, headers: [("Idempotency-Key", key)]).status == 400)
    #expect(
      try await world.call("POST", "/v1/jobs", body, headers: [("Idempotency-Key", "a"), ("Idempotency-Key", "a")])
        .status == 400)
    #expect(try await world.jobCount() == 0)
    await world.close()
  }
}

extension APIWorld {
  func jobCount() async throws -> Int {
    guard case .array(let items) = try await call("GET", "/v1/jobs").json["items"] else { return -1 }
    return items.count
  }
}
