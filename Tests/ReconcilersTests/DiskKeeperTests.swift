import Artifacts
import Locking
import Logging
import Reconcilers
import TestSupport
import Testing

@Suite struct `The keeper of the disk` {
  @Test func `throws the ballast away when the store is full, once, and puts it back when it is not`() async throws {
    let folder = try TemporaryFolder("disk")
    let ballast = Ballast(try DataDirectory(path: folder.path + "/data"))
    let isFull = Locked(false)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let keeper = DiskKeeper(ballast: ballast, isStoreFull: { isFull.withLock { $0 } }, logger: logger)
    #expect(await keeper.activate().changed == 1)
    #expect(ballast.isThere)
    #expect(await keeper.activate().changed == 0)
    isFull.withLock { $0 = true }
    #expect(await keeper.activate().changed == 1)
    #expect(!ballast.isThere)
    #expect(await keeper.activate().changed == 0)
    isFull.withLock { $0 = false }
    #expect(await keeper.activate().changed == 1)
    #expect(ballast.isThere)
  }
}
