import Testing

@testable import Artifacts

struct ArchiveRulesTests {
  let scratch = Scratch()

  @Test func `an ordinary archive is taken and counted`() throws {
    let summary = try scratch.inspect(
      TarBuilder.archive { tar in
        tar.add("./", .directory, mode: 0o755)
        tar.add("./src/", .directory, mode: 0o755)
        tar.add("./src/train.py", data: Array("print(1)\n".utf8))
        tar.add("run", .symbolicLink, target: "src/train.py")
        tar.add("src/up", .symbolicLink, target: "../run")
        tar.add("copy.py", .hardLink, target: "./src/train.py")
        tar.add("umlaut-ä-日本", data: [1, 2, 3])
      })
    #expect(summary.entries == 6)
    #expect(summary.unpackedBytes == 12)
  }

  @Test(arguments: [
    ("/etc/passwd", "absolute"), ("//x", "absolute"), ("..", "`..` part"), ("../x", "`..` part"),
    ("a/../../x", "`..` part"), ("a/..", "`..` part"), ("./../x", "`..` part"), ("a\nb", "control character"),
    ("a\u{1B}[2J", "control character"), ("a\u{7F}", "control character"), ("", "empty"),
    (".", "the folder itself"),
  ])
  func `a name that leaves or hides is refused by name and reason`(name: String, reason: String) {
    expectRefusal(TarBuilder.one(name), reason: reason)
  }

  @Test func `a name is refused wherever a pax header hides it`() {
    for key in ["path", "GNU.sparse.name"] {
      expectRefusal(
        TarBuilder.archive { $0.add(pax: [(key, "../../root/.ssh/authorized_keys")], then: "harmless") },
        name: key == "path" ? "../../root/.ssh/authorized_keys" : nil, reason: "`..` part")
    }
  }

  @Test func `names are bytes: UTF-8 from a pax header and Latin-1 are taken`() throws {
    var latin = TarBuilder.archive { $0.add("caf?.txt") }
    _ = try scratch.inspect(TarBuilder.archive { $0.add(pax: [("path", "日本/ä.txt")], then: "x") })
    // The name stands 10 + 5 bytes in: after gzip's header and the stored block's. The checksums have to follow.
    var tar = TarBuilder()
    tar.add("caf?.txt")
    tar.end()
    var raw = tar.bytes
    raw[3] = 0xE9
    let sum = raw[0..<148].reduce(0) { $0 + Int($1) } + 8 * 32 + raw[156..<512].reduce(0) { $0 + Int($1) }
    let digits = String(sum, radix: 8)
    raw.replaceSubrange(148..<154, with: Array((String(repeating: "0", count: 6 - digits.count) + digits).utf8))
    latin = gzip(raw)
    #expect(try scratch.inspect(latin).entries == 1)
  }

  @Test func `a name longer than a path may be is refused, and shown cut`() {
    let long = String(repeating: "d/", count: 2048) + "x"
    expectRefusal(
      TarBuilder.archive { $0.add(pax: [("path", long)], then: "x") }, name: nil, reason: "longer than 4096")
    do {
      _ = try scratch.inspect(TarBuilder.archive { $0.add(pax: [("path", long)], then: "x") })
    } catch ArtifactError.unsafeEntry(let name, _) {
      #expect(name.count == 201)
    } catch {
      Issue.record("\(error)")
    }
  }

  @Test(arguments: [
    ("/etc/passwd", "absolute"), ("../x", "outside"), ("a/../../x", "`..` after a name"), ("..", "outside"),
    ("a/..", "`..` after a name"), ("./../x", "outside"), ("a\u{1}", "control character"), ("", "empty"),
  ])
  func `a symbolic link that leaves is refused`(target: String, reason: String) {
    expectRefusal(TarBuilder.one("link", .symbolicLink, target: target), reason: reason)
  }

  @Test func `a symbolic link may climb as high as the archive's root and no higher`() throws {
    _ = try scratch.inspect(TarBuilder.one("a/b/link", .symbolicLink, target: "../../c"))
    expectRefusal(TarBuilder.one("a/b/link", .symbolicLink, target: "../../../c"), reason: "outside")
  }

  /// `up` points to the root, so `d1/d2/d3/up/../x` is outside although its text stays within.
  @Test func `a chain of links that leaves together is refused`() {
    expectRefusal(
      TarBuilder.archive { tar in
        tar.add("d1/d2/d3/up", .symbolicLink, target: "../../..")
        tar.add("out", .symbolicLink, target: "d1/d2/d3/up/../x")
      }, name: "out", reason: "`..` after a name")
  }

