import Domain
import HTTPServer
import Locking

/// The JSON of jobs and of pages of jobs, kept as long as what it was made of is current. Nothing served from here is stale:
/// either no row of the store has changed since it was last compared (`commits`), or it is compared again, by versions.
final class JobAnswers: Sendable {
  private struct KeptJob {
    let version: Int64
    let rendered: RenderedJob
    /// The store's count of commits, read before the version was.
    var commits: UInt64
  }

  private struct KeptPage {
    let versions: [JobVersion]
    let bytes: SharedBytes
    var commits: UInt64
  }

  /// A job has some 3 kB in both forms: 6 MB at the most, with `largestKept` as the bound for odd ones.
  private let jobs = Locked(TwoGenerations<ID<Job>, KeptJob>(capacity: 1000))
  /// By request target. A page of 100 has some 100 kB: 3 MB.
  private let pages = Locked(TwoGenerations<String, KeptPage>(capacity: 16))
  /// Jobs with long scripts are rendered anew each time, so that a few thousand of them cannot fill the memory.
  private static let largestKept = 8 << 10
  private static let largestPageKept = 512 << 10

  // MARK: Jobs

  /// What was kept of a job, if nothing was written since it was found current.
  func rendered(_ id: ID<Job>, commits: UInt64) -> RenderedJob? {
    jobs.withLock { kept in
      guard let job = kept[id], job.commits == commits else { return nil }
      return job.rendered
    }
  }

  /// What was kept of this version of a job, which from now on counts as current after so many commits.
  func rendered(_ id: ID<Job>, version: Int64, commits: UInt64) -> RenderedJob? {
    jobs.withLock { kept in
      guard var job = kept[id], job.version == version else { return nil }
      if job.commits != commits {
        job.commits = commits
        kept[id] = job
      }
      return job.rendered
    }
  }

  func rendered(_ job: Job, commits: UInt64) -> RenderedJob {
    if let kept = rendered(job.id, version: job.version, commits: commits) { return kept }
    let rendered = JobJSON.render(job)
    if rendered.whole.count <= Self.largestKept {
      jobs.withLock { $0[job.id] = KeptJob(version: job.version, rendered: rendered, commits: commits) }
    }
    return rendered
  }

  // MARK: Pages

  /// The answer to a target, if nothing was written since it was found current.
  func page(_ target: String, commits: UInt64) -> SharedBytes? {
    pages.withLock { kept in
      guard let page = kept[target], page.commits == commits else { return nil }
      return page.bytes
    }
  }

  /// The answer to a target, if it was made of these versions; from now on it counts as current after so many commits.
  func page(_ target: String, _ versions: [JobVersion], commits: UInt64) -> SharedBytes? {
    pages.withLock { kept in
      guard var page = kept[target], page.versions == versions else { return nil }
      page.commits = commits
      kept[target] = page
      return page.bytes
    }
  }

  func keep(_ bytes: SharedBytes, _ target: String, _ versions: [JobVersion], commits: UInt64) {
    guard bytes.count <= Self.largestPageKept else { return }
    pages.withLock { $0[target] = KeptPage(versions: versions, bytes: bytes, commits: commits) }
  }
}
