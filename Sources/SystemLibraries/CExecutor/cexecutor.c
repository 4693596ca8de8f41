#include "cexecutor.h"

#define SWIFT_CC __attribute__((swiftcall))

typedef SWIFT_CC void (*enqueue)(void *job);

extern SWIFT_CC void (*swift_task_enqueueGlobal_hook)(void *job, enqueue original);

static void (*diverted)(void *job);

static SWIFT_CC void divert(void *job, enqueue original) {
  (void)original;
  diverted(job);
}

void cexecutor_divert(void (*sink)(void *job)) {
  diverted = sink;
  swift_task_enqueueGlobal_hook = divert;
}
