"""Whether the programs beside this one would notice: each bug is planted in a copy of the sources, built, and must be caught.

A bug is a replacement of one text by another in one file, so that nothing of it is in the product; one whose text is no longer
there fails the run. Each comes with what provokes it: faults of the simulator, a failpoint, or power cuts.
"""
import os
import shutil
import subprocess
import time

import checker
import lossydisk
import points
import power
import seeds
from rig import Rig

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Bug:
    def __init__(self, name, file, old, new, faults=(), failpoints=(None,), options=(), catches="", more=(), seeds=0,
                 cuts=0):
        self.name = name
        self.changes = [(file, old, new), *more]
        self.faults = faults
        # Each in a run of its own; one that catches it is enough.
        self.failpoints = failpoints
        self.options = options
        # Played by so many seeds of the simulation instead of by real processes.
        self.seeds = seeds
        # When more than 0: so many power cuts provoke it, and nothing of the above.
        self.cuts = cuts
        # What the checker has to say; a bug caught for another reason is not caught.
        self.catches = catches


CORE = "Sources/Core/"
BUGS = [
    Bug("the order leaves before its row says so", CORE + "Reconcilers/InstanceReconciler+Ordering.swift",
        "    let sent = await change(instance, event: .orderSent",
        "    do { _ = try await marketplace.create(instance.order) } catch {}\n"
        "    let sent = await change(instance, event: .orderSent",
        catches="rented twice"),
    Bug("a list alone proves that a machine is gone", CORE + "Reconcilers/InstanceReconciler+Destroying.swift",
        "      seen = try await marketplace.readInstance(id)\n",
        "      seen = try await marketplace.readInstance(id).flatMap { _ in nil as MarketInstance? }\n",
        # Without the spend, which would give the empty lists the lie.
        faults=({"kind": "destroy_ignored"}, {"kind": "list_empty", "skip": 3, "count": 8},
                {"kind": "spend_fails", "count": 1000}), catches="leak"),
    Bug("a layer repeats the create", "Sources/Outbound/MarketplaceLayers/Retrying.swift",
        "    guard operation.isRepeatable else { return try await call() }\n", "",
        faults=({"kind": "create_lost"},), catches="rented twice"),
    Bug("an event is written apart from its change", CORE + "Reconcilers/JobDrive.swift",
        "        try tx.append(told)\n        return JobChange(job: job, before: before, event: told)",
        "        return JobChange(job: job, before: before, event: told)",
        more=[(CORE + "Reconcilers/JobDrive.swift", "      if let change { tell(change, at: now) }\n",
               "      if let event = change?.event {\n"
               "        try await context.store.write { (tx) throws(StoreError) in try tx.append(event) }\n      }\n"
               "      if let change { tell(change, at: now) }\n")],
        failpoints=[f"store.commit.before@{number}=kill" for number in range(4, 30)], catches="its last event says"),
    Bug("the account is closed when destruction is asked for", CORE + "Reconcilers/InstanceReconciler+Changing.swift",
        "    case .goneProven: return entry(.stop, at: before.absentSince ?? now, unseenSince: before.lastSeenAt)\n",
        "    case .destroyAsked: return entry(.stop, at: now)\n    case .goneProven: return nil\n",
        faults=({"kind": "destroy_ignored"},), catches="ends before the provider stopped billing"),
    Bug("an accepted destroy counts as done", CORE + "Reconcilers/InstanceReconciler+Destroying.swift",
        '      logger.info("destroy accepted", metadata: metadata(row))\n',
        '      _ = await change(row, event: .goneProven) { row, now in row.destroyedAt = now }\n      return\n',
        faults=({"kind": "destroy_ignored"},), catches="leak"),
    Bug("an order without a clear answer is sent again", CORE + "Reconcilers/InstanceReconciler+Ordering.swift",
        "    case .rateLimited, .unavailable, .circuitOpen:\n", "    case .rateLimited, .unavailable, .circuitOpen, .unknownOutcome:\n",
        more=[(CORE + "Reconcilers/InstanceReconciler+Ordering.swift",
               "    case .unknownOutcome, .malformedAnswer,", "    case .malformedAnswer,")],
        faults=({"kind": "create_lost"},), catches="rented twice"),
    Bug("a launch starts the command whatever is there", CORE + "Domain/RemoteShell/RemoteWorkspace+Running.swift",
        "if [ $st = not_started ] && [ ! -e", "if [ ! -e",
        more=[(CORE + "Domain/RemoteShell/RemoteWorkspace+Preparing.swift", 'ln "$d/pid.$$" "$d/pid" ||',
               'ln -f "$d/pid.$$" "$d/pid" ||'),
              (CORE + "Reconcilers/RemoteJob.swift", "    guard prepared.state == .notStarted else { return }\n",
               "    _ = prepared.state\n")],
        failpoints=("ssh.launch.after@1=kill", "ssh.launch.after@1=fail"), catches="ran 2 times"),
    Bug("the sweeper takes every machine for ours", CORE + "Reconcilers/OrphanSweeper.swift",
        "      guard let tag = seen.tag(of: store.owner) else { continue }\n",
        "      let tag = seen.tag(of: store.owner) ?? InstanceTag(owner: store.owner, instanceID: ID(at: now()))\n",
        more=[(CORE + "Reconcilers/OrphanSweeper.swift", "static let grace = Duration.seconds(120)",
               "static let grace = Duration.seconds(0)"),
              (CORE + "Reconcilers/OrphanSweeper.swift",
               "      guard seen?.tag(of: store.owner) == tag else { return nil }\n", "      _ = seen\n"),
              ("Sources/vastd/Composition.swift", "orphans, signal: Signal(), period: .seconds(15)",
               "orphans, signal: Signal(), period: .seconds(1)")],
        catches="a stranger was harmed"),
    Bug("answers under a key are not kept", CORE + "FleetService/Fleet+Idempotency.swift",
        "        try tx.remember(request.key, request.encode(made), expiresAt: now + IdempotencyKey.lifetime)\n",
        "        _ = request.encode(made)\n", catches="is forgotten"),
    Bug("secrets are logged", CORE + "Reconcilers/RemoteJob.swift",
        "        environment: specification.environment.merging(specification.secrets) { $1 }, setup:",
        "        environment: logged(specification.environment.merging(specification.secrets) { $1 }), setup:",
        more=[(CORE + "Reconcilers/RemoteJob.swift", "import Domain\n",
               "import Domain\nimport Logging\n\nprivate func logged(_ values: [String: String]) -> [String: String] {\n"
               '  Logger(label: "planted").notice("environment", metadata: ["values": "\\(values)"])\n  return values\n}\n')],
        catches="a secret stands in vastd.log"),
    Bug("a lost order is not waited for", CORE + "Domain/Instance/InstancePlan.swift",
        "    let settledAt = max(orderedAt, watchedSince ?? orderedAt) + neededTime(observation)\n",
        "    let settledAt = max(orderedAt, watchedSince ?? orderedAt)\n",
        # Without its witness, who would wait all the same.
        faults=({"kind": "create_lost"}, {"kind": "spend_fails", "count": 1000}), options=("--visibility", "6"),
        catches="leak"),
    Bug("what a command writes last is left behind", CORE + "Reconcilers/RemoteJob.swift",
        "      if isCut, !status.isRunning, status.logBytes > position { continue }\n", "      _ = isCut\n",
        seeds=600, catches="its log is"),
    Bug("lost work begins anew though there is a checkpoint", CORE + "Reconcilers/RemoteJob.swift",
        "    if let checkpoint, let policy = specification.checkpoint { try await restore(checkpoint, policy) }\n", "",
        seeds=600, catches="is told to resume and has nothing"),
    Bug("an event that was refused is not sent again", CORE + "Reconcilers/EventDelivery.swift",
        "    case .retry(let moment): delivery.nextAttemptAt = moment\n", "    case .retry: delivery.state = .failed\n",
        seeds=600, catches="the receiver has"),
    Bug("the ledger has GPU time while the container is ended", CORE + "Domain/Instance/Instance+Observing.swift",
        "      default: return (.zero, storage)\n", "      default: return (gpuPerHour, storage)\n",
        seeds=600, catches="the provider's meter"),
    Bug("the ledger begins with the look that found an order again", CORE + "Reconcilers/InstanceReconciler+Changing.swift",
        "[contractStartedAt, acceptedAt].compactMap { $0 }.min() }\n", "acceptedAt }\n",
        seeds=600, catches="the provider's meter"),
    Bug("the ledger's sums forget the first of two days", "Sources/State/Store/Store+Ledger.swift",
        "    if let former { try count(former.accrual(until: entry.at), of: entry.instanceID) }\n",
        "    if let former { try count(former.accrual(until: entry.at).suffix(1), of: entry.instanceID) }\n",
        more=[("Sources/State/Store/Store+Ledger.swift",
               "    _ days: [DayUsage], of id: ID<Instance>, isUndone: Bool = false\n",
               "    _ days: some Sequence<DayUsage>, of id: ID<Instance>, isUndone: Bool = false\n")],
        seeds=600, catches="the sums of"),
    Bug("a budget is asked before the transaction and not in it", CORE + "Reconcilers/JobDrive+Placing.swift",
        "    let room = try budgetRoom(label: job.label, now: now)\n", "    let room = BudgetRoom(now: now)\n",
        more=[(CORE + "Reconcilers/InstanceReconciler+Ordering.swift",
               "        try tx.budgetRoom(label: row.label, now: now).refusal(of: []) != nil\n", "        false\n")],
        seeds=600, catches="the bound is"),
    Bug("NORMAL sync", "Sources/State/SQLiteDriver/SQLiteDriver.swift",
        "PRAGMA synchronous = FULL;", "PRAGMA synchronous = NORMAL;",
        more=[("Sources/State/SQLiteDriver/SQLiteDriver.swift", '("synchronous", "2")', '("synchronous", "1")')],
        cuts=5, catches="an acknowledged submit is lost"),
    Bug("an upload is not flushed", "Sources/State/Artifacts/IncomingUpload.swift",
        "        try file.synchronize()\n", "", cuts=5, catches="an upload's bytes are lost"),
    Bug("a renamed file keeps its name only by luck", "Sources/State/Artifacts/FileHandle.swift",
        "    try synchronizeDirectory(folder(of: new))\n", "", cuts=10, catches="is not there"),
    Bug("a log is not flushed before its job goes on", CORE + "Reconcilers/JobDrive+Watching.swift",
        "    await remote.synchronizeLog()\n", "", cuts=10, catches="a complete log is lost"),
    Bug("a log with holes is trusted", "Sources/State/Artifacts/LogFile.swift",
        "    guard let boot else { return true }\n", "    guard boot == nil else { return true }\n", cuts=10,
        catches="with holes"),
    Bug("the data folder keeps its name only by luck", "Sources/State/Artifacts/DataDirectory.swift",
        "      try FileHandle.synchronizeDirectory(FileHandle.folder(of: path))\n", "", cuts=3, catches="the database is gone"),
]


