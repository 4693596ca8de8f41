import Domain
import SSHShell
import TestSupport
import Testing

struct QuotingTests {
  @Test(arguments: MachineKind.present)
  func `any text but NUL arrives as one word, byte for byte`(kind: MachineKind) async throws {
    let bench = try await Bench(kind)
    let strings = Self.strings(count: 6000)
    for start in stride(from: 0, to: strings.count, by: 500) {
      let batch = strings[start..<start + 500]
      let words = batch.map { ShellQuoting.quote($0) }.joined(separator: " ")
      // Both ways a text travels: in a script, and quoted once more inside of one.
      let direct = try await bench.world.run("printf '%s\\0' \(words)")
      let nested = try await bench.run(RemoteCommand(script: "printf '%s\\0' \(words)", timeout: .seconds(20)))
      let expected = batch.flatMap { Array($0.utf8) + [UInt8(0)] }
      #expect(direct.standardOutput == expected)
      #expect(nested.standardOutput == expected)
    }
  }

  /// Made of what shells care about, of control characters and of the rest of Unicode; the same at each run.
  static func strings(count: Int) -> [String] {
    let special = Array("'\"\\`$(){}[]<>|&;#~*?!^%=@+-,.:/ \t\n\r".unicodeScalars)
    var state: UInt64 = 42
    func next(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    var strings = [
      "", "'", "''", "\n", "\\", "-n", "-e", "$(touch /tmp/pwn)", "`id`", "a'b\"c", "\u{1b}]0;x\u{7}", "é\u{301}",
    ]
    while strings.count < count {
      var text = ""
      for _ in 0..<next(24) {
        switch next(4) {
        case 0, 1: text.unicodeScalars.append(special[Int(next(UInt64(special.count)))])
        case 2: text.unicodeScalars.append(Unicode.Scalar(UInt8(1 + next(127))))
        default: if let scalar = Unicode.Scalar(UInt32(1 + next(0x10ffff))) { text.unicodeScalars.append(scalar) }
        }
      }
      strings.append(text)
    }
    return strings
  }
}
