import Domain
import HTTPServer
import JSON
import TestSupport
import Testing

@Suite struct LogAndResultTests {
  @Test func `a log is read from any byte on`() async throws {
    let world = try APIWorld()
    let id = try await world.submit()
    let early = try await world.call("GET", "/v1/jobs/\(id)/logs")
    #expect(early.status == 200 && early.body.isEmpty && early.header("x-log-complete") == "false")
    try world.appendLog(id, "0123456789")
    #expect(try await world.call("GET", "/v1/jobs/\(id)/logs").text == "0123456789")
    let part = try await world.call("GET", "/v1/jobs/\(id)/logs?offset=4")
    #expect(part.text == "456789")
    #expect(part.header("content-type") == "text/plain; charset=utf-8")
    #expect(try await world.call("GET", "/v1/jobs/\(id)/logs?offset=10").body.isEmpty)
    for query in ["offset=11", "offset=-1", "offset=a", "follow=yes", "tail=5"] {
      #expect(try await world.call("GET", "/v1/jobs/\(id)/logs?\(query)").status == 400, "\(query)")
    }
    try await world.finish(id, results: Archives.good)
    #expect(try await world.call("GET", "/v1/jobs/\(id)/logs").header("x-log-complete") == "true")
    await world.close()
  }

  @Test func `bytes of a log come as they are, whatever they are`() async throws {
    let world = try APIWorld()
    let id = try await world.submit()
    try world.appendLog(id, "\u{1B}]0;title\u{7}\0<script>")
    #expect(try await world.call("GET", "/v1/jobs/\(id)/logs").text == "\u{1B}]0;title\u{7}\0<script>")
    await world.close()
  }

  @Test func `a follower gets what is added, from its byte on, and the end`() async throws {
    let world = try APIWorld()
    let id = try await world.submit()
    try world.appendLog(id, "one\n")
    try await world.move(id, [.placed, .ready, .launched])
    let client = try RawClient(port: world.server.port)
    await client.send(world.request("GET", "/v1/jobs/\(id)/logs?follow=true&offset=2"))
    #expect(try await client.responseHead().status == 200)
    #expect(String(decoding: try await client.some(), as: UTF8.self).contains("e\n"))
    try world.appendLog(id, "two\n")
    #expect(String(decoding: try await client.some(), as: UTF8.self).contains("two\n"))
    try world.appendLog(id, "three\n")
    try await world.move(id, [.ended]) { $0.exitCode = 0 }
    var rest = ""
    while !rest.contains("0\r\n\r\n") {
      let some = try await client.some()
      if some.isEmpty { break }
      rest += String(decoding: some, as: UTF8.self)
    }
    #expect(rest.contains("three\n") && rest.hasSuffix("0\r\n\r\n"), "the body ends properly")
    await world.close()
  }

  @Test func `following a log that is complete gives it and ends`() async throws {
    let world = try APIWorld()
    let id = try await world.submit()
    try world.appendLog(id, "done\n")
    try await world.finish(id, results: Archives.good)
    let response = try await world.call("GET", "/v1/jobs/\(id)/logs?follow=true")
    #expect(response.text == "done\n" && response.header("x-log-complete") == "true")
    await world.close()
  }

  @Test func `a follower that leaves is forgotten, and one that stays is cut when the server drains`() async throws {
    let world = try APIWorld()
    let id = try await world.submit()
    do {
      let leaving = try RawClient(port: world.server.port)
      await leaving.send(world.request("GET", "/v1/jobs/\(id)/logs?follow=true"))
      #expect(try await leaving.responseHead().status == 200)
    }
    await eventually { world.server.requestsInFlight == 0 }
    #expect(world.server.requestsInFlight == 0)
    let staying = try RawClient(port: world.server.port)
    await staying.send(world.request("GET", "/v1/jobs/\(id)/logs?follow=true"))
    #expect(try await staying.responseHead().status == 200)
    await world.close()
    #expect(!String(decoding: try await staying.readToEnd(), as: UTF8.self).contains("0\r\n\r\n"), "cut, not ended")
  }

  @Test func `results are a file with a name, a length and a tag`() async throws {
    let world = try APIWorld()
    let id = try await world.submit()
    let early = try await world.call("GET", "/v1/jobs/\(id)/results")
    #expect(early.status == 409)
    #expect(try early.json["code"] == .string("not_collected_yet"))
    #expect(try early.json["retryable"] == .bool(true), "it passes by itself")
    #expect(early.header("retry-after") != nil)
    try await world.finish(id, results: Archives.good)
    let response = try await world.call("GET", "/v1/jobs/\(id)/results")
    #expect(response.status == 200 && response.body == Archives.good)
    #expect(response.header("content-type") == "application/gzip")
    #expect(response.header("content-length") == String(Archives.good.count))
    #expect(response.header("content-disposition") == "attachment; filename=\"\(id).tar.gz\"")
    let tag = try #require(response.header("etag"))
    let known = try await world.call("GET", "/v1/jobs/\(id)/results", headers: [("If-None-Match", tag)])
    #expect(known.status == 304 && known.body.isEmpty)
    await world.close()
  }

  @Test func `results whose file is gone are a fault that names no path`() async throws {
    let world = try APIWorld()
    let id = try await world.submit()
    try await world.move(id, [.placed, .ready, .launched, .ended, .collected, .finishedWell]) { job in
      job.outcome = .succeeded
      job.results = Job.Results(sizeBytes: 5, sha256: "00", missing: [])
    }
    let response = try await world.call("GET", "/v1/jobs/\(id)/results")
    #expect(response.status == 500 && !response.text.contains("/tmp/"))
    await eventually { (try? world.logText().contains("cannot be opened")) ?? false }
    #expect(try world.logText().contains("results.tar.gz"))
    await world.close()
  }
}
