import Domain
import Locking
import Store
import Testing

/// Faults that a real disk shows too seldom for a test: a driver around the real one fails where it is told to.
@Suite struct FaultTests {
  private let world: World

  init() throws { world = try World() }

  @Test(arguments: Backend.allCases)
  func `a commit that fails acknowledges nobody in its group, and the next one works`(backend: Backend) async throws {
    let faults = Faults()
    let store = try world.open(FaultyDriver(real: world.driver(for: backend), faults: faults))
    try await store.edit { try $0.setSetting("before", "1") }

    let gate = Gate()
    let held = Task {
      try await store.edit { transaction in
        try transaction.setSetting("held", "1")
        gate.pass()
      }
    }
    await gate.isReached()
    faults.fail("COMMIT", with: .unavailable(detail: "disk I/O error"), times: 1)
    gate.open()
    await #expect(throws: StoreError.unavailable(detail: "disk I/O error")) { try await held.value }
    #expect(store.lastWriteFailure == .unavailable(detail: "disk I/O error"))
    #expect(try store.view { try $0.setting("held") } == nil)

    try await store.edit { try $0.setSetting("after", "1") }
    #expect(store.lastWriteFailure == nil)
    #expect(try store.view { try $0.setting("before") } == "1")
    #expect(try store.view { try $0.setting("held") } == nil)
    await store.close()
    let again = try world.open(backend)
    #expect(try again.view { try $0.setting("held") } == nil)
    #expect(try again.view { try $0.setting("after") } == "1")
    await again.close()
  }

  @Test(arguments: Backend.allCases)
  func `while commits fail by chance whoever is told success is kept and nobody else`(backend: Backend) async throws {
    let faults = Faults()
    let store = try world.open(FaultyDriver(real: world.driver(for: backend), faults: faults))
    faults.failEveryThird("COMMIT", with: .full)
    let told = await withTaskGroup(of: (Int, Bool).self) { group in
      for number in 0..<200 {
        group.addTask {
          do throws(StoreError) {
            try await store.write { transaction throws(StoreError) in try transaction.setSetting("n\(number)", "1") }
            return (number, true)
          } catch {
            #expect(error == .full)
            return (number, false)
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    for (number, isTold) in told { #expect(try (store.view { try $0.setting("n\(number)") } != nil) == isTold) }
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a transaction that cannot begin fails its writes one by one, and none is lost`(backend: Backend) async throws {
    let faults = Faults()
    let store = try world.open(FaultyDriver(real: world.driver(for: backend), faults: faults))
    faults.fail("BEGIN IMMEDIATE", with: .busy, times: 1)
    await #expect(throws: StoreError.busy) { try await store.edit { try $0.setSetting("a", "1") } }
    try await store.edit { try $0.setSetting("b", "1") }
    #expect(try store.view { try $0.setting("a") } == nil)
    #expect(try store.view { try $0.setting("b") } == "1")
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a start that fails closes what it opened`(backend: Backend) async throws {
    let faults = Faults()
    faults.fail("BEGIN IMMEDIATE", with: .full, times: 1)
    #expect(throws: StoreError.full) {
      try world.open(FaultyDriver(real: world.driver(for: backend), faults: faults))
    }
    let store = try world.open(backend)
    #expect(store.opening.migrations == knownMigrations)
    await store.close()
  }
}

/// Which statements fail next.
private final class Faults: Sendable {
  private struct Plan {
    var sql: String
    var error: StoreError
    var left: Int
    var isEveryThird = false
    var seen = 0
  }

  private let plan = Locked<Plan?>(nil)

  func fail(_ sql: String, with error: StoreError, times: Int) {
    plan.withLock { $0 = Plan(sql: sql, error: error, left: times) }
  }

  func failEveryThird(_ sql: String, with error: StoreError) {
    plan.withLock { $0 = Plan(sql: sql, error: error, left: .max, isEveryThird: true) }
  }

  func check(_ sql: String) throws(StoreError) {
    let error = plan.withLock { plan -> StoreError? in
      guard plan?.sql == sql, let left = plan?.left, left > 0 else { return nil }
      plan?.seen += 1
      if plan?.isEveryThird == true, plan?.seen.isMultiple(of: 3) == false { return nil }
      plan?.left -= 1
      return plan?.error
    }
    if let error { throw error }
  }
}

private struct FaultyDriver: SQLDriver {
  let real: any SQLDriver
  let faults: Faults

  var dialect: Dialect { real.dialect }
  func openWriter() throws(StoreError) -> any SQLConnection {
    FaultyConnection(real: try real.openWriter(), faults: faults)
  }
  func openReader() throws(StoreError) -> any SQLConnection { try real.openReader() }
}

private final class FaultyConnection: SQLConnection {
  private let real: any SQLConnection
  private let faults: Faults

  init(real: any SQLConnection, faults: Faults) {
    self.real = real
    self.faults = faults
  }

  func forEachRow(_ sql: String, _ parameters: [SQLValue], _ body: (any SQLRow) throws(StoreError) -> Void)
    throws(StoreError)
  {
    try real.forEachRow(sql, parameters, body)
  }

  func run(_ sql: String, _ parameters: [SQLValue]) throws(StoreError) -> Int {
    try faults.check(sql)
    return try real.run(sql, parameters)
  }

  func runScript(_ script: String) throws(StoreError) { try real.runScript(script) }
  var isInTransaction: Bool { real.isInTransaction }
  func checkIntegrity() throws(StoreError) -> IntegrityCheck { try real.checkIntegrity() }
  func eraseDeleted() throws(StoreError) -> Bool { try real.eraseDeleted() }
  func close() { real.close() }
}
