"""The wall clock jumps under vastd, forwards and backwards, while it runs and while it is dead.

wallclock.c, loaded into vastd, gives it a wall clock of its own, read from a file at each call; the clocks that count from the
boot are left alone. Nothing else goes wrong, so each job must succeed on its first machine, and nothing may end, start again or be given up
because of a jump. Times are not compared with the simulator's, who has the true ones.
"""
import json
import os
import random
import subprocess
import tempfile
import time

import checker
import work
from rig import FINAL, Died, Rig

HOUR, DAY = 3600, 86400
JUMPS = [HOUR, -HOUR, 400 * DAY, -400 * DAY, 7, -7, 0.5, -0.5]
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wallclock.c")


class Clock:
    """Vastd's wall clock, as an offset from the true one."""

    def __init__(self, folder, library):
        self.library = library
        self.path = os.path.join(folder, "clock")
        self.offset = 0.0
        self.jump(0)

    def jump(self, seconds):
        self.offset += seconds
        with open(self.path + ".new", "w") as file:
            file.write(f"{self.offset:+.3f}\n")
        os.rename(self.path + ".new", self.path)

    def settings(self):
        return {"LD_PRELOAD": self.library, "VASTD_TEST_CLOCK": self.path}


def make(number, rig, dice):
    job = work.job(
        f"clock{number}", rig.runs, lines=dice.choice([5, 20, 40]), pause=dice.choice([0.1, 0.2]), expected={"succeeded"})
    # Bounds that a jump must not reach: on the command, its silence, its cost, its lease.
    job.body.update(max_duration_s=120, idle_timeout_s=60, max_cost_usd=1, lease_s=600)
    return job


def run(build, library, seed, jumps):
    """Jumps while something was under way, and what was violated."""
    dice = random.Random(seed)
    rig = Rig(build)
    rig.has_true_times = False
    clock = Clock(rig.folder, library)
    violations, hits, dead = [], 0, 0
    jobs = [make(number, rig, dice) for number in range(max(4, jumps // 2))]
    waiting = list(jobs)
    try:
        rig.vastd.start(**clock.settings())
        rig.vastd.wait_until_ready()
        for _ in range(jumps):
            if waiting:
                status, _, body = rig.vastd.call("POST", "/v1/jobs", waiting[0].body, {"Idempotency-Key": waiting[0].key})
                if status == 201:
                    waiting.pop(0)
            time.sleep(dice.uniform(0.1, 1.5))
            hits += any(row[0] not in FINAL for row in rig.vastd.rows("SELECT state FROM jobs"))
            if dice.random() < 0.5:
                rig.vastd.kill()
                dead += 1
                clock.jump(dice.choice(JUMPS))
                rig.vastd.start(**clock.settings())
                rig.vastd.wait_until_ready()
            else:
                clock.jump(dice.choice(JUMPS))
        end = time.monotonic() + 120
        while time.monotonic() < end:
            for job in list(waiting):
                status, _, _ = rig.vastd.call("POST", "/v1/jobs", job.body, {"Idempotency-Key": job.key})
                if status == 201:
                    waiting.remove(job)
            rows = rig.vastd.rows("SELECT state FROM jobs")
            if not waiting and all(row[0] in FINAL for row in rows):
                break
            time.sleep(0.2)
        violations = list(checker.check(rig, jobs))
        for row in rig.vastd.rows("SELECT id, attempts FROM jobs WHERE attempt != 1"):
            failures = [attempt.get("failure") for attempt in json.loads(row["attempts"])]
            # An order that a death cut short before it was sent comes to nothing, whatever time it is.
            if any(failure and failure["code"] != "never_created" for failure in failures):
                violations.append(f"{row['id']} needed other machines, though nothing went wrong but the clock: {failures}")
    except (Died, RuntimeError, OSError) as error:
        violations.append(f"{type(error).__name__}: {error}")
    finally:
        rig.close(keep=bool(violations))
    return hits, dead, [f"{violation} [{rig.folder}]" for violation in violations]


def main(build, seed, jumps, jumps_per_round=25):
    with tempfile.TemporaryDirectory(prefix="vastd-clock-") as folder:
        library = os.path.join(folder, "wallclock.so")
        subprocess.run(["clang", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
        return play(build, library, seed, jumps, jumps_per_round)


def play(build, library, seed, jumps, jumps_per_round):
    started = time.monotonic()
    done = hits = dead = 0
    violations = []
    for number, first in enumerate(range(0, jumps, jumps_per_round)):
        here = min(jumps_per_round, jumps - first)
        open_jumps, deaths, found = run(build, library, seed * 1000 + number, here)
        done, hits, dead = done + here, hits + open_jumps, dead + deaths
        for violation in found:
            print(f"  round seed {seed * 1000 + number}: {violation}", flush=True)
        violations += found
    strict = hits >= done // 2 and dead >= done // 4
    if not strict:
        print("clock: too few of the jumps met anything; this run does not count")
    print(
        f"clock: seed {seed}, {done} jumps of the wall clock, {hits} of them with something under way, {dead} of them while vastd "
        f"was dead; {len(violations)} violations, {time.monotonic() - started:.0f} s", flush=True)
    return not violations and strict
