"""Random jobs against a provider that lies, throttles and loses answers, and a vastd that is killed at random.

Rounds of some jobs and some kills; a quarter of the kills come while vastd recovers from the last one. After each round the
faults stop, everything comes to rest, and the checker looks. A second vastd with jobs of its own works in the same account
under the same key and dies now and then, too: each is checked against what bears its own tag. A round counts only what it can
prove: kills while a job or an instance was under way, and faults that the simulator really injected. The same seed draws the
same jobs, faults and pauses. Machines are taken away from under their jobs meanwhile, and a receiver of events fails, hangs, shuts
and loses answers; it is owed every event, in order.
"""
import concurrent.futures
import json
import random
import time

import checker
import receiver
import work
from rig import FINAL, Died, SharedRig

# As in the fault mix of the test programme: weights, and what the simulator is asked for.
FAULTS = [
    (5, {"kind": "create_lost"}), (2, {"kind": "create_cut"}), (2, {"kind": "create_half"}), (2, {"kind": "create_html"}),
    (4, {"kind": "create_refused"}), (3, {"kind": "create_stopped"}), (4, {"kind": "create_taken"}),
    (3, {"route": "create", "delay": 4}), (4, {"kind": "list_fails", "count": 2}), (4, {"kind": "list_empty", "count": 3}),
    (3, {"kind": "list_cut"}), (3, {"kind": "list_half"}), (3, {"kind": "list_html"}), (3, {"kind": "list_short", "count": 2}),
    (3, {"kind": "read_fails"}), (3, {"kind": "read_empty", "count": 2}), (3, {"kind": "destroy_lost"}),
    (3, {"kind": "destroy_ignored"}), (5, {"kind": "limited", "count": 3}), (2, {"kind": "bad_key", "count": 2}),
    (3, {"kind": "outage", "count": 6}), (3, {"kind": "latency", "count": 3}),
    # Longer than three times the settling time, which once made orders be placed twice; and a witness who is not there or
    # speaks of money that does not flow. One who denies money that does, together with an empty list, would be believed.
    (2, {"kind": "list_empty", "count": 8}), (2, {"kind": "spend_fails", "count": 2}), (1, {"kind": "spend_lies", "count": 3}),
]
# What befalls machines. A job may fail of it; it may not leave anything behind.
FATES = ["pull_fails", "runtime_fails", "deaf", "crashes", "goes_offline", "proxy_only"]


# The neighbour gets a job before every fifth kill, and dies with it: often enough to be at work, seldom enough to get on.
NEIGHBOUR_EVERY = 5


