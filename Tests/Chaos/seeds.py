"""The core of vastd on one thread over a simulated provider, machine and clock, by the dice of a seed: a thousand worlds in
the time of one real one. `Tests/Simulation` is the world; this runs it over many seeds, in as many processes as there are
cores, and proves that a seed repeats itself to the last byte.

A run counts only if it hit: deaths with something under way, and faults of the provider, in proportion to its seeds.
"""
import concurrent.futures
import os
import re
import subprocess
import time

# What a death leaves of its tasks stays in memory for ever: a process is done after so many seeds (some 100 MB).
CHUNK = 100
TOTALS = re.compile(r"(\w+)=(\d+)")


def play(program, first, count):
    """What a process says of its seeds: its totals, and a line for each violation."""
    done = subprocess.run([program, "--seed", str(first), "--count", str(count)], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if not lines or not lines[-1].startswith("seeds="):
        return None, [f"seeds {first} to {first + count - 1}: the simulation died ({done.returncode}): {done.stderr[-300:]}"]
    return {name: int(value) for name, value in TOTALS.findall(lines[-1])}, lines[:-1]


def repeats(program, seed):
    logs = [subprocess.run([program, "--seed", str(seed), "--log"], capture_output=True).stdout for _ in range(2)]
    return logs[0] == logs[1] and b"seeds=1 " in logs[0]


def main(program, seed, count):
    if not os.path.exists(program):
        print(f"seeds: {program} is not built; run: swift build -c release --product simulate")
        return False
    started = time.monotonic()
    chunks = [(first, min(CHUNK, seed + count - first)) for first in range(seed, seed + count, CHUNK)]
    totals, violations = {}, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found, said in pool.map(lambda chunk: play(program, *chunk), chunks):
            violations += said
            for sentence in said:
                print(f"  {sentence[:400]}", flush=True)
            for name, value in (found or {}).items():
                totals[name] = totals.get(name, 0) + value
    spread = [seed + count * part // 5 for part in range(5)]
    unlike = [one for one in spread if not repeats(program, one)]
    for one in unlike:
        print(f"  seed {one} does not repeat itself")
    seconds = time.monotonic() - started
    strict = totals.get("open_deaths", 0) >= count and totals.get("faults", 0) >= count
    strict = strict and totals.get("audited", 0) >= count and totals.get("budgeted", 0) >= count // 10
    if not strict:
        print("seeds: too few of the deaths, faults, ledgers and budgets hit anything; this run does not count")
    print(
        f"seeds: {totals.get('seeds', 0)} from {seed}, {totals.get('jobs', 0)} jobs, {totals.get('deaths', 0)} deaths, "
        f"{totals.get('open_deaths', 0)} of them with something under way, {totals.get('faults', 0)} faults, "
        f"{totals.get('simulated_s', 0) / 3600:.0f} h simulated; {totals.get('audited', 0)} ledgers of "
        f"${totals.get('ledger_microdollars', 0) / 1e6:.3f} beside meters of ${totals.get('meter_microdollars', 0) / 1e6:.3f}, "
        f"{totals.get('long_runs', 0)} of an hour or more; {totals.get('budgeted', 0)} seeds under budgets, "
        f"{totals.get('given_up', 0)} jobs without room; {len(spread) - len(unlike)} of {len(spread)} seeds repeated "
        f"byte for byte, {len(violations)} violations, {seconds:.0f} s", flush=True)
    return not violations and not unlike and strict and totals.get("seeds") == count
