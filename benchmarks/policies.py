"""
Hit ratio and cost of the eviction policies.

    python benchmarks/policies.py [TRACE ...] [--policies clock2q,lru] [--sizes 0.01,0.1]
    python benchmarks/policies.py --cost [--residents 10000]

Without a trace it makes artificial ones (``traces.py``): they show where policies differ, not
how often each habit occurs. A trace is a file of unsigned 32-bit little-endian integers, one
key per request, plain or compressed (``.xz``). Sizes below 1 are parts of the number of distinct
keys (at least ten entries), others are entries. The figure to compare is the *ratio of optimum*:
hit ratio divided by that of Belady's clairvoyant policy, averaged over traces and sizes with
equal weight.

``--cost`` prints nanoseconds for adding a resident and choosing a victim, as it is and when
five hits lie between, the best of several rounds, and the bytes that a policy holds for each
resident; beside them cachetools and cachebox where they are installed (a whole ``cache[k] = v``).
"""

from __future__ import annotations

import argparse
import gc
import lzma
import random
import sys
import time
import tracemalloc
from array import array
from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

from measure import Table, installed
from traces import artificial

from memotier.entry import NEVER, Resident
from memotier.policies import POLICIES, make_policy
from memotier.types import Policy

PLACE = object()
COMMAND = "python benchmarks/policies.py"
#: For recorded traces, and for the artificial ones, which have fewer keys.
SIZES, FEWER_KEYS = (0.001, 0.01, 0.05, 0.1), (0.01, 0.05, 0.1, 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("traces", nargs="*", type=Path, metavar="TRACE")
    parser.add_argument("--policies", default=",".join(POLICIES))
    parser.add_argument("--sizes", default="", help="such as 0.01,0.1,500")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--quick", action="store_true", help="short traces: does it run at all?")
    parser.add_argument("--residents", type=int, default=10_000)
    args = parser.parse_args()
    names = args.policies.split(",")
    if args.cost:
        print(costs(names, args.residents).text())
        return
    traces = {path.name.split(".")[0]: load(path) for path in args.traces}
    sizes = [float(size) for size in args.sizes.split(",") if size]
    if traces:
        print(ratios(traces, names, sizes or SIZES).text())
    else:
        print(ratios(artificial(requests(args.quick)), names, sizes or FEWER_KEYS).text())


def tables(quick: bool) -> list[Table]:
    """
    What run.py prints.
    """
    found = ratios(artificial(requests(quick)), list(POLICIES), FEWER_KEYS)
    return [found, costs(list(POLICIES), 1000 if quick else 10_000)]


def requests(quick: bool) -> int:
    return 10_000 if quick else 100_000


# --- hit ratio ---------------------------------------------------------------------------------


def ratios(traces: Mapping[str, list[int]], names: Sequence[str], sizes: Sequence[float]) -> Table:
    shares: dict[str, list[float]] = {name: [] for name in names}
    table = Table("Hit ratio of the policies", COMMAND, ("entries", "optimum", *names))
    for label, keys in traces.items():
        distinct = len(set(keys))
        for size in sizes:
            capacity = max(10, round(distinct * size)) if size < 1 else int(size)
            optimum = optimal_hits(keys, capacity) / len(keys)
            hits = [count_hits(make_policy(n, capacity), keys, capacity) for n in names]
            shown = [optimum, *(count / len(keys) for count in hits)]
            table.lines.append((label, f"{capacity:,}", *(f"{ratio:.3f}" for ratio in shown)))
            for name, count in zip(names, hits, strict=True):
                # Where nothing can be hit, a ratio to the optimum says nothing.
                if optimum >= 0.01:
                    shares[name].append(count / len(keys) / optimum)
    means = [sum(share) / len(share) if share else 0.0 for share in shares.values()]
    line = ("mean ratio of optimum", "", "", *(f"{mean:.3f}" for mean in means))
    table.lines.append(line)
    return table


def load(path: Path) -> list[int]:
    data = path.read_bytes()
    keys = array("I", lzma.decompress(data) if path.suffix == ".xz" else data)
    if sys.byteorder == "big":
        keys.byteswap()
    return keys.tolist()


def resident_for(key: Any, now: float) -> Resident:
    resident = Resident()
    resident.key, resident.place = key, PLACE
    resident.hits, resident.used, resident.fresh_until = 0, now, NEVER
    return resident


def count_hits(policy: Policy, keys: Sequence[int], capacity: int) -> int:
    """How many requests a cache of *capacity* entries answers, driven as the memory tier is."""
    table: dict[Any, Resident] = {}
    hits = 0
    dated = policy.needs_time
    for now, key in enumerate(keys):
        resident = table.get(key)
        if resident is not None:
            hits += 1
            resident.hits += 1
            if dated:
                resident.used = now
            continue
        if len(table) >= capacity:
            del table[policy.victim().key]
        resident = table[key] = resident_for(key, now)
        policy.add(resident)
    return hits


def optimal_hits(keys: Sequence[int], capacity: int) -> int:
    """Hits of the policy that knows the future and may refuse a newcomer (Belady 1966)."""
    end = len(keys)
    upcoming = [end] * end
    latest: dict[int, int] = {}
    for at in reversed(range(end)):
        upcoming[at] = latest.get(keys[at], end)
        latest[keys[at]] = at
    due: dict[int, int] = {}
    furthest: list[tuple[int, int]] = []
    hits = 0
    for key, again in zip(keys, upcoming, strict=True):
        hits += due.pop(key, None) is not None
        if again == end:
            continue
        due[key] = again
        heappush(furthest, (-again, key))
        while len(due) > capacity:
            when, candidate = heappop(furthest)
            if due.get(candidate) == -when:
                del due[candidate]
    return hits


# --- cost --------------------------------------------------------------------------------------


def costs(names: Sequence[str], residents: int) -> Table:
    title = f"Cost of the policies, {residents:,} residents"
    head = ("ns", "ns after 5 hits", "bytes each", "after 4 turnovers")
    table = Table(title, f"{COMMAND} --cost", head)
    for name in names:
        turn = min(turns(name, residents, 0)) / residents
        busy = min(turns(name, residents, 5)) / residents
        full, later = bytes_each(name, residents)
        table.lines.append((name, f"{turn:.0f}", f"{busy:.0f}", f"{full:.0f}", f"{later:.0f}"))
    for module in ("cachetools", "cachebox"):
        if found := installed(module):
            each = min(inserts(found.LRUCache(residents), residents)) / residents
            table.lines.append((f"{module} LRUCache", f"{each:.0f}", "", "", ""))
    return table


def turns(name: str, residents: int, hits: int, rounds: int = 9) -> Iterator[int]:
    """Processor nanoseconds of each of several rounds of ``victim`` and ``add``."""
    policy = make_policy(name, residents)
    chance = random.Random(7)
    living = [resident_for(key, key) for key in range(residents)]
    for resident in living:
        policy.add(resident)
    now = residents
    for _ in range(rounds):
        # Hits come in one block between rounds, a few residents getting most of them.
        for _ in range(hits * residents):
            now += 1
            lucky = living[-1 - int(residents * chance.random() ** 3)]
            lucky.hits += 1
            lucky.used = now
        fresh = [resident_for(now + step, now + step) for step in range(residents)]
        now += residents
        gc.collect()
        begin = time.process_time_ns()
        for resident in fresh:
            policy.victim()
            policy.add(resident)
        yield time.process_time_ns() - begin
        living = (living + fresh)[-residents:]


def inserts(cache: Any, residents: int, rounds: int = 9) -> Iterator[int]:
    for key in range(residents):
        cache[key] = key
    for turn in range(1, rounds + 1):
        keys = list(range(turn * residents, (turn + 1) * residents))
        begin = time.process_time_ns()
        for key in keys:
            cache[key] = key
        yield time.process_time_ns() - begin


def bytes_each(name: str, residents: int) -> tuple[float, float]:
    """Bytes a policy holds for each resident: when just filled, and after four turnovers."""
    crowd = [resident_for(key, float(key)) for key in range(5 * residents)]
    for resident in crowd:
        resident.node = None
    gc.collect()
    tracemalloc.start()
    policy = make_policy(name, residents)
    for resident in crowd[:residents]:
        policy.add(resident)
    full = tracemalloc.get_traced_memory()[0] / residents
    for resident in crowd[residents:]:
        policy.victim()
        policy.add(resident)
    later = tracemalloc.get_traced_memory()[0] / residents
    tracemalloc.stop()
    return full, later


if __name__ == "__main__":
    main()
