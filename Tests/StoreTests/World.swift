import Testing
import CSystem
import Domain
import Glibc
import Locking
import SQLiteDriver
import Store

/// A database that the conformance suite runs on. Another driver joins by a case here.
enum Backend: String, CaseIterable, CustomTestStringConvertible, Sendable {
  case sqlite

  var testDescription: String { rawValue }
}

/// What a first start applies.
let knownMigrations: [Int64] = [1, 2, 3, 4, 5, 6, 7, 8]

/// A store in a directory of its own, with a clock that the test moves. The directory goes with it.
final class World: Sendable {
  let directory: String
  let clock: Locked<Timestamp>

  init() throws {
    var template = Array("/tmp/vastd-store-XXXXXX\0".utf8CString)
    guard mkdtemp(&template) != nil else { throw TestFailure("no temporary directory") }
    directory = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    clock = Locked(Timestamp(microseconds: 1_800_000_000_000_000))
  }

  deinit {
    // Files only, as made by the database beside each other.
    for name in ["", "-wal", "-shm", ".lock"] { unlink(path + name) }
    rmdir(directory)
  }

  var path: String { directory + "/vastd.db" }

  var now: Timestamp { clock.withLock { $0 } }

  func advance(by span: Duration) { clock.withLock { $0 = $0 + span } }

  func driver(for backend: Backend) -> any SQLDriver {
    switch backend {
    case .sqlite: SQLiteDriver(path: path)
    }
  }

  func open(_ backend: Backend = .sqlite, owner: Owner? = nil) throws -> Store {
    try open(driver(for: backend), owner: owner)
  }

  func open(_ driver: any SQLDriver, owner: Owner? = nil) throws -> Store {
    try Store(driver: driver, owner: owner, now: { [clock] in clock.withLock { $0 } })
  }

  /// Every byte of the database's files.
  func bytesOnDisk() -> [UInt8] {
    ["", "-wal", "-shm"].flatMap { suffix in
      guard let file = fopen(path + suffix, "r") else { return [UInt8]() }
      defer { fclose(file) }
      var bytes: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 1 << 16)
      while true {
        let count = fread(&chunk, 1, chunk.count, file)
        if count == 0 { return bytes }
        bytes += chunk[..<count]
      }
    }
  }
}

struct TestFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

extension Job {
  /// A job like a caller's, in the state that the table of transitions leads to.
  static func make(
    state: JobState = .queued, name: String? = nil,
    at moment: Timestamp = Timestamp(microseconds: 1_800_000_000_000_000),
    secrets: [String: String] = [:]
  ) -> Job {
    var specification = JobSpecification(command: "python train.py")
    specification.name = name
    specification.secrets = secrets
    var job = Job(id: ID(at: moment), specification: specification, state: state, createdAt: moment)
    if state.isFinal { job.outcome = JobOutcome(rawValue: state.rawValue) }
    return job
  }
}

extension Instance {
  static func make(
    state: InstanceState = .requested, job: ID<Job>? = nil, owner: Owner = Owner("tests")!,
    at moment: Timestamp = Timestamp(microseconds: 1_800_000_000_000_000), marketID: Int64? = nil
  ) -> Instance {
    let id = ID<Instance>(at: moment)
    let tag = InstanceTag(owner: owner, instanceID: id)
    let order = RentalOrder(offerID: 7, label: tag.label("train"), image: "python:3.11", diskGigabytes: 64)
    var instance = Instance(id: id, order: order, label: "train", tag: tag, gpuCount: 1, createdAt: moment)
    instance.jobID = job
    instance.restore(state: state)
    if state != .requested, state != .creating { instance.marketID = MarketID(marketID ?? .random(in: 1...(1 << 40))) }
    return instance
  }
}

/// Closures of tests say `throws` and not `throws(StoreError)`: `#expect` within them throws anything.
extension Store {
  func view<Result>(_ body: (StoreReader) throws -> Result) throws -> Result {
    try read { reader throws(StoreError) in
      do { return try body(reader) } catch { throw StoreError(from: error) }
    }
  }

  func edit<Result: Sendable>(
    _ body: @escaping @Sendable (StoreTransaction) throws -> Result
  ) async throws -> Result {
    try await write { transaction throws(StoreError) in
      do { return try body(transaction) } catch { throw StoreError(from: error) }
    }
  }
}

extension StoreError {
  fileprivate init(from error: any Error) {
    self = error as? StoreError ?? .unavailable(detail: "the test threw \(error)")
  }
}
