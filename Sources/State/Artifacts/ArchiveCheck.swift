import CArchive
import CSystem
import Glibc

/// Reads a tar.gz to its end, without unpacking it anywhere, and says what it holds or why it is not taken.
///
/// Uploads are checked before a machine is rented for them, results before they are offered: the machine that packed them is a
/// stranger's. Memory is bounded whatever the archive claims (two buffers of 256 KiB and some 20 bytes for each entry); time goes
/// with its unpacked size, so call it on a thread that may be busy that long (`offPool`), never in the cooperative pool.
package enum ArchiveCheck {
  package static func inspect(
    path: String, limits: ArchiveLimits = ArchiveLimits()
  ) throws(ArtifactError) -> ArchiveSummary {
    let file = try FileHandle.open(path, O_RDONLY)
    defer { file.close() }
    let packed = try file.size()
    guard let archive = carchive_open(file.descriptor) else { throw .io(detail: "no memory to read an archive") }
    defer { carchive_close(archive) }

    var rules = ArchiveRules(limits: limits)
    var name = ""
    func checkVolume() throws(ArtifactError) {
      let unpacked = max(rules.summary.unpackedBytes, carchive_unpacked_bytes(archive))
      try rules.checkVolume(unpacked: unpacked, packed: packed, name: name)
    }
    while try more(carchive_next(archive), of: archive) {
      let entry = currentEntry(of: archive)
      name = entry.printableName
      try rules.admit(entry)
      try checkVolume()
      while try more(carchive_skip_piece(archive), of: archive) { try checkVolume() }
    }
    while try more(carchive_finish_piece(archive), of: archive) { try checkVolume() }
    if rules.summary.entries == 0, !limits.allowsEmpty { throw .empty }
    return rules.summary
  }

  private static func more(_ result: Int32, of archive: OpaquePointer) throws(ArtifactError) -> Bool {
    switch Int(result) {
    case CARCHIVE_MORE: return true
    case CARCHIVE_END: return false
    case CARCHIVE_FAILED: throw .lastError("read an archive", code: carchive_errno(archive))
    default: throw .notAnArchive(detail: String(cString: carchive_message(archive)))
    }
  }

  private static func currentEntry(of archive: OpaquePointer) -> ArchiveEntry {
    let target = bytes(carchive_link_target(archive))
    let kind: ArchiveEntry.Kind =
      switch Int(carchive_kind(archive)) {
      case CARCHIVE_FILE: .file
      case CARCHIVE_DIRECTORY: .directory
      case CARCHIVE_SYMLINK: .symbolicLink(target: target)
      case CARCHIVE_HARDLINK: .hardLink(target: target)
      default: .special
      }
    return ArchiveEntry(
      name: bytes(carchive_name(archive)), kind: kind, mode: carchive_mode(archive), size: carchive_size(archive))
  }

  private static func bytes(_ text: UnsafePointer<CChar>?) -> [UInt8] {
    guard let text else { return [] }
    return Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
  }
}
