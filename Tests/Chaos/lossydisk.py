"""A disk that forgets at a power cut what was not synced: a file system in user space (FUSE), the survivors in a plain folder.

    lossydisk.py MOUNT KEPT     mounts at MOUNT what is in KEPT; prints "ready"; then one line on its standard input ends it:
                                `cut SEED` drops, `end` (or the end of the input) keeps everything. KEPT has what is left then.
    lossydisk.py --self-test    tries on small files and on SQLite whether all of this is true

What it promises, which is what POSIX promises and no more:

- What was written to a file, and how long it is, is kept once that file is synced (fsync, fdatasync, msync). Of what came after,
  a cut drops all, or keeps any writes and no others, or tears writes: any of their sectors, of 512 or 4096 bytes, in any order.
- A name (create, link, rename, unlink, mkdir, rmdir) is kept once its folder is synced, and for a rename one of both. Syncing a
  file does not keep its name. Of the others any may be lost, but of those under one name the later ones first; one alone never
  happens by half, as with any journal.
- Modes, owners and times are kept at once: nothing here depends on them.

The dice are those of the seed. Writes reach this program one by one, as they are made; only pages written through mmap (SQLite's
-shm, which says nothing after a start) come later. Locks and sockets are the kernel's, so they end with the mount.
"""
import errno
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import time

STYLES = ["all", "some", "torn"]
BLOCK = 4096
# Shown as free: enough that vastd takes uploads, and sets its ballast.
CAPACITY = 4 << 30


class File:
    """Bytes as they are, bytes as they are kept, and what leads from these to those."""

    def __init__(self, data=b""):
        self.live = bytearray(data)
        self.kept = bytearray(data)
        # (offset, bytes), or (new length, None)
        self.pending = []

    def write(self, offset, data):
        put(self.live, offset, data)
        self.pending.append((offset, bytes(data)))

    def resize(self, length):
        resize(self.live, length)
        self.pending.append((length, None))

    def sync(self):
        for offset, data in self.pending:
            resize(self.kept, offset) if data is None else put(self.kept, offset, data)
        self.pending = []

    def cut(self, dice, style, sector):
        """Keeps what the dice keep; gives the number of writes that were not synced, of those lost, torn, and of bytes lost."""
        writes, lost, torn, bytes_lost = len(self.pending), 0, 0, 0
        for offset, data in self.pending:
            draw = dice.random()
            if style == "all" or draw < 0.3:
                lost += 1
                bytes_lost += len(data or b"")
            elif data is None:
                resize(self.kept, offset)
            elif style == "some" or draw < 0.5:
                put(self.kept, offset, data)
            else:
                torn += 1
                for begin, end in sectors(offset, len(data), sector):
                    if dice.random() < 0.5:
                        put(self.kept, begin, data[begin - offset : end - offset])
                    else:
                        bytes_lost += end - begin
        self.pending = []
        return writes, lost, torn, bytes_lost


def put(content, offset, data):
    if offset > len(content):
        resize(content, offset)
    content[offset : offset + len(data)] = data


def resize(content, length):
    if length < len(content):
        del content[length:]
    else:
        content.extend(bytes(length - len(content)))


