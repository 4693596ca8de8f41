import CSQLite
import Glibc
import Store

extension StoreError {
  /// What a code of SQLite's means for the caller. The one place where codes are told apart.
  init(code: Int32, _ database: OpaquePointer?) {
    let message = database.flatMap { sqlite3_errmsg($0) }.map { String(cString: $0) } ?? "out of memory"
    let systemError = database.map { sqlite3_system_errno($0) } ?? 0
    switch code & 0xFF {
    case SQLITE_CONSTRAINT:
      // `UNIQUE constraint failed: instances.job_id` → `instances.job_id`; a trigger's message stays whole.
      let isNamed = message.contains("constraint failed: ")
      self = .conflict(constraint: isNamed ? String(message.split(separator: ": ").last ?? "") : message)
    case SQLITE_FULL: self = .full
    case SQLITE_READONLY, SQLITE_PERM: self = .readOnly
    case SQLITE_BUSY, SQLITE_LOCKED: self = .busy
    case SQLITE_CORRUPT, SQLITE_NOTADB: self = .corrupt(detail: message)
    case SQLITE_IOERR where systemError == ENOSPC || systemError == EDQUOT: self = .full
    case SQLITE_IOERR:
      self = .unavailable(detail: "\(message), code \(code), \(String(cString: strerror(systemError)))")
    default: self = .unavailable(detail: "\(message), code \(code)")
    }
  }
}
