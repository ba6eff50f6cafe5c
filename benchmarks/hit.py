"""
What each step of a hit in memory costs, and what wrapt's own ways would cost.

    python benchmarks/hit.py            # a few seconds; prints a table

Every row is timed in every round, in a new order each round; a time is the minimum over the
rounds, a ratio the median over the rounds of row / reference. The rows build up the function
that memotier generates for ``def f(x)``, line by line.
"""

from __future__ import annotations

import functools
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import wrapt

from memotier import MultiLevelCache, tiered_cache

KEYS = list(range(1000, 1512))
ROUNDS = 200


class Entry:
    __slots__ = ("epoch", "fresh_until", "hits", "thaw", "used", "value")

    def __init__(self, value: Any) -> None:
        self.value, self.thaw, self.hits, self.epoch = value, None, 0, 0
        self.used, self.fresh_until = 0.0, float("inf")


def body(x: int) -> int:
    return x


#: Each step with the lines it adds to the one before.
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
        "slow": body,
    }
    exec(source, scope)
    return scope["call"]  # type: ignore[no-any-return]


def proxied(call: Callable[[int], Any]) -> Callable[[int], Any]:
    own = type("Proxy", (wrapt.FunctionWrapper,), {"__call__": staticmethod(call)})
    return own(body, lambda *_: None)  # type: ignore[no-any-return]


def rows(cache: MultiLevelCache) -> dict[str, Callable[[int], Any]]:
    made: dict[str, Callable[[int], Any]] = {"bare call": body}
    made["functools.lru_cache(typed=True)"] = functools.lru_cache(4096, typed=True)(body)
    for name, lines in STEPS.items():
        made[name] = compiled(lines)
    whole = list(STEPS.values())[-1]
    made["+ wrapt proxy around it"] = proxied(compiled(whole))
    made["memotier, as decorated"] = tiered_cache(namespace="hit", ttl=3600, cache=cache, name="f")(
        body
    )
    made["wrapt's own wrapper, doing nothing"] = wrapt.FunctionWrapper(
        body, lambda wrapped, instance, args, kwargs: wrapped(*args, **kwargs)
    )

    made.update(methods(cache))
    return made


def methods(cache: MultiLevelCache) -> dict[str, Callable[[int], Any]]:
    class Service:
        @tiered_cache(namespace="hit", ttl=3600, cache=cache, name="method")
        def method(self, x: int) -> int:
            return x

        @functools.lru_cache(4096)  # noqa: B019 - measured, not recommended
        def lru(self, x: int) -> int:
            return x

    service = Service()
    return {
        "memotier, obj.method(x)": lambda x: service.method(x),
        "lru_cache, obj.method(x)": lambda x: service.lru(x),
    }


def timed(function: Callable[[int], Any]) -> float:
    begin = time.thread_time_ns()
    for key in KEYS:
        function(key)
    return (time.thread_time_ns() - begin) / len(KEYS)


def main() -> None:
    with MultiLevelCache(l1_maxsize=10_000) as cache:
        found = rows(cache)
        for function in found.values():
            timed(function)
        times: dict[str, list[float]] = {name: [] for name in found}
        order = list(found)
        for _ in range(ROUNDS):
            random.shuffle(order)
            for name in order:
                times[name].append(timed(found[name]))

    reference = times["functools.lru_cache(typed=True)"]
    print(f"{'':42}{'ns':>6}  {'÷ lru_cache(typed)':>18}")
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(values, reference, strict=True))
        print(f"{name:42}{min(values):6.0f}  {ratio:18.2f}")


if __name__ == "__main__":
    main()
