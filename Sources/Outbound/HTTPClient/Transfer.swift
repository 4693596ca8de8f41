import CCurl
import Locking

/// One request on its way: the way back to the caller, and what has arrived so far.
///
/// `@unchecked Sendable`: the caller's side is `continuation`, set once before the transfer is posted; everything else is
/// touched by the loop's thread alone, from its own code or from libcurl's callbacks on it.
final class Transfer: @unchecked Sendable {
  typealias Outcome = Result<HTTPClientResponse, HTTPClientError>

  let id: UInt64
  let request: HTTPClientRequest
  /// Nil leaves the name to libcurl.
  let addresses: HostAddresses?
  private let continuation: CheckedContinuation<Outcome, Never>

  // The loop's thread only.
  var headerLines: UnsafeMutableRawPointer?
  var addressLines: UnsafeMutableRawPointer?
  /// Asks `letsThrough` for libcurl, for as long as the transfer lasts; nil where every address is let through.
  private(set) var gate: UnsafeMutablePointer<ccurl_gate>?
  private var letsThrough: (@Sendable ([UInt8]) -> Bool)?
  private var wasForbidden = false
  private var wasCut = false
  private var headers: [(name: String, value: String)] = []
  private var headerBytes = 0
  private var body: [UInt8] = []
  private var isTooLarge = false

  /// Bytes of one answer's head: real ones have 2 KB, and a flood of headers ends here.
  private static let headerLimit = 64 << 10

  init(
    id: UInt64, request: HTTPClientRequest, addresses: HostAddresses?, continuation: CheckedContinuation<Outcome, Never>
  ) {
    self.id = id
    self.request = request
    self.addresses = addresses
    self.continuation = continuation
  }

  /// From the loop's thread, before the transfer begins.
  func guardAddresses(_ letsThrough: @escaping @Sendable ([UInt8]) -> Bool) {
    self.letsThrough = letsThrough
    let gate = UnsafeMutablePointer<ccurl_gate>.allocate(capacity: 1)
    gate.initialize(
      to: ccurl_gate(lets_through: askTransferGate, context: Unmanaged.passUnretained(self).toOpaque()))
    self.gate = gate
  }

  deinit { gate?.deallocate() }

  func mayConnect(to address: [UInt8]) -> Bool {
    let isAllowed = letsThrough?(address) ?? true
    if !isAllowed { wasForbidden = true }
    return isAllowed
  }

  func finish(_ outcome: Outcome) { continuation.resume(returning: outcome) }

  /// A line of the head, its end included. False ends the transfer.
  func receiveHeader(_ bytes: UnsafeRawBufferPointer) -> Bool {
    headerBytes += bytes.count
    guard headerBytes <= Self.headerLimit else {
      isTooLarge = true
      return false
    }
    // A new status line begins a new head: what came before was an interim answer such as 100.
    if bytes.starts(with: "HTTP/".utf8) {
      headers = []
      return true
    }
    guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else { return true }
    let name = String(decoding: UnsafeRawBufferPointer(rebasing: bytes[..<colon]), as: UTF8.self)
    let value = bytes[(colon + 1)...].drop { $0 == 0x20 || $0 == 0x09 }
    let end = value.lastIndex { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D && $0 != 0x0A }
    headers.append((name, end.map { String(decoding: value[value.startIndex...$0], as: UTF8.self) } ?? ""))
    return true
  }

  /// Part of the unpacked body. False ends the transfer.
  func receiveBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard body.count + bytes.count <= request.responseLimit else {
      if request.cutsLongAnswers { wasCut = true } else { isTooLarge = true }
      return false
    }
    body.append(contentsOf: bytes)
    return true
  }

  /// What the end of the transfer means. `result` is libcurl's code.
  func outcome(result: Int32, easy: UnsafeMutableRawPointer) -> Outcome {
    if result == CCURL_OK || wasCut {
      let duration = Duration.microseconds(ccurl_easy_duration_us(easy))
      return .success(
        HTTPClientResponse(status: ccurl_easy_status(easy), headers: headers, body: body, duration: duration))
    }
    let reason = String(cString: ccurl_error_text(result))
    if isTooLarge { return .failure(.tooLarge(limit: request.responseLimit)) }
    if wasForbidden, ccurl_easy_bytes_sent(easy) == 0 { return .failure(.forbiddenAddress) }
    if ccurl_easy_bytes_sent(easy) == 0 { return .failure(.notSent(reason: reason)) }
    return .failure(result == CCURL_OPERATION_TIMEDOUT ? .timedOut : .broken(reason: reason))
  }
}

// libcurl's callbacks: global functions, since a closure could be given an isolation that libcurl's thread does not have.

func receiveTransferHeader(
  bytes: UnsafeMutablePointer<CChar>?, size: Int, count: Int, context: UnsafeMutableRawPointer?
) -> Int {
  receive(bytes, size * count, context) { transfer, buffer in transfer.receiveHeader(buffer) }
}

func receiveTransferBody(
  bytes: UnsafeMutablePointer<CChar>?, size: Int, count: Int, context: UnsafeMutableRawPointer?
) -> Int {
  receive(bytes, size * count, context) { transfer, buffer in transfer.receiveBody(buffer) }
}

func askTransferGate(address: UnsafePointer<UInt8>?, count: Int, context: UnsafeMutableRawPointer?) -> Int32 {
  guard let context, let address else { return 0 }
  let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
  return transfer.mayConnect(to: Array(UnsafeBufferPointer(start: address, count: count))) ? 1 : 0
}

/// The number of bytes taken: all of them, or one that cannot be right and so ends the transfer.
private func receive(
  _ bytes: UnsafeMutablePointer<CChar>?, _ length: Int, _ context: UnsafeMutableRawPointer?,
  _ take: (Transfer, UnsafeRawBufferPointer) -> Bool
) -> Int {
  guard let context else { return length + 1 }
  let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
  return take(transfer, UnsafeRawBufferPointer(start: bytes, count: length)) ? length : length + 1
}
