import Glibc
import HTTPClient
import Locking
import TestSupport
import Testing

/// A name server that answers for `good…`, knows of nothing else, and hangs over `hangs…` until it is let go.
private final class NameServer: Sendable {
  let asked = Locked<[String]>([])
  private let isReleased = Locked(false)

  func resolver(threads: Int = 2, patience: Duration = .milliseconds(300)) -> NameResolver {
    NameResolver(threads: threads, patience: patience) { [self] name in
      asked.withLock { $0.append(name) }
      if name.hasPrefix("good") { return ["127.0.0.1"] }
      if name.hasPrefix("both") { return ["::1", "127.0.0.1"] }
      while name.hasPrefix("hangs"), !isReleased.withLock({ $0 }) { usleep(5000) }
      return []
    }
  }

  func release() { isReleased.withLock { $0 = true } }
}

@Suite(.timeLimit(.minutes(1))) struct `Names looked up beside the transfers` {
  private let names = NameServer()
  private let server = ScriptedServer { .answer(200, body: Array(($0.header("Host") ?? "").utf8)) }

  private func client(_ resolver: NameResolver, letsThrough: (@Sendable ([UInt8]) -> Bool)? = nil) -> HTTPClient {
    HTTPClient(configuration: .init(userAgent: "test", letsThrough: letsThrough, names: resolver))
  }

  private func get(_ host: String, timeout: Duration = .seconds(20)) -> HTTPClientRequest {
    HTTPClientRequest(method: "GET", url: "http://\(host):\(server.port)/", timeout: timeout)
  }

  private func failure(_ client: HTTPClient, _ request: HTTPClientRequest) async -> HTTPClientError? {
    do {
      _ = try await client.send(request)
      return nil
    } catch {
      return error
    }
  }

  @Test(arguments: ["good.example", "GOOD.example", "good.example.", "both.example"])
  func `a request goes where its name leads and keeps its name`(host: String) async throws {
    let client = client(
      NameResolver { name in name.lowercased().hasPrefix("good") ? ["127.0.0.1"] : ["::1", "127.0.0.1"] })
    let response = try await client.send(get(host))
    #expect(response.status == 200)
    #expect(String(decoding: response.body, as: UTF8.self).hasPrefix(host.prefix(12)))
  }

  @Test func `a name that hangs delays no other transfer`() async throws {
    let client = client(names.resolver(threads: 2, patience: .seconds(10)))
    let hanging = Task { await failure(client, get("hangs.example")) }
    await eventually { names.asked.withLock { $0 == ["hangs.example"] } }
    for _ in 0..<20 { #expect(try await client.send(get("good.example")).status == 200) }
    #expect(try await client.send(get("127.0.0.1")).status == 200)
    hanging.cancel()
    #expect(await hanging.value == .cancelled(wasSent: false))
    names.release()
  }

  @Test func `a name that is not found in time is not sent, and its thread is left behind`() async throws {
    let client = client(names.resolver())
    #expect(await failure(client, get("hangs.example")) == .notSent(reason: "its name was not found in time"))
    // The same name again is not worth a second thread.
    #expect(await failure(client, get("hangs.example")) == .notSent(reason: "its name was not found in time"))
    #expect(names.asked.withLock { $0 } == ["hangs.example"])
    #expect(try await client.send(get("good.example")).status == 200)
    names.release()
  }

  @Test func `when every thread hangs names fail at once, and what needs no look-up goes on`() async throws {
    let client = client(names.resolver(threads: 2))
    #expect(try await client.send(get("good.known")).status == 200)
    async let one = failure(client, get("hangs.one"))
    async let two = failure(client, get("hangs.two"))
    #expect(await [one, two].allSatisfy { $0?.mayHaveBeenSent == false })
    #expect(await failure(client, get("good.example")) == .notSent(reason: "no name is found in time at present"))
    #expect(try await client.send(get("127.0.0.1")).status == 200)
    #expect(try await client.send(get("good.known")).status == 200)
    names.release()
    await eventually { await failure(client, get("good.example")) == nil }
    #expect(await failure(client, get("good.example")) == nil)
  }

  @Test func `threads that are busy for a moment are waited for`() async throws {
    let resolver = NameResolver(threads: 1, patience: .seconds(20)) { _ in
      usleep(20_000)
      return ["127.0.0.1"]
    }
    let client = client(resolver)
    await withTaskGroup(of: HTTPClientError?.self) { group in
      for number in 0..<10 { group.addTask { await failure(client, get("good\(number).example")) } }
      for await failure in group { #expect(failure == nil) }
    }
  }

  @Test func `a name that leads nowhere is not sent`() async {
    let client = client(names.resolver())
    #expect(await failure(client, get("nowhere.example")) == .notSent(reason: "its name leads nowhere"))
  }

  @Test func `an answer is good for a while and for all who ask at once`() async throws {
    let client = client(names.resolver())
    try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<20 { group.addTask { try await client.send(get("good.example")).status } }
      for try await status in group { #expect(status == 200) }
    }
    #expect(names.asked.withLock { $0 } == ["good.example"])
  }

  @Test func `an answer is asked for again after a minute`() async throws {
    let clock = ManualClock()
    let count = Locked(0)
    let resolver = NameResolver(clock: clock) { _ in
      count.withLock { $0 += 1 }
      return ["127.0.0.1"]
    }
    let client = client(resolver)
    for seconds in [0, 59, 2] {
      clock.advance(by: .seconds(seconds))
      #expect(try await client.send(get("good.example")).status == 200)
    }
    #expect(count.withLock { $0 } == 2)
  }

  @Test func `the gate decides over the address, whatever was found`() async {
    let client = client(names.resolver(), letsThrough: { $0 != [127, 0, 0, 1] })
    #expect(await failure(client, get("good.example")) == .forbiddenAddress)
    #expect(server.requests.isEmpty)
  }

  @Test func `the system's names are found`() async throws {
    let client = client(NameResolver())
    #expect(try await client.send(get("localhost")).status == 200)
    #expect(await failure(client, get("nowhere.invalid"))?.mayHaveBeenSent == false)
  }
}
