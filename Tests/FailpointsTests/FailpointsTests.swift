import Glibc
import Locking
import TestSupport
import Testing

@testable import Failpoints

@Suite struct FailpointsTests {
  @Test func `a place acts at its ordinal and at no other`() throws {
    let deaths = Locked(0)
    let die: @Sendable () -> Void = { deaths.withLock { $0 += 1 } }
    let armed = try #require(ArmedFailpoints(plan: "a@2=fail,b@1=kill", record: nil, die: die))
    #expect([armed.pass("a"), armed.pass("a"), armed.pass("a")] == [false, true, false])
    #expect(deaths.withLock { $0 } == 0)
    #expect(!armed.pass("b"))
    #expect(deaths.withLock { $0 } == 1)
    #expect(!armed.pass("c"))
  }

  @Test func `every passing is on record, in order and with its ordinal`() throws {
    let folder = try TemporaryFolder("failpoints")
    let armed = try #require(ArmedFailpoints(plan: nil, record: folder.path + "/record"))
    for place in ["a", "b", "a"] { _ = armed.pass(place) }
    #expect(String(decoding: try folder.read(folder.path + "/record"), as: UTF8.self) == "a 1\nb 1\na 2\n")
  }

  @Test func `without a plan and a record nothing is armed`() {
    #expect(ArmedFailpoints(plan: nil, record: nil) == nil)
  }

  @Test func `counts are exact over many threads`() async throws {
    let armed = try #require(ArmedFailpoints(plan: "a@4000=fail", record: nil))
    let failures = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<4 { group.addTask { (0..<1000).count { _ in armed.pass("a") } } }
      return await group.reduce(0, +)
    }
    #expect(failures == 1)
  }
}