  @Test(arguments: [
    ("/etc/passwd", "absolute"), ("../x", "`..` part"), ("a/../../x", "`..` part"), ("a\n", "control character"),
  ])
  func `a hard link that leaves is refused`(target: String, reason: String) {
    expectRefusal(TarBuilder.one("link", .hardLink, target: target), reason: reason)
  }

  @Test(arguments: ["link/x", "link/deep/x", "./link//x"])
  func `nothing is written through a link of the same archive`(name: String) {
    expectRefusal(
      TarBuilder.archive { tar in
        tar.add("dir/", .directory, mode: 0o755)
        tar.add("link", .symbolicLink, target: "dir")
        tar.add(name)
      }, name: name, reason: "through a link")
  }

  @Test func `a file does not take the place of a link, whose target it would overwrite`() {
    for kind in [TarBuilder.Kind.file, .directory, .hardLink] {
      expectRefusal(
        TarBuilder.archive { tar in
          tar.add("link", .symbolicLink, target: "dir")
          tar.add("link", kind, target: kind == .hardLink ? "other" : "")
        }, name: "link", reason: "same name")
    }
  }

  @Test func `a second name of a link is a link too`() {
    expectRefusal(
      TarBuilder.archive { tar in
        tar.add("link", .symbolicLink, target: "dir")
        tar.add("alias", .hardLink, target: "link")
        tar.add("alias/x")
      }, name: "alias/x", reason: "through a link")
    expectRefusal(
      TarBuilder.archive { tar in
        tar.add("link", .symbolicLink, target: "dir")
        tar.add("alias", .hardLink, target: "link/x")
      }, name: "alias", reason: "behind a link")
  }

  @Test func `a hard link to what is not before it in the archive is refused`() {
    expectRefusal(
      TarBuilder.one("link", .hardLink, target: "file"), name: "link", reason: "\"file\" is no file that comes")
    expectRefusal(
      TarBuilder.archive { tar in
        tar.add("link", .hardLink, target: "file")
        tar.add("file")
      }, name: "link", reason: "comes before it")
    expectRefusal(
      TarBuilder.archive { tar in
        tar.add("dir/", .directory, mode: 0o755)
        tar.add("link", .hardLink, target: "dir")
      }, name: "link", reason: "comes before it")
  }

  @Test func `hard links may follow each other, and tar's own to the same name is fine`() throws {
    let summary = try scratch.inspect(
      TarBuilder.archive { tar in
        tar.add("./file")
        tar.add("two", .hardLink, target: "file")
        tar.add("three", .hardLink, target: "./two")
        tar.add("file", .hardLink, target: "file")
      })
    #expect(summary.entries == 4)
  }

  @Test func `nothing lies below a file`() {
    for kind in [TarBuilder.Kind.file, .hardLink] {
      expectRefusal(
        TarBuilder.archive { tar in
          tar.add("first")
          tar.add("a", kind, target: kind == .hardLink ? "first" : "")
          tar.add("a/b")
        }, name: "a/b", reason: "below what is a file")
    }
  }

  @Test func `a folder may take the place of a file, as tar unpacks it`() throws {
    let archive = TarBuilder.archive { tar in
      tar.add("a")
      tar.add("a/", .directory, mode: 0o755)
      tar.add("a/b")
    }
    #expect(try scratch.inspect(archive).entries == 3)
    _ = scratch.write(archive, to: "folder.tar.gz")
    #expect(scratch.run("mkdir out && tar -xzf folder.tar.gz -C out && test -f out/a/b") == 0)
  }

  @Test func `a part of a name that no file system takes is refused`() throws {
    let long = String(repeating: "n", count: 256)
    for name in [long, "a/" + long, long + "/b"] {
      expectRefusal(
        TarBuilder.archive { $0.add(pax: [("path", name)], then: "x") }, reason: "part of its name is longer than 255")
    }
    let fits = String(long.dropFirst())
    #expect(try scratch.inspect(TarBuilder.archive { $0.add(pax: [("path", "a/\(fits)/b")], then: "x") }).entries == 1)
  }

  @Test func `a link may be replaced by a newer one, as tar --append does`() throws {
    let summary = try scratch.inspect(
      TarBuilder.archive { tar in
        tar.add("latest", .symbolicLink, target: "run-1")
        tar.add("latest", .symbolicLink, target: "run-2")
      })
    #expect(summary.entries == 2)
  }

  @Test(arguments: [TarBuilder.Kind.characterDevice, .blockDevice, .pipe])
  func `devices and pipes are refused`(kind: TarBuilder.Kind) {
    expectRefusal(TarBuilder.one("thing", kind), reason: "device")
  }

