"""
Artificial access traces, always the same ones: for whoever has no recorded trace at hand.

Each stands for one habit that tells eviction policies apart. Keys are small integers, one for
each request.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

KEYS = 20_000


def popular(chance: random.Random, requests: int) -> list[int]:
    """
    Every request for itself; key of rank n with a probability of about 1 / n.
    """
    weights = itertools.accumulate(1 / rank**0.99 for rank in range(1, KEYS + 1))
    return chance.choices(range(KEYS), cum_weights=list(weights), k=requests)


def scanned(chance: random.Random, requests: int) -> list[int]:
    """
    The same, and after every 5,000 requests a scan of 2,000 keys that never come again.
    """
    source, new = iter(popular(chance, requests)), itertools.count(KEYS)
    keys: list[int] = []
    while len(keys) < requests:
        keys += [*itertools.islice(source, 5000), *itertools.islice(new, 2000)]
    return keys[:requests]


def drifting(chance: random.Random, requests: int) -> list[int]:
    """
    The same, but with every 20,000 requests a third of the keys changes places.
    """
    place = list(range(KEYS))
    keys = []
    for at, rank in enumerate(popular(chance, requests)):
        if at % 20_000 == 0:
            moving = chance.sample(range(KEYS), KEYS // 3)
            for here, there in itertools.pairwise(moving):
                place[here], place[there] = place[there], place[here]
        keys.append(place[rank])
    return keys


def looping(chance: random.Random, requests: int) -> list[int]:
    """
    The same 2,000 keys in the same order, again and again.
    """
    return [at % 2000 for at in range(requests)]


def paired(chance: random.Random, requests: int) -> list[int]:
    """
    Every key twice, the second time within some 500 requests, and never again.
    """
    times = sorted(
        (begin + again, key)
        for key, begin in enumerate(range(0, requests, 2))
        for again in (0.0, chance.uniform(5, 500))
    )
    return [key for _, key in times][:requests]


TRACES: dict[str, Callable[[random.Random, int], list[int]]] = {
    one.__name__: one for one in (popular, scanned, drifting, looping, paired)
}


def artificial(requests: int) -> dict[str, list[int]]:
    """
    All of them, by name.
    """
    return {name: make(random.Random(name), requests) for name, make in TRACES.items()}
