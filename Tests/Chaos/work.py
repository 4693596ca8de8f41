"""Jobs such as callers post, each with the ends that it may come to."""
import gzip
import io
import tarfile

from checker import Job
from rig import CANARY, FINAL


def archive():
    """A small upload."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        content = b"something to work on\n"
        entry = tarfile.TarInfo("input.txt")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def command(runs, lines, pause, code=0):
    """Says once that it ran, counts, leaves a result, ends."""
    return (
        f'echo "$VASTD_JOB_ID $VASTD_ATTEMPT" >>{runs}; [ -n "$TOKEN" ] || exit 9; '
        f"i=0; while [ $i -lt {lines} ]; do echo $i; i=$((i+1)); sleep {pause}; done; "
        f'mkdir -p out; echo "$VASTD_JOB_ID" >out/result; exit {code}'
    )


def job(key, runs, lines=3, pause=0.1, code=0, expected=FINAL, upload=None, attempts=20, bids=False):
    body = {
        "name": f"{key} lines={lines}", "command": command(runs, lines, pause, code), "kind": "python",
        "secrets": {"TOKEN": CANARY}, "outputs": ["out/"], "max_attempts": attempts,
        "resources": {"disk_gb": 10, "interruptible": bids},
    }
    if upload:
        body["input_upload_id"] = upload
    return Job(key, body, expected)
