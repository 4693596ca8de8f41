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


def training(key, runs, steps, attempts=20):
    """Goes on from its checkpoint, a step a second; its files stand still in between."""
    command = (
        f'echo "$VASTD_JOB_ID $VASTD_ATTEMPT" >>{runs}; [ -n "$TOKEN" ] || exit 9; '
        f'i=$(cat checkpoints/step 2>/dev/null || echo 0); echo "from $i"; '
        f"while [ $i -lt {steps} ]; do i=$((i+1)); echo $i >checkpoints/new; mv checkpoints/new checkpoints/step; echo $i; sleep 1; done; "
        f'mkdir -p out; echo "$VASTD_JOB_ID" >out/result'
    )
    body = {
        "name": f"{key} lines={steps}", "command": command, "kind": "python", "secrets": {"TOKEN": CANARY}, "outputs": ["out/"],
        "max_attempts": attempts, "resources": {"disk_gb": 10, "interruptible": True}, "checkpoint": {"interval_s": 10},
    }
    return Job(key, body, FINAL)


def job(key, runs, lines=3, pause=0.1, code=0, expected=FINAL, upload=None, attempts=20, bids=False):
    body = {
        "name": f"{key} lines={lines}", "command": command(runs, lines, pause, code), "kind": "python",
        "secrets": {"TOKEN": CANARY}, "outputs": ["out/"], "max_attempts": attempts,
        "resources": {"disk_gb": 10, "interruptible": bids},
    }
    if upload:
        body["input_upload_id"] = upload
    return Job(key, body, expected)
