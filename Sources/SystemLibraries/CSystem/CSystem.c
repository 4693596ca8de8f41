#define _GNU_SOURCE
#include "CSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int csystem_errno(void) { return errno; }

static int64_t read_clock(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t csystem_realtime_ns(void) { return read_clock(CLOCK_REALTIME); }
int64_t csystem_monotonic_ns(void) { return read_clock(CLOCK_MONOTONIC); }
int64_t csystem_boottime_ns(void) { return read_clock(CLOCK_BOOTTIME); }

int csystem_open(const char *path, int flags, mode_t mode) { return open(path, flags | O_CLOEXEC, mode); }

int csystem_set_nonblocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int csystem_set_cloexec(int fd) {
  int flags = fcntl(fd, F_GETFD);
  return flags < 0 ? -1 : fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

void csystem_name_thread(const char *name) {
  char cut[16];
  strncpy(cut, name, 15);
  cut[15] = 0;
  pthread_setname_np(pthread_self(), cut);
}

int csystem_spawn(pid_t *pid, const char *path, char *const argv[], char *const envp[], int input, int output,
                  int error) {
  // A descriptor below 3 could be overwritten by a dup2 before it is used itself: use a copy from above.
  int wanted[3] = {input, output, error};
  int copies[3] = {-1, -1, -1};
  int failure = 0;
  for (int i = 0; i < 3; i++) {
    if (wanted[i] >= 3) continue;
    copies[i] = fcntl(wanted[i], F_DUPFD_CLOEXEC, 3);
    if (copies[i] < 0) failure = errno;
    wanted[i] = copies[i];
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  for (int i = 0; i < 3 && !failure; i++) failure = posix_spawn_file_actions_adddup2(&actions, wanted[i], i);
  if (!failure) failure = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  if (!failure) failure = posix_spawn(pid, path, &actions, &attributes, argv, envp);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  for (int i = 0; i < 3; i++)
    if (copies[i] >= 0) close(copies[i]);
  return failure;
}

int csystem_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int csystem_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int csystem_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

const void *csystem_memmem(const void *haystack, size_t haystack_length, const void *needle, size_t needle_length) {
  return memmem(haystack, haystack_length, needle, needle_length);
}

static int ending_pipe = -1;

static void note_ending(int number) {
  int before = errno;
  unsigned char byte = (unsigned char)number;
  ssize_t written = write(ending_pipe, &byte, 1);
  (void)written;
  errno = before;
}

int csystem_catch_ending_signals(void) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  ending_pipe = ends[1];
  csystem_set_nonblocking(ending_pipe);
  struct sigaction action = {.sa_handler = note_ending, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  return ends[0];
}
