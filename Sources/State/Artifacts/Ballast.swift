import Glibc

/// A file of nothing, to be thrown away when the disk is full: so that what saves money, that a machine is unwanted, that it
/// was destroyed, can still be written down. Nothing is destroyed before its row says so.
package struct Ballast: Sendable {
  /// Tens of thousands of changed rows; nobody misses them on a disk that holds results.
  package static let bytes: Int64 = 16 << 20
  /// Put back only where it leaves plenty, or the disk would be full again.
  package static let leastFree = 4 * bytes

  private let data: DataDirectory
  private var path: String { data.path + "/ballast" }

  package init(_ data: DataDirectory) { self.data = data }

  package var isThere: Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_size == Self.bytes
  }

  /// Takes the room, really and not as a hole, unless it is taken or the disk is too full for it; tells whether it is there.
  package func put() throws(ArtifactError) -> Bool {
    if isThere { return true }
    guard let free = data.freeBytes(), free >= Self.leastFree else { return false }
    let file = try FileHandle.open(path, O_WRONLY | O_CREAT)
    defer { file.close() }
    let failure = posix_fallocate(file.descriptor, 0, off_t(Self.bytes))
    guard failure == 0 else {
      unlink(path)
      throw .lastError("take room for \(path)", code: failure)
    }
    return true
  }

  /// Gives the room back; tells whether there was any.
  package func drop() throws(ArtifactError) -> Bool {
    if unlink(path) == 0 { return true }
    guard errno == ENOENT else { throw .lastError("remove \(path)") }
    return false
  }
}
