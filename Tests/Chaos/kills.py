"""Random jobs against a provider that lies, throttles and loses answers, and a vastd that is killed at random.

Rounds of some jobs and some kills; a quarter of the kills come while vastd recovers from the last one. After each round the
faults stop, everything comes to rest, and the checker looks. A round counts only what it can prove: kills while a job or an
instance was under way, and faults that the simulator really injected. The same seed draws the same jobs, faults and pauses.
"""
import concurrent.futures
import json
import random
import time

import checker
import work
from rig import FINAL, Died, Rig

# As in the fault mix of the test programme: weights, and what the simulator is asked for.
FAULTS = [
    (5, {"kind": "create_lost"}), (2, {"kind": "create_cut"}), (2, {"kind": "create_half"}), (2, {"kind": "create_html"}),
    (4, {"kind": "create_refused"}), (3, {"kind": "create_stopped"}), (4, {"kind": "create_taken"}),
    (3, {"route": "create", "delay": 4}), (4, {"kind": "list_fails", "count": 2}), (4, {"kind": "list_empty", "count": 3}),
    (2, {"kind": "list_empty", "count": 8}), (2, {"route": "spend_rate", "reply": "502", "count": 2}),
    (3, {"kind": "list_cut"}), (3, {"kind": "list_half"}), (3, {"kind": "list_html"}), (3, {"kind": "list_short", "count": 2}),
    (3, {"kind": "read_fails"}), (3, {"kind": "read_empty", "count": 2}), (3, {"kind": "destroy_lost"}),
    (3, {"kind": "destroy_ignored"}), (5, {"kind": "limited", "count": 3}), (2, {"kind": "bad_key", "count": 2}),
    (3, {"kind": "outage", "count": 6}), (3, {"kind": "latency", "count": 3}),
]
# What befalls machines. A job may fail of it; it may not leave anything behind.
FATES = ["pull_fails", "runtime_fails", "deaf", "crashes", "goes_offline", "proxy_only"]


class Round:
    def __init__(self, build, seed, kills, jobs):
        self.random = random.Random(seed)
        self.kills = kills
        self.rig = Rig(build, "--visibility", "0.3", "--settle", "0.5")
        self.jobs = [self.make(number, seed) for number in range(jobs)]
        self.waiting = list(self.jobs)
        self.open_kills = self.recovery_kills = self.faults = 0

    def make(self, number, seed):
        draw = self.random.random()
        key = f"s{seed}j{number}"
        if draw < 0.15:
            return work.job(key, self.rig.runs, code=3, expected={"failed", "cancelled"})
        return work.job(key, self.rig.runs, lines=self.random.choice([1, 5, 20]), pause=self.random.choice([0.02, 0.1, 0.3]))

    def submit_some(self, all_at_once=False):
        """As a caller would: the same key again until it is acknowledged. Spread over the kills, so that each finds work."""
        for job in list(self.waiting if all_at_once else self.waiting[:1]):
            status, _, body = self.rig.vastd.call("POST", "/v1/jobs", job.body, {"Idempotency-Key": job.key})
            if status == 201:
                job.id = json.loads(body)["id"]
                self.waiting.remove(job)
                if self.random.random() < 0.1:
                    self.rig.vastd.call("POST", f"/v1/jobs/{job.id}/cancel")

    def disturb(self):
        """Rolls the dice for the provider."""
        if self.random.random() < 0.6:
            fault = self.random.choices([fault for _, fault in FAULTS], [weight for weight, _ in FAULTS])[0]
            self.rig.simulator.control("POST", "fault", fault)
            self.faults += 1
        if self.random.random() < 0.15:
            self.rig.simulator.control("POST", "fate", {"fate": self.random.choice(FATES), "after": 0.3})
            self.faults += 1

    def is_open(self):
        """Whether something was under way when vastd died."""
        states = [row[0] for row in self.rig.vastd.rows("SELECT state FROM jobs UNION ALL SELECT state FROM instances")]
        return any(state not in FINAL and state not in ("destroyed", "awaiting_approval") for state in states)

    def run(self):
        vastd = self.rig.vastd
        vastd.start()
        vastd.wait_until_ready()
        for _ in range(self.kills):
            in_recovery = self.random.random() < 0.25
            end = time.monotonic() + (self.random.uniform(0, 0.3) if in_recovery else self.random.uniform(0.2, 2.0))
            while time.monotonic() < end:
                try:
                    if self.waiting and self.random.random() < 0.2:
                        self.submit_some()
                    self.disturb()
                except Died:
                    pass
                time.sleep(self.random.uniform(0.01, 0.3) if not in_recovery else 0.01)
            vastd.kill()
            self.recovery_kills += in_recovery
            self.open_kills += self.is_open()
            vastd.start()
            if not in_recovery:
                vastd.wait_until_ready()
        self.rig.simulator.control("DELETE", "fault")
        vastd.wait_until_ready()
        self.rest()
        return list(checker.check(self.rig, self.jobs))

    def rest(self, seconds=240):
        """Until every job has ended and every instance is gone; what takes longer is stuck, and the checker says what."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.waiting:
                self.submit_some(all_at_once=True)
            open_jobs = self.rig.vastd.rows(
                "SELECT 1 FROM jobs WHERE state NOT IN ('succeeded', 'failed', 'cancelled') LIMIT 1")
            open_instances = self.rig.vastd.rows("SELECT 1 FROM instances WHERE state NOT IN ('destroyed', 'failed') LIMIT 1")
            alive = [one for one in self.rig.simulator.truth()["alive"] if one != self.rig.stranger]
            if not (self.waiting or open_jobs or open_instances or alive):
                return
            time.sleep(0.2)


def play(build, seed, kills, jobs):
    """One round, and what was wrong afterwards."""
    this = Round(build, seed, kills, jobs)
    found = []
    try:
        found = this.run()
    except Exception as error:
        found = [f"{type(error).__name__}: {error}"]
    finally:
        this.rig.close(keep=bool(found))
    return this, [f"round seed {seed}: {violation} [{this.rig.folder}]" for violation in found]


def main(build, seed, kills, workers=1, kills_per_round=30, jobs_per_round=24):
    print(f"kills: seed {seed}, {kills} kills", flush=True)
    started = time.monotonic()
    done = open_kills = recovery = faults = jobs = 0
    violations = []
    sizes = [min(kills_per_round, kills - first) for first in range(0, kills, kills_per_round)]
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        rounds = pool.map(lambda round: play(build, seed * 1000 + round[0], round[1], jobs_per_round), enumerate(sizes))
        for this, found in rounds:
            for violation in found:
                print(f"  {violation}", flush=True)
            violations += found
            done += this.kills
            open_kills += this.open_kills
            recovery += this.recovery_kills
            faults += this.faults
            jobs += len(this.jobs)
            print(
                f"  {done} kills, {open_kills} of them with something under way, {recovery} during recovery; {faults} faults, "
                f"{jobs} jobs, {len(violations)} violations, {time.monotonic() - started:.0f} s", flush=True)
    # A run that killed nothing that mattered proves nothing.
    strict = open_kills >= done // 2 and recovery >= done // 10 and faults >= done // 4
    if not strict:
        print("kills: too few of the faults hit anything; this run does not count")
    print(f"kills: {done} kills, {len(violations)} violations, {time.monotonic() - started:.0f} s", flush=True)
    return not violations and strict
