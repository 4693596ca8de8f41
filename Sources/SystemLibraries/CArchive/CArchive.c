#include "CArchive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { piece = 256 * 1024, block = 512 };

struct carchive {
  int descriptor;
  struct archive *tar;
  struct archive_entry *entry;
  z_stream gzip;
  int gzip_started, gzip_ended;
  int64_t unpacked, last_nonzero;  // offset of the last byte that is not zero, -1 before any
  int64_t end_of_entries;
  int failure;  // errno of a failed read
  char message[256];
  unsigned char packed_bytes[piece], unpacked_bytes[piece];
};

static int broken(carchive *archive, const char *message) {
  if (!archive->message[0]) snprintf(archive->message, sizeof archive->message, "%s", message ? message : "it is damaged");
  return CARCHIVE_BROKEN;
}

static int verdict(carchive *archive, const char *message) {
  return archive->failure ? CARCHIVE_FAILED : broken(archive, message);
}

// Refills the packed side. MORE, END of the file, or FAILED.
static int refill(carchive *archive) {
  ssize_t count;
  do count = read(archive->descriptor, archive->packed_bytes, piece);
  while (count < 0 && errno == EINTR);
  if (count < 0) {
    archive->failure = errno;
    return CARCHIVE_FAILED;
  }
  archive->gzip.next_in = archive->packed_bytes;
  archive->gzip.avail_in = (uInt)count;
  return count > 0 ? CARCHIVE_MORE : CARCHIVE_END;
}

// A gzip stream ended: another may follow (gzip files may be joined), or zeros as padding, and nothing else.
static int after_stream(carchive *archive) {
  for (;;) {
    while (archive->gzip.avail_in > 0 && archive->gzip.next_in[0] == 0) {
      archive->gzip.next_in++;
      archive->gzip.avail_in--;
    }
    if (archive->gzip.avail_in > 0) break;
    int more = refill(archive);
    if (more == CARCHIVE_FAILED) return more;
    if (more == CARCHIVE_END) {
      archive->gzip_ended = 1;
      return CARCHIVE_END;
    }
  }
  if (archive->gzip.next_in[0] != 0x1f) return broken(archive, "other bytes follow the end of its gzip data");
  inflateReset(&archive->gzip);
  return CARCHIVE_MORE;
}

// Fills the unpacked side once. MORE with *count > 0, END, BROKEN or FAILED.
static int inflate_piece(carchive *archive, size_t *count) {
  *count = 0;
  archive->gzip.next_out = archive->unpacked_bytes;
  archive->gzip.avail_out = piece;
  while (!archive->gzip_ended && archive->gzip.avail_out > 0) {
    if (archive->gzip.avail_in == 0) {
      int more = refill(archive);
      if (more == CARCHIVE_FAILED) return more;
      if (more == CARCHIVE_END)
        return broken(archive, archive->gzip_started ? "its gzip data ends too early" : "it has no bytes");
    }
    if (!archive->gzip_started) {
      if (archive->gzip.next_in[0] != 0x1f) return broken(archive, "it is not gzip data");
      archive->gzip_started = 1;
    }
    int result = inflate(&archive->gzip, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      int more = after_stream(archive);
      if (more < 0) return more;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      char text[200];
      snprintf(text, sizeof text, "its gzip data is damaged (%s)", archive->gzip.msg ? archive->gzip.msg : "unknown");
      return broken(archive, text);
    }
  }
  *count = piece - archive->gzip.avail_out;
  for (size_t at = *count; at > 0; at--)
    if (archive->unpacked_bytes[at - 1] != 0) {
      archive->last_nonzero = archive->unpacked + (int64_t)at - 1;
      break;
    }
  archive->unpacked += (int64_t)*count;
  return *count > 0 ? CARCHIVE_MORE : CARCHIVE_END;
}

static la_ssize_t feed_tar(struct archive *tar, void *context, const void **bytes) {
  carchive *archive = context;
  size_t count;
  if (inflate_piece(archive, &count) < 0) {
    archive_set_error(tar, EIO, "%s", archive->message);
    return -1;
  }
  *bytes = archive->unpacked_bytes;
  return (la_ssize_t)count;
}

