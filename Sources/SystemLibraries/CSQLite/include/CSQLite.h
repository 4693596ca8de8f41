#pragma once

// SQLite's own header, and what its driver needs beside it: calls whose C form Swift cannot write.

#include <sqlite3.h>
#include <stdint.h>
#include <sys/types.h>

/// Binds text or bytes that SQLite copies (SQLITE_TRANSIENT is a cast that Swift does not import).
static inline int csqlite_bind_text(sqlite3_stmt *statement, int index, const void *bytes, int count) {
  return sqlite3_bind_text(statement, index, (const char *)bytes, count, SQLITE_TRANSIENT);
}
static inline int csqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int count) {
  // A NULL pointer would bind NULL; an empty value is not NULL.
  return count == 0 ? sqlite3_bind_zeroblob(statement, index, 0)
                    : sqlite3_bind_blob(statement, index, bytes, count, SQLITE_TRANSIENT);
}

/// Makes the file with mode 0600 unless it exists, makes its entry in the directory durable, and takes group's and
/// others' rights away from one that exists. 0 or an errno.
int csqlite_prepare_file(const char *path);

/// Makes the directory with mode 0700 unless it exists. 0 or an errno; EPERM when others may write to it: they could
/// put another file in the database's place.
int csqlite_prepare_directory(const char *path);

/// Opens the lock file and locks it for as long as the descriptor is open. The descriptor, or a negative errno;
/// -EWOULDBLOCK when somebody else holds the lock, whose process is then in `*holder` (0 when it is not known).
int csqlite_lock_file(const char *path, int64_t *holder);
void csqlite_unlock_file(int descriptor);

/// The name of the network filesystem that holds `path`, NULL when it is a local one or not known.
const char *csqlite_network_filesystem(const char *path);

/// Bytes of a file, or -1.
int64_t csqlite_file_size(const char *path);
