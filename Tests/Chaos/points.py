"""Every single effect of one whole job, one run each: vastd dies, or the call fails, right before it and right after it.

A first run counts how often each failpoint is passed; then each ordinal of each has a run of its own with `kill` and one with
`fail`, and the kills also a second one in which vastd dies again while it recovers. Fails when a run breaks an invariant, and
when a failpoint was never hit.
"""
import collections
import concurrent.futures
import json
import random
import time

import checker
import work
from rig import Died, Rig

# What a debug build of vastd can pass while it runs a job; a place that no run reaches is a place that nobody tests.
PLACES = {
    f"{place}.{side}"
    for place in (
        "store.commit", "file.rename", "vast.create", "vast.search_offers", "vast.list_instances",
        "vast.read_instance", "vast.destroy", "vast.attach_key", "vast.spend", "ssh.prepare", "ssh.receiveInputs", "ssh.install",
        "ssh.launch", "ssh.collect",
    )
    for side in ("before", "after")
}


class Case:
    def __init__(self, place, ordinal, action, again=None):
        self.place, self.ordinal, self.action = place, ordinal, action
        # During recovery: the ordinal of the commit at which it dies once more.
        self.again = again

    def __str__(self):
        second = f", then store.commit.before@{self.again}=kill" if self.again else ""
        return f"{self.place}@{self.ordinal}={self.action}{second}"


def one_job(rig, failpoints=None, again=None, seconds=60):
    """Runs a job to its end through whatever happens; gives it and how often vastd died on the way."""
    vastd = rig.vastd
    job = work.job("one", rig.runs, expected={"succeeded"})
    deaths = 0
    arms = [arm for arm in (failpoints, again) if arm]
    end = time.monotonic() + seconds

    def start():
        more = {"VASTD_FAILPOINTS": arms.pop(0)} if arms else {}
        vastd.start(VASTD_FAILPOINTS_RECORD=f"{rig.folder}/passed-{vastd.starts + 1}", **more)

    start()
    upload = None
    while time.monotonic() < end:
        try:
            if not vastd.wait_until_ready():
                raise Died("before it was ready")
            if upload is None:
                status, _, answer = vastd.call(
                    "POST", "/v1/uploads", work.archive(),
                    {"Content-Type": "application/gzip", "Idempotency-Key": "upload"})
                if status != 201:
                    continue
                upload = json.loads(answer)["id"]
                job.body["input_upload_id"] = upload
            if job.id is None:
                status, _, answer = vastd.call("POST", "/v1/jobs", job.body, {"Idempotency-Key": job.key})
                if status != 201:
                    continue
                job.id = json.loads(answer)["id"]
            if vastd.job(job.id)["state"] in checker.FINAL:
                return job, deaths
            time.sleep(0.05)
        except (Died, RuntimeError) as error:
            if vastd.is_alive():
                time.sleep(0.05)
                continue
            vastd.process.wait()
            deaths += 1
            if deaths > 5:
                raise RuntimeError(f"vastd dies again and again: {error}") from error
            start()
    raise RuntimeError(f"{job.id} does not end: {vastd.job(job.id) if job.id else 'not even accepted'}")


def passed(rig, life):
    """What vastd passed in its first life, or in its second: place and ordinal."""
    try:
        with open(f"{rig.folder}/passed-{life}") as file:
            return [line.split()[0:2] for line in file]
    except FileNotFoundError:
        return []


def run(build, case):
    """The violations of one case, whether its fault hit, and whether the second death did."""
    rig = Rig(build)
    violations = []
    hit = hit_again = False
    try:
        again = f"store.commit.before@{case.again}=kill" if case.again else None
        job, deaths = one_job(rig, f"{case.place}@{case.ordinal}={case.action}", again)
        hit = [case.place, str(case.ordinal)] in passed(rig, 1)
        hit_again = case.again is not None and ["store.commit.before", str(case.again)] in passed(rig, 2)
        # What is still armed must not hit the checker's own calls.
        rig.vastd.kill()
        rig.vastd.start()
        rig.vastd.wait_until_ready()
        violations = list(checker.check(rig, [job]))
        if deaths != (case.action == "kill" and hit) + hit_again:
            violations.append(f"vastd died {deaths} times; hit: {hit}, during recovery: {hit_again}")
        if rig.vastd.stop() != 0:
            violations.append("vastd did not end with 0")
    except Exception as error:
        violations.append(f"{type(error).__name__}: {error}")
    finally:
        rig.close(keep=bool(violations))
    return case, hit, hit_again, [f"{violation} [{rig.folder}]" for violation in violations]


def cases(counts, seed):
    """All of them, in a random order, so that the first tenth is a sample of everything."""
    generator = random.Random(seed)
    found = []
    for place, count in sorted(counts.items()):
        for ordinal in range(1, count + 1):
            found.append(Case(place, ordinal, "kill"))
            found.append(Case(place, ordinal, "kill", again=generator.randint(1, 6)))
            if place.endswith(".before") and place != "file.rename.before" or place.startswith(("vast.", "ssh.")):
                found.append(Case(place, ordinal, "fail"))
    generator.shuffle(found)
    return found


def main(build, seed, limit, workers):
    rig = Rig(build)
    try:
        job, _ = one_job(rig)
        broken = list(checker.check(rig, [job]))
        counts = collections.Counter(place for place, _ in passed(rig, 1))
        rig.vastd.stop()
    finally:
        rig.close()
    if broken:
        print("without any fault:", *broken, sep="\n  ")
        return False
    missing = PLACES - set(counts)
    print(f"points: seed {seed}; one job passes {sum(counts.values())} failpoints of {len(counts)} kinds", flush=True)
    for place in sorted(missing):
        print(f"  never passed: {place}")

    # Lists and reads repeat themselves while one waits: six of each tell what there is to tell.
    bounded = {place: min(count, 6) if place.startswith(("vast.list", "vast.read", "vast.spend")) else count
               for place, count in counts.items()}
    chosen = cases(bounded, seed)
    if limit:
        # Each place at least once, at its first passing, which every run reaches; then as many as fit.
        first = [case for case in chosen if case.ordinal == 1 and case.action == "kill" and case.again is None]
        chosen = (first + [case for case in chosen if case not in first])[: max(limit, len(first))]
    failed, hits, second_deaths, hit_places = [], 0, 0, set()
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for number, (case, hit, hit_again, violations) in enumerate(pool.map(lambda case: run(build, case), chosen), 1):
            hits += hit
            second_deaths += hit_again
            if hit:
                hit_places.add(case.place)
            for violation in violations:
                failed.append(violation)
                print(f"  {case}: {violation}", flush=True)
            if number % 50 == 0:
                print(f"  {number} of {len(chosen)}", flush=True)
    unhit = set(counts) - hit_places
    for place in sorted(unhit):
        print(f"  never hit: {place}")
    print(
        f"points: {len(chosen)} runs, {hits} faults hit in {len(hit_places)} of {len(counts)} places, {second_deaths} second "
        f"deaths during recovery, "
        f"{len(failed)} violations, {time.monotonic() - started:.0f} s", flush=True)
    return not failed and not missing and not unhit
