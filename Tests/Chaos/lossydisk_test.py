"""Whether the lossy disk keeps what it has to keep, and loses the rest: on a real mount, file by file, and with SQLite on it."""
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile

from lossydisk import BLOCK, Disk, File, Tree

OLD, NEW = b"o", b"n"
LENGTH = 16 * BLOCK


def write(path, data, flags=os.O_CREAT, offset=0, sync=False):
    descriptor = os.open(path, os.O_WRONLY | flags, 0o600)
    os.pwrite(descriptor, data, offset)
    if sync:
        os.fsync(descriptor)
    os.close(descriptor)


def sync_folder(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(descriptor)
    os.close(descriptor)


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


class Check:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="vastd-disk-")
        self.disk = Disk(self.folder)
        self.wrong = []
        self.made = 0

    def path(self, *names):
        return os.path.join(self.disk.mountpoint, *names)

    def that(self, promise, holds):
        self.made += 1
        if not holds:
            self.wrong.append(promise)
            print(f"  the disk does not hold: {promise}", flush=True)

    def files(self, seed):
        """One cut under everything that a program does with files; gives what became of what was not synced."""
        path = self.path
        self.disk.mount()
        for name in ("synced", "unsynced", "mixed", "shortened", "doomed", "renamed", "replaced", "target"):
            write(path(name), OLD * LENGTH, sync=True)
        os.mkdir(path("folder"))
        sync_folder(path())
        write(path("synced"), NEW * LENGTH, sync=True)
        write(path("unsynced"), NEW * LENGTH)
        for at in range(0, LENGTH, LENGTH // 4):
            write(path("mixed"), NEW * (LENGTH // 4), offset=at)
        os.truncate(path("shortened"), BLOCK)
        os.unlink(path("doomed"))
        os.rename(path("renamed"), path("folder", "moved"))
        os.rename(path("replaced"), path("target"))
        write(path("replacement"), NEW * LENGTH, sync=True)
        write(path("folder", "nameless"), NEW * LENGTH, sync=True)
        os.mkdir(path("orphaned"))
        write(path("orphaned", "child"), NEW, sync=True)
        sync_folder(path("orphaned"))
        # As it looks before the cut.
        self.that("what was written is read", read(path("unsynced")) == NEW * LENGTH)
        self.that("what was renamed is found", read(path("folder", "moved")) == OLD * LENGTH and read(path("renamed")) is None)
        lost = self.disk.cut(seed)
        self.disk.mount()
        unsynced, mixed = read(path("unsynced")), read(path("mixed"))
        moved, stayed = read(path("folder", "moved")), read(path("renamed"))
        self.that("a synced write is kept", read(path("synced")) == NEW * LENGTH)
        self.that("a write that was not synced leaves whole sectors, old or new",
                  len(mixed) == LENGTH and all(
                      mixed[at : at + lost["sector"]] in (OLD * lost["sector"], NEW * lost["sector"])
                      for at in range(0, LENGTH, lost["sector"])))
        self.that("a length is the old one or the new one", len(read(path("shortened"))) in (BLOCK, LENGTH))
        self.that("a removed file is back or gone, whole", read(path("doomed")) in (None, OLD * LENGTH))
        self.that("a renamed file has one of its names", sorted([moved is None, stayed is None]) == [False, True])
        self.that("a rename that replaces is whole", read(path("target")) == OLD * LENGTH)
        self.that("a new file is there with its synced bytes or not at all",
                  read(path("folder", "nameless")) in (None, NEW * LENGTH)
                  and read(path("replacement")) in (None, NEW * LENGTH))
        self.that("a new folder is there with what was synced in it, or not at all",
                  not os.path.exists(path("orphaned")) or read(path("orphaned", "child")) == NEW)
        outcomes = {
            "unsynced " + ("lost" if unsynced == OLD * LENGTH else "kept" if unsynced == NEW * LENGTH else "torn"),
            "sectors " + ("torn" if OLD in mixed and NEW in mixed else "whole"),
            "length " + ("lost" if len(read(path("shortened"))) == LENGTH else "kept"),
            "unlink " + ("kept" if read(path("doomed")) is None else "lost"),
            "rename " + ("lost" if moved is None else "kept"),
            "name " + ("lost" if read(path("folder", "nameless")) is None else "kept"),
            "folder " + ("kept" if os.path.exists(path("orphaned")) else "lost"),
        }
        if lost["style"] == "all":
            self.that("a cut that drops all drops all", not any(outcome.endswith(("kept", "torn")) for outcome in outcomes))
        # A second life: nothing more is lost of what the first left.
        before = sorted(os.listdir(path()))
        self.disk.cut(seed)
        self.disk.mount()
        self.that("what a cut left is kept", sorted(os.listdir(path())) == before and read(path("unsynced")) == unsynced)
        for name in os.listdir(path("folder")):
            os.unlink(path("folder", name))
        for name in os.listdir(path()):
            shutil.rmtree(path(name)) if os.path.isdir(path(name)) else os.unlink(path(name))
        self.disk.unmount()
        return outcomes

    def kernel(self):
        """What the kernel does by itself has to work here too: sockets, locks, removed files that are still open."""
        self.disk.mount()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path("socket"))
        listener.listen()
        with socket.socket(socket.AF_UNIX) as caller:
            self.that("a socket is found", caller.connect_ex(self.path("socket")) == 0)
        listener.close()
        with open(self.path("open"), "w+b") as file:
            file.write(b"still here")
            file.flush()
            os.unlink(self.path("open"))
            file.seek(0)
            self.that("a removed file can be read while it is open", file.read() == b"still here")
        lock = subprocess.run(
            ["flock", "-n", self.path("lock"), "flock", "-n", self.path("lock"), "true"], capture_output=True)
        self.that("a lock keeps others out", lock.returncode != 0)
        os.unlink(self.path("socket"))
        os.unlink(self.path("lock"))
        self.disk.unmount()

    def sqlite(self, synchronous, seeds):
        """Rows that were committed and are lost, of how many; a writer that dies by kill -9 right before each cut."""
        lost = total = 0
        writer = (
            "import sqlite3, sys\n"
            "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "assert db.execute('PRAGMA journal_mode = WAL').fetchone()[0] == 'wal'\n"
            f"db.execute('PRAGMA synchronous = {synchronous}')\n"
            "db.execute('CREATE TABLE IF NOT EXISTS rows (number INTEGER PRIMARY KEY, filling BLOB)')\n"
            "while True:\n"
            "    number = db.execute('INSERT INTO rows (filling) VALUES (randomblob(900))').lastrowid\n"
            "    print(number, flush=True)\n"
        )
        highest = 0
        for seed in seeds:
            self.disk.mount()
            process = subprocess.Popen(
                [sys.executable, "-c", writer, self.path("rows.db")], stdout=subprocess.PIPE, text=True)
            for _ in range(120):
                highest = int(process.stdout.readline())
            process.kill()
            # What it had printed before it died was committed as well.
            for line in process.stdout.read().splitlines(keepends=True):
                if line.endswith("\n"):
                    highest = int(line)
            process.wait()
            self.disk.cut(seed)
            self.disk.mount()
            reader = sqlite3.connect(self.path("rows.db"))
            self.that("a database is whole after a cut", reader.execute("PRAGMA integrity_check").fetchone()[0] == "ok")
            try:
                found = reader.execute("SELECT coalesce(max(number), 0) FROM rows").fetchone()[0]
            except sqlite3.OperationalError:
                found = 0
            reader.close()
            lost += max(0, highest - found)
            highest = max(found, 0)
            self.disk.unmount()
        total = highest + lost
        self.disk.mount()
        for name in os.listdir(self.path()):
            os.unlink(self.path(name))
        self.disk.unmount()
        return lost, total


def same_seed():
    """The same work under the same seed loses the same."""
    def left():
        tree = Tree()
        node = tree.make(0o100600)
        node.file = File()
        for number in range(200):
            node.file.write(number * 700, bytes([number]) * 900)
            tree.change((1, b"%d" % number, node.number))
        tree.cut("5")
        return bytes(node.file.kept), sorted(tree.root.kept_names)
    return left() == left()


def main():
    check = Check()
    try:
        outcomes = set()
        for seed in range(8):
            outcomes |= check.files(seed)
        for what in ("unsynced lost", "unsynced kept", "sectors torn", "length lost", "length kept", "unlink lost", "unlink kept",
                     "rename lost", "rename kept", "name lost", "name kept", "folder lost", "folder kept"):
            check.that(f"some cut leaves {what}", what in outcomes)
        check.kernel()
        check.that("a seed repeats itself", same_seed())
        full, full_of = check.sqlite("FULL", range(4))
        normal, normal_of = check.sqlite("NORMAL", range(4))
        check.that("SQLite with FULL loses nothing", full == 0)
        check.that("SQLite with NORMAL loses something", normal > 0)
    finally:
        check.disk.unmount()
        shutil.rmtree(check.folder, ignore_errors=True)
    print(
        f"disk: {check.made} checks, {len(check.wrong)} wrong; SQLite lost {full} of {full_of} commits with FULL, {normal} of "
        f"{normal_of} with NORMAL", flush=True)
    return not check.wrong
