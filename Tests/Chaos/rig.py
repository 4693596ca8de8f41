"""vast-sim and vastd as processes, a caller that speaks to both, and what kills, restarts and disturbs them."""
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

TOKEN = "chaos-token-0123456789abcdef"
# Stands in every secret that a job is given; it may be found in its machine's folder and nowhere else.
CANARY = "chaos-canary-51f0a7"
FINAL = {"succeeded", "failed", "cancelled"}


class Died(Exception):
    """vastd is not there to answer."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def request(method, url, body=None, headers=None, timeout=20):
    """Status, headers and body of whatever is answered; `Died` when nothing is."""
    data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        headers.setdefault("Content-Type", "application/json")
    call = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(call, timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()
    except (OSError, EOFError, http.client.HTTPException) as error:
        raise Died(str(error)) from error


class Simulator:
    def __init__(self, build, folder, *options):
        self.folder = os.path.join(folder, "sim")
        command = [
            os.path.join(build, "vast-sim"), "--listen", "127.0.0.1:0", "--dir", self.folder, "--end-with-input",
            "--boot", "0.2", "--pull", "0", "--ssh-delay", "0.1", "--stop", "0.1", *options,
        ]
        if os.geteuid() != 0:
            # Real machines: real sshd processes, which need root.
            command = ["sudo", "-n", *command]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        line = self.process.stdout.readline()
        announced = json.loads(line)
        self.url, self.key, self.surface = announced["url"], announced["api_key"], announced["control"]

    def control(self, method, path, body=None):
        status, _, answer = request(method, f"{self.surface}/{path}", body)
        if status >= 300:
            raise RuntimeError(f"{path}: {answer.decode()}")
        return json.loads(answer)

    def truth(self):
        return self.control("GET", "truth")

    def rent_as_stranger(self, label):
        """A machine of somebody else's in the same account."""
        bearer = {"Authorization": f"Bearer {self.key}"}
        _, _, body = request("POST", f"{self.url}/api/v0/bundles/", {"rentable": {"eq": True}}, bearer)
        offer = json.loads(body)["offers"][-1]["id"]
        _, _, body = request(
            "PUT", f"{self.url}/api/v0/asks/{offer}/",
            {"client_id": "me", "image": "debian", "disk": 10, "label": label, "runtype": "ssh"}, bearer)
        return json.loads(body)["new_contract"]

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Vastd:
    """One vastd over one data folder, however often it is started."""

    def __init__(self, build, folder, simulator, **settings):
        self.program = os.path.join(build, "vastd")
        self.folder = folder
        self.data = os.path.join(folder, "data")
        self.log_path = os.path.join(folder, "vastd.log")
        self.settings = {
            "VAST_URL": simulator.url, "VAST_API_KEY": simulator.key, "VASTD_TOKEN": TOKEN, "VASTD_DATA_DIR": self.data,
            "VASTD_PACING": "0", "VASTD_SETTLE_S": "2", "VASTD_POLL_INTERVAL_S": "1", "VASTD_TIMEOUT_S": "3",
            "VASTD_SSH_TIMEOUT_S": "15", "VASTD_START_TIMEOUT_S": "20", "VASTD_LOG_LEVEL": "debug", **settings,
        }
        # What it is started through: a program that becomes it.
        self.wrapper = []
        self.process = None
        self.url = None
        self.starts = 0

    def start(self, under=(), **more):
        """`under`: a command that becomes vastd, such as strace told to trace from aside."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VAST")}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, *under, self.program, "serve"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**kept, **self.settings, "VASTD_LISTEN": f"127.0.0.1:{port}", **more})
        self.starts += 1

    def wait_until_ready(self, seconds=20):
        """False when it died instead."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.is_alive():
                return False
            try:
                if request("GET", f"{self.url}/readyz", timeout=2)[0] == 200:
                    return True
            except Died:
                pass
            time.sleep(0.01)
        raise RuntimeError("vastd is not ready; see " + self.log_path)

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """As a power cut would; the ssh processes that it leaves behind end by themselves."""
        if self.is_alive():
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """The exit status after SIGTERM."""
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError("vastd does not end within 30 s of SIGTERM") from None

    # What a caller does. Each raises `Died` when vastd does.

    def call(self, method, path, body=None, headers=None, timeout=20):
        headers = {"Authorization": f"Bearer {TOKEN}", **(headers or {})}
        return request(method, self.url + path, body, headers, timeout)

    def json(self, method, path, body=None, headers=None):
        status, _, answer = self.call(method, path, body, headers)
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {answer.decode(errors='replace')}")
        return json.loads(answer)

    def job(self, identifier):
        return self.json("GET", f"/v1/jobs/{identifier}")

    # What a checker reads.

    def database(self):
        """The store, read by another hand than vastd's own."""
        connection = sqlite3.connect(f"file:{os.path.join(self.data, 'vastd.db')}?mode=ro", uri=True, timeout=10)
        connection.row_factory = sqlite3.Row
        return connection

    def rows(self, sql, *values):
        connection = self.database()
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()


class Rig:
    # Owners of other vastd in the account.
    others = frozenset()
    # Whether vastd and the simulator have the same time of day.
    has_true_times = True
    # Ledgers that the checker held against what the simulator charged, what both come to in dollars, and how much of what is
    # allowed they were apart at the most.
    audited, ledger, meter, worst = 0, 0.0, 0.0, 0.0
    # From a change at the provider until it is written down, at the most. Lists come every second or two, but many may fail in a
    # row, and somebody has to live to read them.
    lateness_s = 15

    def __init__(self, build, *options, **settings):
        self.folder = tempfile.mkdtemp(prefix="vastd-chaos-")
        self.runs = os.path.join(self.folder, "runs.log")
        open(self.runs, "w").close()
        self.simulator = Simulator(build, self.folder, *options)
        self.stranger = self.simulator.rent_as_stranger("somebody else's")
        self.vastd = Vastd(build, self.folder, self.simulator, **settings)

    def close(self, keep=False):
        if self.vastd.is_alive():
            self.vastd.kill()
        self.simulator.stop()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


class SharedRig(Rig):
    """Two vastd that know nothing of each other, under one key: `vastd` and `neighbour`, each with a folder of its own."""

    OWNERS = ("first", "second")

    def __init__(self, build, *options):
        super().__init__(build, *options, VASTD_OWNER=self.OWNERS[0], VASTD_WEBHOOK_ALLOW_PRIVATE="true")
        folder = os.path.join(self.folder, "neighbour")
        os.mkdir(folder)
        self.neighbour = Vastd(build, folder, self.simulator, VASTD_OWNER=self.OWNERS[1])
        self.sides = [Side(self, self.vastd, self.OWNERS[1]), Side(self, self.neighbour, self.OWNERS[0])]

    def close(self, keep=False):
        if self.neighbour.is_alive():
            self.neighbour.kill()
        super().close(keep)


class Side:
    """One of them as the checker looks at it: the account as it is, and what in it is the other's."""

    has_true_times = True
    audited, ledger, meter, worst = 0, 0.0, 0.0, 0.0
    lateness_s = Rig.lateness_s

    def __init__(self, rig, vastd, other):
        self.simulator, self.stranger, self.runs = rig.simulator, rig.stranger, rig.runs
        self.vastd, self.others = vastd, frozenset([other])
