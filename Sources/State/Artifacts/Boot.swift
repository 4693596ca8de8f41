import CSystem
import Glibc

/// Which boot of the machine this is.
package enum Boot {
  /// Another after every start of the kernel, a container's is its host's; nil where there is no such file.
  package static let id = read("/proc/sys/kernel/random/boot_id")

  /// The first line of a small file; nil when there is none.
  static func read(_ path: String) -> String? {
    let descriptor = csystem_open(path, O_RDONLY, 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = Glibc.read(descriptor, &bytes, bytes.count)
    guard count > 0 else { return nil }
    return String(decoding: bytes.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }
}
