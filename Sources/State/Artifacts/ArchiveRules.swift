/// Decides entry by entry whether an archive can be unpacked anywhere without touching what lies outside. No I/O.
///
/// The rules make one argument. No name is absolute, climbs with `..` or passes through a link of this archive, so every
/// entry lies in a real folder below the root. A symbolic link may climb only at the start of its target and no higher than
/// the root; what follows are names below the root, which pass through nothing but links of the same sort. So no link, and no
/// chain of links, leaves. (`..` after a name is refused because that name may be a link, and then `..` is not where it seems.)
///
/// What no tar can unpack is refused too, since each try costs the rent of a machine: a part of a name that no file system
/// takes, an entry below a file, a hard link to what is not there yet.
struct ArchiveRules {
  private let limits: ArchiveLimits
  /// Everything admitted so far that is no folder.
  private var places = PathTable()
  private(set) var summary = ArchiveSummary()

  init(limits: ArchiveLimits) {
    self.limits = limits
  }

  /// Counts the entry in, or throws what is wrong with it.
  mutating func admit(_ entry: ArchiveEntry) throws(ArtifactError) {
    let path: [ArraySlice<UInt8>]
    let kind: PathTable.Kind?
    do {
      path = try Self.components(ofName: entry.name, limits: limits)
      try checkPlace(of: path, kind: entry.kind)
      try checkMode(of: entry)
      kind = try checkLink(of: entry, at: path)
    } catch {
      throw .unsafeEntry(name: entry.printableName, reason: error.reason)
    }
    if path.isEmpty { return }  // "./", which `tar -c .` begins with
    if let kind { places.insert(path, kind) } else { places.removeFile(path) }  // tar puts a folder in a file's place
    guard summary.entries < limits.entries else { throw .tooManyEntries(limit: limits.entries) }
    summary.entries += 1
    let (bytes, overflow) = summary.unpackedBytes.addingReportingOverflow(max(0, entry.size))
    guard !overflow, bytes <= limits.unpackedBytes else { throw .tooLarge(limit: limits.unpackedBytes) }
    summary.unpackedBytes = bytes
  }

  /// Throws when `unpacked` bytes out of a file of `packed` bytes are too many or too good to be true. `name` is where it is.
  func checkVolume(unpacked: Int64, packed: Int64, name: String) throws(ArtifactError) {
    guard unpacked <= limits.unpackedBytes else { throw .tooLarge(limit: limits.unpackedBytes) }
    if unpacked > limits.ratioFreeBytes, unpacked / limits.ratio >= max(1, packed) {
      throw .unsafeEntry(
        name: name,
        reason: "up to here the archive unpacks to over \(limits.ratio) times its size, as a compression bomb does")
    }
  }

  private struct Refusal: Error {
    let reason: String
  }

  private func checkPlace(of path: [ArraySlice<UInt8>], kind: ArchiveEntry.Kind) throws(Refusal) {
    if path.isEmpty, kind != .directory { throw Refusal(reason: "it would take the place of the folder itself") }
    switch places.find(path) {
    case nil: break
    case (let depth, .file)?:
      if depth < path.count { throw Refusal(reason: "it would lie below what is a file earlier in the archive") }
    case (path.count, .link)?:
      if case .symbolicLink = kind { break }
      throw Refusal(reason: "a link of the same name comes before it in the archive")
    case (_, .link)?: throw Refusal(reason: "it would be written through a link of the same archive")
    }
  }

  private func checkMode(of entry: ArchiveEntry) throws(Refusal) {
    if entry.kind == .special { throw Refusal(reason: "it is a device, a pipe or a socket") }
    // On a folder the set-group bit only hands its group down, and shared disks set it everywhere.
    let refused: UInt32 = entry.kind == .directory ? 0o4000 : 0o6000
    if entry.mode & refused != 0 { throw Refusal(reason: "it is set-user-id or set-group-id") }
  }