class Copy:
    """The sources elsewhere, with a build folder that is kept from bug to bug."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("Sources", "Tests"):
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
            # With their times, so that only what changed since the last run is built again.
            shutil.copytree(os.path.join(ROOT, name), os.path.join(folder, name))
        shutil.copy2(os.path.join(ROOT, "Package.swift"), folder)

    def plant(self, bug):
        """The texts as they were; None when one of the changes has nothing to change."""
        kept = {}
        for file, old, new in bug.changes:
            path = os.path.join(self.folder, file)
            with open(path) as source:
                text = source.read()
            kept.setdefault(path, text)
            if old not in text:
                self.restore(kept)
                print(f"  {bug.name}: {file} no longer has {old.strip()!r}", flush=True)
                return None
            with open(path, "w") as source:
                source.write(text.replace(old, new, 1))
        return kept

    @staticmethod
    def restore(kept):
        for path, text in kept.items():
            with open(path, "w") as source:
                source.write(text)

    def build(self, bug):
        for product in ("simulate",) if bug.seeds else ("vast-sim", "vastd"):
            done = subprocess.run(
                ["swift", "build", "--product", product], cwd=self.folder, capture_output=True, text=True)
            if done.returncode != 0:
                print(done.stdout[-3000:], flush=True)
                return None
        return os.path.join(self.folder, ".build", "debug")


def cut_power(build, bug):
    """What is said of the first round that loses anything."""
    for seed in range(1, 4):
        this = power.Round(build, seed, bug.cuts)
        try:
            this.run()
        except Exception as error:
            this.violations.append(f"{type(error).__name__}: {error}")
        finally:
            this.close(keep=False)
        if this.violations:
            break
    return this.violations


def provoke(build, bug):
    """What the checker says, over the runs that the bug comes with, until one of them says what it should."""
    if bug.cuts:
        return cut_power(build, bug)
    said = []
    for failpoints in bug.failpoints:
        rig = Rig(build, *bug.options)
        try:
            for fault in bug.faults:
                rig.simulator.control("POST", "fault", fault)
            job, _ = points.one_job(rig, failpoints, seconds=40)
            # Something that was lost may turn up late.
            time.sleep(7 if bug.options else 3 if "sweeper" in bug.name else 0)
            rig.vastd.kill()
            rig.vastd.start()
            rig.vastd.wait_until_ready()
            said += checker.check(rig, [job])
        except Exception as error:
            said.append(f"{type(error).__name__}: {error}")
        finally:
            rig.close()
        if any(bug.catches in sentence for sentence in said):
            break
    return said


def play(build, bug):
    """What the simulation says, a few seeds at a time, until it says what it should."""
    said = []
    for first in range(1, bug.seeds, 50):
        said += seeds.play(os.path.join(build, "simulate"), first, 50)[1]
        if any(bug.catches in sentence for sentence in said):
            break
    return said


def main(folder, only=None):
    started = time.monotonic()
    chosen = [bug for bug in BUGS if not only or only in bug.name]
    lacking = lossydisk.why_not()
    os.makedirs(folder, exist_ok=True)
    copy = Copy(folder)
    caught, missed = 0, []
    for bug in chosen:
        if bug.cuts and lacking:
            missed.append(bug.name)
            print(f"  MISSED: {bug.name}: {lacking}", flush=True)
            continue
        kept = copy.plant(bug)
        if kept is None:
            missed.append(bug.name)
            continue
        try:
            build = copy.build(bug)
            said = (play if bug.seeds else provoke)(build, bug) if build else []
        finally:
            copy.restore(kept)
        found = next((sentence for sentence in said if bug.catches in sentence), None)
        if found:
            caught += 1
            print(f"  caught: {bug.name}: {found[:140]}", flush=True)
        else:
            missed.append(bug.name)
            print(f"  MISSED: {bug.name}: {said[:3] or 'nothing was said'}", flush=True)
    print(f"bugs: {caught} of {caught + len(missed)} caught, {time.monotonic() - started:.0f} s", flush=True)
    return not missed
