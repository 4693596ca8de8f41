#pragma once

// The first process of a simulated container: it owns every process that the container ever starts, however well they
// detach themselves, and ends them all when it is told to or when whoever started it dies.
//
// How: it is a "child subreaper" (prctl), so processes that lose their parent become its children instead of init's. A
// double fork, setsid or nohup changes nothing about that, and no cgroup, namespace or environment marker is needed.

#include <sys/types.h>

/// Starts it, with `program` as the container's first program.
/// - `directory`: where the program starts. `log`: a file that its output is appended to; input is /dev/null.
/// - `control`: becomes the write end of a pipe. Writing a byte asks for a graceful end: SIGTERM to all, SIGKILL to what is left
///   after `grace_ms`. Closing it (also by dying) ends all at once with SIGKILL.
/// Returns the process to wait for, or -1 with errno. The process ends only when nothing of the container is left.
pid_t cinit_start(const char *program, char *const argv[], char *const envp[], const char *directory, const char *log,
                  int grace_ms, int *control);
