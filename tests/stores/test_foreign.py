"""
A store of the user's as second tier: what it does wrong costs a computation and a log line.
"""

from __future__ import annotations

import asyncio
import logging

import pytest

from memotier import CacheLevelConfig, ConfigError, MultiLevelCache, Store, StoreError, tiered_cache
from memotier.errors import StoreUnavailable
from memotier.stores.foreign import Foreign
from memotier.stores.local import LocalStore
from memotier.testing import StoreContract
from memotier.types import Reading

from .support import NAME, address, item, put, read


class TestForeign(StoreContract):
    """
    A store that keeps the contract is as it is.
    """

    is_shared = False
    is_fork_safe = True

    def open_store(self, clock):
        return Foreign(LocalStore(2000, clock=clock))


OPERATIONS = {
    "get": lambda store: store.get([address("a")]),
    "set": lambda store: store.set([item(LocalStore(10))]),
    "delete": lambda store: store.delete([address("a")]),
    "expire": lambda store: store.expire([address("a")]),
    "discard": lambda store: store.discard(address("a")),
    "versions": lambda store: store.versions([NAME]),
    "bump": lambda store: store.bump([NAME]),
    "clear_group": lambda store: store.clear_group("g"),
    "clear": lambda store: store.clear(),
    "count": lambda store: store.count(),
    "usage": lambda store: store.usage(),
    "close": lambda store: store.close(),
}


def store_with(**methods):
    return type("Odd", (LocalStore,), {"kind": "odd", **methods})(1000)


@pytest.mark.parametrize("name", OPERATIONS)
def test_whatever_is_raised_is_an_error_of_the_store(name):
    """
    It says which method of which store, and nothing of what the error said.
    """

    def broken(self, *arguments):
        raise KeyError("a secret")

    with pytest.raises(StoreError, match=rf"{name}\(\) of the odd store raised KeyError") as caught:
        OPERATIONS[name](Foreign(store_with(**{name: broken})))
    assert isinstance(caught.value.__cause__, KeyError)
    assert "secret" not in str(caught.value)


def test_errors_of_the_store_and_interrupts_are_as_they_are():
    """
    They mean what they say.
    """
    for error in (StoreUnavailable("away"), KeyboardInterrupt()):

        def broken(self, *arguments, error=error):
            raise error

        with pytest.raises(type(error)) as caught:
            Foreign(store_with(get=broken)).get([])
        assert caught.value is error


ODD = {
    "get": [
        None,
        [b"record"],
        ([b"record"], b"epoch", [None], ()),
        Reading([], b"epoch", [], ()),
        Reading([b"a", b"b"], b"epoch", [None, None], ()),
        Reading([b"a"], b"epoch", [], ()),
        Reading([b"a"], b"epoch", [None], (None, None)),
        Reading(["text"], b"epoch", [None], ()),
        Reading([bytearray(b"a")], b"epoch", [None], ()),
        Reading([b"a"], "epoch", [None], ()),
        Reading([b"a"], b"epoch", [7], ()),
        Reading([b"a"], b"epoch", [None], ["now"]),
    ],
    "set": [None, [], [True, True], [1], True],
    "delete": [None, [], [True, True], [1], True],
    "expire": [None, [], [None]],
    "versions": [None, [None], ([], b"epoch"), ([7], b"epoch"), ([None], 7), ([None], b"", b"")],
    "clear_group": [None, -1, "1"],
    "clear": [None, 1.5],
    "count": [None, "many"],
    "usage": [None, {}, {"size": 1, "bytes": None, "evictions": 0, "expirations": 0}],
}


@pytest.mark.parametrize(
    ("name", "answer"), [(name, answer) for name, answers in ODD.items() for answer in answers]
)
def test_an_answer_of_another_shape_is_no_answer(name, answer):
    """
    One record too few may be anybody's: it is not repaired.
    """
    store = Foreign(store_with(**{name: lambda self, *arguments: answer}))
    with pytest.raises(StoreError, match=rf"{name}\(\) of the odd store answered something"):
        OPERATIONS[name](store)


@pytest.mark.parametrize("name", ["get", "set", "versions", "discard", "usage"])
def test_callers_do_not_hear_of_it(call, caplog, name):
    """
    A store that raises what it should not: the function's result, one warning, and a rest.
    """

    def broken(self, *arguments):
        raise ZeroDivisionError

    caplog.set_level(logging.WARNING, "memotier")
    store = store_with(**{name: broken})
    with MultiLevelCache(l2_store=store) as cache:

        @call.cached(cache=cache, name="f")
        def f(x):
            return [x]

        assert [[1], [1], [2]] == [call(f(1)), call(f(1)), call(f(2))]
        assert 2 == f.cache_info().misses
        cache.get_stats()
    if name != "discard":
        assert "ZeroDivisionError" in caplog.text


