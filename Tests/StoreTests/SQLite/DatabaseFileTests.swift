import Domain
import Glibc
import SQLiteDriver
import Store
import Testing

/// The file: whose it is, where it lies, what it is set to, and what is refused.
@Suite struct DatabaseFileTests {
  private let world: World

  init() throws { world = try World() }

  private func mode(_ path: String) -> UInt32 {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
  }

  private func refusal(_ path: String? = nil) -> StoreError? {
    do {
      _ = try world.open(SQLiteDriver(path: path ?? world.path))
      return nil
    } catch {
      return error as? StoreError
    }
  }

  @Test func `nobody else can read the database or its log, not even one that was open to all`() async throws {
    var store = try world.open()
    try await store.edit { try $0.setSetting("a", "1") }
    for suffix in ["", "-wal", "-shm", ".lock"] { #expect(mode(world.path + suffix) == 0o600, "vastd.db\(suffix)") }
    await store.close()
    chmod(world.path, 0o644)
    store = try world.open()
    #expect(mode(world.path) == 0o600)
    await store.close()
  }

  @Test func `a missing directory is made, for us alone`() async throws {
    let inner = world.directory + "/inner"
    let store = try world.open(SQLiteDriver(path: inner + "/vastd.db"))
    #expect(mode(inner) == 0o700)
    await store.close()
    for suffix in ["", ".lock"] { unlink(inner + "/vastd.db" + suffix) }
    rmdir(inner)
  }

  @Test func `a directory that anybody may write to is refused, a sticky one is not`() async throws {
    chmod(world.directory, 0o777)
    guard case .misconfigured(let detail)? = refusal() else {
      Issue.record("it was not refused")
      return
    }
    #expect(detail.contains(world.directory) && detail.contains("chmod"))
    chmod(world.directory, 0o1777)
    let store = try world.open()
    await store.close()
  }

  @Test func `a path that is no file is refused`() throws {
    mkdir(world.path, 0o700)
    guard case .misconfigured? = refusal() else {
      Issue.record("it was not refused")
      return
    }
    rmdir(world.path)
    guard case .misconfigured? = refusal(world.directory + "/no/such/vastd.db") else {
      Issue.record("it was not refused")
      return
    }
  }

  @Test func `the second who opens a database is told who has it, also by way of a link`() async throws {
    let store = try world.open()
    let link = world.directory + "/link.db"
    symlink(world.path, link)
    defer { unlink(link) }
    for path in [world.path, link] {
      guard case .locked(let detail)? = refusal(path) else {
        Issue.record("it was not refused")
        return
      }
      #expect(detail.contains("process \(getpid())"))
    }
    try await store.edit { try $0.setSetting("a", "1") }
    await store.close()
    let next = try world.open()
    await next.close()
  }

  @Test func `a failed opening lets go of the database`() async throws {
    try RawDatabase(world.path).run("CREATE TABLE stranger (a)")
    for _ in 0..<2 {
      guard case .misconfigured(let detail)? = refusal() else {
        Issue.record("it was not refused")
        return
      }
      #expect(detail.contains("another program"))
    }
    try RawDatabase(world.path).run("DROP TABLE stranger")
    unlink(world.path)
    let store = try world.open()
    await store.close()
  }

  @Test func `a start cut short after any step leaves a database that the next start takes up`() async throws {
    for steps in [
      "PRAGMA application_id = 0x76617374",
      "PRAGMA application_id = 0x76617374; PRAGMA journal_mode = WAL",
      """
      PRAGMA application_id = 0x76617374; PRAGMA journal_mode = WAL;
      CREATE TABLE schema_migrations (
        version BIGINT PRIMARY KEY NOT NULL, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)
      """,
    ] {
      let world = try World()
      try RawDatabase(world.path).run(steps)
      let store = try world.open()
      #expect(store.opening.migrations == knownMigrations)
      await store.close()
    }
  }

  @Test func `commits are durable, foreign keys hold, deleted bytes are overwritten`() async throws {
    let driver = SQLiteDriver(path: world.path)
    let store = try world.open(driver)
    await store.close()
    let connection = try driver.openWriter()
    var found: [String] = []
    for pragma in ["synchronous", "journal_mode", "foreign_keys", "secure_delete", "application_id", "user_version"] {
      try connection.forEachRow("PRAGMA \(pragma)", []) { row throws(StoreError) in found.append(row.text(0)) }
    }
    #expect(found == ["2", "wal", "1", "1", "1986098036", String(knownMigrations.count)])
    connection.close()
  }

  @Test func `a reader cannot write`() async throws {
    let driver = SQLiteDriver(path: world.path)
    let store = try world.open(driver)
    let reader = try driver.openReader()
    #expect(throws: StoreError.readOnly) { try reader.run("DELETE FROM settings", []) }
    reader.close()
    #expect(throws: StoreError.closed) { try reader.run("SELECT 1", []) }
    await store.close()
  }

  @Test func `a newer schema is refused by name`() async throws {
    let store = try world.open()
    await store.close()
    try RawDatabase(world.path).run("INSERT INTO schema_migrations VALUES (99, 'later', '0', 0)")
    #expect(refusal() == .newerSchema(found: 99, known: Int64(knownMigrations.count)))
  }

  @Test func `a migration that is not the recorded one is refused`() async throws {
    let store = try world.open()
    await store.close()
    try RawDatabase(world.path).run("UPDATE schema_migrations SET checksum = '0'")
    guard case .misconfigured(let detail)? = refusal() else {
      Issue.record("it was not refused")
      return
    }
    #expect(detail.contains("Migration 1"))
  }

  @Test func `a damaged database is refused, not served`() async throws {
    let store = try world.open()
    try await store.edit { transaction in
      for number in 0..<500 { try transaction.insert(Job.make(at: Timestamp(microseconds: Int64(number)))) }
    }
    await store.close()
    let file = try #require(fopen(world.path, "r+"))
    fseek(file, 20 * 4096, SEEK_SET)
    let rubbish = [UInt8](repeating: 0xA5, count: 8 * 4096)
    fwrite(rubbish, 1, rubbish.count, file)
    fclose(file)
    guard case .corrupt? = refusal() else {
      Issue.record("it was not refused")
      return
    }
  }

  @Test func `a file that is no database is refused and left as it was`() throws {
    let file = try #require(fopen(world.path, "w"))
    let text = Array(
      "This is a letter to a friend. It is longer than a header of 100 bytes, and no database at all. Yours.".utf8)
    fwrite(text, 1, text.count, file)
    fclose(file)
    guard case .corrupt? = refusal() else {
      Issue.record("it was not refused")
      return
    }
    #expect(world.bytesOnDisk() == text)
  }

  @Test func `a database too large to check at a start is opened, and says that it was not checked`() async throws {
    var store = try world.open()
    await store.close()
    store = try world.open(SQLiteDriver(path: world.path, largestChecked: 100))
    guard case .skipped(let bytes) = store.opening.integrity else {
      Issue.record("it was checked")
      return
    }
    #expect(bytes > 100)
    await store.close()
  }

  @Test func `lines of the ledger cannot be changed or deleted, by nobody`() async throws {
    let store = try world.open()
    let instance = Instance.make()
    let line = BillingEvent(
      instanceID: instance.id, jobID: nil, kind: .start, at: world.now, gpuPerHour: .zero, storagePerHour: .zero)
    try await store.edit { transaction in
      try transaction.insert(instance)
      try transaction.append(line)
    }
    await store.close()
    let database = try RawDatabase(world.path)
    #expect(throws: TestFailure.self) { try database.run("UPDATE ledger SET gpu_per_hour = 0") }
    #expect(throws: TestFailure.self) { try database.run("DELETE FROM ledger") }
    #expect(try database.rows("SELECT COUNT(*) FROM ledger") == ["1"])
  }

  @Test func `states that nobody knows are refused by the schema`() async throws {
    let store = try world.open()
    try await store.edit { transaction in
      try transaction.insert(Job.make())
      try transaction.insert(Instance.make())
    }
    await store.close()
    let database = try RawDatabase(world.path)
    #expect(throws: TestFailure.self) { try database.run("UPDATE jobs SET state = 'asleep'") }
    #expect(throws: TestFailure.self) { try database.run("UPDATE instances SET state = 'asleep'") }
    #expect(throws: TestFailure.self) { try database.run("UPDATE jobs SET cost = 'much'") }
  }

  @Test func `a row that makes no sense is reported as damage`() async throws {
    let store = try world.open()
    let job = Job.make()
    try await store.edit { try $0.insert(job) }
    for column in ["specification = '{'", "specification = '[]'", "specification = '{}'", "phases = '{}'"] {
      try RawDatabase(world.path).run("UPDATE jobs SET \(column)")
      do {
        _ = try store.read { reader throws(StoreError) in try reader.job(job.id) }
        Issue.record("\(column) was read")
      } catch {
        guard case .corrupt = error else {
          Issue.record("\(error)")
          return
        }
      }
    }
    await store.close()
  }

  @Test func `a row of an older release, which lacks what came later, reads with defaults`() async throws {
    let store = try world.open()
    let job = Job.make()
    try await store.edit { try $0.insert(job) }
    try RawDatabase(world.path).run(
      "UPDATE jobs SET phases = NULL, specification = '{\"command\": \"x\", \"later\": {\"a\": [1]}, \"max_attempts\": \"3\"}'"
    )
    let found = try #require(try store.view { try $0.job(job.id) })
    var expected = JobSpecification(command: "x")
    // It was accepted before there was recovery, and is not to rent a second machine now.
    expected.recovers = false
    #expect(found.specification == expected)
    #expect(found.phases == [])
    await store.close()
  }

  /// The list that a cache of rendered jobs asks for at each request.
  @Test func `lists of versions and the jobs at work are answered by their indexes`() async throws {
    let store = try world.open()
    await store.close()
    let database = try RawDatabase(world.path)
    func plan(_ sql: String) throws -> String { try database.rows("EXPLAIN QUERY PLAN \(sql)").joined(separator: "; ") }
    let newestFirst = "ORDER BY created_at DESC, id DESC LIMIT 51"
    for filter in ["", "WHERE (created_at, id) < (1, 'a')"] {
      let plan = try plan("SELECT id, version, created_at FROM jobs \(filter) \(newestFirst)")
      #expect(plan.contains("COVERING INDEX jobs_by_creation") && !plan.contains("TEMP B-TREE"), "\(plan)")
    }
    let byState = try plan("SELECT id, version, created_at FROM jobs WHERE state = 'failed' \(newestFirst)")
    #expect(byState.contains("INDEX jobs_by_state (state=?)") && !byState.contains("TEMP B-TREE"), "\(byState)")
    let active = try plan(
      """
      SELECT * FROM jobs WHERE state NOT IN ('awaiting_approval', 'succeeded', 'failed', 'cancelled')
      ORDER BY priority DESC, created_at, id
      """)
    #expect(active.contains("INDEX jobs_active") && !active.contains("TEMP B-TREE"), "\(active)")
    let live = try plan("SELECT * FROM instances WHERE state NOT IN ('destroyed', 'failed') ORDER BY created_at, id")
    #expect(live.contains("INDEX instances_live") && !live.contains("TEMP B-TREE"), "\(live)")
  }
}
