"""
Traces as tests need them: short, and each of one habit.
"""

from __future__ import annotations

import itertools
import random


def zipf(chance, requests, keys=1000, power=0.9):
    """
    A few keys are asked for most of the time.
    """
    weights = list(itertools.accumulate(1 / rank**power for rank in range(1, keys + 1)))
    return chance.choices(range(keys), cum_weights=weights, k=requests)


def scan(chance, requests):
    """
    The same, with keys in between that never come again.
    """
    new = itertools.count(1_000_000)
    keys = []
    for at, key in enumerate(zipf(chance, requests)):
        keys += [key] if at % 500 < 300 else [next(new)]
    return keys


def loop(chance, requests):
    """
    The same keys in the same order.
    """
    return [at % 300 for at in range(requests)]


HABITS = {one.__name__: one for one in (zipf, scan, loop)}


def habit(name, requests):
    return HABITS[name](random.Random(name), requests)
