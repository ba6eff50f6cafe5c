"""
Is what the simulator predicts what a real cache does?

    python benchmarks/simulate.py [TRACE ...] [--sizes 0.01,0.1] [--policies lru,clock2q]
    python benchmarks/simulate.py --arguments

Each trace is played to a decorated function with a small memory while its accesses are recorded.
From that recording the hit rate of other sizes and policies is predicted, once from all keys and
once from a fifth of them; and then a real cache of that size and policy is asked the same. Without
a trace it makes artificial ones (``traces.py``); files are as for ``policies.py``.

``--arguments`` prints what it costs per miss to count arguments, and what a hit takes while a
trace is recorded.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from measure import Table
from policies import load
from traces import artificial

from memotier import CacheLevelConfig, EvictionPolicy, MultiLevelCache, tiered_cache
from memotier.analytics import arguments, record_trace, simulate
from memotier.analytics.simulation import recorded_setup, setups
from memotier.analytics.traces import Trace

COMMAND = "python benchmarks/simulate.py"
#: Entries in memory while a trace is recorded.
RECORDED_AT = 200
SAMPLE = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("traces", nargs="*", type=Path, metavar="TRACE")
    parser.add_argument("--sizes", default="0.01,0.1", help="parts of the keys, or entries")
    parser.add_argument("--policies", default="lru,clock2q")
    parser.add_argument("--most", type=int, default=100_000, help="accesses of each trace")
    parser.add_argument("--arguments", action="store_true")
    args = parser.parse_args()
    if args.arguments:
        print(costs(20_000).text())
        return
    traces = {path.name.split(".")[0]: load(path)[: args.most] for path in args.traces}
    sizes = [float(size) for size in args.sizes.split(",")]
    found = compared(traces or artificial(args.most), sizes, args.policies.split(","))
    print(found.text())


def tables(quick: bool) -> list[Table]:
    """
    What run.py prints.
    """
    found = compared(artificial(2000 if quick else 50_000), (0.01, 0.1), ("lru", "clock2q"))
    return [found, costs(500 if quick else 20_000)]


def compared(
    traces: dict[str, list[int]], sizes: Sequence[float], policies: Sequence[str]
) -> Table:
    head = ("policy", "entries", "real %", "predicted %", f"from {SAMPLE:.0%} of keys", "off by")
    table = Table("Predicted and real hit rates", COMMAND, head)
    worst = 0.0
    for label, keys in traces.items():
        whole, part = recording(keys, 1.0), recording(keys, SAMPLE)
        distinct = len(set(keys))
        tried = [max(10, round(distinct * size)) if size < 1 else int(size) for size in sizes]
        for setup in setups(recorded_setup(whole), sizes=tried, policies=policies):
            assert setup.max_size is not None
            real = play(keys, cache_of(setup.max_size, setup.policy))
            predicted, sampled = (simulate(one, setup).hit_rate for one in (whole, part))
            worst = max(worst, abs(real - predicted))
            shown = [f"{100 * one:.2f}" for one in (real, predicted, sampled)]
            off = f"{100 * (predicted - real):+.2f}"
            table.lines.append((label, setup.policy, f"{setup.max_size:,}", *shown, off))
    table.lines.append(("most, in points", "", "", "", "", "", f"{100 * worst:.2f}"))
    return table


def cache_of(size: int, policy: str) -> MultiLevelCache:
    level = CacheLevelConfig(
        max_size=size, max_bytes="4GB", ttl=math.inf, eviction_policy=EvictionPolicy(policy)
    )
    return MultiLevelCache(l1_config=level)


def play(keys: Sequence[int], cache: MultiLevelCache) -> float:
    """The hit rate of a decorated function."""

    @tiered_cache(cache=cache)
    def same(key: int) -> int:
        return key

    for key in keys:
        same(key)
    info = same.cache_info()
    cache.sync.close()
    return info.hits / (info.hits + info.misses)


def recording(keys: Sequence[int], sample: float) -> Trace:
    cache = cache_of(RECORDED_AT, "lru")
    recorder = record_trace(cache, sample=sample).start()
    play(keys, cache)
    return recorder.stop()


# --- cost --------------------------------------------------------------------------------------


def costs(calls: int) -> Table:
    table = Table("Cost of looking closer", f"{COMMAND} --arguments", ("µs as it is", "µs with it"))
    for count in (1, 3, 6):
        plain, counted = (misses(calls, count, counts) for counts in (False, True))
        label = f"a miss with {count} arguments, counted"
        table.lines.append((label, f"{plain:.2f}", f"{counted:.2f}"))
    plain, traced = (hits(calls, traces) for traces in (False, True))
    table.lines.append(("a hit, traced", f"{plain:.2f}", f"{traced:.2f}"))
    return table


def misses(calls: int, count: int, counts: bool) -> float:
    names = ", ".join(f"a{at}" for at in range(count))
    scope: dict[str, Callable[..., int]] = {}
    exec(f"def function({names}): return 1", scope)
    best = math.inf
    for turn in range(5):
        cache = cache_of(100, "lru")
        function = tiered_cache(cache=cache)(scope["function"])
        if counts:
            arguments(function)
        rest = ("b",) * (count - 1)
        function("first", *rest)
        begin = time.process_time()
        for at in range(calls):
            function(turn * calls + at, *rest)
        best = min(best, time.process_time() - begin)
        cache.sync.close()
    return best / calls * 1e6


def hits(calls: int, traces: bool) -> float:
    cache = cache_of(100, "lru")

    @tiered_cache(cache=cache)
    def same(key: int) -> int:
        return key

    recorder = record_trace(cache).start() if traces else None
    best = math.inf
    for _ in range(5):
        begin = time.process_time()
        for at in range(calls):
            same(at % 50)
        best = min(best, time.process_time() - begin)
    if recorder is not None:
        recorder.stop()
    cache.sync.close()
    return best / calls * 1e6


if __name__ == "__main__":
    main()
