"""What must never be true, looked for afterwards in three places that do not know of each other: the simulator's truth, the
rows of the store, and what the API says. Each check returns sentences; none is good."""
import collections
import json
import math
import os
import re
import subprocess
import tempfile

from rig import CANARY, FINAL

TAG = re.compile(r"#vastd/([a-z0-9-]+)/(ins_\w+)$")
# Moves that a job's events may show, as in docs/state-machines.md; None is the beginning.
NEXT = {
    None: {"queued", "awaiting_approval"},
    "awaiting_approval": {"queued", "cleaning_up", "cancelled"},
    "queued": {"provisioning", "cleaning_up"},
    "provisioning": {"starting", "queued", "cleaning_up"},
    "starting": {"running", "queued", "cleaning_up"},
    "running": {"collecting", "queued", "starting", "provisioning", "cleaning_up"},
    "collecting": {"cleaning_up"},
    "cleaning_up": FINAL,
}


class Job:
    """What a caller knows of a job: whether its submit was acknowledged, and what has to come of it."""

    def __init__(self, key, body, expected):
        self.key = key
        self.body = body
        # The states that it may end in.
        self.expected = expected
        self.id = None


def check(rig, jobs):
    """Every violation after everything has come to rest."""
    truth = rig.simulator.truth()
    contracts = [contract for contract in truth["contracts"] if not is_others(rig, contract)]
    instances = {row["id"]: row for row in rig.vastd.rows("SELECT * FROM instances")}
    rows = {row["id"]: row for row in rig.vastd.rows("SELECT * FROM jobs")}
    return [
        *leaks(rig, contracts, instances),
        *rentals(rig, contracts, instances),
        *strangers(rig, contracts),
        *harmed(rig, contracts, instances),
        *ledger(rig, instances, contracts),
        *sums(rig),
        *meters(rig, instances, contracts),
        *events(rig, rows),
        *successors(rig),
        *acknowledged(rig, jobs, rows),
        *commands(rig, jobs),
        *results(rig, jobs),
        *secrets(rig),
    ]


def tag_of(contract):
    found = TAG.search(contract["label"] or "")
    return found.group(2) if found else None


def is_others(rig, contract):
    """Whether it bears the tag of another vastd in the account, which has a check of its own."""
    found = TAG.search(contract["label"] or "")
    return found is not None and found.group(1) in rig.others


def is_after(rig, stored, true):
    """Whether a moment of the store is later than one of the simulator's, where both go by one clock."""
    return rig.has_true_times and stored / 1e6 > true + 0.01


def is_before(rig, stored, true):
    return rig.has_true_times and stored / 1e6 < true - 0.01


def leaks(rig, contracts, instances):
    """No leak: what is alive and ours at the provider is what the store holds as live; here, at rest, nothing is."""
    for contract in contracts:
        if contract["alive"] and contract["id"] != rig.stranger:
            yield f"leak: contract {contract['id']} ({contract['label']}) is alive"
    for row in instances.values():
        if row["state"] not in ("destroyed", "failed"):
            yield f"stuck: instance {row['id']} is {row['state']}"


def rentals(rig, contracts, instances):
    """No double rent, and no rental without a row that was there before it; destroyed means seen gone."""
    lives = {}
    for contract in contracts:
        tag = tag_of(contract)
        if tag is None:
            continue
        row = instances.get(tag)
        if row is None:
            yield f"no row: contract {contract['id']} bears {tag}, which the store never had"
            continue
        # `ordered_at` moves on when the outcome is unknown: the settling time counts from there.
        if row["ordered_at"] is None or is_after(rig, row["created_at"], contract["created_at"]):
            yield f"row too late: {tag} was rented before its order was written down"
        if contract["destroyed_at"] is None:
            continue
        if row["state"] == "destroyed" and is_before(rig, row["destroyed_at"], contract["destroyed_at"]):
            yield f"gone too early: {tag} counts as destroyed before the provider destroyed it"
        if row["job_id"]:
            lives.setdefault(row["job_id"], []).append((contract["created_at"], contract["destroyed_at"], tag))
    tags = [tag_of(contract) for contract in contracts if tag_of(contract)]
    for tag in {tag for tag in tags if tags.count(tag) > 1}:
        yield f"rented twice: two contracts bear {tag}"
    for job, spans in lives.items():
        spans.sort()
        for (_, end, first), (begin, _, second) in zip(spans, spans[1:]):
            if begin < end:
                yield f"double rent: {first} and {second} of {job} lived at the same time"


