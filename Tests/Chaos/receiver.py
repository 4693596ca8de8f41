"""A receiver of events that fails, hangs, closes its door and loses answers after it has taken note; and what it is owed."""
import http.server
import json
import random
import threading
import time


class Receiver:
    """Listens on one port for its whole life, open or shut. Keeps the sequences that it took of each subject, in order."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.taken = {}
        self.calls = self.failures = 0
        self.is_kind = False
        self.lock = threading.Lock()
        self.release = threading.Event()
        self.server = self.open(0)
        self.port = self.server.server_address[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/events"

    def open(self, port):
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.answer(self, json.loads(body))

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass

        server = Server(("127.0.0.1", port), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def draw(self):
        with self.lock:
            self.calls += 1
            fault = "none" if self.is_kind else self.random.choices(
                ["none", "refuse", "forget", "hang", "lose"], [80, 5, 5, 5, 5])[0]
            self.failures += fault != "none"
        return fault

    def answer(self, handler, event):
        fault = self.draw()
        if fault == "hang":
            self.release.wait(20)
        if fault in ("none", "lose"):
            with self.lock:
                self.taken.setdefault(event["subject"], []).append(event["sequence"])
        if fault in ("hang", "lose", "forget"):
            # The connection ends without a word.
            handler.close_connection = True
            return
        handler.send_response(500 if fault == "refuse" else 204)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def shut_for_a_while(self):
        """As when it is killed and started again."""
        self.server.shutdown()
        self.server.server_close()
        time.sleep(0.2)
        self.server = self.open(self.port)

    def be_kind(self):
        self.is_kind = True
        self.release.set()

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()

    def check(self, vastd):
        """Every event came, and each subject's in order: the one before may be repeated, nothing else."""
        owed = {row["subject"]: row["last"] for row in vastd.rows("SELECT subject, MAX(sequence) AS last FROM events GROUP BY subject")}
        for subject, last in owed.items():
            taken = self.taken.get(subject, [])
            before = 0
            for sequence in taken:
                if sequence not in (before, before + 1):
                    yield f"the receiver got event {sequence} of {subject} after {before}"
                before = sequence
            if before != last:
                yield f"the receiver has {before} of {last} events of {subject}"
