"""
What a cache would do with other bounds: a trace, played to the memory tier and the policies.

It is the memory tier itself that is simulated with, and the policies themselves, with time as the
trace has it. What it does not know: invalidations, refreshes in the background, and results that
are served when they are no longer fresh. So look at what it says of the bounds that held when the
trace was recorded first: that should be what was measured (``Trace.measured_hit_rate``).

A hit is one in memory. What memory does not have may be in a second tier.

Of a trace with a *rate* below 1, which has only some of the keys, a memory of that share of the
size is simulated. Whether a few very popular keys are among them is chance: how many accesses
there were of all keys corrects that.

Source:
    C. Waldspurger, N. Park, A. Garthwaite, I. Ahmad: Efficient MRC Construction with SHARDS. FAST
    2015 (sampling by key, its correction by the number of accesses).

    C. Waldspurger, T. Saemundsson, I. Ahmad, N. Park: Cache Modeling and Optimization using
    Miniature Simulations. ATC 2017 (the same with any policy).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ..durations import seconds as as_seconds
from ..durations import short
from ..engine.places import Place, Shelf
from ..entry import NEVER, Resident
from ..errors import ConfigError
from ..policies import POLICIES, make_policy
from ..stores.memory import MemoryTier, overhead
from ..types import Seconds
from .traces import HIT, Trace

#: Of a trace that does not say how memory was bounded.
_SIZE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """
    How memory is bounded. *max_size* is entries and *max_bytes* bytes, None: no bound; *ttl* is
    seconds for which every entry is fresh, None: what the trace says of each; either is multiplied
    by *ttl_factor*.

    Raises:
        ConfigError: If one of these cannot be used.
    """

    max_size: int | None = _SIZE
    max_bytes: int | None = None
    policy: str = "lru"
    ttl: Seconds | None = None
    ttl_factor: float = 1.0

    def __post_init__(self) -> None:
        for name in ("max_size", "max_bytes"):
            bound = getattr(self, name)
            if bound is not None and (type(bound) is not int or bound < 0):
                raise ConfigError(
                    f"{name}={short(bound)} cannot be simulated: give a number from 0, or None"
                )
        if self.policy not in POLICIES:
            raise ConfigError(
                f"policy={short(self.policy)} cannot be simulated: one of {', '.join(POLICIES)}"
            )
        if type(self.ttl_factor) not in (int, float) or not 0 < self.ttl_factor < math.inf:
            raise ConfigError(
                f"ttl_factor={short(self.ttl_factor)} cannot be simulated: a number above 0"
            )
        if self.ttl is not None:
            object.__setattr__(self, "ttl", as_seconds(self.ttl, what="ttl"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    What memory would do. Counts are of all keys, also where the trace has only some;
    *hit_rate* is from 0 to 1; *seconds_saved* is the computing that hits spare; *bytes* is the
    room that its entries take at most, 0 if the trace does not know.
    """

    setup: Setup
    accesses: int
    hits: int
    hit_rate: float
    seconds_saved: Seconds
    seconds_saved_per_hour: Seconds
    evictions: int
    expirations: int
    entries: int
    bytes: int


def recorded_setup(trace: Trace) -> Setup:
    """
    The bounds that held when *trace* was recorded; those of a new cache if it does not say.
    """
    l1 = trace.l1
    if not l1:
        return Setup()
    policy = l1["policy"] if l1["policy"] in POLICIES else "lru"
    return Setup(max_size=l1["max_size"], max_bytes=l1["max_bytes"], policy=policy)


def setups(
    base: Setup,
    *,
    sizes: Sequence[int | None] = (),
    policies: Sequence[str] = (),
    ttls: Sequence[Any] = (),
) -> list[Setup]:
    """
    *base* with each combination of *sizes* (entries), *policies* and *ttls* (seconds).
    """
    return [
        replace(base, max_size=size, policy=policy, ttl=ttl)
        for size, policy, ttl in itertools.product(
            sizes or (base.max_size,), policies or (base.policy,), ttls or (base.ttl,)
        )
    ]


def simulate_all(
    trace: Trace, tried: Iterable[Setup], told: Callable[[], None] = lambda: None
) -> list[Outcome]:
    """
    ``simulate`` for each of *tried*, in their order; *told* is called after each.
    """
    found = []
    for setup in tried:
        found.append(simulate(trace, setup))
        told()
    return found


