import CSystem
import Glibc

/// One thread that runs the jobs of the actors that name it, for C calls that block: SQLite, waiting for a process.
/// The cooperative pool has a thread per core and must never wait.
package final class ThreadExecutor: SerialExecutor {
  private let queue: JobQueue

  package init(name: String) {
    queue = JobQueue()
    startThread(name: name) { [queue] in
      while let job = queue.next() {
        job.runSynchronously(on: self.asUnownedSerialExecutor())
      }
    }
  }

  package func enqueue(_ job: consuming ExecutorJob) {
    queue.append(UnownedJob(job))
  }

  package func asUnownedSerialExecutor() -> UnownedSerialExecutor {
    UnownedSerialExecutor(ordinary: self)
  }
}

/// Starts a detached thread that runs `body` to its end.
package func startThread(name: String, _ body: @escaping @Sendable () -> Void) {
  let box = Unmanaged.passRetained(ThreadBody(name: name, run: body))
  var thread = pthread_t()
  var attributes = pthread_attr_t()
  pthread_attr_init(&attributes)
  pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
  let failure = pthread_create(&thread, &attributes, runThreadBody, box.toOpaque())
  pthread_attr_destroy(&attributes)
  precondition(failure == 0, "no thread could be started")
}

private final class ThreadBody: Sendable {
  let name: String
  let run: @Sendable () -> Void

  init(name: String, run: @escaping @Sendable () -> Void) {
    self.name = name
    self.run = run
  }
}

private func runThreadBody(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument else { return nil }
  let body = Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue()
  csystem_name_thread(body.name)
  body.run()
  return nil
}

/// `@unchecked Sendable`: `jobs` is touched only with `mutex` held. The queue lives as long as its thread, for ever.
private final class JobQueue: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var jobs: [UnownedJob] = []

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  func append(_ job: UnownedJob) {
    pthread_mutex_lock(mutex)
    jobs.append(job)
    pthread_mutex_unlock(mutex)
    pthread_cond_signal(condition)
  }

  func next() -> UnownedJob? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while jobs.isEmpty { pthread_cond_wait(condition, mutex) }
    return jobs.removeFirst()
  }
}