class Round:
    def __init__(self, build, seed, kills, jobs):
        self.random = random.Random(seed)
        self.kills = kills
        self.rig = SharedRig(build, "--visibility", "0.3", "--settle", "0.5")
        self.receiver = receiver.Receiver(seed)
        self.jobs = [self.make(number, seed) for number in range(jobs)]
        # First, so that it lives through most of the kills.
        self.jobs.insert(0, work.training(f"s{seed}t", self.rig.runs, steps=25))
        self.waiting = list(self.jobs)
        neighbours = max(1, kills // NEIGHBOUR_EVERY)
        self.neighbours_jobs = [
            work.job(f"s{seed}n{number}", self.rig.runs, lines=5, pause=0.3) for number in range(neighbours)]
        self.neighbours_waiting = list(self.neighbours_jobs)
        self.open_kills = self.recovery_kills = self.neighbour_kills = self.faults = self.losses = self.restored = 0

    def make(self, number, seed):
        draw = self.random.random()
        key = f"s{seed}j{number}"
        if draw < 0.15:
            return work.job(key, self.rig.runs, code=3, expected={"failed", "cancelled"})
        bids = self.random.random() < 0.3
        return work.job(
            key, self.rig.runs, lines=self.random.choice([1, 5, 20]), pause=self.random.choice([0.02, 0.1, 0.3]), bids=bids)

    def submit_some(self, all_at_once=False):
        """As a caller would: the same key again until it is acknowledged. Spread over the kills, so that each finds work."""
        for job in list(self.waiting if all_at_once else self.waiting[:1]):
            if self.submit_to(self.rig.vastd, job):
                self.waiting.remove(job)
                if self.random.random() < 0.1:
                    self.rig.vastd.call("POST", f"/v1/jobs/{job.id}/cancel")

    def submit_to_neighbour(self, all_at_once=False):
        for job in list(self.neighbours_waiting if all_at_once else self.neighbours_waiting[:1]):
            try:
                if self.submit_to(self.rig.neighbour, job):
                    self.neighbours_waiting.remove(job)
            except Died:
                # Still on its way up: its next turn comes.
                return

    @staticmethod
    def submit_to(vastd, job):
        status, _, body = vastd.call("POST", "/v1/jobs", job.body, {"Idempotency-Key": job.key})
        if status == 422:
            raise ValueError(f"{job.key} is refused: {body}")
        if status == 201:
            job.id = json.loads(body)["id"]
        return status == 201

    def disturb(self):
        """Rolls the dice for the provider."""
        if self.random.random() < 0.6:
            fault = self.random.choices([fault for _, fault in FAULTS], [weight for weight, _ in FAULTS])[0]
            self.rig.simulator.control("POST", "fault", fault)
            self.faults += 1
        if self.random.random() < 0.15:
            self.rig.simulator.control("POST", "fate", {"fate": self.random.choice(FATES), "after": 0.3})
            self.faults += 1

    def lose_a_machine(self):
        """Takes one away from under its job."""
        # The training's only when there is something to go on from, and then before all others.
        found = self.rig.vastd.rows(
            "SELECT market_id, price_per_hour, job_id FROM instances AS i WHERE state = 'running' AND desired = 'running' AND (job_id IS "
            "NOT ? OR EXISTS (SELECT 1 FROM checkpoints AS c WHERE c.job_id = i.job_id AND c.created_at > i.running_at)) "
            "ORDER BY id", self.jobs[0].id)
        if not found:
            return
        training = [one for one in found if one["job_id"] == self.jobs[0].id]
        victim = self.random.choice(training or found)
        bids = next((job.body["resources"]["interruptible"] for job in self.jobs if job.id == victim["job_id"]), False)
        # Where whoever won stays, a start of the old machine waits.
        wins = self.random.random() < 0.5
        name, body = ("outbid", {"tenant": True, "seconds": 5} if wins else {}) if bids else ("crash", {})
        self.rig.simulator.control("POST", f"instances/{victim['market_id']}/{name}", body)
        self.losses += 1

    @staticmethod
    def is_open(vastd):
        """Whether something was under way when it died."""
        states = [row[0] for row in vastd.rows("SELECT state FROM jobs UNION ALL SELECT state FROM instances")]
        return any(state not in FINAL and state not in ("destroyed", "awaiting_approval") for state in states)

    def run(self):
        vastd, neighbour = self.rig.vastd, self.rig.neighbour
        neighbour.start()
        vastd.start()
        vastd.wait_until_ready()
        neighbour.wait_until_ready()
        self.webhook = vastd.json("POST", "/v1/webhooks", {"url": self.receiver.url})["id"]
        # A quarter of them, whichever: drawn one by one, a short run could have too few to count.
        recoveries = [number % 4 == 3 for number in range(self.kills)]
        self.random.shuffle(recoveries)
        for number, in_recovery in enumerate(recoveries):
            neighbours_turn = number % NEIGHBOUR_EVERY == NEIGHBOUR_EVERY - 1
            if neighbours_turn:
                self.submit_to_neighbour()
            end = time.monotonic() + (self.random.uniform(0, 0.3) if in_recovery else self.random.uniform(0.2, 2.0))
            while time.monotonic() < end:
                try:
                    if self.waiting and self.random.random() < 0.2:
                        self.submit_some()
                    self.disturb()
                    if self.random.random() < 0.2:
                        self.lose_a_machine()
                    if self.random.random() < 0.04:
                        self.receiver.shut_for_a_while()
                except Died:
                    pass
                time.sleep(self.random.uniform(0.01, 0.3) if not in_recovery else 0.01)
            vastd.kill()
            self.recovery_kills += in_recovery
            self.open_kills += self.is_open(vastd)
            if neighbours_turn:
                neighbour.kill()
                self.neighbour_kills += self.is_open(neighbour)
                neighbour.start()
            vastd.start()
            if not in_recovery:
                vastd.wait_until_ready()
        self.rig.simulator.control("DELETE", "fault")
        vastd.wait_until_ready()
        neighbour.wait_until_ready()
        self.receiver.be_kind()
        self.rest()
        self.deliver()
        self.restored = vastd.rows(
            "SELECT COUNT(*) AS number FROM events WHERE type = 'instance.recovered' AND CAST(data AS TEXT) LIKE '%checkpoint_id%'")[0]["number"]
        first, second = self.rig.sides
        return [
            *checker.check(first, self.jobs),
            *self.receiver.check(vastd),
            *(f"the neighbour: {sentence}" for sentence in checker.check(second, self.neighbours_jobs)),
        ]

    def deliver(self, seconds=60):
        """What waits for its next attempt goes at once when its webhook is enabled again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.rig.vastd.rows("SELECT 1 FROM deliveries WHERE state = 'pending' LIMIT 1"):
                return
            for enabled in (False, True):
                self.rig.vastd.json("PATCH", f"/v1/webhooks/{self.webhook}", {"enabled": enabled})
            time.sleep(1)

    def rest(self, seconds=240):
        """Until every job has ended and every instance is gone; what takes longer is stuck, and the checker says what."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.waiting:
                self.submit_some(all_at_once=True)
            if self.neighbours_waiting:
                self.submit_to_neighbour(all_at_once=True)
            waiting = self.waiting or self.neighbours_waiting
            is_open = any(self.is_open(vastd) for vastd in (self.rig.vastd, self.rig.neighbour))
            alive = [one for one in self.rig.simulator.truth()["alive"] if one != self.rig.stranger]
            if not (waiting or is_open or alive):
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
        this.receiver.close()
    return this, [f"round seed {seed}: {violation} [{this.rig.folder}]" for violation in found]


def main(build, seed, kills, workers=1, kills_per_round=30, jobs_per_round=24):
    print(f"kills: seed {seed}, {kills} kills", flush=True)
    started = time.monotonic()
    done = open_kills = recovery = neighbours = faults = jobs = losses = restored = calls = failures = 0
    audited, ledger, meter, worst = 0, 0.0, 0.0, 0.0
    violations = []
    sizes = [min(kills_per_round, kills - first) for first in range(0, kills, kills_per_round)]
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        rounds = pool.map(lambda one: play(build, seed * 1000 + one[0], one[1], jobs_per_round), enumerate(sizes))
        for this, found in rounds:
            for violation in found:
                print(f"  {violation}", flush=True)
            violations += found
            done += this.kills
            open_kills += this.open_kills
            recovery += this.recovery_kills
            neighbours += this.neighbour_kills
            faults += this.faults
            losses += this.losses
            restored += this.restored
            calls += this.receiver.calls
            failures += this.receiver.failures
            jobs += len(this.jobs) + len(this.neighbours_jobs)
            for side in this.rig.sides:
                audited += side.audited
                ledger += side.ledger
                meter += side.meter
                worst = max(worst, side.worst)
            print(
                f"  {done} kills, {open_kills} of them with something under way, {recovery} during recovery; {neighbours} of the "
                f"neighbour beside; {faults} faults, {losses} machines lost, {restored} checkpoints restored, "
                f"{jobs} jobs; {calls} webhook calls, {failures} failed; {audited} ledgers of ${ledger:.4f} beside "
                f"${meter:.4f} charged, at the most {worst:.0%} of what is allowed apart; {len(violations)} violations, "
                f"{time.monotonic() - started:.0f} s", flush=True)
    # A run that killed nothing that mattered proves nothing.
    strict = open_kills >= done // 2 and recovery >= done // 10 and faults >= done // 4
    strict = strict and neighbours >= done // (2 * NEIGHBOUR_EVERY) and audited > 0
    if not strict:
        print("kills: too few of the faults hit anything; this run does not count")
    print(f"kills: {done} kills, {len(violations)} violations, {time.monotonic() - started:.0f} s", flush=True)
    return not violations and strict
