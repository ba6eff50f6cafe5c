"""
``FaultyStore``: each fault happens when it was asked for and not otherwise; the cache above it
carries on.
"""

from __future__ import annotations

import asyncio

import pytest

from memotier import InvalidationNotDurable, MultiLevelCache, Store, StoreError, tiered_cache
from memotier.errors import StoreUnavailable
from memotier.stores.local import LocalStore
from memotier.testing import FakeClock, FaultyStore, StoreContract, assert_hit, assert_miss
from memotier.testing.items import NAME, address, put, read


class TestNoFaults(StoreContract):
    """
    As long as nothing is asked for, it is the store that it stands around.
    """

    is_shared = False
    is_fork_safe = True

    def open_store(self, clock):
        return FaultyStore(LocalStore(2000, clock=clock))


class Twins(LocalStore):
    """
    A store with native async methods.
    """

    async def aget(self, addresses):
        return self.get(addresses)

    async def aset(self, items):
        return self.set(items)

    async def aclose(self):
        self.close()


class TestTwins(StoreContract):
    """
    Native async methods are passed on, and go through the contract.
    """

    is_shared = False

    def open_store(self, clock):
        return FaultyStore(Twins(2000, clock=clock))


@pytest.fixture
def store():
    return FaultyStore()


@pytest.fixture
def cache(store, clock):
    """
    Nothing in memory, so that every call asks the store.
    """
    with MultiLevelCache(l2_store=store, l1_maxsize=0, clock=clock) as made:
        yield made


@pytest.fixture
def f(cache):
    @tiered_cache(cache=cache, name="f", ttl=3600)
    def f(x):
        return [x]

    return f


def test_operations_that_fail(store):
    """
    Those that are named, until they are not any more; with an error of the test's own.
    """
    store.failing = {"get"}
    with pytest.raises(StoreError, match="get does not work today"):
        read(store, "a")
    store.bump([NAME])
    store.failing = set()
    assert [None] == read(store, "a")
    assert ["get", "bump", "get"] == store.calls
    store.failing, store.error = {"get"}, KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        read(store, "a")


def test_the_nth_operation_fails(store):
    """
    Of all, or of one kind; once.
    """
    store.fail_at(2)
    store.fail_at(2, "bump")
    store.bump([NAME])
    with pytest.raises(StoreError):
        read(store, "a")
    with pytest.raises(StoreError):
        store.bump([NAME])
    store.bump([NAME])
    read(store, "a")
    with pytest.raises(ValueError, match="counted from 1"):
        store.fail_at(0)


def test_a_store_that_is_down(store, cache, f, clock):
    """
    Calls are computed, an invalidation says that it is not durable, and all is well afterwards.
    """
    store.down = True
    assert [1] == assert_miss(f, 1) == assert_miss(f, 1)
    clock.advance(10)
    with pytest.raises(InvalidationNotDurable):
        f.invalidate(1)
    store.down = False
    clock.advance(10)
    assert_miss(f, 1)
    assert [1] == assert_hit(f, 1)
    store.down = True


def test_a_slow_store(clock):
    """
    Time passes as the test wants it to.
    """
    store = FaultyStore(sleep=clock.advance)
    before = clock.monotonic()
    store.slow_by = 2.5
    read(store, "a")
    assert before + 2.5 <= clock.monotonic() < before + 2.6


@pytest.mark.parametrize(
    "damage", [lambda r: r[:-1], lambda r: b"", lambda r: r[::-1], lambda r: bytes(len(r))]
)
def test_damaged_records(store, f, damage):
    """
    A miss, whatever the damage is; what is computed takes the place of what was damaged.
    """
    assert_miss(f, 1)
    store.corrupt = damage
    assert [1] == assert_miss(f, 1)
    store.corrupt = None
    assert [1] == assert_hit(f, 1)


def test_fault_13_swapped_replies(store, f):
    """
    Nobody gets the result of another call, though every answer belongs to another question.
    """
    for x in (1, 2):
        assert_miss(f, x)
    store.swaps_replies = True
    for x in (1, 2, 1, 2, 2, 1):
        assert [x] == f(x)


def test_swapped_replies_are_swapped(store):
    """
    What is answered are the records of the question before, of as many as were asked for.
    """
    put(store, "a", record=b"one")
    put(store, "b", record=b"two")
    store.swaps_replies = True
    assert [None] == read(store, "a")
    assert [b"one", None] == read(store, "b", "c")
    assert [b"two"] == read(store, "a")


def test_somebody_else_comes_in_between(store):
    """
    Before or after an operation, in another thread; his errors are the test's.
    """
    put(store, "a")
    store.before["get"] = lambda: store.store.delete([address("a")])
    assert [None] == read(store, "a")
    store.before.clear()
    store.after["set"] = lambda: store.store.clear()
    assert [True] == put(store, "a")
    assert [None] == read(store, "a")
    store.after["get"] = lambda: 1 // 0
    with pytest.raises(ZeroDivisionError):
        read(store, "a")


def test_twins_fail_too():
    """
    A fault is one of the operation, whichever way it is called.
    """
    store = FaultyStore(Twins(10))

    async def use():
        store.failing = {"get"}
        with pytest.raises(StoreError):
            await store.aget([address("a")])
        store.failing, store.corrupt = set(), lambda record: b"damaged"
        put(store, "a")
        return (await store.aget([address("a")])).records

    assert [b"damaged"] == list(asyncio.run(use()))
    assert not hasattr(store, "aversions") and not hasattr(FaultyStore(), "aget")


def test_it_closes_the_store(store):
    """
    Also while it is down; afterwards the store is closed for good.
    """
    store.down = True
    store.close()
    store.down = False
    with pytest.raises(StoreUnavailable):
        store.count()
    assert isinstance(store, Store)


def test_a_clock_that_is_set_back_is_no_time_that_passes():
    """
    ``advance`` moves both clocks forward, ``set_wall`` one of them to anywhere.
    """
    clock = FakeClock(1000.0, tick=0)
    began = clock.monotonic()
    clock.advance(5)
    assert (began + 5, 1005.0) == (clock.monotonic(), clock.wall())
    clock.set_wall(10.0)
    assert (began + 5, 10.0) == (clock.monotonic(), clock.wall())
    with pytest.raises(ValueError, match="set_wall"):
        clock.advance(-1)
    assert "wall=10.0" in repr(clock)


def test_no_two_readings_are_equal():
    """
    Unless the clock is told to stand still.
    """
    clock = FakeClock()
    readings = [clock.monotonic() for _ in range(1000)]
    assert sorted(set(readings)) == readings
    assert readings[-1] - readings[0] < 0.001
