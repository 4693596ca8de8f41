"""The power goes: vastd and all that it started die at once, and its disk forgets what was not synced.

vastd keeps everything on the lossy disk; the simulator and its machines are elsewhere, as Vast is. Callers upload, submit, cancel
and change settings all the while and note what was acknowledged. After each cut, before vastd starts again, what the disk kept is
looked at: the database is whole, everything acknowledged is in it, and what it says of files is true of the files, byte for byte.
In the end everything comes to rest and the checker looks. A run counts only when most cuts lost something and hit something.
"""
import hashlib
import io
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import tarfile
import tempfile
import threading
import time
import uuid

import checker
import lossydisk
import work
from rig import FINAL, Died, Rig

# What the disk may lose without a word: room that is held free, what SQLite rebuilds, locks, the sockets of ssh.
WORTHLESS = ("data/ballast", "data/vastd.db-shm", "data/vastd.db.lock", "data/ssh")


class Upload:
    def __init__(self, key, dice):
        self.key = key
        # Does not shrink when packed, so that what is torn is missed.
        self.content = dice.randbytes(dice.choice([600, 20_000, 150_000]))
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            entry = tarfile.TarInfo("input.bin")
            entry.size = len(self.content)
            tar.addfile(entry, io.BytesIO(self.content))
        self.body = packed.getvalue()
        self.sha256 = hashlib.sha256(self.body).hexdigest()
        self.id = None


class Notes:
    """What callers were told, and so may count on. Written by their threads, read between two lives of vastd."""

    def __init__(self):
        self.uploads, self.jobs, self.cancels, self.finished, self.host_keys = [], [], {}, {}, {}
        # The interval that was acknowledged last, and those that were asked for after it and may or may not be there.
        self.interval, self.perhaps = None, []
        self.acknowledged = 0


