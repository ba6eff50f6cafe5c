"""
How soon an invalidation reaches the other processes of the machine.

    python benchmarks/coherence.py [--quick]

One process invalidates; four others call the function in a loop and are served from memory. All
read the kernel's monotonic clock, and a result is the moment at which it was computed, so every
answer tells whether it is stale. For each invalidation and each reader: when did the last call
begin that got what was there before, counted from the moment somebody asked for the invalidation?
And did any begin after the invalidation had returned? That would break the promise.

A process that does not run sees nothing: the machine's own pauses are measured beside it, by a
process that looks at the clock in a loop.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
import subprocess
import sys
import tempfile
from typing import Any

from measure import Table, main

COMMAND = "python benchmarks/coherence.py"
READERS = 4
WAYS = ("key", "tag", "namespace")

TOOL = """
import json, sys, time
from memotier import MultiLevelCache, tiered_cache
cache = MultiLevelCache(directory=sys.argv[1], default_ttl="1h")
made = []

@tiered_cache(namespace="co.deep", ttl=3600, tags=["t"], cache=cache, name="f", version=1)
def f(x):
    made.append(x)
    return time.monotonic_ns()  # when it was computed
"""

READER = (
    TOOL
    + """
until = time.monotonic_ns() + int(float(sys.argv[2]) * 1e9)
f(1)
print("ready", flush=True)
calls, changes, last_began, last_value = 0, [], 0, f(1)
clock = time.monotonic_ns
while True:
    began = clock()
    value = f(1)
    calls += 1
    if value != last_value:
        # The value before, when the last call that got it began; the new one, when it came.
        changes.append((last_value, last_began, value, clock()))
        last_value = value
    last_began = began
    if began > until:
        break
print(json.dumps({"calls": calls, "made": len(made), "changes": changes}))
"""
)

WRITER = (
    TOOL
    + """
import random
acts = {
    "key": lambda: f.invalidate(1),
    "tag": lambda: cache.sync.invalidate_tags("t"),
    "namespace": lambda: cache.sync.clear_namespace("co"),
}
act = acts[sys.argv[2]]
f(1)
print("ready", flush=True)
sys.stdin.readline()
said = []
for _ in range(int(sys.argv[3])):
    time.sleep(random.uniform(0.01, 0.03))
    began = time.monotonic_ns()
    act()
    said.append((began, time.monotonic_ns()))
print(json.dumps(said))
"""
)

NOISE = """
import json, sys, time
clock = time.monotonic_ns
until, gaps, before = clock() + int(float(sys.argv[1]) * 1e9), [], clock()
while before < until:
    now = clock()
    if now - before > 100_000:
        gaps.append(now - before)
    before = now
print(json.dumps(gaps))
"""


def start(script: str, *arguments: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def race(way: str, number: int) -> dict[str, list[float]]:
    """
    Microseconds, for *number* invalidations and every reader.
    """
    with tempfile.TemporaryDirectory() as directory:
        writer = start(WRITER, directory, way, number)
        assert writer.stdout is not None
        writer.stdout.readline()
        readers = [start(READER, directory, 2.0 + 0.06 * number) for _ in range(READERS)]
        for reader in readers:
            assert reader.stdout is not None
            reader.stdout.readline()
        said = json.loads(writer.communicate("go\n")[0])
        heard = [json.loads(reader.communicate()[0]) for reader in readers]

    found: dict[str, list[float]] = {"takes": [], "last": [], "new": [], "broken": []}
    found["answers"] = [sum(reader["calls"] for reader in heard)]
    found["takes"] = [(returned - began) / 1e3 for began, returned in said]
    for reader in heard:
        changes = reader["changes"]
        # An answer that is older than the one before it.
        found["broken"] += [0.0 for before, _, value, _ in changes if value < before]
        for began, returned in said:
            newer = [change for change in changes if change[2] >= began]
            if not newer:
                found["broken"].append(math.inf)  # it never heard of it
                continue
            _, last, _, came = newer[0]
            found["last"].append((last - began) / 1e3)
            found["new"].append((came - returned) / 1e3)
            if last > returned:
                found["broken"].append((last - returned) / 1e3)
    return found


def how_often(found: dict[str, dict[str, list[float]]]) -> Table:
    """
    The last stale answers, in classes that double twice.
    """
    table = Table(
        "How often it was that long",
        COMMAND,
        (*found, "all"),
        note="Counted from the moment the invalidation was asked for.",
    )
    edges = [-math.inf, 0.0, *(4.0**n * 16 for n in range(7)), math.inf]
    total = sum(len(one["last"]) for one in found.values())
    for low, high in itertools.pairwise(edges):
        counts = [sum(low <= value < high for value in one["last"]) for one in found.values()]
        name = f"up to {high:,.0f} us" if high < math.inf else f"above {low:,.0f} us"
        bar = "#" * math.ceil(40 * sum(counts) / total)
        table.lines.append((name if high else "before", *map(str, counts), bar.ljust(40)))
    return table


def tables(quick: bool) -> list[Table]:
    table = Table(
        "Until the last stale answer of another process",
        COMMAND,
        ("median us", "p99 us", "max us", "the call takes us", "answers", "stale after it"),
    )
    found = {way: race(way, 20 if quick else 500) for way in WAYS}
    for way, one in found.items():
        last = sorted(one["last"])
        figures = [statistics.median(last), last[int(len(last) * 0.99)], last[-1]]
        figures += [statistics.median(one["takes"]), *one["answers"], len(one["broken"])]
        table.lines.append((way, *(f"{figure:,.0f}" for figure in figures)))
    noise = start(NOISE, 1 if quick else 10).communicate()[0]
    gaps = json.loads(noise)
    table.note = (
        f"{READERS} readers; {len(gaps)} pauses of the machine above 100 us in "
        f"{1 if quick else 10} s, the longest {max(gaps, default=0) / 1e3:,.0f} us."
    )
    return [table, how_often(found)]


if __name__ == "__main__":
    main(__doc__, tables)