carchive *carchive_open(int descriptor) {
  carchive *archive = calloc(1, sizeof *archive);
  if (!archive) return NULL;
  archive->descriptor = descriptor;
  archive->last_nonzero = -1;
  if (inflateInit2(&archive->gzip, 15 + 16) != Z_OK) {  // 15: the largest window; +16: gzip and nothing else
    free(archive);
    return NULL;
  }
  archive->tar = archive_read_new();
  if (!archive->tar || archive_read_support_format_tar(archive->tar) != ARCHIVE_OK) {
    carchive_close(archive);
    return NULL;
  }
  // What goes wrong while it opens is kept by the reader and told by the first carchive_next.
  archive_read_open(archive->tar, archive, NULL, feed_tar, NULL);
  return archive;
}

void carchive_close(carchive *archive) {
  if (archive->tar) archive_read_free(archive->tar);
  inflateEnd(&archive->gzip);
  free(archive);
}

int carchive_next(carchive *archive) {
  if (archive->message[0] || archive->failure) return verdict(archive, NULL);
  switch (archive_read_next_header(archive->tar, &archive->entry)) {
    case ARCHIVE_OK:
    case ARCHIVE_WARN:  // a name that is not in this locale's alphabet, an attribute that it does not know: kept as bytes
      return CARCHIVE_MORE;
    case ARCHIVE_EOF:
      archive->end_of_entries = archive_read_header_position(archive->tar);
      return CARCHIVE_END;
    default: {
      char text[200];
      const char *detail = archive_error_string(archive->tar);
      snprintf(text, sizeof text, "its gzip data holds no sound tar archive (%s)", detail ? detail : "unknown");
      return verdict(archive, text);
    }
  }
}

int carchive_skip_piece(carchive *archive) {
  const void *bytes;
  size_t count;
  la_int64_t offset;
  switch (archive_read_data_block(archive->tar, &bytes, &count, &offset)) {
    case ARCHIVE_OK:
    case ARCHIVE_WARN: return CARCHIVE_MORE;
    case ARCHIVE_EOF: return CARCHIVE_END;
    default: {
      char text[200];
      const char *detail = archive_error_string(archive->tar);
      snprintf(text, sizeof text, "its tar archive ends too early or is damaged (%s)", detail ? detail : "unknown");
      return verdict(archive, text);
    }
  }
}

int carchive_finish_piece(carchive *archive) {
  size_t count;
  int more = inflate_piece(archive, &count);
  if (more < 0 || more == CARCHIVE_MORE) return more;
  if (archive->last_nonzero >= archive->end_of_entries)
    return broken(archive, "other bytes follow the end of its tar archive");
  if (archive->unpacked - archive->end_of_entries < block)
    return broken(archive, "its tar archive ends without an end mark, as one that was cut");
  return CARCHIVE_END;
}

const char *carchive_name(carchive *archive) { return archive_entry_pathname(archive->entry); }

const char *carchive_link_target(carchive *archive) {
  const char *hard = archive_entry_hardlink(archive->entry);
  return hard ? hard : archive_entry_symlink(archive->entry);
}

int carchive_kind(carchive *archive) {
  if (archive_entry_hardlink(archive->entry)) return CARCHIVE_HARDLINK;
  switch (archive_entry_filetype(archive->entry)) {
    case AE_IFREG: return CARCHIVE_FILE;
    case AE_IFDIR: return CARCHIVE_DIRECTORY;
    case AE_IFLNK: return CARCHIVE_SYMLINK;
    default: return CARCHIVE_OTHER;
  }
}

mode_t carchive_mode(carchive *archive) { return archive_entry_perm(archive->entry); }
int64_t carchive_size(carchive *archive) { return archive_entry_size(archive->entry); }
int64_t carchive_unpacked_bytes(carchive *archive) { return archive->unpacked; }
const char *carchive_message(carchive *archive) { return archive->message; }
int carchive_errno(carchive *archive) { return archive->failure; }
