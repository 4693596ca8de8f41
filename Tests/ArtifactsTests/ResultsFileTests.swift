import Testing

@testable import Artifacts

struct ResultsFileTests {
  let scratch = Scratch()
  var final: String { "\(scratch.path)/results.tar.gz" }

  @Test func `whole results get their name and digest`() async throws {
    let archive = TarBuilder.one("output/result.json", data: Array("{}".utf8))
    let partial = scratch.write(archive, to: "results.tar.gz.partial")
    #expect(partial == ResultsFile.partialPath(for: final))
    let committed = try await ResultsFile.commit(partial: partial, to: final)
    #expect(committed.sizeBytes == Int64(archive.count))
    #expect(scratch.run("echo '\(committed.sha256)  \(final)' | sha256sum -c --status") == 0)
    #expect(!exists(partial))
  }

  @Test func `a commit that is repeated after a crash tells the same`() async throws {
    let partial = scratch.write(TarBuilder.one("f"), to: "results.tar.gz.partial")
    let first = try await ResultsFile.commit(partial: partial, to: final)
    let second = try await ResultsFile.commit(partial: partial, to: final)
    #expect(first == second)
  }

  @Test func `results of a job that wrote nothing are fine`() async throws {
    let partial = scratch.write(TarBuilder.archive { _ in }, to: "results.tar.gz.partial")
    _ = try await ResultsFile.commit(partial: partial, to: final)
    #expect(exists(final))
  }

  @Test func `results that would harm whoever unpacks them are never offered`() async {
    let partial = scratch.write(TarBuilder.one("output/x", .symbolicLink, target: "/etc"), to: "results.tar.gz.partial")
    await #expect(throws: ArtifactError.self) { try await ResultsFile.commit(partial: partial, to: final) }
    #expect(!exists(final) && exists(partial))
  }

  @Test func `refused results can be set aside, where a later fetch does not find them`() async throws {
    let partial = scratch.write([1, 2, 3], to: "results.tar.gz.partial")
    try ResultsFile.setAside(partial: partial, of: final)
    #expect(exists(final + ".refused") && !exists(partial) && !exists(final))
    await #expect(throws: ArtifactError.self) { try await ResultsFile.commit(partial: partial, to: final) }
  }

  @Test func `cut or too large results are never offered`() async {
    let archive = TarBuilder.one("f", data: Array(repeating: 1, count: 2000))
    let partial = scratch.write(Array(archive.dropLast(300)), to: "results.tar.gz.partial")
    await #expect(throws: ArtifactError.self) { try await ResultsFile.commit(partial: partial, to: final) }
    #expect(scratch.write(archive, to: "results.tar.gz.partial") == partial)
    await #expect(throws: ArtifactError.tooLarge(limit: 1000)) {
      var limits = ArchiveLimits()
      limits.packedBytes = 1000
      _ = try await ResultsFile.commit(partial: partial, to: final, limits: limits)
    }
    #expect(!exists(final))
  }

  @Test func `results that never came are an error`() async {
    await #expect(throws: ArtifactError.self) {
      try await ResultsFile.commit(partial: ResultsFile.partialPath(for: final), to: final)
    }
  }
}