def strangers(rig, contracts):
    stranger = next(contract for contract in contracts if contract["id"] == rig.stranger)
    if not stranger["alive"] or stranger["label"] != "somebody else's" or stranger["intended_status"] != "running":
        yield f"a stranger was harmed: {stranger}"


def harmed(rig, contracts, instances):
    """Whatever the key of the account destroyed, its own vastd had asked for: another under the same key has no say. What was
    given up as never made is the sweeper's. And nobody tells of another's machine as of an orphan."""
    for contract in contracts:
        row = instances.get(tag_of(contract))
        if row is None or contract["destroyed_by"] != "account" or row["state"] == "failed":
            continue
        if row["destroy_asked_at"] is None or is_after(rig, row["destroy_asked_at"], contract["destroyed_at"]):
            yield f"harmed: contract {contract['id']} ({contract['label']}) was destroyed by somebody else"
    for row in rig.vastd.rows("SELECT subject FROM events WHERE type = 'instance.orphan_found'"):
        if row["subject"] not in instances:
            yield f"{row['subject']} is told as an orphan and was never ours"


def ledger(rig, instances, contracts):
    """One life, one account: it begins once, ends once, and its rows go forward."""
    for identifier in instances:
        rows = rig.vastd.rows("SELECT * FROM ledger WHERE instance_id = ? ORDER BY position", identifier)
        kinds = [row["kind"] for row in rows]
        if not kinds:
            continue
        if kinds[0] != "billing.start" or kinds.count("billing.start") != 1:
            yield f"ledger of {identifier} begins wrong: {kinds}"
        if kinds[-1] != "billing.stop" or kinds.count("billing.stop") != 1:
            yield f"ledger of {identifier} ends wrong: {kinds}"
        moments = [row["at"] for row in rows]
        if moments != sorted(moments):
            yield f"ledger of {identifier} goes back in time: {moments}"
    for contract in contracts:
        tag = tag_of(contract)
        if tag not in instances:
            continue
        rows = rig.vastd.rows("SELECT at FROM ledger WHERE instance_id = ? ORDER BY position", tag)
        if not rows:
            yield f"no ledger: {tag} cost ${contract['cost']} and has no row"
        elif contract["destroyed_at"] and is_before(rig, rows[-1]["at"], contract["destroyed_at"]):
            yield f"ledger of {tag} ends before the provider stopped billing"


HOUR = 3_600_000_000
DAY = 24 * HOUR


