"""vastd dies at the Nth system call of one whole job: between any two effects that the kernel can tell apart, wherever our own
failpoints stand or do not.

A first run counts, thread by thread, how often vastd calls what has an effect outside of it. Then a sample has a run for each
call: strace kills at the Nth of one kind, in whichever thread comes to it first. What strace kills may also be one of the ssh
processes, which is a fault as good as any and counted apart. Runs in which nothing was killed prove nothing.
"""
import collections
import concurrent.futures
import os
import random
import re
import shutil
import time

import checker
import points
from rig import FINAL, Rig

# What writes, sends, receives, names, removes, connects or starts something. A read of a file has no effect outside.
CALLS = [
    "write", "pwrite64", "writev", "fdatasync", "fsync", "ftruncate", "rename", "unlink", "openat", "mkdir", "link", "connect",
    "accept4", "sendto", "sendmsg", "recvfrom", "recvmsg", "poll", "vfork", "clone3", "close",
]
LINE = re.compile(r"^(\d+) +(\w+)\(")


def strace(folder, *options):
    # -D: vastd is our own child and dies as itself; the tracer stands aside.
    return ("strace", "-D", "-f", "-qq", "-o", os.path.join(folder, "strace.log"), *options)


def counted(build):
    """How often the busiest thread of vastd makes each call in one job."""
    rig = Rig(build)
    try:
        job, _ = points.one_job(rig, under=strace(rig.folder, "-e", f"trace={','.join(CALLS)}"), seconds=120)
        threads = set(os.listdir(f"/proc/{rig.vastd.process.pid}/task"))
        violations = list(checker.check(rig, [job]))
        counts = collections.Counter()
        with open(os.path.join(rig.folder, "strace.log"), errors="replace") as log:
            for line in log:
                found = LINE.match(line)
                # Threads that have ended count for nothing here: their calls are few.
                if found and found.group(1) in threads:
                    counts[found.groups()] += 1
        busiest = {}
        for (_, call), count in counts.items():
            busiest[call] = max(busiest.get(call, 0), count)
        return busiest, violations
    finally:
        rig.close()


def sample(counts, seed, limit):
    """Each kind of call at least once, the rest in proportion to how often it is made; all of them without a limit."""
    generator = random.Random(seed)
    all_of_them = [(call, number) for call, count in sorted(counts.items()) for number in range(1, count + 1)]
    if not limit or limit >= len(all_of_them):
        return all_of_them
    chosen = [(call, generator.randint(1, count)) for call, count in sorted(counts.items())]
    rest = [one for one in all_of_them if one not in chosen]
    return (chosen + generator.sample(rest, max(0, limit - len(chosen))))[:limit]


def run(build, call, number):
    """What was violated, whether vastd was killed, and whether only another process was."""
    rig = Rig(build)
    violations, vastd_died, other_died = [], False, False
    try:
        inject = strace(rig.folder, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")
        job, deaths = points.one_job(rig, under=inject, seconds=120)
        vastd_died = deaths > 0
        with open(os.path.join(rig.folder, "strace.log"), errors="replace") as log:
            other_died = not vastd_died and "killed by SIGKILL" in log.read()
        if not vastd_died:
            # Each ssh that was started died at its own Nth call: a job may run out of machines over that.
            job.expected = FINAL
        # The checker's own calls are no longer traced.
        rig.vastd.kill()
        rig.vastd.start()
        rig.vastd.wait_until_ready()
        violations = list(checker.check(rig, [job]))
        if deaths > 1:
            violations.append(f"vastd died {deaths} times")
        if rig.vastd.stop() != 0:
            violations.append("vastd did not end with 0")
    except Exception as error:
        violations.append(f"{type(error).__name__}: {error}")
    finally:
        rig.close(keep=bool(violations))
    return call, number, vastd_died, other_died, [f"{violation} [{rig.folder}]" for violation in violations]


def main(build, seed, limit, workers):
    if not shutil.which("strace"):
        print("calls: strace is missing; run: scripts/setup-machine --chaos")
        return False
    started = time.monotonic()
    counts, violations = counted(build)
    if violations:
        print("traced, without any death:", *violations, sep="\n  ")
        return False
    chosen = sample(counts, seed, limit)
    print(f"calls: seed {seed}; the busiest threads make {sum(counts.values())} calls of {len(counts)} kinds", flush=True)
    deaths, others, failed, kinds = 0, 0, [], set()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        results = pool.map(lambda one: run(build, *one), chosen)
        for done, (call, number, vastd_died, other_died, found) in enumerate(results, 1):
            deaths += vastd_died
            others += other_died
            if vastd_died:
                kinds.add(call)
            for violation in found:
                failed.append(violation)
                print(f"  {call}@{number}: {violation}", flush=True)
            if done % 25 == 0:
                print(f"  {done} of {len(chosen)}", flush=True)
    # A thread may be less busy than in the counting run: then its Nth call never comes.
    strict = deaths + others >= len(chosen) * 8 // 10 and deaths >= len(chosen) // 2
    if not strict:
        print("calls: too few of the deaths hit; this run does not count")
    print(
        f"calls: {len(chosen)} runs, vastd killed in {deaths} of them at {len(kinds)} kinds of call, another process in {others}; "
        f"{len(failed)} violations, {time.monotonic() - started:.0f} s", flush=True)
    return not failed and strict
