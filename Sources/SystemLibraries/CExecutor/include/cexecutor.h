#ifndef CEXECUTOR_H
#define CEXECUTOR_H

/// From here on every job that would go to Swift's thread pool goes to `sink` instead, which is called on whatever thread
/// made it ready, and must see to it that it is run. For a simulation that has one thread.
///
/// Set once, before the first task. The hook is the runtime's own: `swift_task_enqueueGlobal_hook`.
void cexecutor_divert(void (*sink)(void *job));

#endif
