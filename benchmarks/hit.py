"""
What a hit in memory costs, beside others, and what each step of it costs.

    python benchmarks/hit.py [--quick]

The last table builds up the function that memotier generates for ``def f(x)``, line by line,
and shows what wrapt's own ways would cost. All caches have a ttl, except ``lru_cache``, which
has none to give; cachetools is given the lock without which it may not be shared.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import wrapt
from measure import Row, Table, compare, installed, main

from memotier import MultiLevelCache, tiered_cache

KEYS = list(range(1000, 1512))
TEXTS = [f"sku-{key}" for key in KEYS]
COMMAND = "python benchmarks/hit.py"
LRU = "functools.lru_cache(typed=True)"
CACHEBOX = "cachebox TTLCache"
ROOM, TTL = 4096, 3600
PLAIN = "memotier"

Decorator = Callable[[Any], Any]


def decorators(cache: MultiLevelCache, *, is_async: bool = False) -> dict[str, Decorator]:
    """
    The same function remembered in several ways; coroutine functions only where that works.
    """
    found: dict[str, Decorator] = {"no cache": lambda function: function}
    if not is_async:
        found[LRU] = functools.lru_cache(ROOM, typed=True)
        if cachetools := installed("cachetools"):
            found["cachetools TTLCache + RLock"] = lambda function: cachetools.cached(
                cachetools.TTLCache(ROOM, TTL), lock=threading.RLock()
            )(function)
    if cachebox := installed("cachebox"):
        found[CACHEBOX] = lambda function: cachebox.cached(cachebox.TTLCache(ROOM, TTL))(function)
    found["memotier"] = tiered_cache(namespace="hit", ttl=TTL, cache=cache)
    return found


# --- the shapes of calls --------------------------------------------------------------------


def one(x: int) -> int:
    return x


def several(sku: str, amount: int, *, country: str = "NO") -> int:
    return amount


async def later(x: int) -> int:
    return x


def hits_of_one(decorate: Decorator) -> Row:
    return row_of(decorate(one))


def hits_of_several(decorate: Decorator) -> Row:
    function = decorate(several)
    calls = list(zip(TEXTS, KEYS, strict=True))

    def run() -> float:
        begin = time.thread_time_ns()
        for sku, amount in calls:
            function(sku, amount, country="SE")
        return (time.thread_time_ns() - begin) / len(calls)

    run()
    return run


def hits_of_a_method(decorate: Decorator) -> Row:
    class Service:
        @decorate
        def method(self, x: int) -> int:
            return x

    service = Service()

    def run() -> float:
        begin = time.thread_time_ns()
        for key in KEYS:
            service.method(key)
        return (time.thread_time_ns() - begin) / len(KEYS)

    run()
    return run


def hits_of_a_coroutine(decorate: Decorator) -> Row:
    function, loop = decorate(later), asyncio.new_event_loop()

    async def run() -> float:
        begin = time.thread_time_ns()
        for key in KEYS:
            await function(key)
        return (time.thread_time_ns() - begin) / len(KEYS)

    loop.run_until_complete(run())
    return lambda: loop.run_until_complete(run())


def row_of(function: Callable[[int], Any]) -> Row:
    """
    Hits of *function*; the keys are in its cache from here on.
    """

    def run() -> float:
        begin = time.thread_time_ns()
        for key in KEYS:
            function(key)
        return (time.thread_time_ns() - begin) / len(KEYS)

    run()
    return run


# --- step by step ---------------------------------------------------------------------------


class Entry:
    __slots__ = ("epoch", "fresh_until", "hits", "thaw", "used", "value")

    def __init__(self, value: Any) -> None:
        self.value, self.thaw, self.hits, self.epoch = value, None, 0, 0
        self.used, self.fresh_until = 0.0, float("inf")


#: Each step as the lines of a function: those of the one before, and one thing more.
STEPS = {
    "the parameters alone": "return 1",
    "+ table by type, then by value": "e = shapes[type(x)][x]\nreturn e.value",
    "+ try/except": "try:\n    e = shapes[type(x)][x]\nexcept KeyError:\n    pass\nelse:\n"
    "    return e.value\nreturn slow(x)",
    "+ epoch": "try:\n    e = shapes[type(x)][x]\nexcept KeyError:\n    pass\nelse:\n"
    "    v = e.value\n    if e.epoch == cells[0]:\n        return v\nreturn slow(x)",
    "+ hit counter": "try:\n    e = shapes[type(x)][x]\nexcept KeyError:\n    pass\nelse:\n"
    "    v = e.value\n    if e.epoch == cells[0]:\n        e.hits += 1\n        return v\n"
    "return slow(x)",
    "+ clock and expiry": "try:\n    e = shapes[type(x)][x]\nexcept KeyError:\n    pass\nelse:\n"
    "    v = e.value\n    if e.epoch == cells[0] and (now := monotonic()) < e.fresh_until:\n"
    "        e.hits += 1\n        return v\nreturn slow(x)",
    "+ time of use (LRU), copy if mutable": "try:\n    e = shapes[type(x)][x]\n"
    "except KeyError:\n    pass\nelse:\n    v = e.value\n"
    "    if e.epoch == cells[0] and (now := monotonic()) < e.fresh_until:\n"
    "        e.hits += 1\n        e.used = now\n        if e.thaw is None:\n"
    "            return v\n        return e.thaw(v)\nreturn slow(x)",
}


def compiled(lines: str) -> Callable[[int], Any]:
    source = "def call(x):\n" + "".join(f"    {line}\n" for line in lines.splitlines())
    scope: dict[str, Any] = {
        "shapes": {int: {key: Entry(key) for key in KEYS}},
        "cells": [0],
        "monotonic": time.monotonic,
        "slow": one,
    }
    exec(source, scope)
    return scope["call"]  # type: ignore[no-any-return]


def proxied(call: Callable[[int], Any]) -> Callable[[int], Any]:
    own = type("Proxy", (wrapt.FunctionWrapper,), {"__call__": staticmethod(call)})
    return own(one, lambda *_: None)  # type: ignore[no-any-return]


def steps(cache: MultiLevelCache) -> dict[str, Row]:
    made: dict[str, Callable[[int], Any]] = {"the function, no cache": one}
    made[LRU] = functools.lru_cache(ROOM, typed=True)(one)
    made |= {name: compiled(lines) for name, lines in STEPS.items()}
    made["+ wrapt proxy around it"] = proxied(compiled(list(STEPS.values())[-1]))
    made["memotier, as decorated"] = tiered_cache(ttl=TTL, cache=cache, name="steps")(one)
    made["wrapt's own wrapper, doing nothing"] = wrapt.FunctionWrapper(
        one, lambda wrapped, instance, args, kwargs: wrapped(*args, **kwargs)
    )
    return {name: row_of(function) for name, function in made.items()}


def with_options(cache: MultiLevelCache) -> dict[str, Row]:
    """
    What is asked of a hit besides its result. A check runs in a thread of its own, and on a hit
    in so many its caller starts that.
    """
    options: dict[str, dict[str, Any]] = {
        PLAIN: {},
        "with verify=, no check": {"verify": 1e-9},
        "with verify=0.01": {"verify": 0.01},
        "with authorize=": {"authorize": lambda entry, scope: True},
    }
    return {
        name: row_of(tiered_cache(name=name, ttl=TTL, cache=cache, **more)(one))
        for name, more in options.items()
    }


def tables(quick: bool) -> list[Table]:
    rounds = 5 if quick else 101
    with MultiLevelCache(l1_maxsize=10_000) as cache:
        shapes = {
            "Hit in memory, f(int)": (hits_of_one, False),
            "Hit in memory, f(str, int, kw=str)": (hits_of_several, False),
            "Hit in memory, obj.method(int)": (hits_of_a_method, False),
            "Hit in memory, async f(int)": (hits_of_a_coroutine, True),
        }
        found = []
        for title, (make, is_async) in shapes.items():
            chosen = decorators(cache, is_async=is_async)
            rows = {name: make(decorate) for name, decorate in chosen.items()}
            found.append(compare(title, COMMAND, rows, CACHEBOX, rounds=rounds))
        title = "Hit in memory, step by step"
        found.append(compare(title, COMMAND, steps(cache), LRU, rounds=rounds))
        title = "Hit in memory that is looked at"
        found.append(compare(title, COMMAND, with_options(cache), PLAIN, rounds=rounds))
        return found


if __name__ == "__main__":
    main(__doc__, tables)
