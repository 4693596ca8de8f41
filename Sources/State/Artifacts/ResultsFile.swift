import Glibc

/// A job's results: fetched into a partial file, offered only once whole, checked and durable under the final name.
package enum ResultsFile {
  /// Where to write while they come. An older one is from a fetch that was cut: write over it.
  package static func partialPath(for final: String) -> String { final + ".partial" }

  /// Hashes and checks the partial file, makes it durable and gives it its name. They come from a stranger's machine, so the
  /// check is that of uploads; an archive without entries is fine, as of a job that wrote nothing.
  ///
  /// On an error the partial file stays under its name, which nobody is given: repeat the fetch or remove it. When the final
  /// file is there and the partial is not (a crash came between), that file is told again, and its name made durable first.
  package static func commit(
    partial: String, to final: String, limits: ArchiveLimits = ArchiveLimits()
  ) async throws(ArtifactError) -> (sha256: String, sizeBytes: Int64) {
    try await offPool { () throws(ArtifactError) in
      if access(partial, F_OK) != 0, access(final, F_OK) == 0 {
        let file = try FileHandle.open(final, O_RDONLY)
        defer { file.close() }
        try FileHandle.synchronizeDirectory(FileHandle.folder(of: final))
        return try hash(file)
      }
      var limits = limits
      limits.allowsEmpty = true
      let file = try FileHandle.open(partial, O_RDWR)
      defer { file.close() }
      let size = try file.size()
      guard size <= limits.packedBytes else { throw .tooLarge(limit: limits.packedBytes) }
      _ = try ArchiveCheck.inspect(path: partial, limits: limits)
      let outcome = try hash(file)
      try file.synchronize()
      try FileHandle.rename(partial, to: final)
      return outcome
    }
  }

  /// Gives a partial file that `commit` refused a name under which nothing is served and no later fetch writes.
  package static func setAside(partial: String, of final: String) throws(ArtifactError) {
    let file = try FileHandle.open(partial, O_RDONLY)
    defer { file.close() }
    try file.synchronize()
    try FileHandle.rename(partial, to: final + ".refused")
  }

  /// Whether a file is there with the bytes that it was committed with.
  package static func isIntact(path: String, sha256: String) async -> Bool {
    do throws(ArtifactError) {
      return try await offPool { () throws(ArtifactError) in
        let file = try FileHandle.open(path, O_RDONLY)
        defer { file.close() }
        return try hash(file).sha256 == sha256
      }
    } catch {
      return false
    }
  }

  private static func hash(_ file: FileHandle) throws(ArtifactError) -> (sha256: String, sizeBytes: Int64) {
    let hash = SHA256()
    var size: Int64 = 0
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
    defer { buffer.deallocate() }
    while true {
      let count = try file.read(into: buffer, at: size)
      if count == 0 { return (hash.finish(), size) }
      hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      size += Int64(count)
    }
  }
}
