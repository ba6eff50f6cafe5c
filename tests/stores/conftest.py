from __future__ import annotations

import pytest

from memotier.engine.names import EVERYTHING
from memotier.stores.local import LocalStore
from memotier.stores.spill import Spilling

from .support import Time, disk, redis_store


@pytest.fixture
def time():
    return Time()


@pytest.fixture(params=["disk", "local"])
def make(request, tmp_path, time):
    """
    A function that makes a store with the given limits; every test using this proves both.
    """
    made = []

    def make(max_size=1000, max_bytes=64 * 2**20, eviction="ttl"):
        if request.param == "local":
            store = LocalStore(max_size, max_bytes=max_bytes, eviction=eviction, clock=time.clock)
        else:
            place = tmp_path / f"cache{len(made)}"
            store = disk(
                place, max_size=max_size, max_bytes=max_bytes, eviction=eviction, clock=time.clock
            )
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()


@pytest.fixture(params=["disk", "local", "spill", pytest.param("redis", marks=pytest.mark.extras)])
def store(request, tmp_path, time):
    """
    A store with room; every test using this proves all of them.
    """
    if request.param == "local":
        store = LocalStore(1000, max_bytes=64 * 2**20, clock=time.clock)
    elif request.param == "redis":
        store = redis_store(request.getfixturevalue("redis_server"), clock=time.clock)
    elif request.param == "spill":
        store = Spilling(
            LocalStore(1000, max_bytes=64 * 2**20, clock=time.clock),
            disk(tmp_path / "spill", clock=time.clock),
            everything=EVERYTHING,
            max_age=60,
            patience=30,
            clock=time.clock,
        )
    else:
        store = disk(tmp_path / "cache", clock=time.clock)
    yield store
    store.close()


@pytest.fixture
def place(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def events():
    return []


@pytest.fixture
def on_disk(place, time, events):
    """
    A function that makes disk stores in one directory, which are closed at the end.
    """
    made = []

    def make(**options):
        settings = {"clock": time.clock, "on_event": lambda *event: events.append(event)}
        store = disk(place, **{**settings, **options})
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()
