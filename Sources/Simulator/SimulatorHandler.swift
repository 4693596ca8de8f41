import CSystem
import Glibc
import HTTPServer
import JSON
import Locking

/// Turns requests into calls of the world and answers into responses.
struct SimulatorHandler: RequestHandler {
  let core: SimulatorCore

  /// Far above any real body.
  private static let bodyLimit = 4 << 20

  func begin(_ head: RequestHead) -> Reception {
    if head.path.hasPrefix("/sim/") { return .respond(bodyLimit: Self.bodyLimit) { control($0) } }
    if head.path.hasPrefix(World.resultPath) { return .respond(bodyLimit: 0) { result($0.head) } }
    return .respondLater(bodyLimit: Self.bodyLimit) { await serve($0) }
  }

  func refusal(status: Int, reason: String, detail: String, head: RequestHead?) -> Response {
    response(.failure(status, reason, detail))
  }

  func completed(
    _ head: RequestHead, status: Int, bytesSent: Int, durationNanoseconds: Int64, context: (any Sendable)?
  ) {}

  // MARK: The service

  private func serve(_ request: Request) async -> Response {
    let head = request.head
    guard let (route, numbers) = Route.find(head.method, head.path) else {
      log(head, route: "unknown", status: 404)
      return response(.failure(404, "not_found", "There is no \(head.method.rawValue) \(head.path)"))
    }
    let reply = core.update { world in
      guard let body = object(request.body) else { return World.Reply(answer: Self.invalidJSON) }
      let call = Call(
        numbers: numbers, query: head.query.map { ($0.name, $0.value) }, body: body, base: core.url)
      return world.serve(route, call, key: key(head))
    }
    log(head, route: route.name, status: reply.answer.status)
    if reply.delay > 0 {
      do { try await ContinuousClock().pause(for: .seconds(reply.delay)) } catch { return response(.gatewayTimeout) }
    }
    return response(reply.answer)
  }

  private func key(_ head: RequestHead) -> String? {
    if let header = head.header("Authorization") {
      return header.hasPrefix("Bearer ") ? String(header.dropFirst(7)) : ""
    }
    return head.query.last { $0.name == "api_key" }?.value
  }

  private static let invalidJSON: Answer = {
    var row = Row()
    row["error"] = .string("invalid_request")
    row["msg"] = .string("Invalid json body")
    return Answer(400, row.json)
  }()

  /// An absent body is an empty object; anything but an object is none.
  private func object(_ body: [UInt8]) -> JSONObject? {
    guard !body.isEmpty else { return JSONObject() }
    do { return try JSONValue.parse(body).asObject } catch { return nil }
  }

  // MARK: Beside the service

  private func control(_ request: Request) -> Response {
    let parts = request.head.path.split(separator: "/").dropFirst().map(String.init)
    if parts == ["requests"] {
      if request.head.method == .delete { core.requests.clear() }
      return response(.ok(core.requests.json))
    }
    guard let body = object(request.body) else { return response(Self.invalidJSON) }
    let answer = core.update { world in
      do throws(ControlError) {
        return Answer.ok(try world.control(request.head.method, parts, body))
      } catch {
        return .failure(400, "invalid_control", error.description)
      }
    }
    return response(answer)
  }

  /// A log, as an object store serves it: without a key, and not at once.
  private func result(_ head: RequestHead) -> Response {
    guard head.header("Authorization") == nil else {
      let text =
        "<?xml version=\"1.0\"?><Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>"
      return logged(head, Answer(400, text: text, type: "application/xml"))
    }
    let token = head.path.dropFirst(World.resultPath.count).prefix { $0 != "." }
    guard let upload = core.update({ $0.takeUpload(String(token)) }) else {
      return logged(
        head, Answer(404, text: "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>", type: "application/xml")
      )
    }
    // A container that wrote nothing has an empty log.
    let bytes = Files.read(logPath(upload)) ?? []
    var lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    if let filter = upload.filter { lines.removeAll { !$0.contains(filter) } }
    let text = lines.suffix(max(upload.tail, 0)).map { $0 + "\n" }.joined()
    return logged(head, Answer(200, text: text, type: "text/plain; charset=utf-8"))
  }

  private func logPath(_ upload: LogUpload) -> String {
    let folder = core.room.folder(of: upload.contract)
    return upload.isDaemon ? folder.daemonLog : folder.log
  }

  private func logged(_ head: RequestHead, _ answer: Answer) -> Response {
    log(head, route: "result", status: answer.status)
    return response(answer)
  }

  private func log(_ head: RequestHead, route: String, status: Int) {
    core.requests.add(
      .init(
        time: SimulatorCore.now(), method: head.method.rawValue, path: head.rawTarget, route: route, status: status,
        agent: head.header("User-Agent")))
  }

  // MARK: Responses

  private func response(_ answer: Answer) -> Response {
    guard answer.isCut, let half = halfFile(answer.body) else {
      return Response(
        status: answer.status, contentType: answer.contentType, headers: answer.headers, body: .bytes(answer.body))
    }
    // A file shorter than announced: the connection ends when its bytes do.
    return Response(
      status: answer.status, contentType: answer.contentType, headers: answer.headers,
      body: .file(descriptor: half, offset: 0, length: Int64(answer.body.count)))
  }

  private func halfFile(_ body: [UInt8]) -> Int32? {
    var template = Array("/tmp/vast-sim-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { return nil }
    csystem_set_cloexec(descriptor)
    unlink(template)
    do {
      try Files.writeAll(Array(body.prefix(body.count / 2)), to: descriptor)
      return descriptor
    } catch {
      Glibc.close(descriptor)
      return nil
    }
  }
}
