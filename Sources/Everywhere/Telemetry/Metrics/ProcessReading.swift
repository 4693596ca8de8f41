import Glibc

/// What Linux says about this process, read when the metrics are asked for.
struct ProcessReading {
  /// User and system time together.
  static func cpuNanoseconds() -> Int {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1_000_000_000
      + Int(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1_000
  }

  /// Nil when /proc is not mounted, as for the other readings below.
  static func residentBytes() -> Int? {
    fields(of: "/proc/self/statm").dropFirst().first.flatMap { Int($0) }.map { $0 * Int(getpagesize()) }
  }

  static func virtualBytes() -> Int? {
    fields(of: "/proc/self/statm").first.flatMap { Int($0) }.map { $0 * Int(getpagesize()) }
  }

  static func openDescriptors() -> Int? {
    guard let directory = opendir("/proc/self/fd") else { return nil }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    // Neither ".", "..", nor the descriptor of this very directory.
    return count - 3
  }

  static func maximumDescriptors() -> Int? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
    return Int(clamping: limit.rlim_cur)
  }

  /// Seconds since 1970, to a hundredth: boot time plus the ticks that /proc/self/stat gives.
  static let startSeconds: Double? = {
    // The second field, the program's name in parentheses, may hold blanks; the 22nd is the 20th after it.
    guard let stat = text(of: "/proc/self/stat"), let close = stat.lastIndex(of: ")") else { return nil }
    let rest = stat[stat.index(after: close)...].split(separator: " ")
    let boot = text(of: "/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }?.dropFirst(6)
    guard rest.count > 19, let ticks = Double(rest[19]), let boot, let bootSeconds = Double(boot) else { return nil }
    return bootSeconds + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
  }()

  private static func fields(of path: String) -> [Substring] { text(of: path)?.split(separator: " ") ?? [] }

  /// Files of /proc have no size: read until the end, 1 MiB at most (/proc/stat grows with the cores).
  private static func text(of path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 8 << 10)
    while content.count < 1 << 20 {
      let count = fread(&chunk, 1, chunk.count, file)
      guard count > 0 else { break }
      content.append(contentsOf: chunk[..<count])
    }
    return String(decoding: content, as: UTF8.self)
  }
}
