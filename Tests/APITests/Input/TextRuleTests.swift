import Testing

@testable import API

@Suite struct TextRuleTests {
  @Test(arguments: [
    "a", "python", "python:3.11", "pytorch/pytorch:2.4.0-cuda12.4-cudnn9-runtime", "nvcr.io/nvidia/jax:24.10-py3",
    "ghcr.io/team/tool@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "localhost/a",
    "localhost:5000/a/b_c/d__e/f-g/h--i:_t",
    "registry.example.com:443/x:1@sha256:"
      + String(repeating: "0", count: 64), "127.0.0.1:5000/a", "0a/b.c",
  ])
  func `an image reference is taken`(text: String) { #expect(ImageReference.isValid(text)) }

  @Test(arguments: [
    "", " ", "a b", "A", "a/B", "/a", "a/", "a//b", ":1", "a:", "a:-1", "a:.x", "a@", "a@sha256:xyz",
    "a@md5:" + String(repeating: "0", count: 64), "a@sha256:" + String(repeating: "A", count: 64), "a___b", "a..b",
    "-a",
    "a-", ".a", "a_", "ex-.com/a", "h.com:port/a", "h.com:123456/a", "h.com:/a", "h.com:1:2/a", "a\n", "a\0", "ä",
    "a;b",
    "--privileged", "$(id)", "a:b:c", "a:" + String(repeating: "x", count: 129), String(repeating: "a", count: 456),
  ])
  func `what is no image reference is refused`(text: String) { #expect(!ImageReference.isValid(text)) }

  @Test(arguments: ["A", "_", "a1", "_1", "LD_LIBRARY_PATH", String(repeating: "x", count: 256)])
  func `a variable's name is taken`(name: String) { #expect(EnvironmentName.complaint(name) == nil) }

  @Test(arguments: [
    "", "1", "-", "-e", "A-B", "A B", "A=B", "A\n", "A\0", "Ä", "A.B", "A\u{202E}", String(repeating: "x", count: 257),
  ])
  func `a name that docker or a shell would read otherwise is refused`(name: String) {
    #expect(EnvironmentName.complaint(name) != nil)
  }

  @Test(arguments: ["a", "a/b/", "./a", "a/..b", "...", "*.pt", "a b", "ü"])
  func `a path below the job's folder is taken`(path: String) { #expect(TextRule.output.complaint(path) == nil) }

  @Test func `pointers escape what separates`() {
    #expect(JSONPointer.child("/env", "a/b~c") == "/env/a~1b~0c")
    #expect(JSONPointer.child("", "plain") == "/plain")
    #expect(JSONPointer.child("", "") == "/")
  }
}
