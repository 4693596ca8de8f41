/// What a failed read or write means for its caller. Whatever the case, nothing of the failed transaction is kept.
package enum StoreError: Error, Sendable, Hashable {
  /// A rule of the schema refuses it: `instances.job_id`, `idempotency_keys`. The same write will fail again.
  case conflict(constraint: String)
  /// Somebody was faster: read again and decide again. Thrown by bodies whose guarded update changed nothing.
  case raced
  /// The disk has no room. Writes work again by themselves once it has.
  case full
  /// The database cannot be written: rights or a filesystem mounted read-only.
  case readOnly
  case busy
  /// What is stored is damaged or is nothing that this program writes: a person must act.
  case corrupt(detail: String)
  /// A newer release has been at this database.
  case newerSchema(found: Int64, known: Int64)
  /// Another process has the database open.
  case locked(detail: String)
  /// The database may not be used the way it is set up: where it lies, whose it is, a released migration was changed.
  case misconfigured(detail: String)
  /// Input or output failed, or memory is short.
  case unavailable(detail: String)
  case closed

  /// Whether the same call may succeed shortly.
  package var isTransient: Bool {
    switch self {
    case .raced, .full, .busy, .unavailable: true
    case .conflict, .readOnly, .corrupt, .newerSchema, .locked, .misconfigured, .closed: false
    }
  }

  /// A stable word for metrics and problem details.
  package var code: String {
    switch self {
    case .conflict: "store_conflict"
    case .raced: "store_raced"
    case .full: "disk_full"
    case .readOnly: "store_read_only"
    case .busy: "store_busy"
    case .corrupt: "store_corrupt"
    case .newerSchema: "store_newer_schema"
    case .locked: "store_locked"
    case .misconfigured: "store_misconfigured"
    case .unavailable: "store_unavailable"
    case .closed: "store_closed"
    }
  }

  /// A sentence for the log and for whoever runs the service.
  package var detail: String {
    switch self {
    case .conflict(let constraint): "The database refuses a second or an impossible row (\(constraint))."
    case .raced: "Somebody else changed the row first."
    case .full: "The disk that holds the database is full. Make room; writes resume by themselves."
    case .readOnly: "The database cannot be written. Check the rights of its directory and how its disk is mounted."
    case .busy: "The database is busy."
    case .corrupt(let detail): "The database is damaged (\(detail)). Restore it from a backup."
    case .newerSchema(let found, let known):
      "The database has schema \(found) and this program knows \(known). Run the newer release."
    case .locked(let detail): detail
    case .misconfigured(let detail): detail
    case .unavailable(let detail): "The database cannot be used now (\(detail))."
    case .closed: "The database has been closed."
    }
  }
}
