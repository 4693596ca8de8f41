#pragma once

// What glibc has and Swift's Glibc module lacks or imports unsafely: epoll, eventfd, variadic calls.
// Functions return what the call returns; errors are in errno, read with csystem_errno().

#include "Network.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int csystem_errno(void);
/// Seconds and nanoseconds of a clock in one number of nanoseconds: wall time since 1970, or monotonic.
int64_t csystem_realtime_ns(void);
int64_t csystem_monotonic_ns(void);
// Since the machine was started, the time that it slept included.
int64_t csystem_boottime_ns(void);
/// open(2) and fcntl(2), which are variadic in C.
int csystem_open(const char *path, int flags, mode_t mode);
int csystem_set_nonblocking(int fd);
int csystem_set_cloexec(int fd);
/// Names the calling thread for top, gdb and /proc; cut to 15 bytes.
void csystem_name_thread(const char *name);
/// Starts `path` with exactly these arguments and environment in a process group of its own. The three descriptors become
/// its 0, 1 and 2 and it gets no other; its signals are unblocked and have their defaults. Returns 0, or an errno.
int csystem_spawn(pid_t *pid, const char *path, char *const argv[], char *const envp[], int input, int output, int error);
/// A descriptor that polls readable once the process has ended; closed on exec.
int csystem_pidfd_open(pid_t pid);
/// A non-blocking eventfd, closed on exec.
int csystem_eventfd(void);
/// pipe2(2) with O_CLOEXEC.
int csystem_pipe(int ends[2]);
/// memmem(3), a GNU extension: where the needle first lies in the haystack, or null.
const void *csystem_memmem(const void *haystack, size_t haystack_length, const void *needle, size_t needle_length);
/// From now on SIGTERM and SIGINT end nothing by themselves: each writes its number, a byte, into a pipe whose reading end
/// this returns, or -1. A handler and not a blocked signal: the runtime parks the main thread with every signal open.
int csystem_catch_ending_signals(void);
