#define _GNU_SOURCE
#include "CInit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Everything below `run` happens in a child that was forked from a process with threads: only system calls and the
// stack are safe there, no malloc, no stdio, no opendir.

#define CONTROL 3
#define MAX_PROCESSES 4096

struct entry {
  pid_t pid, parent;
};

static int is_number(const char *name) {
  for (const char *c = name; *c; c++)
    if (*c < '0' || *c > '9') return 0;
  return *name != 0;
}

static long number(const char *text) {
  long value = 0;
  while (*text >= '0' && *text <= '9') value = value * 10 + (*text++ - '0');
  return value;
}

/// The parent of a process from /proc/PID/stat: `pid (name) state parent …`, where the name may hold anything.
static pid_t parent_of(const char *name) {
  char path[64] = "/proc/";
  strncat(path, name, 20);
  strcat(path, "/stat");
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  char text[512];
  ssize_t count = read(fd, text, sizeof text - 1);
  close(fd);
  if (count <= 0) return -1;
  text[count] = 0;
  char *end = strrchr(text, ')');
  return end && strlen(end) > 4 ? (pid_t)number(end + 4) : -1;
}

static int list_processes(struct entry *entries) {
  int count = 0;
  int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return 0;
  char buffer[8192];
  for (;;) {
    long bytes = syscall(SYS_getdents64, fd, buffer, sizeof buffer);
    if (bytes <= 0) break;
    for (long at = 0; at < bytes;) {
      // struct linux_dirent64: ino (8), off (8), reclen (2), type (1), name.
      uint16_t length;
      memcpy(&length, buffer + at + 16, sizeof length);
      const char *name = buffer + at + 19;
      at += length;
      if (!is_number(name) || count == MAX_PROCESSES) continue;
      pid_t parent = parent_of(name);
      if (parent < 0) continue;
      entries[count].pid = (pid_t)number(name);
      entries[count].parent = parent;
      count++;
    }
  }
  close(fd);
  return count;
}

/// Sends a signal to everything below this process. The table lives in static memory: one container, one process.
static void signal_all(int signal) {
  static struct entry entries[MAX_PROCESSES];
  static unsigned char below[MAX_PROCESSES];
  int count = list_processes(entries);
  pid_t self = getpid();
  memset(below, 0, sizeof below);
  for (int changed = 1; changed;) {
    changed = 0;
    for (int i = 0; i < count; i++) {
      if (below[i]) continue;
      int found = entries[i].parent == self;
      for (int j = 0; !found && j < count; j++) found = below[j] && entries[j].pid == entries[i].parent;
      if (found) below[i] = 1, changed = 1;
    }
  }
  for (int i = 0; i < count; i++)
    if (below[i]) kill(entries[i].pid, signal);
}

/// Reaps what ended. 1 while children are left.
static int reap(void) {
  for (;;) {
    pid_t pid = waitpid(-1, NULL, WNOHANG);
    if (pid > 0) continue;
    if (pid < 0 && errno == EINTR) continue;
    return pid == 0;
  }
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void nap(int ms) {
  struct timespec time = {.tv_sec = 0, .tv_nsec = (long)ms * 1000000};
  nanosleep(&time, NULL);
}

static void end_all(int graceful, int grace_ms) {
  if (graceful) {
    int64_t deadline = now_ms() + grace_ms;
    signal_all(SIGTERM);
    while (reap() && now_ms() < deadline) nap(5);
  }
  while (reap()) {
    signal_all(SIGKILL);
    nap(2);
  }
}

static void become_program(const char *program, char *const argv[], char *const envp[], const char *directory) {
  // Ends with this process even when that is killed and cannot end anything itself.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  close(CONTROL);
  if (chdir(directory) == 0) execve(program, argv, envp);
  _exit(127);
}

static void run(const char *program, char *const argv[], char *const envp[], const char *directory, int grace_ms) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_NAME, "vast-sim-init");
  pid_t first = fork();
  if (first == 0) become_program(program, argv, envp, directory);
  for (;;) {
    struct pollfd control = {.fd = CONTROL, .events = POLLIN};
    // The timeout only bounds how long a dead child stays a zombie.
    int ready = poll(&control, 1, 200);
    reap();
    if (ready <= 0) continue;
    char byte;
    ssize_t count = read(CONTROL, &byte, 1);
    if (count < 0 && errno == EINTR) continue;
    end_all(count > 0, grace_ms);
    _exit(0);
  }
}

static void set_up_descriptors(int control, int log) {
  int null = open("/dev/null", O_RDONLY);
  // Above the ones being set, so that no dup2 closes another's source.
  control = fcntl(control, F_DUPFD, 10);
  log = fcntl(log, F_DUPFD, 10);
  null = fcntl(null, F_DUPFD, 10);
  dup2(null, 0);
  dup2(log, 1);
  dup2(log, 2);
  dup2(control, CONTROL);
  // Not close_range(2) through glibc, which older ones lack; the call itself is in Linux since 5.9.
  if (syscall(SYS_close_range, CONTROL + 1, ~0U, 0) != 0)
    for (int fd = CONTROL + 1; fd < 65536; fd++) close(fd);
}

static void reset_signals(void) {
  for (int signal = 1; signal < NSIG; signal++) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(signal, &action, NULL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

pid_t cinit_start(const char *program, char *const argv[], char *const envp[], const char *directory, const char *log,
                  int grace_ms, int *control) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  int file = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) {
    close(ends[0]);
    close(ends[1]);
    return -1;
  }
  pid_t pid = fork();
  if (pid == 0) {
    setsid();
    set_up_descriptors(ends[0], file);
    reset_signals();
    run(program, argv, envp, directory, grace_ms);
  }
  int failure = errno;
  close(ends[0]);
  close(file);
  if (pid < 0) {
    close(ends[1]);
    errno = failure;
    return -1;
  }
  *control = ends[1];
  return pid;
}
