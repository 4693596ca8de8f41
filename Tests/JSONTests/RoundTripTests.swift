import Glibc
import JSON
import Testing

@Suite struct RoundTripTests {
  @Test func `whatever is written reads back the same`() throws {
    var random = RandomJSON(seed: 1)
    for _ in 0..<1_000 {
      let value = random.value()
      var writer = JSONWriter()
      writer.element(value)
      #expect(try JSONValue.parse(writer.bytes) == value)
    }
  }

  /// Python's json stands for everybody else. Where it is laxer than RFC 8259 (NaN, infinities, lone surrogates) it is told
  /// to be strict.
  @Test func `Python agrees on what is JSON and on what it means`() throws {
    var random = RandomJSON(seed: 2)
    var cases = ""
    for _ in 0..<2_000 {
      var writer = JSONWriter()
      writer.element(random.value(depth: 3))
      for text in [writer.bytes, random.damaged(writer.bytes)] {
        var answer = "refused"
        if let value = try? JSONValue.parse(text) {
          var again = JSONWriter()
          again.element(value)
          answer = hex(again.bytes)
        }
        cases += "\(hex(text)) \(answer)\n"
      }
    }
    let path = "/tmp/vastd-json-oracle-\(getpid())"
    defer {
      unlink(path)
      unlink(path + ".py")
    }
    try write(cases, to: path)
    try write(Self.oracle, to: path + ".py")
    let verdict = try output(of: "python3 \(path).py \(path) 2>&1")
    #expect(verdict == "4000 cases, 0 differences\n")
  }

  private static let oracle = #"""
    import json, math, sys

    def refuse(text):
        raise ValueError(text)

    def number(text):
        value = float(text)
        return value if math.isfinite(value) else refuse(text)

    def integer(text):
        value = int(text)
        return value if -2**63 <= value < 2**63 else number(text)

    def read(data):
        value = json.loads(data.decode("utf-8"), parse_constant=refuse, parse_float=number, parse_int=integer)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # fails on half a pair of surrogates
        return value

    def same(left, right):
        if isinstance(left, dict) and isinstance(right, dict):
            return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
        if isinstance(left, list) and isinstance(right, list):
            return len(left) == len(right) and all(map(same, left, right))
        if isinstance(left, bool) or isinstance(right, bool):
            return left is right
        return left == right

    sys.set_int_max_str_digits(0) if hasattr(sys, "set_int_max_str_digits") else None
    differences = total = 0
    for line in open(sys.argv[1]):
        text, answer = line.rstrip("\n").split(" ")
        text = bytes.fromhex(text)
        total += 1
        try:
            expected = read(text)
            agrees = answer != "refused" and same(expected, read(bytes.fromhex(answer)))
        except ValueError:
            agrees = answer == "refused"
        if not agrees:
            differences += 1
            print(text, answer)
    print(f"{total} cases, {differences} differences")
    """#
}

private struct CannotRun: Error {
  let what: String
}

private func hex(_ bytes: [UInt8]) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

private func write(_ text: String, to path: String) throws {
  guard let file = fopen(path, "w") else { throw CannotRun(what: path) }
  defer { fclose(file) }
  let bytes = Array(text.utf8)
  guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw CannotRun(what: path) }
}

private func output(of command: String) throws -> String {
  guard let stream = popen(command, "r") else { throw CannotRun(what: command) }
  defer { pclose(stream) }
  var content: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 4 << 10)
  while true {
    let count = fread(&chunk, 1, chunk.count, stream)
    guard count > 0 else { return String(decoding: content, as: UTF8.self) }
    content.append(contentsOf: chunk[..<count])
  }
}
