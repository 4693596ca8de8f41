import HTTPServer
import Locking

/// Counts what it receives and can be told to refuse.
final class TestReceiver: BodyReceiver {
  private let state = Locked((bytes: 0, sum: 0, abandoned: 0))
  private let refuseAt: Int

  init(refuseAt: Int = .max) { self.refuseAt = refuseAt }

  func receive(_ bytes: UnsafeRawBufferPointer) -> Response? {
    let total = state.withLock { state in
      state.bytes += bytes.count
      state.sum = bytes.reduce(state.sum) { ($0 &* 31 &+ Int($1)) & 0xFFFF_FFFF }
      return state.bytes
    }
    return total >= refuseAt ? .text("no more", status: 422) : nil
  }

  func abandon() { state.withLock { $0.abandoned += 1 } }

  var bytes: Int { state.withLock { $0.bytes } }
  var sum: Int { state.withLock { $0.sum } }
  var abandoned: Int { state.withLock { $0.abandoned } }
}
