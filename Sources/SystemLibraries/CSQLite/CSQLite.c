#define _GNU_SOURCE
#include "CSQLite.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static int sync_directory_of(const char *path) {
  char copy[PATH_MAX];
  if (strlen(path) >= sizeof copy) return ENAMETOOLONG;
  strcpy(copy, path);
  int directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return errno;
  int failure = fsync(directory) == 0 ? 0 : errno;
  close(directory);
  return failure;
}

int csqlite_prepare_file(const char *path) {
  int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file >= 0) {
    close(file);
    return sync_directory_of(path);
  }
  if (errno != EEXIST) return errno;
  // By path and not by a descriptor: closing one would drop the locks that SQLite holds on the file in this process.
  struct stat status;
  if (stat(path, &status) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return EINVAL;
  if ((status.st_mode & 077) == 0) return 0;
  return chmod(path, status.st_mode & 0700) == 0 ? 0 : errno;
}

int csqlite_prepare_directory(const char *path) {
  if (mkdir(path, 0700) == 0) return 0;
  if (errno != EEXIST) return errno;
  struct stat status;
  if (stat(path, &status) != 0) return errno;
  if (!S_ISDIR(status.st_mode)) return ENOTDIR;
  // In a sticky directory (/tmp) nobody replaces another's file.
  return (status.st_mode & S_IWOTH) && !(status.st_mode & S_ISVTX) ? EPERM : 0;
}

int csqlite_lock_file(const char *path, int64_t *holder) {
  *holder = 0;
  int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return -errno;
  char text[32] = {0};
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    int failure = errno;
    if (pread(file, text, sizeof text - 1, 0) > 0) *holder = strtoll(text, NULL, 10);
    close(file);
    return -failure;
  }
  // The number is for people only; the lock is what counts, so a disk that is full does not matter here.
  int length = snprintf(text, sizeof text, "%d\n", getpid());
  if (ftruncate(file, 0) != 0 || pwrite(file, text, length, 0) != length) *holder = 0;
  return file;
}

void csqlite_unlock_file(int descriptor) { close(descriptor); }

const char *csqlite_network_filesystem(const char *path) {
  struct statfs status;
  if (statfs(path, &status) != 0) return NULL;
  switch ((uint32_t)status.f_type) {
  case 0x6969: return "NFS";
  case 0x517B: return "SMB";
  case 0xFE534D42: return "SMB2";
  case 0xFF534D42: return "CIFS";
  case 0x5346414F: return "AFS";
  case 0x00C36400: return "Ceph";
  case 0x01021997: return "9P";
  case 0x0BD00BD0: return "Lustre";
  case 0x47504653: return "GPFS";
  default: return NULL;
  }
}

int64_t csqlite_file_size(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 ? (int64_t)status.st_size : -1;
}