def accrued(per_hour, span):
    """Micro-dollars for so many microseconds: whole hours apart from the rest, which is rounded, as the ledger has it."""
    return per_hour * (span // HOUR) + math.floor(per_hour * (span % HOUR) / HOUR + 0.5)


def by_day(rows):
    """What one instance's lines come to, by day: GPU, disk, traffic, and the GPUs' time."""
    days = collections.defaultdict(lambda: [0, 0, 0, 0])
    rates = [row for row in rows if row["is_rate"]]
    for row, after in zip(rates, rates[1:]):
        start = row["at"]
        while start < after["at"] and (row["gpu_per_hour"] or row["storage_per_hour"]):
            day = start - start % DAY
            end = min(day + DAY, after["at"])
            used = days[day]
            used[0] += accrued(row["gpu_per_hour"], end - start)
            used[1] += accrued(row["storage_per_hour"], end - start)
            used[3] += end - start if row["gpu_per_hour"] else 0
            start = end
    for row in rows:
        if not row["is_rate"]:
            used = days[row["at"] - row["at"] % DAY]
            for place, name in enumerate(("gpu_amount", "storage_amount", "transfer_amount")):
                used[place] += row[name]
    return dict(days)


def lines_of(rig):
    lines = collections.defaultdict(list)
    for row in rig.vastd.rows("SELECT * FROM ledger ORDER BY instance_id, at, key"):
        lines[row["instance_id"]].append(row)
    return lines


def sums(rig):
    """What is written down by day is what the lines come to, to the last micro-dollar, and the whole is the sum of its parts. No
    two rates begin at one moment, and at rest nothing flows."""
    lines = lines_of(rig)
    written = collections.defaultdict(dict)
    for row in rig.vastd.rows("SELECT * FROM ledger_days"):
        written[row["instance_id"]][row["day"]] = [row["gpu"], row["storage"], row["transfer"], row["gpu_time"]]
    for identifier in set(lines) | set(written):
        expected = by_day(lines[identifier])
        found = {day: used for day, used in written[identifier].items() if any(used) or day in expected}
        if found != expected:
            yield f"the sums of {identifier} are {found}, its lines come to {expected}"
        moments = [row["at"] for row in lines[identifier] if row["is_rate"]]
        if len(set(moments)) != len(moments):
            yield f"ledger of {identifier} has two rates at one moment: {moments}"
    whole = collections.defaultdict(lambda: [0, 0, 0, 0, 0])
    for days in written.values():
        for day, used in days.items():
            whole[day] = [total + part for total, part in zip(whole[day], [1, *used])]
    totals = {row["day"]: [row["instances"], row["gpu"], row["storage"], row["transfer"], row["gpu_time"]]
              for row in rig.vastd.rows("SELECT * FROM ledger_totals")}
    if totals != dict(whole):
        yield f"the sums of all are {totals}, those of the instances {dict(whole)}"
    for row in rig.vastd.rows("SELECT instance_id FROM ledger_open"):
        yield f"money still flows for {row['instance_id']}"


def meters(rig, instances, contracts):
    """The ledger agrees with what the simulator charged as far as anybody could see: for each change of a status, for the making and
    for the end `lateness_s` at the full price, and what the lines themselves say nobody saw. Time is billed as it passes."""
    if not rig.has_true_times:
        return
    lines = lines_of(rig)
    for contract in contracts:
        row = instances.get(tag_of(contract))
        if row is None or row["market_id"] != contract["id"] or not contract["destroyed_at"]:
            continue
        own = lines[row["id"]]
        told = sum(sum(used[:3]) for used in by_day(own).values()) / 1e6
        price = max([line["gpu_per_hour"] + line["storage_per_hour"] for line in own], default=0) / 1e6
        price = max(price, (row["price_per_hour"] or 0) / 1e6)
        unseen = sum((line["at"] - line["unseen_since"]) / 1e6 for line in own if line["unseen_since"])
        allowed = price / 3600 * (rig.lateness_s * (len(contract["states"]) + 1) + unseen) + 1e-5
        rig.audited += 1
        rig.ledger += told
        rig.meter += contract["cost"]
        rig.worst = max(rig.worst, abs(told - contract["cost"]) / allowed)
        if abs(told - contract["cost"]) > allowed:
            yield (f"ledger of {row['id']} says ${told:.6f}, the simulator charged ${contract['cost']:.6f}, "
                   f"allowed ${allowed:.6f}")


def events(rig, jobs):
    """Numbered without gaps for each subject, and each move of a job a legal one with its event."""
    told = {}
    last = 0
    for row in rig.vastd.rows("SELECT * FROM events ORDER BY position"):
        if row["position"] <= last:
            yield f"position {row['position']} comes after {last}"
        last = row["position"]
        subject = told.setdefault(row["subject"], [])
        subject.append(row)
        if row["sequence"] != len(subject):
            yield f"{row['subject']}: event {len(subject)} has the number {row['sequence']}"
    for identifier, job in jobs.items():
        moves = [row["type"].removeprefix("job.") for row in told.get(identifier, told.get(f"jobs/{identifier}", []))
                 if row["type"].startswith("job.") and not row["type"].startswith("job.checkpoint")]
        state = None
        for move in moves:
            if move not in NEXT.get(state, set()) and not (state == "awaiting_approval" and move in FINAL):
                yield f"{identifier}: {state} → {move} is no legal move ({moves})"
            state = move
        if state != job["state"]:
            yield f"{identifier} is {job['state']}, its last event says {state} ({moves})"


def acknowledged(rig, jobs, rows):
    """An acknowledged submit is there, a key made one job, and every job has come to an end that it may have."""
    known = set()
    for job in jobs:
        status, headers, body = rig.vastd.call("POST", "/v1/jobs", job.body, {"Idempotency-Key": job.key})
        if status != 201 or headers.get("Idempotent-Replayed") != "true":
            yield f"the key {job.key} is forgotten: {status} {body[:200]}"
            continue
        identifier = json.loads(body)["id"]
        if job.id and identifier != job.id:
            yield f"the key {job.key} made {job.id} and {identifier}"
        job.id = identifier
        known.add(identifier)
        state = rows[identifier]["state"] if identifier in rows else "not in the store"
        if state not in job.expected:
            detail = rows[identifier]["failure"] if identifier in rows else ""
            yield f"{identifier} ({job.body['name']}) is {state}, not {sorted(job.expected)}: {detail}"
    for identifier in set(rows) - known:
        yield f"{identifier} was made by nobody"


def commands(rig, jobs):
    """A command runs once per attempt, and at least once when the job succeeded."""
    runs = {}
    with open(rig.runs) as file:
        for line in file:
            identifier, attempt = line.split()
            runs.setdefault(identifier, []).append(attempt)
    for identifier, attempts in runs.items():
        for attempt in {attempt for attempt in attempts if attempts.count(attempt) > 1}:
            yield f"{identifier}: the command of attempt {attempt} ran {attempts.count(attempt)} times"
    for job in jobs:
        if job.id and rig.vastd.job(job.id)["state"] == "succeeded" and job.id not in runs:
            yield f"{job.id} succeeded, but its command never ran"


def results(rig, jobs):
    """What a succeeded job left behind came home whole, and its log once."""
    for job in jobs:
        if not job.id or rig.vastd.job(job.id)["state"] != "succeeded":
            continue
        lines = job.body["name"].partition("lines=")[2]
        log = rig.vastd.call("GET", f"/v1/jobs/{job.id}/logs")[2].decode()
        row = rig.vastd.job(job.id)
        if job.body.get("checkpoint"):
            with open(rig.runs) as file:
                begun = [int(line.split()[1]) for line in file if line.split()[0] == job.id]
            yield from resumed(row, begun, log.splitlines(), int(lines))
        elif not is_whole(log.split(), int(lines), row["attempt"]):
            yield f"{job.id}: its log is {log[:100]!r}, not {lines} lines"
        status, _, archive = rig.vastd.call("GET", f"/v1/jobs/{job.id}/results")
        with tempfile.NamedTemporaryFile() as file:
            file.write(archive)
            file.flush()
            found = subprocess.run(["tar", "-xzOf", file.name, "out/result"], capture_output=True)
        if status != 200 or found.stdout.strip().decode() != job.id:
            yield f"{job.id}: its results are not its own ({status}, {found.stdout[:80]!r} {found.stderr[:200]!r})"
        report = rig.vastd.json("GET", f"/v1/jobs/{job.id}/report")
        if report["instances_destroyed"] is not True:
            yield f"{job.id}: its report does not say that its machines are gone"


def is_whole(found, lines, attempts):
    """What each lost attempt had counted to, one after the other, and at the end all of it."""
    counted, starts = 0, 0
    for word in found:
        if word == "0":
            counted, starts = 0, starts + 1
        if word != str(counted):
            return False
        counted += 1
    return counted == lines and starts <= attempts


def resumed(row, begun, found, lines):
    """No attempt of a training began anew that had a checkpoint, and each counted on from where it began. What a machine wrote
    last may be lost with it, so nobody can say how far the one before had come."""
    starts, reached, counted = [], 0, 0
    for line in found:
        if line.startswith("from "):
            starts.append(int(line.split()[1]))
            counted = starts[-1]
            continue
        counted += 1
        if line != str(counted):
            yield f"{row['id']}: its log has {line!r} where {counted} is due"
            return
        reached = max(reached, counted)
    if reached != lines:
        yield f"{row['id']}: its log ends at {reached} of {lines}"
    if len(starts) > len(begun):
        yield f"{row['id']}: {len(starts)} commands are in the log of {len(begun)} that began"
    # The log of an attempt may be lost with its machine.
    if len(starts) == len(begun):
        restored = {attempt["number"]: attempt["checkpoint_id"] for attempt in row["attempts"]}
        for start, number in zip(starts, begun):
            if restored.get(number) and start == 0:
                yield f"{row['id']}: attempt {number} began anew, though it had checkpoint {restored[number]}"


def successors(rig):
    """A machine that was lost has one successor at the most, and it was lost."""
    told = [json.loads(row["data"]) for row in rig.vastd.rows("SELECT data FROM events WHERE type = 'instance.recovered'")]
    # A machine that was started again replaces none.
    replaced = [facts["replaces"] for facts in told if "replaces" in facts]
    for identifier in {one for one in replaced if replaced.count(one) > 1}:
        yield f"{identifier} has {replaced.count(identifier)} successors"


def secrets(rig):
    """A secret is in no log, no metric, no event, and no byte of the database once its job has ended."""
    with open(rig.vastd.log_path, "rb") as file:
        if CANARY.encode() in file.read():
            yield "a secret stands in vastd.log"
    for name in os.listdir(rig.vastd.data):
        path = os.path.join(rig.vastd.data, name)
        if name.startswith("vastd.db") and os.path.isfile(path):
            with open(path, "rb") as file:
                if CANARY.encode() in file.read():
                    yield f"a secret stands in {name}"
    if CANARY in rig.vastd.call("GET", "/metrics")[2].decode():
        yield "a secret stands in the metrics"
