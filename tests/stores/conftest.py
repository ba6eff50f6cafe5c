from __future__ import annotations

import pytest

from memotier.stores.local import LocalStore

from .support import Time, disk


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
