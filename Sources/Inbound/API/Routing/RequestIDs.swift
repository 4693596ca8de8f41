import HTTPServer
import Synchronization

/// Gives requests their ids. A caller's own is taken when it is harmless in headers and logs; else one is made from a word
/// drawn at start and a counter: unique without a system call per request, and short enough to live inside a String.
final class RequestIDs: Sendable {
  private let boot: UInt64
  private let counter = Atomic<UInt64>(0)

  /// 35 bits tell the starts of the process apart.
  init(boot: UInt64 = .random(in: 0..<(1 << 35))) { self.boot = boot }

  func id(for head: RequestHead) -> String {
    if let given = head.header("x-request-id"), Self.isAcceptable(given) { return given }
    return next()
  }

  /// Fifteen characters, which a String holds without an allocation: seven of the boot, eight of the counter (40 bits).
  func next() -> String {
    let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
    return String(unsafeUninitializedCapacity: 15) { buffer in
      Self.write(boot, digits: 7, to: buffer[..<7])
      Self.write(number, digits: 8, to: buffer[7..<15])
      return 15
    }
  }

  private static func write(_ value: UInt64, digits: Int, to slice: Slice<UnsafeMutableBufferPointer<UInt8>>) {
    for position in 0..<digits {
      let digit = UInt8(value >> UInt64((digits - 1 - position) * 5) & 31)
      slice.base[slice.startIndex + position] =
        digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
    }
  }

  /// `[A-Za-z0-9._-]{1,128}`: nothing that could end a header, colour a terminal or fill a log.
  static func isAcceptable(_ text: String) -> Bool {
    (1...128).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }

  /// The trace id of a W3C `traceparent`; nil for anything that the recommendation calls invalid.
  static func traceID(in header: String?) -> String? {
    guard let header else { return nil }
    let text = Array(header.utf8)
    let dash = UInt8(ascii: "-")
    guard text.count >= 55, text[2] == dash, text[35] == dash, text[52] == dash else { return nil }
    // Version 00 ends here; a later one may go on after a dash.
    let isVersion00 = text[0] == UInt8(ascii: "0") && text[1] == UInt8(ascii: "0")
    guard isVersion00 ? text.count == 55 : (text.count == 55 || text[55] == dash) else { return nil }
    let isFF = text[0] == UInt8(ascii: "f") && text[1] == UInt8(ascii: "f")
    let fields = [text[0..<2], text[3..<35], text[36..<52], text[53..<55]]
    let areHex = fields.allSatisfy { field in
      field.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
    let areSet = fields[1...2].allSatisfy { field in field.contains { $0 != UInt8(ascii: "0") } }
    guard !isFF, areHex, areSet else { return nil }
    return String(decoding: text[3..<35], as: UTF8.self)
  }
}
