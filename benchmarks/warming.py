"""
Does warming help? A trace of requests is replayed, with a restart in its middle.

    python benchmarks/warming.py [TRACE ...] [--requests 40000] [--memory 0.1] [--picture FILE]
    python benchmarks/warming.py --cost

A trace is a file as for ``policies.py``: unsigned 32-bit little-endian integers, one key per
request, plain or compressed (``.xz``). Without one, artificial ones are made (``traces.py``).

What is assumed. The first ``--requests`` of a trace are taken, half of them before the restart.
They are spread evenly over two days on a clock that stands still otherwise: from noon to noon,
the restart, and to noon again. Each is one call of a function with ``record=True`` and a ttl of a
day; computing takes a time that belongs to the key (log-normal, median 0.2 s, mean 0.33 s), by
which the clock is moved. What was recorded is saved every five minutes. Memory has room for
``--memory`` of the keys of the trace; the second tier is what a directory is by default, 10,000
entries. The restart empties both, as a deployment to a new disk would, and leaves the history.

Then ``memotier.warm(strategy=..., top=<the room of memory>)`` runs to its end before the first
request comes. Two runs are bounds: one that is not restarted, and one warmed by an *oracle*, which
knows which of the calls made before will come next. Everything is the same on every run.

The columns: requests that were answered without computing, in per cent, of the first 1 %, 5 % and
20 % after the restart and of all; *settled*: the number of requests after which the next 2.5 % of
them are answered as often (within 2 points) as without a restart; *waited*: seconds that callers
waited for computations; *warmed*: calls made by warming, and *spent*: the seconds that took.
``--cost`` measures what recording and planning cost (``recording.py``).
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import recording
from measure import Table
from policies import load
from traces import artificial

import memotier
from memotier import MultiLevelCache, WarmingStrategy, tiered_cache
from memotier.clock import Clock
from memotier.recording.opening import FOLDER, history_of
from memotier.recording.recorder import Recorder

COMMAND = "python benchmarks/warming.py"
STRATEGIES = [one.value for one in WarmingStrategy if one != WarmingStrategy.USER_SPECIFIC]
NONE, NO_RESTART, ORACLE = "none", "no restart", "oracle"
DAY, NOON, SAVED_EVERY = 86_400.0, 1_767_268_800.0, 300.0
PARTS = (0.01, 0.05, 0.2, 1.0)
#: Of the keys, that memory has room for; and the artificial traces that run.py takes.
SHARE, MADE = 0.1, ("popular", "drifting")


class Time:
    """
    A clock that only computing and the next request move.
    """

    def __init__(self, now: float) -> None:
        self.now = now
        self.clock = Clock(monotonic=lambda: self.now, wall=lambda: self.now)

    def reach(self, moment: float) -> None:
        self.now = max(self.now, moment)


class Life:
    """
    One process: an empty cache over *folder* that knows the history in it.
    """

    def __init__(self, folder: Path, room: int, began: float) -> None:
        self.time = Time(began)
        self.room = room
        self.computed = 0
        self.waited = 0.0
        self.cache = MultiLevelCache(directory=folder, l1_maxsize=room, clock=self.time.clock)
        keyed = self.cache._keyed
        # It would save after real seconds; here those of the trace count.
        keyed.recorder = self.recorder = Recorder(keyed.engine, history_of(keyed), interval=1e9)

        @tiered_cache(cache=self.cache, name="answer", namespace="trace", ttl="1d", record=True)
        def answer(key: int) -> int:
            cost = random.Random(key).lognormvariate(-1.6, 1.0)
            self.computed += 1
            self.waited += cost
            self.time.now += cost
            return key

        self.answer = answer

    def requests(self, keys: Sequence[int], *, saves: bool = False) -> Iterator[bool]:
        """
        Each of *keys*, spread over a day from now; whether it was answered without computing.
        """
        began, step = self.time.now, DAY / len(keys)
        save_at = began + SAVED_EVERY if saves else math.inf
        self.computed, self.waited = 0, 0.0
        for at, key in enumerate(keys):
            self.time.reach(began + at * step)
            if self.time.now >= save_at:
                self.recorder.save()
                save_at = self.time.now + SAVED_EVERY
            before = self.computed
            self.answer(key)
            yield self.computed == before

    def warm(self, how: str, past: set[int], future: Sequence[int]) -> tuple[int, float]:
        """
        Calls made, and the seconds that computing them took.
        """
        if how == ORACLE:
            known = (key for key in dict.fromkeys(future) if key in past)
            for key in itertools.islice(known, self.room):
                self.answer(key)
        elif how in STRATEGIES:
            # One at a time, so that the clock has one to follow.
            memotier.warm(cache=self.cache, strategy=how, top=self.room, concurrency=1)
        return self.computed, self.waited


@dataclass
class Run:
    """
    What came after one restart: whether each request was answered without computing.
    """

    how: str
    warmed: int = 0
    spent: float = 0.0
    waited: float = 0.0
    hits: list[bool] = field(default_factory=list)

    def rate(self, part: float) -> float:
        count = max(1, round(part * len(self.hits)))
        return sum(self.hits[:count]) / count

    def settled(self, steady: Run) -> int | None:
        """
        After how many requests it answers as often as *steady*; None: not within the trace.
        """
        window = max(20, len(self.hits) // 40)
        gaps = [right - mine for mine, right in zip(self.hits, steady.hits, strict=True)]
        gap = sum(gaps[:window])
        for at in range(len(gaps) - window + 1):
            if gap <= 0.02 * window:
                return at
            gap += gaps[min(at + window, len(gaps) - 1)] - gaps[at]
        return None


def replay(keys: Sequence[int], share: float) -> list[Run]:
    """
    All ways to go on after the middle of *keys*, the uninterrupted one first.
    """
    room = max(10, round(share * len(set(keys))))
    past, future = keys[: len(keys) // 2], keys[len(keys) // 2 :]
    with tempfile.TemporaryDirectory(prefix="warming") as place, recording.apart(place):
        first = Life(Path(place, "first"), room, NOON)
        for _ in first.requests(past, saves=True):
            pass
        first.recorder.save()
        restart = NOON + DAY
        runs = []
        for how in (NO_RESTART, NONE, *STRATEGIES, ORACLE):
            if how != NO_RESTART:
                folder = Path(place, how)
                shutil.copytree(Path(place, "history"), folder / FOLDER)
                life = Life(folder, room, restart)
            else:
                life = first
                shutil.copytree(Path(place, "first", FOLDER), Path(place, "history"))
                life.time.reach(restart)
                life.computed, life.waited = 0, 0.0
            run = Run(how, *life.warm(how, set(past), future))
            run.hits = list(life.requests(future))
            run.waited = life.waited
            runs.append(run)
            life.cache.sync.close()
        return runs


def table(label: str, keys: Sequence[int], runs: list[Run], share: float) -> Table:
    distinct = len(set(keys))
    title = f"{label}: {len(keys):,} requests, {distinct:,} keys, memory for {share:.0%} of them"
    head = [f"{part:.0%}" for part in PARTS]
    found = Table(title, COMMAND, (*head, "settled", "waited s", "warmed", "spent s"))
    for run in runs:
        rates = [f"{100 * run.rate(part):.1f}" for part in PARTS]
        at = run.settled(runs[0])
        settled = "never" if at is None else f"{at:,}"
        seconds = f"{run.waited:,.0f}"
        found.lines.append(
            (run.how, *rates, settled, seconds, f"{run.warmed:,}", f"{run.spent:,.0f}")
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("traces", nargs="*", type=Path, metavar="TRACE")
    parser.add_argument("--requests", type=int, default=40_000, help="of each trace, at most")
    parser.add_argument("--memory", type=float, default=SHARE, help="its room, as part of the keys")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw it, with matplotlib")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was seen")
    parser.add_argument("--markdown", action="store_true", help="print tables for a page")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a short trace: does it run at all?")
    args = parser.parse_args()
    if args.cost:
        for one in recording.tables(args.quick):
            print(one.markdown() if args.markdown else one.text(), end="\n\n", flush=True)
        return
    count = min(args.requests, 2000) if args.quick else args.requests
    traces = {path.name.split(".")[0]: load(path)[:count] for path in args.traces}
    found = {}
    for label, keys in (traces or artificial(count)).items():
        began = time.monotonic()
        found[label] = runs = replay(keys, args.memory)
        one = table(label, keys, runs, args.memory)
        one.note = f"({time.monotonic() - began:.0f} s)"
        print(one.markdown() if args.markdown else one.text(), end="\n\n", flush=True)
    if args.json:
        seen = {label: [vars(run) for run in runs] for label, runs in found.items()}
        args.json.write_text(json.dumps(seen) + "\n", encoding="utf-8")
    if args.picture:
        from warming_picture import draw

        draw(found, args.picture)


def tables(quick: bool) -> list[Table]:
    """
    What run.py prints: two of the artificial traces, cut short.
    """
    made = artificial(1000 if quick else 10_000)
    return [table(label, made[label], replay(made[label], SHARE), SHARE) for label in MADE]


if __name__ == "__main__":
    main()