  @Test func `set-user-id and set-group-id files are refused`() {
    for mode in [0o4755, 0o2755, 0o6755] { expectRefusal(TarBuilder.one("tool", mode: mode), reason: "set-user-id") }
    expectRefusal(TarBuilder.one("dir/", .directory, mode: 0o4755), reason: "set-user-id")
  }

  @Test func `a shared folder's set-group bit and a sticky bit do no harm`() throws {
    #expect(try scratch.inspect(TarBuilder.one("dir/", .directory, mode: 0o3775)).entries == 1)
  }

  @Test func `the limit of entries holds to the entry`() throws {
    var limits = ArchiveLimits()
    limits.entries = 3
    let three = TarBuilder.archive { tar in for index in 0..<3 { tar.add("f\(index)") } }
    let four = TarBuilder.archive { tar in for index in 0..<4 { tar.add("f\(index)") } }
    #expect(try scratch.inspect(three, limits: limits).entries == 3)
    #expect(throws: ArtifactError.tooManyEntries(limit: 3)) { try scratch.inspect(four, limits: limits) }
  }

  @Test func `the limit of unpacked bytes holds to the byte, also for a size that is only declared`() throws {
    var limits = ArchiveLimits()
    limits.unpackedBytes = 4096
    let fits = [UInt8](repeating: 7, count: 1000)
    #expect(try scratch.inspect(TarBuilder.one("f", data: fits), limits: limits).unpackedBytes == 1000)
    let twice = TarBuilder.archive { tar in for index in 0..<2 { tar.add("f\(index)", data: fits + fits + fits) } }
    #expect(throws: ArtifactError.tooLarge(limit: 4096)) { try scratch.inspect(twice, limits: limits) }
    let declared = TarBuilder.archive { $0.add("f", data: [1], declaredSize: 0o77777777777) }
    #expect(throws: ArtifactError.tooLarge(limit: 4096)) { try scratch.inspect(declared, limits: limits) }
  }

  @Test func `a file of holes counts with the size that it unpacks to`() {
    let sparse = TarBuilder.archive {
      $0.add(
        pax: [
          ("GNU.sparse.major", "0"), ("GNU.sparse.minor", "1"), ("GNU.sparse.size", "999999999999999"),
          ("GNU.sparse.numblocks", "0"), ("GNU.sparse.map", "0,0"), ("GNU.sparse.name", "holes"),
        ], then: "GNUSparseFile/holes")
    }
    #expect(throws: ArtifactError.tooLarge(limit: ArchiveLimits().unpackedBytes)) { try scratch.inspect(sparse) }
  }

  @Test func `a compression bomb is refused by name`() {
    #expect(scratch.run("head -c 120000000 /dev/zero > zeros && tar -czf bomb.tar.gz zeros && rm zeros") == 0)
    do {
      _ = try ArchiveCheck.inspect(path: "\(scratch.path)/bomb.tar.gz")
      Issue.record("the bomb was taken")
    } catch ArtifactError.unsafeEntry(let name, let reason) {
      #expect(name == "zeros")
      #expect(reason.contains("1000 times"))
    } catch {
      Issue.record("\(error)")
    }
  }

  @Test func `zeros without end after the end mark are a bomb too`() {
    var limits = ArchiveLimits()
    limits.unpackedBytes = 1 << 20
    var tar = TarBuilder()
    tar.add("f")
    tar.end()
    let padded = gzip(tar.bytes + [UInt8](repeating: 0, count: 2 << 20))
    #expect(throws: ArtifactError.tooLarge(limit: 1 << 20)) { try scratch.inspect(padded, limits: limits) }
  }

  @Test func `deep paths and many links cost time in proportion, not in squares`() throws {
    let deep = String(repeating: "d/", count: 2000) + "x"
    let clock = ContinuousClock()
    let archive = TarBuilder.archive { tar in
      for index in 0..<200 { tar.add("l\(index)", .symbolicLink, target: "x") }
      for _ in 0..<200 { tar.add(pax: [("path", deep)], then: "x") }
    }
    let took = try clock.measure { _ = try scratch.inspect(archive) }
    #expect(took < .seconds(20), "400,000 parts looked up; squares would be 400 million")
  }

  private func expectRefusal(_ archive: [UInt8], name: String? = nil, reason: String) {
    do {
      let summary = try scratch.inspect(archive)
      Issue.record("taken: \(summary)")
    } catch ArtifactError.unsafeEntry(let found, let why) {
      if let name { #expect(found == name) }
      #expect(why.contains(reason))
    } catch {
      Issue.record("\(error)")
    }
  }
}