class Round:
    def __init__(self, build, seed, cuts, jobs_per_cut=3):
        self.dice = random.Random(seed)
        self.cuts = cuts
        self.seed = seed
        self.rig = Rig(build, "--visibility", "0.3", "--settle", "0.5")
        self.disk = lossydisk.Disk(self.rig.folder)
        vastd = self.rig.vastd
        # A folder that vastd has to make: that it is there has to be synced, too.
        vastd.data = os.path.join(self.disk.mountpoint, "data")
        vastd.settings["VASTD_DATA_DIR"] = vastd.data
        self.boot_file = os.path.join(self.rig.folder, "boot")
        vastd.wrapper = [
            "unshare", "--mount", "sh", "-c", 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"', self.boot_file]
        self.notes = Notes()
        self.violations = []
        self.done = self.deaths = 0
        # Run to their end; beside these come jobs that wait for an approval until they are cancelled, which cost nothing.
        self.budget = self.jobs_per_cut = jobs_per_cut
        self.held = []
        self.unsure = []
        self.lossy_cuts = self.open_cuts = self.recovery_cuts = self.bytes_lost = self.names_lost = self.writes_lost = self.torn = 0
        self.styles = {}
        self.numbers = 0

    # MARK: callers

    def call(self, method, path, body=None, headers=None):
        return self.rig.vastd.call(method, path, body, headers, timeout=10)

    def act(self, dice):
        """One request of a caller's, and a note of what came of it."""
        self.numbers += 1
        draw, key, notes = dice.random(), f"s{self.seed}n{self.numbers}", self.notes
        if self.unsure and draw < 0.5:
            # As a caller does who got no answer: the same again.
            one = self.unsure.pop(0)
            return self.upload(one) if isinstance(one, Upload) else self.submit(one)
        if draw < 0.15:
            return self.upload(Upload(key, dice))
        if draw < 0.25:
            return self.set_interval(round(1 + self.numbers / 1000, 3))
        if draw < 0.35 and self.held:
            return self.cancel(self.held.pop(dice.randrange(len(self.held))))
        if draw < 0.65 and self.budget > 0 and notes.uploads:
            self.budget -= 1
            return self.submit(self.make(key, dice))
        held = work.job(key, self.rig.runs, expected={"cancelled"})
        held.body["approval"] = "required"
        return self.submit(held)

    def make(self, key, dice):
        """A job that proves its upload, prints a log of some sectors, and brings the upload home again."""
        upload = dice.choice(self.notes.uploads[-5:])
        lines, pause = dice.choice([(5, 0.3), (40, 0.05), (3000, 0)])
        job = work.job(key, self.rig.runs, lines=lines, pause=pause, expected={"succeeded"}, upload=upload.id)
        wanted = hashlib.sha256(upload.content).hexdigest()
        job.body["command"] = (
            f'[ "$(sha256sum <input.bin | cut -c 1-64)" = {wanted} ] || exit 8; mkdir -p out; cp input.bin out/copy; '
            + job.body["command"])
        job.upload = upload
        return job

    def upload(self, upload):
        try:
            status, _, answer = self.call(
                "POST", "/v1/uploads", upload.body, {"Content-Type": "application/gzip", "Idempotency-Key": upload.key})
        except Died:
            self.unsure.append(upload)
            raise
        if status != 201:
            self.violations.append(f"an upload is refused: {status} {answer[:200]}")
            return
        upload.id = json.loads(answer)["id"]
        self.notes.uploads.append(upload)
        self.notes.acknowledged += 1

    def submit(self, job):
        try:
            status, _, answer = self.call("POST", "/v1/jobs", job.body, {"Idempotency-Key": job.key})
        except Died:
            self.unsure.append(job)
            raise
        if status != 201:
            self.violations.append(f"a submit is refused: {status} {answer[:200]}")
            return
        job.id = json.loads(answer)["id"]
        self.notes.jobs.append(job)
        self.notes.acknowledged += 1
        if job.body.get("approval"):
            self.held.append(job)

    def cancel(self, job):
        try:
            status, _, answer = self.call("POST", f"/v1/jobs/{job.id}/cancel")
        except Died:
            self.held.append(job)
            raise
        if status != 202:
            self.violations.append(f"a cancel is refused: {status} {answer[:200]}")
            return
        self.notes.cancels[job.id] = True
        self.notes.acknowledged += 1

    def set_interval(self, seconds):
        self.notes.perhaps.append(seconds)
        status, _, answer = self.call("PUT", "/v1/settings", {"poll_interval_s": seconds})
        if status != 200:
            self.violations.append(f"a setting is refused: {status} {answer[:200]}")
            return
        # One caller alone does this: what it asked for before is overwritten.
        self.notes.interval, self.notes.perhaps = seconds, []
        self.notes.acknowledged += 1

    def look(self):
        """Notes the jobs that a caller was told have succeeded; gives the states of all."""
        _, _, answer = self.call("GET", "/v1/jobs?limit=500")
        states = {}
        for job in json.loads(answer).get("items", []):
            states[job["id"]] = job["state"]
            if job["state"] == "succeeded":
                self.notes.finished[job["id"]] = job["results"]
            if job["state"] == "running" and job["instance_id"] not in self.notes.host_keys:
                _, _, answer = self.call("GET", f"/v1/instances/{job['instance_id']}/ssh")
                if json.loads(answer).get("host_key"):
                    self.notes.host_keys[job["instance_id"]] = json.loads(answer)["host_key"]
        return states

    def work(self, seed, stop):
        dice = random.Random(seed)
        while not stop.is_set():
            try:
                self.act(dice)
                time.sleep(dice.uniform(0, 0.06))
            except Died:
                time.sleep(0.02)

    # MARK: the cut

    def wait_for_moment(self, in_recovery):
        """Any moment; or the one in which a job has just gone on to a state, where files and rows have to agree."""
        if in_recovery:
            time.sleep(self.dice.uniform(0, 0.6))
            return
        end = time.monotonic() + self.dice.uniform(0.3, 3.0)
        aim = self.dice.choice([None, "running", "collecting", "cleaning_up", "succeeded"])
        patience = time.monotonic() + 4
        before = None
        while time.monotonic() < (patience if aim else end):
            try:
                states = self.look()
                if aim and before is not None and any(
                        state == aim and before.get(job, "queued") != aim for job, state in states.items()):
                    return
                before = states
            except Died:
                pass
            time.sleep(0.02)

    def boot(self):
        """The machine starts anew, and with it vastd: another boot by its number, which is the machine's own otherwise."""
        self.disk.mount()
        with open(self.boot_file, "w") as file:
            file.write(f"{uuid.UUID(int=self.dice.getrandbits(128))}\n")
        self.rig.vastd.start()

    def cut_power(self):
        """Everything of ours is dead at once, then the disk forgets."""
        vastd = self.rig.vastd
        vastd.kill()
        while True:
            found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self.is_ours(pid)]
            if not found:
                break
            for pid in found:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.005)

    def is_ours(self, pid):
        """ssh masters put themselves into the background; all that vastd starts names its folder."""
        if pid in (os.getpid(), self.disk.process.pid):
            return False
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return self.rig.vastd.data.encode() in file.read()
        except OSError:
            return False

    def count(self, lost):
        self.styles[lost["style"]] = self.styles.get(lost["style"], 0) + 1
        files = {path: one for path, one in lost["files"].items() if not path.startswith(WORTHLESS)}
        names = [name for name in lost["lost_names"] if not name.startswith(WORTHLESS)]
        self.bytes_lost += sum(one["bytes_lost"] for one in files.values())
        self.writes_lost += sum(one["lost"] for one in files.values())
        self.torn += sum(one["torn"] for one in files.values())
        self.names_lost += len(names)
        self.lossy_cuts += bool(names or any(one["bytes_lost"] for one in files.values()))

    # MARK: what the disk kept

    def kept(self, *names):
        return os.path.join(self.disk.kept, "data", *names)

    def inspect(self):
        """Every violation in what was kept, read by another hand than vastd's."""
        with tempfile.TemporaryDirectory() as folder:
            for name in ("vastd.db", "vastd.db-wal"):
                if os.path.exists(self.kept(name)):
                    shutil.copy(self.kept(name), folder)
            if not os.path.exists(os.path.join(folder, "vastd.db")):
                yield "the database is gone"
                return
            database = sqlite3.connect(os.path.join(folder, "vastd.db"))
            database.row_factory = sqlite3.Row
            try:
                found = database.execute("PRAGMA integrity_check").fetchone()[0]
                if found != "ok":
                    yield f"the database is damaged: {found}"
                yield from self.acknowledged(database)
                yield from self.files(database)
            except sqlite3.DatabaseError as error:
                yield f"the database cannot be read: {error}"
            finally:
                database.close()

    def acknowledged(self, database):
        notes = self.notes
        jobs = {row["id"]: row for row in database.execute("SELECT * FROM jobs")}
        uploads = {row["id"] for row in database.execute("SELECT id FROM uploads")}
        for job in notes.jobs:
            if job.id not in jobs:
                yield f"an acknowledged submit is lost: {job.id}"
        for upload in notes.uploads:
            if upload.id not in uploads:
                yield f"an acknowledged upload is lost: {upload.id}"
        for identifier in notes.cancels:
            row = jobs.get(identifier)
            if row and not row["is_cancel_requested"] and row["state"] not in FINAL:
                yield f"an acknowledged cancel is lost: {identifier} is {row['state']}"
        for identifier in notes.finished:
            row = jobs.get(identifier)
            if row and row["state"] != "succeeded":
                yield f"an end that was told is lost: {identifier} is {row['state']}"
        if notes.interval is not None:
            row = database.execute("SELECT * FROM settings WHERE name = 'api.poll_interval'").fetchone()
            found = round(int(row["value"]) / 1e6, 3) if row else None
            if found not in [notes.interval, *notes.perhaps]:
                yield f"an acknowledged setting is lost: {found} s, told was {notes.interval}"
        self.open_cuts += any(row["state"] not in FINAL and row["state"] != "awaiting_approval" for row in jobs.values())

    def files(self, database):
        """What a row says of a file is true of the file, whether anybody was told or not."""
        for row in database.execute("SELECT * FROM uploads"):
            found = digest(self.kept("uploads", f"{row['id']}.tar.gz"))
            if found != row["sha256"]:
                yield f"an upload's bytes are lost: {row['id']} is {'damaged' if found else 'not there'}"
        lines = {job.id: job.body["name"].partition("lines=")[2] for job in self.notes.jobs}
        for row in database.execute("SELECT * FROM jobs WHERE outcome = 'succeeded' OR state = 'collecting'"):
            if row["results"]:
                found = digest(self.kept("jobs", row["id"], "results.tar.gz"))
                if found != json.loads(row["results"])["sha256"]:
                    yield f"results are lost: those of {row['id']} ({row['state']}) are {'damaged' if found else 'not there'}"
            if row["id"] in lines:
                try:
                    with open(self.kept("jobs", row["id"], "output.log"), "rb") as file:
                        log = file.read()
                except FileNotFoundError:
                    log = None
                wanted = "".join(f"{number}\n" for number in range(int(lines[row["id"]]))).encode()
                if log != wanted:
                    holes = "" if log is None or wanted.startswith(log) else ", with holes"
                    what = "not there" if log is None else f"{len(log)} of {len(wanted)} bytes{holes}"
                    yield f"a complete log is lost: that of {row['id']} ({row['state']}) is {what}"

        # A pin that is lost is a machine that may be anybody's at the next contact.
        pins = b""
        for name in os.listdir(self.kept("ssh", "known")) if os.path.isdir(self.kept("ssh", "known")) else []:
            with open(self.kept("ssh", "known", name), "rb") as file:
                pins += file.read()
        for row in database.execute("SELECT id FROM instances WHERE state = 'running' AND desired = 'running'"):
            key = self.notes.host_keys.get(row["id"])
            if key and key.split()[-1].encode() not in pins:
                yield f"a host key is lost: that of {row['id']}"

    # MARK: what vastd says of it

    def ask(self):
        """The same keys give the same answers, a setting applies, and a change of it."""
        notes, vastd = self.notes, self.rig.vastd
        for upload in notes.uploads[-10:]:
            status, headers, answer = vastd.call(
                "POST", "/v1/uploads", upload.body, {"Content-Type": "application/gzip", "Idempotency-Key": upload.key})
            if status != 201 or headers.get("Idempotent-Replayed") != "true" or json.loads(answer)["id"] != upload.id:
                yield f"the key of upload {upload.id} is forgotten: {status} {answer[:200]}"
        for job in notes.jobs[-20:]:
            status, headers, answer = vastd.call("POST", "/v1/jobs", job.body, {"Idempotency-Key": job.key})
            if status != 201 or headers.get("Idempotent-Replayed") != "true" or json.loads(answer)["id"] != job.id:
                yield f"the key of {job.id} is forgotten: {status} {answer[:200]}"
        if notes.interval is not None:
            found = round(vastd.json("GET", "/v1/settings")["poll_interval_s"], 3)
            if found not in [notes.interval, *notes.perhaps]:
                yield f"an acknowledged setting is lost: {found} s, told was {notes.interval}"
        for identifier, results in list(notes.finished.items()):
            status, _, archive = vastd.call("GET", f"/v1/jobs/{identifier}/results")
            if status != 200 or hashlib.sha256(archive).hexdigest() != results["sha256"]:
                yield f"results that were told are lost: {identifier}: {status}, {len(archive)} bytes"

    def copies(self):
        """What went up came back."""
        for job in self.notes.jobs:
            if hasattr(job, "upload") and self.rig.vastd.job(job.id)["state"] == "succeeded":
                archive = self.rig.vastd.call("GET", f"/v1/jobs/{job.id}/results")[2]
                with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                    if tar.extractfile("out/copy").read() != job.upload.content:
                        yield f"{job.id}: its upload came back as something else"

    # MARK: the round

    def run(self):
        vastd = self.rig.vastd
        self.boot()
        vastd.wait_until_ready()
        for number in range(self.cuts):
            in_recovery = number > 0 and self.dice.random() < 0.25
            stop = threading.Event()
            # One: two could each be told of a setting that the other overwrote.
            caller = threading.Thread(target=self.work, args=(self.dice.random(), stop))
            caller.start()
            try:
                self.wait_for_moment(in_recovery)
                if not in_recovery and self.dice.random() < 0.2:
                    # Dies alone first: what it had not synced is still there for its next life, which may count on it.
                    vastd.kill()
                    vastd.start()
                    self.deaths += 1
                    self.wait_for_moment(self.dice.random() < 0.5)
                self.cut_power()
            finally:
                stop.set()
                caller.join()
            self.done += 1
            self.recovery_cuts += in_recovery
            self.count(self.disk.cut(f"{self.seed}.{number}"))
            self.note(self.inspect(), f"cut {number + 1}")
            if self.violations:
                # What follows from a loss would only hide it.
                return
            self.budget = min(self.budget + self.jobs_per_cut, 2 * self.jobs_per_cut)
            self.boot()
            if number == self.cuts - 1 or not in_recovery:
                if not vastd.wait_until_ready():
                    raise RuntimeError(f"vastd does not start after cut {number + 1}")
                self.note(self.ask(), f"start after cut {number + 1}")
        self.rest()
        self.note(checker.check(self.rig, [*self.notes.jobs]), "at rest")
        self.note(self.copies(), "at rest")

    def note(self, sentences, when):
        self.violations += [f"{sentence} ({when})" for sentence in sentences]

    def rest(self, seconds=240):
        """Until every job has ended and every instance is gone; what takes longer is stuck, and the checker says what."""
        while self.unsure:
            one = self.unsure.pop(0)
            self.upload(one) if isinstance(one, Upload) else self.submit(one)
        while self.held:
            self.cancel(self.held.pop())
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            states = self.look()
            rows = self.rig.vastd.rows("SELECT 1 FROM instances WHERE state NOT IN ('destroyed', 'failed') LIMIT 1")
            alive = [one for one in self.rig.simulator.truth()["alive"] if one != self.rig.stranger]
            if all(state in FINAL for state in states.values()) and not (rows or alive):
                return
            time.sleep(0.2)

    def close(self, keep):
        if self.rig.vastd.is_alive():
            self.cut_power()
        self.disk.unmount()
        self.rig.close(keep=keep)


