/// How much an archive may ask of whoever unpacks it.
package struct ArchiveLimits: Sendable, Hashable {
  /// Of the archive as it comes. It lies on our disk until the job is over.
  package var packedBytes: Int64 = 100 << 30
  /// A folder of a data set has tens of thousands of files; above this the unpacking alone costs minutes of rent.
  package var entries = 100_000
  /// Of all files once unpacked, holes included. The largest disks that are rented are of this order.
  package var unpackedBytes: Int64 = 200 << 30
  /// Unpacked to packed bytes. Gzip cannot exceed 1032, which only constant data reaches: a bomb, not a workload.
  package var ratio: Int64 = 1000
  /// Below this many unpacked bytes the ratio is not looked at: a small file of zeros is no danger.
  package var ratioFreeBytes: Int64 = 100_000_000
  /// PATH_MAX of Linux: a longer name cannot be unpacked.
  package var nameBytes = 4096
  /// NAME_MAX of every file system that Linux containers lie on.
  package var partBytes = 255
  /// A job that wrote none of its outputs has results without entries; an upload without entries is a mistake.
  package var allowsEmpty = false

  package init() {}
}

/// What an archive holds.
package struct ArchiveSummary: Sendable, Hashable {
  package var entries = 0
  /// Of its files, holes included.
  package var unpackedBytes: Int64 = 0

  package init() {}
}
