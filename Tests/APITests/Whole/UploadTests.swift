import API
import Artifacts
import Domain
import Glibc
import HTTPServer
import JSON
import TestSupport
import Testing

@Suite struct UploadTests {
  private let gzip = [("Content-Type", "application/gzip")]

  @Test func `an archive is kept under its hash and size`() async throws {
    let world = try APIWorld()
    let response = try await world.call("POST", "/v1/uploads", bytes: Archives.good, headers: gzip)
    #expect(response.status == 201)
    #expect(try response.json["size_bytes"] == .integer(Int64(Archives.good.count)))
    guard case .string(let text) = try response.json["id"], let id = ID<Upload>(text) else {
      throw Unexpected(what: "id")
    }
    #expect(try world.folder.read(world.data.uploadPath(id)) == Archives.good)
    #expect(try await world.submit("{\"command\":\"c\",\"input_upload_id\":\"\(id)\"}").rawValue.hasPrefix("job_"))
    await world.close()
  }

  @Test func `what is no archive, or leaves its folder, is refused and leaves nothing`() async throws {
    let world = try APIWorld()
    for bytes in [Array("not a tar.gz".utf8), Array(Archives.good.dropLast(20)), Archives.leaving, []] {
      let response = try await world.call("POST", "/v1/uploads", bytes: bytes, headers: gzip)
      #expect(response.status == 422)
      #expect(try response.json["code"] == .string("bad_archive"))
    }
    #expect(world.filesBelow("uploads") == 0 && world.filesBelow("tmp") == 0)
    await world.close()
  }

  @Test func `other types and encodings are refused before the body`() async throws {
    let world = try APIWorld()
    for headers in [
      [], [("Content-Type", "application/json")], [("Content-Type", "text/plain")],
      gzip + [("Content-Encoding", "gzip")],
    ] {
      #expect(try await world.call("POST", "/v1/uploads", bytes: Archives.good, headers: headers).status == 415)
    }
    #expect(
      try await world.call(
        "POST", "/v1/uploads", bytes: Archives.good, headers: [("Content-Type", "application/x-gzip")]
      ).status
        == 201)
    await world.close()
  }

  @Test func `an upload beyond the limit is refused, announced or not`() async throws {
    let world = try APIWorld { $0.uploadLimitBytes = 100_000 }
    let client = try RawClient(port: world.server.port)
    // Announced: refused before a byte is sent.
    await client.send(world.request("POST", "/v1/uploads", headers: gzip, length: 100_001))
    #expect(try await client.response().status == 413)
    let chunked = try RawClient(port: world.server.port)
    await chunked.send(world.request("POST", "/v1/uploads", headers: gzip + [("Transfer-Encoding", "chunked")]))
    for _ in 0..<3 { await chunked.send(Array("10000\r\n".utf8) + [UInt8](repeating: 7, count: 65536) + [13, 10]) }
    #expect(try await chunked.response().status == 413)
    #expect(world.filesBelow("uploads") == 0)
    await eventually { world.filesBelow("tmp") == 0 }
    #expect(world.filesBelow("tmp") == 0)
    await world.close()
  }

  @Test func `an upload that breaks off leaves nothing`() async throws {
    let world = try APIWorld()
    do {
      let client = try RawClient(port: world.server.port)
      await client.send(world.request("POST", "/v1/uploads", headers: gzip, length: 1_000_000) + Archives.good)
      await eventually { world.filesBelow("tmp") == 1 }
      #expect(world.filesBelow("tmp") == 1)
    }
    await eventually { world.filesBelow("tmp") == 0 }
    #expect(world.filesBelow("tmp") == 0 && world.filesBelow("uploads") == 0)
    await world.close()
  }

  @Test func `one key keeps one upload, by its content`() async throws {
    let world = try APIWorld()
    let headers = gzip + [("Idempotency-Key", "up-1")]
    let first = try await world.call("POST", "/v1/uploads", bytes: Archives.good, headers: headers)
    let again = try await world.call("POST", "/v1/uploads", bytes: Archives.good, headers: headers)
    #expect(first.status == 201 && again.status == 201 && again.body == first.body)
    #expect(again.header("idempotent-replayed") == "true")
    #expect(world.filesBelow("uploads") == 1 && world.filesBelow("tmp") == 0)
    // The same content packed otherwise is another body.
    var other = Archives.good
    other[4] = 1
    let mismatch = try await world.call("POST", "/v1/uploads", bytes: other, headers: headers)
    #expect(mismatch.status == 422)
    #expect(try mismatch.json["code"] == .string("idempotency_key_reused"))
    #expect(world.filesBelow("uploads") == 1)
    await world.close()
  }
}

extension APIWorld {
  func filesBelow(_ part: String) -> Int {
    guard let folder = opendir(data.path + "/" + part) else { return -1 }
    defer { closedir(folder) }
    var count = 0
    while let entry = readdir(folder) {
      if entry.pointee.d_name.0 != CChar(bitPattern: UInt8(ascii: ".")) { count += 1 }
    }
    return count
  }
}
