import Glibc

// How request headers are checked, and why like this.
//
// libmicrohttpd 0.9.75 is lenient: it takes bare line feeds, folded lines, NUL bytes, spaces before the colon, two lengths.
// Looking fields up through its API shows what it made of them and hides how they came. But it parses in place: when it calls
// the handler, the request line and headers still stand in one block of memory as they arrived, with a few bytes turned to
// NUL (the space after the method, the one before the version, each colon, each CR and LF, and in the query `?`, `&`, `=`).
// So the block is read again here, by a strict reader, and anything that a well-formed request would not have left behind is
// refused: a bare LF leaves one NUL where two must stand, a fold leaves a line that begins with a space (or a moved, zeroed
// one), a NUL in a value ends it before its CRLF, a line hidden behind a NUL leaves bytes over at the end.
//
// What stays hidden: a NUL in exactly the place of a CR before LF, which leaves the same two NULs. The library and this
// reader agree on the fields even then. The target is copied before the library decodes it.
//
// The layout is that of one version, so the server does not start with another (`cmhd_is_supported`).

/// The target and the fields of one request, in memory of their own. Each connection owns one and uses it again for its next
/// request unless somebody has kept the last head; so there is no allocation per request.
///
/// `@unchecked Sendable`: written only by its connection's thread before the head is handed out, read-only after that, and
/// not reused while a second reference exists.
final class HeadFields: @unchecked Sendable {
  var peer = PeerAddress()
  private(set) var contentLength: Int?
  private(set) var isChunked = false
  /// The client waits for `100 Continue` before it sends its body.
  private(set) var expectsContinue = false

  /// The target, then the header block.
  private var bytes: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  private var targetCount = 0
  private var fields: [Field] = []

  private struct Field {
    let nameStart: Int32, nameCount: Int32, valueStart: Int32, valueCount: Int32
  }

  init() {
    capacity = 512
    bytes = .allocate(capacity: capacity)
  }

  deinit { bytes.deallocate() }

  var announcesBody: Bool { isChunked || (contentLength ?? 0) > 0 }

  func begin(target: UnsafeBufferPointer<UInt8>) {
    contentLength = nil
    isChunked = false
    expectsContinue = false
    fields.removeAll(keepingCapacity: true)
    targetCount = 0
    reserve(target.count)
    if let start = target.baseAddress { bytes.update(from: start, count: target.count) }
    targetCount = target.count
  }

  func withTarget<Result, Failure: Error>(
    _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(UnsafeBufferPointer(start: bytes, count: targetCount))
  }

  var targetLength: Int { targetCount }

  /// Reads the header block: `name NUL space* value NUL NUL`, repeated, then `NUL NUL`.
  func readFields(_ block: UnsafeBufferPointer<UInt8>, limit: Int) throws(Refusal) {
    reserve(targetCount + block.count)
    let start = bytes + targetCount
    if let source = block.baseAddress { start.update(from: source, count: block.count) }
    let end = block.count
    var index = 0
    while true {
      guard index + 1 < end else { throw .malformed("A header line does not end in CR LF.") }
      if start[index] == 0 {
        guard start[index + 1] == 0, index + 2 == end else { throw .malformed("A header field has no name.") }
        return
      }
      guard fields.count < limit else { throw .tooManyHeaders }
      let name = index
      while index < end, Characters.isToken(start[index]) { index += 1 }
      guard index < end, start[index] == 0, index > name else {
        throw .malformed("A header field's name is not a token, or its line is folded.")
      }
      let nameEnd = index
      index += 1
      while index < end, start[index] == 0x20 || start[index] == 0x09 { index += 1 }
      let value = index
      while index < end, Characters.isFieldValue(start[index]) { index += 1 }
      guard index + 1 < end, start[index] == 0, start[index + 1] == 0 else {
        throw .malformed("A header field has a control character or does not end in CR LF.")
      }
      var valueEnd = index
      while valueEnd > value, start[valueEnd - 1] == 0x20 || start[valueEnd - 1] == 0x09 { valueEnd -= 1 }
      fields.append(
        Field(
          nameStart: Int32(targetCount + name), nameCount: Int32(nameEnd - name),
          valueStart: Int32(targetCount + value), valueCount: Int32(valueEnd - value)))
      index += 2
    }
  }

  /// The rules about single fields that decide where a request ends and whom it is for.
  func checkFraming(isVersion11: Bool) throws(Refusal) {
    var hosts = 0, lengths = 0, encodings = 0
    for field in fields {
      switch field.nameCount {
      case 4 where matches(field, "host"):
        hosts += 1
        guard view(field.valueStart, field.valueCount).allSatisfy(Characters.isHost) else {
          throw .malformed("The Host field is not a host.")
        }
      case 6 where matches(field, "expect"):
        guard isVersion11 else { break }
        guard equals(view(field.valueStart, field.valueCount), "100-continue") else { throw .expectation }
        expectsContinue = true
      case 14 where matches(field, "content-length"):
        lengths += 1
        contentLength = try length(view(field.valueStart, field.valueCount))
      case 17 where matches(field, "transfer-encoding"):
        encodings += 1
        // What follows the value in memory decides how the library sees it: with a space behind it, it is not "chunked".
        guard equals(view(field.valueStart, field.valueCount), "chunked"),
          bytes[Int(field.valueStart + field.valueCount)] == 0
        else { throw .framing("The only Transfer-Encoding that this server takes is chunked.") }
        isChunked = true
      default: break
      }
    }
    if hosts > 1 { throw .malformed("The request has more than one Host field.") }
    if hosts == 0, isVersion11 { throw .malformed("The request has no Host field.") }
    if lengths > 1 { throw .framing("The request has more than one Content-Length.") }
    if encodings > 1 { throw .framing("The request has more than one Transfer-Encoding.") }
    if encodings > 0, lengths > 0 { throw .framing("The request has both Transfer-Encoding and Content-Length.") }
    if encodings > 0, !isVersion11 { throw .framing("An HTTP/1.0 request cannot be chunked.") }
  }

  func first(_ name: StaticString) -> String? {
    for field in fields where matches(field, name) { return text(field) }
    return nil
  }

  func all(_ name: StaticString) -> [String] {
    fields.filter { matches($0, name) }.map(text)
  }

  private func length(_ digits: UnsafeBufferPointer<UInt8>) throws(Refusal) -> Int {
    guard !digits.isEmpty, digits.count <= 18, digits.allSatisfy(Characters.isDigit) else {
      throw .framing("The Content-Length is not a number that this server takes.")
    }
    return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
  }

  private func view(_ start: Int32, _ count: Int32) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: bytes + Int(start), count: Int(count))
  }

  private func text(_ field: Field) -> String {
    String(decoding: view(field.valueStart, field.valueCount), as: UTF8.self)
  }

  private func matches(_ field: Field, _ name: StaticString) -> Bool {
    equals(view(field.nameStart, field.nameCount), name)
  }

  private func equals(_ bytes: UnsafeBufferPointer<UInt8>, _ text: StaticString) -> Bool {
    guard bytes.count == text.utf8CodeUnitCount else { return false }
    for index in 0..<bytes.count
    where Characters.lowercased(bytes[index]) != Characters.lowercased(text.utf8Start[index]) {
      return false
    }
    return true
  }

  private func reserve(_ count: Int) {
    guard count > capacity else { return }
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
    larger.update(from: bytes, count: targetCount)
    bytes.deallocate()
    bytes = larger
    capacity = count
  }
}