def sectors(offset, length, size):
    """The pieces of a write that a disk writes or does not."""
    begin = offset
    while begin < offset + length:
        end = min((begin // size + 1) * size, offset + length)
        yield begin, end
        begin = end


class Node:
    def __init__(self, number, mode):
        self.number = number
        self.mode = mode
        self.uid, self.gid = os.getuid(), os.getgid()
        self.file = File() if stat.S_ISREG(mode) else None
        self.target = b""
        self.atime = self.mtime = self.ctime = time.time_ns()
        # Of a folder: name to number.
        self.names, self.kept_names = {}, {}

    @property
    def is_folder(self):
        return stat.S_ISDIR(self.mode)


class Tree:
    """Folders and files, without a word of FUSE."""

    def __init__(self):
        self.nodes = {}
        # Changes of names that are not synced, in their order: each a list of (folder, name, number or None).
        self.pending = []
        self.root = self.make(stat.S_IFDIR | 0o755)

    def make(self, mode):
        node = Node(len(self.nodes) + 1, mode)
        self.nodes[node.number] = node
        return node

    def change(self, *moves):
        for folder, name, number in moves:
            self.apply(self.nodes[folder].names, name, number)
            self.nodes[folder].mtime = self.nodes[folder].ctime = time.time_ns()
        self.pending.append(moves)

    @staticmethod
    def apply(names, name, number):
        if number is None:
            names.pop(name, None)
        else:
            names[name] = number

    def sync_folder(self, folder):
        """Keeps the changes in this folder, and what went before them under the same names."""
        names, chosen = set(), []
        for moves in reversed(self.pending):
            touched = {(parent, name) for parent, name, _ in moves}
            if touched & names or any(parent == folder for parent, _ in touched):
                names |= touched
                chosen.append(moves)
        for moves in reversed(chosen):
            self.keep(moves)
        self.pending = [moves for moves in self.pending if not any(moves is one for one in chosen)]

    def keep(self, moves):
        for folder, name, number in moves:
            self.apply(self.nodes[folder].kept_names, name, number)

    def sync_everything(self):
        for moves in self.pending:
            self.keep(moves)
        self.pending = []
        for node in self.nodes.values():
            if node.file:
                node.file.sync()

    def paths(self):
        """What can be reached by the names as they are, and by those that are kept: number to path, the first one."""
        for names in ("names", "kept_names"):
            found, waiting = {self.root.number: ""}, [self.root]
            while waiting:
                folder = waiting.pop()
                for name, number in sorted(getattr(folder, names).items()):
                    if number not in found:
                        found[number] = f"{found[folder.number]}/{os.fsdecode(name)}".lstrip("/")
                        if self.nodes[number].is_folder:
                            waiting.append(self.nodes[number])
            yield found

    def cut(self, seed):
        """Drops, and says what."""
        dice = random.Random(seed)
        style = dice.choice(STYLES)
        sector = dice.choice([512, 4096])
        before, _ = self.paths()
        names, lost_names, blocked = len(self.pending), [], set()
        for moves in self.pending:
            touched = {(folder, name) for folder, name, _ in moves}
            if style == "all" or touched & blocked or dice.random() < 0.5:
                blocked |= touched
                lost_names += [os.path.join(before.get(folder, "?"), os.fsdecode(name)) for folder, name, _ in moves]
            else:
                self.keep(moves)
        self.pending = []
        files = {}
        for number, node in sorted(self.nodes.items()):
            if node.file and node.file.pending:
                writes, lost, torn, bytes_lost = node.file.cut(dice, style, sector)
                path = before.get(number, "(no name)")
                files[path] = {"writes": writes, "lost": lost, "torn": torn, "bytes_lost": bytes_lost}
        return {"style": style, "sector": sector, "names": names, "lost_names": lost_names, "files": files}

    def save(self, path):
        """What is kept, as plain files; what no kept name leads to is gone."""
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        _, kept = self.paths()
        for number, name in sorted(kept.items(), key=lambda item: item[1]):
            node, place = self.nodes[number], os.path.join(path, name)
            if node.is_folder:
                os.makedirs(place, exist_ok=True)
            elif node.file:
                with open(place, "wb") as file:
                    file.write(node.file.kept)
            elif stat.S_ISLNK(node.mode):
                os.symlink(node.target, place)
                continue
            else:
                os.mknod(place, node.mode)
            os.chmod(place, stat.S_IMODE(node.mode))

    @staticmethod
    def load(path):
        tree = Tree()
        folders = {path: tree.root}
        for parent, names, others in os.walk(path):
            tree_parent = folders[parent]
            tree_parent.mode = os.lstat(parent).st_mode
            for name in names + others:
                place = os.path.join(parent, name)
                node = tree.make(os.lstat(place).st_mode)
                if node.is_folder:
                    folders[place] = node
                elif node.file:
                    with open(place, "rb") as file:
                        node.file = File(file.read())
                elif stat.S_ISLNK(node.mode):
                    node.target = os.fsencode(os.readlink(place))
                tree_parent.names[os.fsencode(name)] = tree_parent.kept_names[os.fsencode(name)] = node.number
        return tree


def serve(tree, mountpoint):
    """Until a line comes, which is given back."""
    import pyfuse3
    import trio

    nodes = tree.nodes

    def fail(code):
        raise pyfuse3.FUSEError(code)

    class Disk(pyfuse3.Operations):
        def attributes(self, node):
            entry = pyfuse3.EntryAttributes()
            entry.st_ino, entry.st_mode, entry.st_uid, entry.st_gid = node.number, node.mode, node.uid, node.gid
            entry.st_nlink = 1
            entry.st_size = len(node.file.live) if node.file else len(node.target)
            entry.st_blksize, entry.st_blocks = BLOCK, (entry.st_size + 511) // 512
            entry.st_atime_ns, entry.st_mtime_ns, entry.st_ctime_ns = node.atime, node.mtime, node.ctime
            # Nothing changes behind the kernel's back.
            entry.entry_timeout = entry.attr_timeout = 3600
            return entry

        def child(self, parent, name):
            number = nodes[parent].names.get(name)
            return nodes[number] if number is not None else None

        def add(self, parent, name, mode, context):
            if self.child(parent, name):
                fail(errno.EEXIST)
            node = tree.make(mode)
            node.uid, node.gid = context.uid, context.gid
            tree.change((parent, name, node.number))
            return node

        async def lookup(self, parent, name, context=None):
            node = nodes[parent] if name in (b".", b"..") else self.child(parent, name)
            return self.attributes(node or fail(errno.ENOENT))

        async def getattr(self, number, context=None):
            return self.attributes(nodes[number])

        async def setattr(self, number, new, fields, handle, context):
            node = nodes[number]
            if fields.update_size:
                node.file.resize(new.st_size)
                node.mtime = time.time_ns()
            if fields.update_mode:
                node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(new.st_mode)
            if fields.update_uid:
                node.uid = new.st_uid
            if fields.update_gid:
                node.gid = new.st_gid
            if fields.update_atime:
                node.atime = new.st_atime_ns
            if fields.update_mtime:
                node.mtime = new.st_mtime_ns
            node.ctime = time.time_ns()
            return self.attributes(node)

        async def mknod(self, parent, name, mode, device, context):
            return self.attributes(self.add(parent, name, mode, context))

        async def mkdir(self, parent, name, mode, context):
            return self.attributes(self.add(parent, name, stat.S_IFDIR | stat.S_IMODE(mode), context))

        async def symlink(self, parent, name, target, context):
            node = self.add(parent, name, stat.S_IFLNK | 0o777, context)
            node.target = target
            return self.attributes(node)

        async def readlink(self, number, context):
            return nodes[number].target

        async def link(self, number, parent, name, context):
            if self.child(parent, name):
                fail(errno.EEXIST)
            tree.change((parent, name, number))
            return self.attributes(nodes[number])

        async def unlink(self, parent, name, context):
            if not self.child(parent, name):
                fail(errno.ENOENT)
            tree.change((parent, name, None))

        async def rmdir(self, parent, name, context):
            folder = self.child(parent, name) or fail(errno.ENOENT)
            if folder.names:
                fail(errno.ENOTEMPTY)
            tree.change((parent, name, None))

        async def rename(self, old_parent, old_name, new_parent, new_name, flags, context):
            node = self.child(old_parent, old_name) or fail(errno.ENOENT)
            replaced = self.child(new_parent, new_name)
            if flags & ~pyfuse3.RENAME_NOREPLACE:
                fail(errno.EINVAL)
            if replaced and flags:
                fail(errno.EEXIST)
            if replaced and replaced.is_folder and replaced.names:
                fail(errno.ENOTEMPTY)
            tree.change((old_parent, old_name, None), (new_parent, new_name, node.number))

        async def open(self, number, flags, context):
            node = nodes[number]
            if flags & os.O_TRUNC and node.file.live:
                node.file.resize(0)
            return pyfuse3.FileInfo(fh=number, keep_cache=True)

        async def create(self, parent, name, mode, flags, context):
            node = self.child(parent, name)
            if node is None:
                node = self.add(parent, name, stat.S_IFREG | stat.S_IMODE(mode), context)
            return await self.open(node.number, flags, context), self.attributes(node)

        async def read(self, handle, offset, size):
            return bytes(nodes[handle].file.live[offset : offset + size])

        async def write(self, handle, offset, data):
            node = nodes[handle]
            node.file.write(offset, data)
            node.mtime = time.time_ns()
            return len(data)

        async def flush(self, handle):
            pass

        async def release(self, handle):
            pass

        async def fsync(self, handle, data_only):
            nodes[handle].file.sync()

        async def opendir(self, number, context):
            return number

        async def readdir(self, handle, start, token):
            for place, (name, number) in enumerate(sorted(nodes[handle].names.items()), 1):
                if place > start and not pyfuse3.readdir_reply(token, name, self.attributes(nodes[number]), place):
                    break

        async def releasedir(self, handle):
            pass

        async def fsyncdir(self, handle, data_only):
            tree.sync_folder(handle)

        async def statfs(self, context):
            numbers = pyfuse3.StatvfsData()
            numbers.f_bsize = numbers.f_frsize = BLOCK
            used = sum(len(node.file.live) for node in nodes.values() if node.file)
            numbers.f_blocks = CAPACITY // BLOCK
            numbers.f_bfree = numbers.f_bavail = (CAPACITY - used) // BLOCK
            numbers.f_files = numbers.f_ffree = numbers.f_favail = 1 << 20
            numbers.f_namemax = 255
            return numbers

    order = []

    async def listen(nursery):
        line = b""
        while not line.endswith(b"\n"):
            await trio.lowlevel.wait_readable(0)
            piece = os.read(0, 100)
            if not piece:
                break
            line += piece
        order.append(line.decode().split())
        nursery.cancel_scope.cancel()

    async def answer():
        """A request of a process that is killed vanishes between the news of it and the reading, which must not block then."""
        while True:
            try:
                return await pyfuse3.main(max_tasks=1)
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    raise

    async def run():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            nursery.start_soon(listen, nursery)
            print("ready", flush=True)

    options = set(pyfuse3.default_options) | {"fsname=lossydisk", "default_permissions"}
    pyfuse3.init(Disk(), mountpoint, options)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        try:
            if os.readlink(f"/proc/self/fd/{descriptor}") == "/dev/fuse":
                os.set_blocking(descriptor, False)
        except FileNotFoundError:
            pass
    try:
        trio.run(run)
    finally:
        pyfuse3.close(unmount=True)
    return order[0] if order else ["end"]


def main(mountpoint, kept):
    tree = Tree.load(kept)
    order = serve(tree, mountpoint)
    if order[:1] == ["cut"]:
        lost = tree.cut(order[1])
    else:
        tree.sync_everything()
        lost = {}
    tree.save(kept)
    print(json.dumps(lost), flush=True)


class Disk:
    """The disk as its user has it: a folder to work in, power cuts, and what was kept."""

    def __init__(self, folder):
        self.mountpoint = os.path.join(folder, "disk")
        self.kept = os.path.join(folder, "kept")
        os.makedirs(self.mountpoint, exist_ok=True)
        os.makedirs(self.kept, exist_ok=True)
        self.process = None

    def mount(self):
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-B", os.path.abspath(__file__), self.mountpoint, self.kept],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            self.process.wait()
            self.process = None
            raise RuntimeError("the lossy disk cannot be mounted")

    def cut(self, seed):
        """Whatever uses it has to be dead; what was lost."""
        return self.finish(f"cut {seed}\n")

    def unmount(self):
        if self.process:
            self.finish("end\n")

    def finish(self, order):
        process, self.process = self.process, None
        answer, _ = process.communicate(order, timeout=120)
        if process.returncode != 0:
            raise RuntimeError(f"the lossy disk ended with {process.returncode}")
        return json.loads(answer)


def why_not():
    """What this machine lacks for such a disk; None when nothing."""
    if not os.path.exists("/dev/fuse"):
        return "this machine has no /dev/fuse (a container needs --device /dev/fuse --cap-add SYS_ADMIN)"
    if os.geteuid() != 0:
        return "mounting needs root: sudo scripts/chaos power"
    found = subprocess.run(["/usr/bin/python3", "-c", "import pyfuse3, trio"], capture_output=True)
    return None if found.returncode == 0 else "python3-pyfuse3 is missing: scripts/setup-machine --chaos"


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        import lossydisk_test

        sys.exit(0 if lossydisk_test.main() else 1)
    main(sys.argv[1], sys.argv[2])
