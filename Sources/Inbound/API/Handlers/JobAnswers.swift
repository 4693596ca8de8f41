import Domain
import FleetService
import HTTPServer
import Locking

/// The JSON of jobs and of pages of jobs, kept as long as the versions that it was made of are the current ones. A version
/// is asked for on every request: nothing served from here can be stale.
final class JobAnswers: Sendable {
  struct PageKey: Hashable {
    let scope: String
    let page: PageRequest
  }

  private struct KeptJob {
    let version: Int64
    let rendered: RenderedJob
  }

  private struct KeptPage {
    let versions: [JobVersion]
    let bytes: SharedBytes
  }

  /// A job has some 3 kB in both forms: 6 MB at the most, with `largestKept` as the bound for odd ones.
  private let jobs = Locked(TwoGenerations<ID<Job>, KeptJob>(capacity: 1000))
  /// A page of 100 has some 100 kB: 3 MB.
  private let pages = Locked(TwoGenerations<PageKey, KeptPage>(capacity: 16))
  /// Jobs with long scripts are rendered anew each time, so that a few thousand of them cannot fill the memory.
  private static let largestKept = 8 << 10
  private static let largestPageKept = 512 << 10

  func rendered(_ id: ID<Job>, version: Int64) -> RenderedJob? {
    jobs.withLock { kept in
      guard let job = kept[id], job.version == version else { return nil }
      return job.rendered
    }
  }

  func rendered(_ job: Job) -> RenderedJob {
    if let kept = rendered(job.id, version: job.version) { return kept }
    let rendered = JobJSON.render(job)
    if rendered.whole.count <= Self.largestKept {
      jobs.withLock { $0[job.id] = KeptJob(version: job.version, rendered: rendered) }
    }
    return rendered
  }

  func page(_ key: PageKey, _ versions: [JobVersion]) -> SharedBytes? {
    pages.withLock { kept in
      guard let page = kept[key], page.versions == versions else { return nil }
      return page.bytes
    }
  }

  func keep(_ bytes: SharedBytes, _ key: PageKey, _ versions: [JobVersion]) {
    guard bytes.count <= Self.largestPageKept else { return }
    pages.withLock { $0[key] = KeptPage(versions: versions, bytes: bytes) }
  }
}
