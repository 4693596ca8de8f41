"""What vastd stands on gives way for a while: the disk answers with errors, is full, the database is locked by another, there
are no more descriptors. Jobs are submitted and run all the while.

Nothing that was acknowledged may be lost, also not by a kill -9 right afterwards; readiness turns false while writes fail; vastd
lives, and is well again by itself as soon as the trouble is over. A job under way may fail of it, and leaves nothing behind.
"""
import socket
import sqlite3
import time

import checker
import work
from calls import strace
from rig import FINAL, Died, Rig

# As many as vastd may open in all where they are few.
DESCRIPTORS = 256


class Trouble:
    """`under` starts vastd so that the trouble comes by itself; `begin` and `end` make it and take it away."""

    def __init__(self, name, under=None, begin=None, end=None, turns_unready=True):
        self.name, self.under, self.begin, self.end, self.turns_unready = name, under, begin, end, turns_unready


def injected(call, error, first, last):
    # Calls are counted thread by thread, and one thread writes the database: some of its commits fail, and then no more.
    return lambda rig: strace(
        rig.folder, "-P", f"{rig.vastd.data}/vastd.db-wal", "-P", f"{rig.vastd.data}/vastd.db", "-e", f"trace={call}", "-e",
        f"inject={call}:error={error}:when={first}..{last}")


def lock(rig):
    rig.locking = sqlite3.connect(f"{rig.vastd.data}/vastd.db", timeout=10, isolation_level=None)
    rig.locking.execute("BEGIN IMMEDIATE")


def unlock(rig):
    rig.locking.execute("ROLLBACK")
    rig.locking.close()


def flood(rig):
    """More callers who say nothing than vastd may have descriptors."""
    address = ("127.0.0.1", int(rig.vastd.url.rsplit(":", 1)[1]))
    rig.callers = []
    for _ in range(DESCRIPTORS + 100):
        caller = socket.socket()
        caller.setblocking(False)
        caller.connect_ex(address)
        rig.callers.append(caller)


def ebb(rig):
    for caller in rig.callers:
        caller.close()


TROUBLES = [
    Trouble("a sync of the log fails", injected("fdatasync", "EIO", 30, 70)),
    Trouble("a write of the log fails", injected("pwrite64", "EIO", 120, 260)),
    Trouble("the disk is full", injected("pwrite64", "ENOSPC", 120, 260)),
    Trouble("the database is locked", begin=lock, end=unlock),
    Trouble(
        "no descriptors", under=lambda rig: ("prlimit", f"--nofile={DESCRIPTORS}"), begin=flood, end=ebb, turns_unready=False),
]
# Longer than SQLite waits for a lock (5 s), and than vastd looks at its own health (2 s).
SPAN = 8


def run(build, trouble):
    rig = Rig(build)
    # While nothing can be written the ledger cannot either.
    rig.lateness_s = 60
    violations = []
    refused = unready = acknowledged = 0
    jobs = [work.job(f"r{number}", rig.runs, lines=5, pause=0.2, expected=FINAL) for number in range(40)]
    waiting = list(jobs)
    try:
        rig.vastd.start(trouble.under(rig) if trouble.under else ())
        rig.vastd.wait_until_ready()
        process = rig.vastd.process
        started = time.monotonic()
        has_begun = has_ended = False
        while time.monotonic() < started + SPAN + 6:
            passed = time.monotonic() - started
            if trouble.begin and not has_begun and passed > 2:
                has_begun = True
                trouble.begin(rig)
            if trouble.end and not has_ended and passed > 2 + SPAN:
                has_ended = True
                trouble.end(rig)
            try:
                if waiting:
                    status, _, _ = rig.vastd.call(
                        "POST", "/v1/jobs", waiting[0].body, {"Idempotency-Key": waiting[0].key}, timeout=8)
                    if status == 201:
                        waiting.pop(0)
                        acknowledged += 1
                    else:
                        refused += 1
                unready += rig.vastd.call("GET", "/readyz", timeout=8)[0] != 200
            except Died:
                refused += 1
                if not rig.vastd.is_alive():
                    raise RuntimeError("vastd died of it") from None
            time.sleep(0.1)
        if trouble.end and not has_ended:
            trouble.end(rig)
        if not rig.vastd.wait_until_ready(30):
            violations.append("vastd died afterwards")
        if rig.vastd.process is not process:
            violations.append("vastd was another one in the end")
        while waiting:
            status, _, body = rig.vastd.call("POST", "/v1/jobs", waiting[0].body, {"Idempotency-Key": waiting[0].key})
            if status != 201:
                violations.append(f"a submit is refused though all is well: {status} {body[:200]}")
                break
            waiting.pop(0)
        # What was acknowledged is there whatever comes.
        rig.vastd.kill()
        rig.vastd.start()
        rig.vastd.wait_until_ready()
        end = time.monotonic() + 180
        while time.monotonic() < end:
            open_ones = rig.vastd.rows("SELECT 1 FROM jobs WHERE state NOT IN ('succeeded', 'failed', 'cancelled') LIMIT 1")
            if not open_ones and rig.simulator.truth()["alive"] == [rig.stranger]:
                break
            time.sleep(0.2)
        violations += checker.check(rig, jobs)
        if refused == 0:
            violations.append("nothing was refused: the trouble met nobody, and this run does not count")
        if trouble.turns_unready and unready == 0:
            violations.append("readiness never turned false")
    except Exception as error:
        violations.append(f"{type(error).__name__}: {error}")
    finally:
        rig.close(keep=bool(violations))
    print(
        f"  {trouble.name}: {acknowledged} submits acknowledged meanwhile, {refused} refused, {unready} times not ready, "
        f"{len(violations)} violations", flush=True)
    return [f"{trouble.name}: {violation} [{rig.folder}]" for violation in violations]


def main(build, only=None):
    started = time.monotonic()
    violations = []
    chosen = [trouble for trouble in TROUBLES if not only or only in trouble.name]
    for trouble in chosen:
        for violation in run(build, trouble):
            violations.append(violation)
            print(f"    {violation}", flush=True)
    print(f"resources: {len(chosen)} troubles, {len(violations)} violations, {time.monotonic() - started:.0f} s", flush=True)
    return not violations and bool(chosen)
