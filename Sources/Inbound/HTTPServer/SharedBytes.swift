import CMicrohttpd
import Locking

/// Immutable bytes that answers share without a copy. The library's response made from them is kept too, and used again as
/// long as status and headers stay the same, so that a constant answer costs no allocation.
///
/// `@unchecked Sendable`: the bytes never change after `init`, and the kept response is touched only under its lock.
package final class SharedBytes: @unchecked Sendable {
  private let start: UnsafeMutableRawBufferPointer
  private let kept = Locked<Kept?>(nil)

  private struct Kept {
    let response: OpaquePointer
    let status: Int
    let headers: [(name: String, value: String)]
    let closes: Bool
  }

  package init(_ bytes: some Collection<UInt8>) {
    start = .allocate(byteCount: max(bytes.count, 1), alignment: 1)
    start.copyBytes(from: bytes)
    count = bytes.count
  }

  deinit {
    kept.withLock { if let kept = $0 { cmhd_response_release(kept.response) } }
    start.deallocate()
  }

  package let count: Int

  package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    body(UnsafeRawBufferPointer(rebasing: start[..<count]))
  }

  /// Hands `body` a library response with these bytes, made by `make` unless the last one fits. The caller does not release
  /// it. `body` runs under the lock, so that no other answer releases the response before it is queued.
  func withResponse<Result>(
    status: Int, headers: [(name: String, value: String)], closes: Bool,
    make: (UnsafeRawBufferPointer) -> OpaquePointer?, _ body: (OpaquePointer) -> Result
  ) -> Result? {
    kept.withLock { kept in
      if let kept, kept.status == status, kept.closes == closes, same(kept.headers, headers) {
        return body(kept.response)
      }
      guard let response = withUnsafeBytes(make) else { return nil }
      if let old = kept { cmhd_response_release(old.response) }
      kept = Kept(response: response, status: status, headers: headers, closes: closes)
      return body(response)
    }
  }
}

private func same(_ left: [(name: String, value: String)], _ right: [(name: String, value: String)]) -> Bool {
  left.count == right.count && zip(left, right).allSatisfy { $0.name == $1.name && $0.value == $1.value }
}
