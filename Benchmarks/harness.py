"""What the benchmarks share: release builds, a simulator and a vastd on loopback, requests, medians and tables.

Standard library only. Everything that is started here is ended here, whatever happens in between.
"""
import atexit
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from urllib.parse import urlsplit

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Inside .build: on the disk that the repository is on (a tmpfs would make fsync free), and ignored by git.
WORK = os.path.join(ROOT, ".build", "bench")
TOKEN = "bench-token-0123456789abcdef0123456789abcdef"
FINAL_STATES = {"succeeded", "failed", "cancelled"}


def fail(sentence):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {sentence}")


def build(*products):
    """Release builds; gives the folder they are in."""
    for product in products:
        print(f"building {product} (release)", file=sys.stderr)
        run = subprocess.run(
            ["swift", "build", "-c", "release", "--static-swift-stdlib", "--product", product],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        if run.returncode != 0:
            print(run.stdout[-4000:], file=sys.stderr)
            fail(f"{product} does not build")
    return os.path.join(ROOT, ".build", "release")


def fresh_folder(name):
    path = os.path.join(WORK, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path, mode=0o700)
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A program of ours, its output in a file, ended at the latest with this script."""

    def __init__(self, name, arguments, environment=None, core=None, stdout=None):
        self.name = name
        self.log_path = os.path.join(WORK, f"{name}.log")
        self.log = open(self.log_path, "ab")
        self.log.truncate(0)
        pin = [] if core is None else ["taskset", "-c", str(core)]
        kept = {key: value for key, value in os.environ.items() if not key.startswith("VAST")}
        self.process = subprocess.Popen(
            pin + arguments, stdin=subprocess.DEVNULL, stdout=stdout or self.log, stderr=self.log,
            env={**kept, **(environment or {})},
        )
        atexit.register(self.stop)

    @property
    def pid(self):
        # taskset replaces itself by the program, so this is the program's.
        return self.process.pid

    def empty_log(self):
        """It is opened for appending: the program goes on at the new end."""
        os.truncate(self.log_path, 0)

    def tail(self):
        with open(self.log_path, "rb") as file:
            return file.read()[-2000:].decode(errors="replace")

    def check_alive(self):
        if self.process.poll() is not None:
            fail(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if not self.log.closed:
            self.log.close()


class Simulator(Process):
    def __init__(self, folder, *options, core=None):
        self.folder = fresh_folder("sim")
        super().__init__(
            "vast-sim", [os.path.join(folder, "vast-sim"), "--dir", self.folder, *options], core=core,
            stdout=subprocess.PIPE,
        )
        line = self.process.stdout.readline()
        if not line:
            time.sleep(0.2)
            fail(f"vast-sim did not start:\n{self.tail()}")
        announced = json.loads(line)
        self.url, self.key, self.control = announced["url"], announced["api_key"], announced["control"]

    def ask(self, path, method="GET"):
        return Client(self.control).json(method, urlsplit(self.control).path + path)

    def truth(self):
        """What really happened, in order, each with its time."""
        with open(os.path.join(self.folder, "truth.jsonl")) as file:
            return [json.loads(line) for line in file]


class Vastd(Process):
    def __init__(self, folder, simulator, name="vastd", core=None, **environment):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        settings = {
            "VAST_URL": simulator.url,
            "VAST_API_KEY": simulator.key,
            "VASTD_TOKEN": TOKEN,
            "VASTD_LISTEN": f"127.0.0.1:{self.port}",
            "VASTD_DATA_DIR": fresh_folder(f"{name}-data"),
            "VASTD_PACING": "0",
            **environment,
        }
        self.started_at = time.monotonic()
        super().__init__(name, [os.path.join(folder, "vastd"), "serve"], settings, core=core)

    def wait_until_ready(self, timeout_s=10):
        """Seconds from the start of the process to the first 200 of /readyz, to about half a millisecond."""
        request = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        deadline = self.started_at + timeout_s
        while time.monotonic() < deadline:
            self.check_alive()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(request)
                if connection.recv(64).startswith(b"HTTP/1.1 200"):
                    return time.monotonic() - self.started_at
            time.sleep(0.0005)
        fail(f"vastd is not ready after {timeout_s} s:\n{self.tail()}")

    def client(self):
        return Client(self.url, {"Authorization": f"Bearer {TOKEN}"})

    def resident_mb(self):
        with open(f"/proc/{self.pid}/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) / 1024

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Client:
    """One keep-alive connection."""

    def __init__(self, url, headers=None):
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        self.headers = headers or {}

    def bytes(self, method, path, body=None):
        content = None if body is None else json.dumps(body)
        headers = dict(self.headers)
        if content is not None:
            headers["Content-Type"] = "application/json"
        self.connection.request(method, path, content, headers)
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            fail(f"{method} {path} answered {answer.status}: {data.decode(errors='replace')}")
        return data

    def json(self, method, path, body=None):
        return json.loads(self.bytes(method, path, body))


def median(values):
    return statistics.median(values)


def table(headings, rows):
    """As Markdown, ready for docs/performance.md."""
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]

    def line(cells):
        first = cells[0].ljust(widths[0])
        return "| " + " | ".join([first, *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:]))]) + " |"

    rule = "| " + " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]) + " |"
    print("\n".join([line(headings), rule, *map(line, rows)]))


def machine():
    """A line about where this was measured."""
    with open("/proc/cpuinfo") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    system = "Linux " + os.uname().release
    swift = subprocess.run(["swift", "--version"], capture_output=True, text=True).stdout
    version = re.search(r"Swift version [0-9.]+", swift)
    return ", ".join(
        [model.group(1) if model else os.uname().machine, f"{os.cpu_count()} cores", system, version.group() if version else ""]
    )
