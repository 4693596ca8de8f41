import Glibc
import Testing

@testable import Artifacts

struct ArchiveDamageTests {
  let scratch = Scratch()
  let sound = TarBuilder.archive { tar in
    tar.add("a.txt", data: Array(repeating: 65, count: 700))
    tar.add("b.txt", data: Array(repeating: 66, count: 1300))
  }

  @Test(
    arguments: [
      ([], "no bytes"), (Array("hello, this is no archive".utf8), "not gzip"),
      (Array("PK\u{3}\u{4} a zip".utf8), "not gzip"), ([0x1F, 0x8B], "too early"),
      ([0x1F, 0x8B, 9, 9, 9, 9, 9, 9, 9, 9, 9], "damaged"), (gzip(Array("no tar in here".utf8)), "no sound tar"),
      (gzip(Array(repeating: 120, count: 5000)), "no sound tar"), (gzip([]), "no sound tar"),
    ] as [([UInt8], String)])
  func `what is no tar.gz is called so`(bytes: [UInt8], detail: String) {
    expectNotAnArchive(bytes, detail: detail)
  }

  @Test func `a plain tar without gzip is refused`() {
    var tar = TarBuilder()
    tar.add("a")
    tar.end()
    expectNotAnArchive(tar.bytes, detail: "not gzip")
  }

  @Test func `an archive cut anywhere is refused`() {
    for length in stride(from: 0, to: sound.count, by: 97) + [sound.count - 1, sound.count - 8] {
      expectNotAnArchive(Array(sound.prefix(length)), detail: "")
    }
  }

  /// As when tar dies and gzip finishes its stream properly.
  @Test func `a tar cut before it was packed is refused, also between two entries`() {
    var tar = TarBuilder()
    tar.add("a.txt", data: Array(repeating: 65, count: 700))
    expectNotAnArchive(gzip(tar.bytes), detail: "end mark")
    for length in [511, 512, 600, 1024, 1535] {
      expectNotAnArchive(gzip(Array(tar.bytes.prefix(length))), detail: "")
    }
  }

  /// From the first byte of data; the header before it has bits that nobody reads. Every 13th, for a file is written for each.
  @Test func `a flipped bit anywhere in the data is found by its checksum`() {
    for position in stride(from: 15, to: sound.count, by: 13) {
      var damaged = sound
      damaged[position] ^= 0x10
      #expect(throws: ArtifactError.self, "byte \(position)") { try scratch.inspect(damaged) }
    }
  }

  @Test func `zeros after the end are padding, other bytes are refused`() throws {
    #expect(try scratch.inspect(sound + [0, 0, 0, 0]).entries == 2)
    expectNotAnArchive(sound + [0, 0, 7], detail: "follow the end of its gzip")
    expectNotAnArchive(sound + Array("#!/bin/sh".utf8), detail: "follow the end of its gzip")
    var tar = TarBuilder()
    tar.add("a")
    tar.end()
    expectNotAnArchive(gzip(tar.bytes + Array(repeating: 9, count: 512)), detail: "follow the end of its tar")
    var second = TarBuilder()
    second.add("../../hidden")
    second.end()
    expectNotAnArchive(gzip(tar.bytes + second.bytes), detail: "follow the end of its tar")
  }

  @Test func `gzip files that were joined are read as one`() throws {
    var tar = TarBuilder()
    tar.add("a", data: Array(repeating: 1, count: 3000))
    tar.end()
    let joined = gzip(Array(tar.bytes.prefix(1000))) + gzip(Array(tar.bytes.dropFirst(1000)))
    #expect(try scratch.inspect(joined).entries == 1)
  }

  @Test func `an archive without entries is called empty`() {
    #expect(throws: ArtifactError.empty) { try scratch.inspect(TarBuilder.archive { _ in }) }
    #expect(throws: ArtifactError.empty) {
      try scratch.inspect(TarBuilder.archive { $0.add("./", .directory, mode: 0o755) })
    }
    var limits = ArchiveLimits()
    limits.allowsEmpty = true
    #expect(throws: Never.self) { try scratch.inspect(TarBuilder.archive { _ in }, limits: limits) }
  }

  @Test func `what tar and gzip write themselves is taken`() throws {
    let setup = """
      mkdir -p tree/deep && printf hello > tree/deep/file && ln -s deep/file tree/link && ln tree/deep/file tree/hard \
      && printf x > "tree/$(printf 'n%.0s' $(seq 150))" && truncate -s 3M tree/holes
      """
    #expect(scratch.run(setup) == 0)
    for (index, options) in ["", "--format=pax", "--format=gnu", "-S", "--format=pax -S"].enumerated() {
      #expect(scratch.run("tar \(options) -czf \(index).tar.gz -C tree .") == 0)
      let summary = try ArchiveCheck.inspect(path: "\(scratch.path)/\(index).tar.gz")
      #expect(summary.entries == 6, "tar \(options)")
      #expect(summary.unpackedBytes == 5 + 1 + 3 << 20, "tar \(options)")
    }
  }

  @Test func `a missing file is an error of ours, not of the archive`() {
    do {
      _ = try ArchiveCheck.inspect(path: "\(scratch.path)/missing")
      Issue.record("found")
    } catch ArtifactError.io(let detail) {
      #expect(detail.contains("No such file"))
    } catch {
      Issue.record("\(error)")
    }
  }

  private func expectNotAnArchive(_ bytes: [UInt8], detail: String) {
    do {
      let summary = try scratch.inspect(bytes)
      Issue.record("taken: \(summary)")
    } catch ArtifactError.notAnArchive(let found) {
      #expect(found.contains(detail))
    } catch {
      Issue.record("\(error)")
    }
  }
}

private func + (left: StrideTo<Int>, right: [Int]) -> [Int] { Array(left) + right }
