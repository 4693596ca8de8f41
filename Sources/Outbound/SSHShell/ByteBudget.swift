/// Keeps the first bytes of a stream and counts the rest, so that a flood costs no memory.
struct ByteBudget {
  private(set) var bytes: [UInt8] = []
  private(set) var isTruncated = false
  private let limit: Int

  init(limit: Int) { self.limit = max(0, limit) }

  mutating func append(_ piece: UnsafeRawBufferPointer) {
    let room = limit - bytes.count
    if piece.count > room { isTruncated = true }
    if room > 0 { bytes.append(contentsOf: piece.prefix(room)) }
  }
}