  /// What the entry is to those that follow; nil for a folder.
  private func checkLink(of entry: ArchiveEntry, at path: [ArraySlice<UInt8>]) throws(Refusal) -> PathTable.Kind? {
    switch entry.kind {
    case .directory: return nil
    case .file, .special: return .file
    case .symbolicLink(let target):
      try Self.checkText(target, what: "its target", limits: limits)
      if target.first == slash { throw Refusal(reason: "its target is an absolute path") }
      var climbed = 0
      var descended = false
      for component in target.split(separator: slash) where component != dot {
        guard component == dotDot else {
          descended = true
          continue
        }
        if descended { throw Refusal(reason: "its target has `..` after a name") }
        climbed += 1
        if climbed >= path.count { throw Refusal(reason: "its target lies outside the archive") }
      }
      return .link
    case .hardLink(let target):
      let existing: [ArraySlice<UInt8>]
      do { existing = try Self.components(ofName: target, limits: limits) } catch {
        throw Refusal(reason: "its target is refused: \(error.reason)")
      }
      switch places.find(existing) {
      case (existing.count, let kind)?: return kind  // a second name of a link is a link
      case (_, .link)?: throw Refusal(reason: "its target lies behind a link of the same archive")
      case (_, .file)?, nil:
        throw Refusal(
          reason: "its target \"\(ArchiveEntry.printable(target))\" is no file that comes before it in the archive")
      }
    }
  }

  /// A name's parts without empty ones and `.`.
  private static func components(
    ofName name: [UInt8], limits: ArchiveLimits
  ) throws(Refusal) -> [ArraySlice<UInt8>] {
    try checkText(name, what: "its name", limits: limits)
    if name.first == slash { throw Refusal(reason: "its name is an absolute path") }
    let parts = name.split(separator: slash).filter { $0 != dot }
    if parts.contains(dotDot) { throw Refusal(reason: "its name has a `..` part") }
    if parts.contains(where: { $0.count > limits.partBytes }) {
      throw Refusal(reason: "a part of its name is longer than \(limits.partBytes) bytes")
    }
    return parts
  }

  private static func checkText(_ text: [UInt8], what: String, limits: ArchiveLimits) throws(Refusal) {
    if text.isEmpty { throw Refusal(reason: "\(what) is empty") }
    if text.count > limits.nameBytes { throw Refusal(reason: "\(what) is longer than \(limits.nameBytes) bytes") }
    if text.contains(where: { $0 < 0x20 || $0 == 0x7F }) { throw Refusal(reason: "\(what) has a control character") }
  }
}

private let slash = UInt8(ascii: "/")
private let dot: ArraySlice<UInt8> = [UInt8(ascii: ".")]
private let dotDot: ArraySlice<UInt8> = [UInt8(ascii: "."), UInt8(ascii: ".")]

/// Paths kept as keyed 64-bit hashes: 100,000 names of 4 KB would take 400 MB. A link is never forgotten, so two paths with
/// one hash (about one chance in 10⁹ for a full archive) could refuse an entry that is fine, or let a hard link to nothing
/// pass, and never admit one that leaves.
private struct PathTable {
  enum Kind: Hashable {
    case file
    case link
  }

  private var kinds: [Int: Kind] = [:]

  mutating func insert(_ path: [ArraySlice<UInt8>], _ kind: Kind) {
    let hash = Self.hash(path)
    if kinds[hash] != .link { kinds[hash] = kind }
  }

  mutating func removeFile(_ path: [ArraySlice<UInt8>]) {
    let hash = Self.hash(path)
    if kinds[hash] == .file { kinds[hash] = nil }
  }

  /// What the fewest leading parts of `path` that are in here are, and how many these are; nil when none are. One pass,
  /// whatever the depth.
  func find(_ path: [ArraySlice<UInt8>]) -> (depth: Int, kind: Kind)? {
    if kinds.isEmpty { return nil }
    var hasher = Hasher()
    for (index, component) in path.enumerated() {
      Self.feed(component, to: &hasher)
      let soFar = hasher
      if let kind = kinds[soFar.finalize()] { return (index + 1, kind) }
    }
    return nil
  }

  private static func hash(_ path: [ArraySlice<UInt8>]) -> Int {
    var hasher = Hasher()
    for component in path { feed(component, to: &hasher) }
    return hasher.finalize()
  }

  private static func feed(_ component: ArraySlice<UInt8>, to hasher: inout Hasher) {
    component.withUnsafeBytes { hasher.combine(bytes: $0) }
    hasher.combine(slash)
  }
}