def simulate(trace: Trace, setup: Setup) -> Outcome:
    """
    What memory with the bounds of *setup* would do with *trace*.
    """
    played = _Play(trace, setup)
    hits, saved = played.run()
    expected = trace.accesses * trace.rate if trace.rate < 1 else float(len(trace.keys))
    corrected = min(max(0.0, hits + expected - len(trace.keys)), expected)
    rate = corrected / expected if expected else 0.0
    if hits:
        saved *= corrected / hits
    saved /= trace.rate
    memory = played.memory
    return Outcome(
        setup=setup,
        accesses=round(expected / trace.rate),
        hits=round(corrected / trace.rate),
        hit_rate=rate,
        seconds_saved=saved,
        seconds_saved_per_hour=saved * 3600 / trace.lasted if trace.lasted else 0.0,
        evictions=round(memory.evictions / trace.rate),
        expirations=round(memory.expirations / trace.rate),
        entries=round(played.most / trace.rate),
        bytes=round(played.most_bytes / trace.rate) if any(trace.sizes) else 0,
    )


class _Play:
    """
    One run of a trace.
    """

    def __init__(self, trace: Trace, setup: Setup) -> None:
        self.trace = trace
        size, most = _scaled(setup.max_size, trace.rate), _scaled(setup.max_bytes, trace.rate)
        self.memory = MemoryTier(make_policy(setup.policy, size), max_size=size, max_bytes=most)
        self.table: dict[Any, Resident] = {}
        self.places = [
            Place(Shelf(namespace=namespace or "trace", identity=identity, label=label))
            for namespace, identity, label in trace.functions
        ]
        self.ttls = self._ttls(setup)
        self.most = self.most_bytes = 0

    def _ttls(self, setup: Setup) -> Sequence[float]:
        factor = setup.ttl_factor
        if setup.ttl is not None:
            return [setup.ttl * factor] * len(self.trace.ttls)
        usual = self.trace.l1.get("ttl", NEVER)
        return [(usual if math.isnan(ttl) else ttl) * factor for ttl in self.trace.ttls]

    def run(self) -> tuple[int, Seconds]:
        """
        Hits, and the seconds that they save.
        """
        table, seconds, memory = self.table, self.trace.seconds, self.memory
        hits, saved = 0, 0.0
        for key in self._found_there():
            self._insert(key, 0.0, -1)
        memory.evictions = 0
        for number, (now, key) in enumerate(zip(self.trace.times, self.trace.keys, strict=True)):
            resident = table.get(key)
            if resident is not None:
                if now < resident.fresh_until:
                    hits += 1
                    saved += seconds[key]
                    resident.hits += 1
                    # Of several accesses in one millisecond, too, one is the latest.
                    resident.used = number
                    continue
                memory.expire(resident)
            self._insert(key, now, number)
        return hits, saved

    def _found_there(self) -> list[int]:
        """
        Keys that were in memory when recording began, because they were hit before they were
        missed; the one that is asked for first is the last.
        """
        first: dict[int, int] = {}
        for key, kind in zip(self.trace.keys, self.trace.kinds, strict=False):
            first.setdefault(key, kind)
        return [key for key, kind in reversed(first.items()) if kind == HIT]

    def _insert(self, key: int, now: Seconds, number: int) -> None:
        trace, memory = self.trace, self.memory
        size = max(0, trace.sizes[key] - overhead(key, None))
        ttl = self.ttls[key]
        if ttl <= 0 or not memory.fits(size, key):
            return
        resident = Resident()
        resident.value = resident.thaw = resident.stamp = resident.node = None
        resident.size, resident.hits, resident.cost, resident.epoch = size, 0, 0.0, 0
        resident.born, resident.used, resident.fresh_until = now, number, now + ttl
        resident.table, resident.key = self.table, key
        resident.place = self.places[trace.function_of[key]]
        memory.insert(resident)
        self.most = max(self.most, memory.size)
        self.most_bytes = max(self.most_bytes, memory.bytes)


def _scaled(bound: int | None, rate: float) -> int | None:
    return bound if bound is None or not bound else max(1, round(bound * rate))
