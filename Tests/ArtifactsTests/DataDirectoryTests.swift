import Domain
import Glibc
import Testing

@testable import Artifacts

struct DataDirectoryTests {
  let scratch = Scratch()
  let job = ID<Job>(at: Timestamp(microseconds: 1_700_000_000_000_000))

  @Test func `the first start makes the folder and its parts for the owner only`() throws {
    let directory = try DataDirectory(path: "\(scratch.path)/new/deep/data/")
    #expect(names(in: directory.path) == ["jobs", "ssh", "tmp", "uploads"])
    for folder in [""] + names(in: directory.path).map({ "/" + $0 }) {
      var status = stat()
      #expect(stat(directory.path + folder, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o700)
    }
    #expect(directory.path.hasSuffix("/new/deep/data"))
  }

  @Test func `a second start takes it as it is`() throws {
    let first = try scratch.directory()
    let file = scratch.write([1], to: "data/vastd.db")
    #expect(try scratch.directory().path == first.path)
    #expect(exists(file) && first.databasePath.hasSuffix("/data/vastd.db"))
  }

  @Test(arguments: [0o755, 0o750, 0o707, 0o777])
  func `a folder that others can enter is refused with the cure`(mode: UInt32) throws {
    let path = try scratch.directory().path
    for folder in [path, "\(path)/ssh"] {
      chmod(folder, mode)
      expectIO("chmod 700 \(folder)") { try scratch.directory() }
      chmod(folder, 0o700)
    }
  }

  @Test func `a folder of somebody else is refused`() throws {
    try #require(geteuid() == 0, "only root can give a folder away")
    let path = try scratch.directory().path
    chown(path, 65534, 65534)
    expectIO("belongs to user 65534") { try scratch.directory() }
  }

  @Test func `a file in its place is refused`() {
    _ = scratch.write([], to: "data")
    expectIO("is not a folder") { try scratch.directory() }
  }

  @Test func `a folder that cannot be made is refused with the reason`() {
    expectIO("could not make /proc/") { try DataDirectory(path: "/proc/nowhere/data") }
  }

  @Test func `half-received files of a killed run are removed and counted, stored ones stay`() throws {
    let directory = try scratch.directory()
    let upload = try IncomingUpload(in: directory, id: .make())
    _ = scratch.write([1, 2, 3], to: "data/tmp/upl_killed.tar.gz")
    _ = scratch.write([], to: "data/tmp/other")
    let stored = scratch.write([1], to: "data/uploads/kept.tar.gz")
    #expect(directory.removeLeftovers() == 3)
    #expect(directory.removeLeftovers() == 0)
    #expect(exists(stored))
    upload.abandon()
  }

  @Test func `a process killed while it receives leaves only what the next start removes`() async throws {
    let directory = try scratch.directory()
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = directory.path as String] in
      let upload = try IncomingUpload(in: DataDirectory(path: path, reserveBytes: 0), id: .make())
      try upload.append([UInt8](repeating: 5, count: 100_000))
      kill(getpid(), SIGKILL)
    }
    #expect(names(in: directory.temporaryDirectory).count == 1)
    #expect(directory.removeLeftovers() == 1)
    #expect(names(in: "\(directory.path)/uploads") == [])
  }

  @Test func `a job's folder is made once and holds its files`() throws {
    let directory = try scratch.directory()
    let folder = try directory.jobDirectory(job)
    #expect(try directory.jobDirectory(job) == folder)
    #expect(directory.logPath(job) == "\(folder)/output.log")
    #expect(directory.resultsPath(job) == "\(folder)/results.tar.gz")
    var status = stat()
    #expect(stat(folder, &status) == 0 && status.st_mode & 0o777 == 0o700)
  }

  @Test func `a removed upload is gone, and removing it again is fine`() async throws {
    let directory = try scratch.directory()
    let upload = try IncomingUpload(in: directory, id: .make())
    try upload.append(TarBuilder.one("f"))
    _ = try await upload.seal()
    try directory.removeUpload(upload.id)
    try directory.removeUpload(upload.id)
    #expect(!exists(directory.uploadPath(upload.id)))
  }

  @Test func `the free space of the disk is known`() throws {
    #expect(try #require(try scratch.directory().freeBytes()) > 0)
  }

  private func expectIO(_ detail: String, _ body: () throws -> some Any) {
    do {
      _ = try body()
      Issue.record("it was taken")
    } catch ArtifactError.io(let found) {
      #expect(found.contains(detail))
    } catch {
      Issue.record("\(error)")
    }
  }
}