def test_native_async_methods_are_held_to_the_same():
    """
    Of those that the store has, and only of those.
    """

    async def aget(self, addresses):
        return [] if addresses else 1 // 0

    async def aversions(self, names):
        return self.versions(names)

    store = Foreign(store_with(aget=aget, aversions=aversions))
    with pytest.raises(StoreError, match=r"get\(\) of the odd store answered"):
        asyncio.run(store.aget([address("a")]))
    with pytest.raises(StoreError, match=r"get\(\) of the odd store raised ZeroDivisionError"):
        asyncio.run(store.aget([]))
    assert store.versions([NAME]) == asyncio.run(store.aversions([NAME]))
    assert not hasattr(store, "aset")


# -- as second tier -------------------------------------------------------------------------


def test_results_survive_memory_in_it(call, clock):
    """
    It is the second tier like any other: written through, read after memory, invalidated, closed.
    """
    store = LocalStore(1000, clock=clock)
    with MultiLevelCache(l2_store=store, l1_maxsize=1, clock=clock) as cache:

        @call.cached(cache=cache, name="f", tags=["t"])
        def f(x):
            return [x]

        for x in (1, 2, 1, 2):
            assert [x] == call(f(x))
        assert (2, 2) == (f.cache_info().misses, f.cache_info().l2_hits)
        assert 2 == store.count() == cache.get_stats()["l2"]["size"]
        cache.sync.invalidate_tags("t")
        assert [1] == call(f(1))
        assert 3 == f.cache_info().misses
        assert "l2=local" in repr(cache)
    with pytest.raises(StoreUnavailable):
        read(store, "a")


def test_its_ttl_is_that_of_the_second_tier(clock):
    """
    ``l2_config`` says how long; what it cannot bound it may not say.
    """
    store = LocalStore(1000, clock=clock)
    config = CacheLevelConfig(ttl=10)
    with MultiLevelCache(l2_store=store, l2_config=config, l1_maxsize=0, clock=clock) as cache:
        cache.sync.set("k", 1)
        clock.advance(9)
        assert 1 == cache.sync.get("k")
        clock.advance(1)
        assert cache.sync.get("k") is None


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"directory": "d"}, "l2_store and a directory are two places"),
        ({"redis_url": "redis://localhost"}, "l2_store and redis_url are two places"),
        ({"l2_config": CacheLevelConfig(max_size=5)}, r"l2_config\.max_size = 5 .* with l2_store"),
        ({"l2_config": CacheLevelConfig(enable_persistence=True)}, "l2_store and a directory"),
    ],
)
def test_what_it_cannot_be_combined_with(others, message):
    """
    One second tier, whose room is its own business.
    """
    with pytest.raises(ConfigError, match=message):
        MultiLevelCache(l2_store=LocalStore(10), **others)


class NoStore:
    kind = "no store"
    get = set = delete = discard = versions = bump = clear = count = usage = close = print


def test_what_is_no_store():
    """
    The error names what is missing, or how to give it.
    """
    for odd, message in (
        (NoStore(), r"it has no expire\(\), clear_group\(\)\. See docs/guide/stores"),
        (5, r"l2_store = 5 cannot be used.*it has no get\(\)"),
        (LocalStore, r"give an instance: l2_store=LocalStore\(\.\.\.\)"),
        (store_with(kind=None), r"l2_store\.kind = None"),
        (store_with(kind=""), r"l2_store\.kind = ''"),
    ):
        with pytest.raises(ConfigError, match=message):
            MultiLevelCache(l2_store=odd)


def test_a_function_in_a_cache_of_it_is_shared(clock):
    """
    Two caches on handles of one place find each other's results.
    """
    store = LocalStore(1000, clock=clock)
    runs = []

    def f(x):
        runs.append(x)
        return x

    caches = [MultiLevelCache(l2_store=store, clock=clock) for _ in range(2)]
    for cache in caches:
        assert 1 == tiered_cache(cache=cache, name="f", version=1)(f)(1)
    assert [1] == runs
    assert isinstance(store, Store) and put(store, "a")
    for cache in caches:
        cache.sync.close()
