"""
A cache on SQLite whose round trips are counted, and functions that tell what they were asked.
"""

from __future__ import annotations

import threading

import pytest

from ..engine.worlds import Faulty


def engine_of(cache):
    return cache._keyed.engine


def watched(cache):
    """Count (and break, and hold) what is asked of the second tier of *cache*."""
    engine = engine_of(cache)
    engine.store = Faulty(engine.store)
    return engine.store


def flights_of(cache):
    """The flights that have not landed."""
    return [*engine_of(cache).flights.table, *engine_of(cache).flights.beside]


def until(condition):
    """Wait for another thread to come so far."""
    for _ in range(100_000):
        if condition():
            return
        threading.Event().wait(0.0005)
    raise AssertionError("it never came so far")


@pytest.fixture
def disk(make_cache):
    return make_cache("disk")


@pytest.fixture
def trips(disk):
    return watched(disk)


@pytest.fixture
def again(make_cache):
    """
    Another cache in the directory of ``disk``, with an empty memory, as another process has it.
    """
    return lambda **arguments: make_cache("disk", **arguments)
