#pragma once

// Walks the entries of a tar.gz without unpacking it: gzip by zlib, tar by libarchive.
//
// zlib and not libarchive's own gzip filter, because that one (3.6) does not compare the checksum and ignores what follows:
// a damaged upload would be found by the rented machine's tar, after the rent began. All policy is the caller's:
// one call reads one header or one piece of data, so limits are looked at between calls.

#include <stdint.h>
#include <sys/types.h>

typedef struct carchive carchive;

enum {
  CARCHIVE_MORE = 1,     // an entry, or a piece of data, was read
  CARCHIVE_END = 0,      // no more of it
  CARCHIVE_BROKEN = -1,  // no tar.gz, or a damaged one: carchive_message says what is wrong
  CARCHIVE_FAILED = -2,  // reading the file failed: carchive_errno says why
};

enum {
  CARCHIVE_OTHER = 0,
  CARCHIVE_FILE = 1,
  CARCHIVE_DIRECTORY = 2,
  CARCHIVE_SYMLINK = 3,
  CARCHIVE_HARDLINK = 4,
};

/// Reads from the descriptor, which the caller goes on owning and closes afterwards. NULL when memory is short.
carchive *carchive_open(int descriptor);
void carchive_close(carchive *archive);

/// Goes to the next entry: MORE, END, BROKEN or FAILED. END is said only after the end-of-archive mark was seen.
int carchive_next(carchive *archive);
/// Passes over a piece of the entry's data, at most 256 KiB: MORE, END, BROKEN or FAILED.
int carchive_skip_piece(carchive *archive);
/// After END of the entries: reads a piece of what follows them, which must be zeros, to the end of the file and its checksum.
int carchive_finish_piece(carchive *archive);

/// Of the current entry. The texts are as in the archive, end with a zero byte and hold until the next call of carchive_next.
/// The name is NULL when the entry has none; so is the link target of what is no link.
const char *carchive_name(carchive *archive);
const char *carchive_link_target(carchive *archive);
int carchive_kind(carchive *archive);
mode_t carchive_mode(carchive *archive);
/// The size of the file once unpacked, holes included.
int64_t carchive_size(carchive *archive);

/// Bytes that came out of gzip so far.
int64_t carchive_unpacked_bytes(carchive *archive);
const char *carchive_message(carchive *archive);
int carchive_errno(carchive *archive);