def digest(path):
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except FileNotFoundError:
        return None


def main(build, seed, cuts, cuts_per_round=10):
    lacking = lossydisk.why_not()
    if lacking:
        print(f"power: cannot run: {lacking}")
        return False
    import lossydisk_test

    if not lossydisk_test.main():
        print("power: the disk does not do what it has to; this run does not count")
        return False
    print(f"power: seed {seed}, {cuts} cuts", flush=True)
    started = time.monotonic()
    totals = dict.fromkeys(
        ("deaths", "lossy_cuts", "open_cuts", "recovery_cuts", "bytes_lost", "names_lost", "writes_lost", "torn"), 0)
    done = acknowledged = jobs = 0
    styles, violations = {}, []
    # A round ends with its first violation: the rounds are counted, not the cuts.
    for number in range(-(-cuts // cuts_per_round)):
        here = min(cuts_per_round, cuts - number * cuts_per_round)
        this = Round(build, seed * 1000 + number, here)
        try:
            this.run()
        except Exception as error:
            this.violations.append(f"{type(error).__name__}: {error}")
        finally:
            this.close(keep=bool(this.violations))
        for violation in this.violations[:10]:
            print(f"  round seed {this.seed}: {violation} [{this.rig.folder}]", flush=True)
        if len(this.violations) > 10:
            print(f"  and {len(this.violations) - 10} more", flush=True)
        violations += this.violations
        done += this.done
        acknowledged += this.notes.acknowledged
        jobs += sum(hasattr(job, "upload") for job in this.notes.jobs)
        for name in totals:
            totals[name] += getattr(this, name)
        for style, count in this.styles.items():
            styles[style] = styles.get(style, 0) + count
        print(
            f"  {done} cuts, {totals['lossy_cuts']} lost something, {totals['open_cuts']} with something under way, "
            f"{totals['recovery_cuts']} during recovery, {totals['deaths']} after a kill; {acknowledged} acknowledged, {jobs} jobs, {len(violations)} violations, "
            f"{time.monotonic() - started:.0f} s", flush=True)
    # A run that lost nothing proves nothing.
    strict = totals["lossy_cuts"] >= done / 2 and totals["open_cuts"] >= done / 2
    if not strict:
        print("power: too few of the cuts lost or hit anything; this run does not count")
    print(
        f"power: {done} cuts ({', '.join(f'{count} {style}' for style, count in sorted(styles.items()))}), "
        f"{totals['lossy_cuts']} lost something: {totals['bytes_lost']} bytes, {totals['writes_lost']} whole writes, "
        f"{totals['torn']} torn, {totals['names_lost']} names; {acknowledged} acknowledged writes, {len(violations)} violations, "
        f"{time.monotonic() - started:.0f} s", flush=True)
    return not violations and strict
