"""
What leaves when there is no room, on each store.
"""

from __future__ import annotations

import pytest

from .support import put, read


@pytest.mark.parametrize("eviction", ["ttl", "fifo", "lru", "lfu"])
def test_never_more_than_max_size(make, eviction):
    """
    The limit holds after every write, for batches too, and what was just stored stays.
    """
    store = make(max_size=5, eviction=eviction)
    for n in range(12):
        put(store, str(n))
        assert [b"record"] == read(store, str(n))
        assert store.usage()["size"] <= 5
    put(store, "x", "y", "z")

    assert [b"record"] * 3 == read(store, "x", "y", "z")
    assert 5 == store.count()
    assert 10 == store.usage()["evictions"]


def test_batch_larger_than_max_size(make):
    """
    Even of a batch that is too large only so many stay.
    """
    store = make(max_size=5)
    put(store, *map(str, range(600)))

    assert 5 == store.count()


def test_evicts_the_soonest_to_expire(make):
    """
    "ttl": what will be worthless first leaves first; what never expires, last.
    """
    store = make(max_size=3, eviction="ttl")
    put(store, "long", expire=100.0)
    put(store, "short", expire=10.0)
    put(store, "never")
    put(store, "middle", expire=50.0)
    put(store, "new", expire=5.0)

    assert [b"record", None, b"record", None, b"record"] == read(
        store, "long", "short", "never", "middle", "new"
    )


def test_evicts_the_least_recently_stored(make, time):
    """
    "fifo": reading does not count, storing again does.
    """
    store = make(max_size=3, eviction="fifo")
    for text in ("a", "b", "c", "a"):
        put(store, text)
        time.pass_(1)
    read(store, "b")
    put(store, "d")

    assert [b"record", None, b"record", b"record"] == read(store, "a", "b", "c", "d")


def test_evicts_the_least_recently_used(make, time):
    """
    "lru": reading counts.
    """
    store = make(max_size=3, eviction="lru")
    for text in ("a", "b", "c"):
        put(store, text)
        time.pass_(1)
    read(store, "a", "b")
    time.pass_(1)
    put(store, "d")

    assert [b"record", b"record", None, b"record"] == read(store, "a", "b", "c", "d")


def test_evicts_the_least_frequently_used(make):
    """
    "lfu": the number of readings counts.
    """
    store = make(max_size=3, eviction="lfu")
    put(store, "a", "b", "c")
    for text in "aaabcc":
        read(store, text)
    put(store, "d")

    assert [b"record", None, b"record", b"record"] == read(store, "a", "b", "c", "d")


def test_expired_leave_before_anything_is_evicted(make, time):
    """
    Two causes, two counters.
    """
    store = make(max_size=3, eviction="fifo")
    put(store, "keep")
    time.pass_(1)
    put(store, "old 1", "old 2", expire=5.0)
    time.pass_(10)
    put(store, "new")

    assert [b"record", b"record"] == read(store, "keep", "new")
    usage = store.usage()
    assert (2, 0, 2) == (usage["size"], usage["evictions"], usage["expirations"])


def test_stays_within_max_bytes(make):
    """
    The room is bounded as well, and the newest records are there.
    """
    store = make(max_bytes=2**20, eviction="fifo")
    for n in range(300):
        put(store, str(n), record=bytes(10_000))

    usage = store.usage()
    assert usage["bytes"] <= 2**20 + 17 * 12_000
    assert 60 <= usage["size"] <= 130
    assert usage["evictions"] == 300 - usage["size"]
    assert [bytes(10_000)] == read(store, "299")
