import Glibc
import Testing

@testable import Artifacts

@Suite struct `The ballast` {
  private let scratch = Scratch()

  @Test func `takes room that is really there, once, and gives it back`() throws {
    let data = try DataDirectory(path: scratch.path + "/data")
    let ballast = Ballast(data)
    #expect(!ballast.isThere)
    #expect(try ballast.put())
    #expect(try ballast.put(), "twice is harmless")
    var status = stat()
    #expect(stat(data.path + "/ballast", &status) == 0)
    #expect(status.st_size == Ballast.bytes)
    #expect(Int64(status.st_blocks) * 512 >= Ballast.bytes, "no hole")
    #expect(status.st_mode & 0o777 == 0o600)
    #expect(try ballast.drop())
    #expect(!ballast.isThere)
    #expect(try !ballast.drop())
  }
}
