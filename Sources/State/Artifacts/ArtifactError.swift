import Glibc

/// Why a file was not taken, kept or found. `description` is fit for the caller except that of `io`, which is for the log.
package enum ArtifactError: Error, Sendable, Hashable {
  /// No tar.gz, or a cut or damaged one.
  case notAnArchive(detail: String)
  /// An entry that unpacking must not meet; the name is the archive's, printable, cut to 200 characters.
  case unsafeEntry(name: String, reason: String)
  case tooManyEntries(limit: Int)
  /// More bytes than the limit, packed or unpacked.
  case tooLarge(limit: Int64)
  /// An archive without entries.
  case empty
  /// The disk, the quota or what is kept free for the database leaves no room. A later try may find some.
  case storageFull
  case io(detail: String)

  /// What is written is whole as far as it goes; there is no room for more.
  package var isNoRoom: Bool {
    switch self {
    case .storageFull, .tooLarge: true
    case .notAnArchive, .unsafeEntry, .tooManyEntries, .empty, .io: false
    }
  }

  package var isTransient: Bool {
    switch self {
    case .storageFull: true
    case .notAnArchive, .unsafeEntry, .tooManyEntries, .tooLarge, .empty, .io: false
    }
  }
}

extension ArtifactError {
  /// The error of a call that just failed. `action` completes "could not …".
  static func lastError(_ action: String, code: Int32 = errno) -> ArtifactError {
    switch code {
    case ENOSPC, EDQUOT, EFBIG: .storageFull
    default: .io(detail: "could not \(action): \(String(cString: strerror(code)))")
    }
  }
}

extension ArtifactError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notAnArchive(let detail): "not a usable tar.gz: \(detail)"
    case .unsafeEntry(let name, let reason): "the archive's entry \"\(name)\" is refused: \(reason)"
    case .tooManyEntries(let limit): "the archive has more than \(limit) entries"
    case .tooLarge(let limit): "larger than the limit of \(limit) bytes"
    case .empty: "the archive has no entries"
    case .storageFull: "no room left on the disk of the data directory"
    case .io(let detail): detail
    }
  }
}
