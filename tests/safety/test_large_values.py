"""
Fault 49: results of the sizes around what is stored, in both kinds of second tier.
"""

from __future__ import annotations

import zlib

import pytest

from memotier import MISS, CacheLevelConfig, WritePolicy, tiered_cache
from memotier.codecs import records
from memotier.codecs.values import SafeCodec

from .conftest import KEY, refused, text

LIMIT = 10_000
#: Bytes that say of a value of that size what it is.
AROUND = LIMIT - len(SafeCodec().encode(b"x" * LIMIT))


def sized(size: int) -> bytes:
    """A result whose record has *size* bytes of payload."""
    return b"x" * (size + AROUND)


def function(call, cache, **options):
    calls = []

    def f(size):
        calls.append(size)
        return sized(size)

    made = call.cached(cache=cache, name="f", version=1, namespace="ns", **options)(f)
    made.calls = calls
    return made


@pytest.mark.parametrize("options", [{}, {"copy": False}, {"codec": "pickle"}], ids=str)
def test_fault_49_sizes_around_the_limit(open_cache, call, protection, options, monkeypatch):
    """
    Up to the limit a result is found by the next process, above it each computes for itself; every
    caller gets his result, and what is there stays there.
    """
    cache = open_cache(max_value_bytes=LIMIT, **protection)
    f = function(call, cache, **options)
    shorter = 100 if "codec" in options else 0  # a pickle says more, and is signed
    sizes = (1_000, LIMIT - 1 - shorter, LIMIT - shorter, LIMIT + 1, LIMIT * 10)
    for size in (*sizes, *sizes):
        assert sized(size) == call(f(size))
    assert [*sizes] == f.calls  # the second time memory has them
    assert 2 == f.cache_info().errors

    g = function(call, open_cache(max_value_bytes=LIMIT, **protection), **options)
    for size in sizes:
        assert sized(size) == call(g(size))
    assert [LIMIT + 1, LIMIT * 10] == g.calls
    assert 0 == refused(cache)


@pytest.mark.parametrize("policy", list(WritePolicy), ids=lambda one: one.value)
def test_fault_49_under_each_write_policy(open_cache, call, policy):
    """
    Written at once, later or past memory: a result that is too large is in no record, and keeps
    no other from being written.
    """
    cache = open_cache(max_value_bytes=LIMIT, write_policy=policy)
    f = function(call, cache)
    for size in (1_000, LIMIT + 1, 2_000):
        assert sized(size) == call(f(size))
    cache.sync.set_many({"a": 1, "b": sized(LIMIT + 1), "c": 2})
    cache.sync.flush()

    other = open_cache(max_value_bytes=LIMIT)
    g = function(call, other)
    for size in (1_000, LIMIT + 1, 2_000):
        call(g(size))
    assert [LIMIT + 1] == g.calls
    assert {"a": 1, "c": 2} == other.sync.get_many(["a", "b", "c"])


def test_fault_49_what_it_was_to_replace_does_not_come_back(open_cache, call):
    """
    A result that has grown beyond the limit is not stored, and the smaller one of before is not
    served in its place, by whomever and however it was replaced.
    """
    size = [1_000]
    cache = open_cache(max_value_bytes=LIMIT)
    f = call.cached(cache=cache, name="f", version=1, namespace="ns")(lambda x: sized(size[0]))
    for way in ("refreshed", "seeded", "invalidated"):
        size[0] = 1_000
        call(f.refresh(way))
        size[0] = LIMIT * 2
        if way == "refreshed":
            call(f.refresh(way))
        elif way == "seeded":
            call(f.seed(sized(LIMIT * 2), way))
        else:
            call(f.invalidate(way))
            call(f(way))
    cache.sync.set("k", "old")
    cache.sync.set("k", sized(LIMIT * 2))
    assert sized(LIMIT * 2) == cache.sync.get("k")

    other = open_cache(max_value_bytes=LIMIT)
    g = call.cached(cache=other, name="f", version=1, namespace="ns")(f.__wrapped__)
    for way in ("refreshed", "seeded", "invalidated"):
        assert call(g.lookup(way)) is None
    assert other.sync.get("k") is None


def test_fault_49_larger_than_all_of_memory(open_cache, call):
    """
    A result that memory has no room for at all leaves there what is there, and is found below; the
    next larger one is in neither tier.
    """
    cache = open_cache(
        max_value_bytes=LIMIT, l1_config=CacheLevelConfig(max_size=100, max_bytes=5_000)
    )
    f = function(call, cache)
    for size in (500, 1_000, LIMIT - 1, LIMIT + 1):
        assert sized(size) == call(f(size))
    assert [500, 1_000] == [size for size in f.calls if f.peek(size) is not MISS]

    call(f(LIMIT - 1)), call(f(LIMIT + 1))
    assert [500, 1_000, LIMIT - 1, LIMIT + 1, LIMIT + 1] == f.calls
    assert 2 == cache.get_stats()["l1"]["size"]


@pytest.mark.parametrize("stored_by_more", [True, False])
def test_fault_49_who_may_read_less_computes(open_cache, call, stored_by_more):
    """
    A process whose limit is lower does not read what is above it, with its allowance for what
    stands around a value, and leaves it to the others; the other way round nothing is in the way.
    """
    limits = (10 * 2**20, LIMIT) if stored_by_more else (LIMIT, 10 * 2**20)
    size = 2**20 if stored_by_more else 1_000
    writer, reader = (open_cache(max_value_bytes=one) for one in limits)
    call(function(call, writer)(size))
    f = function(call, reader)

    assert sized(size) == call(f(size)) == call(f(size))
    assert ([size] if stored_by_more else []) == f.calls
    again = function(call, open_cache(max_value_bytes=limits[0]))
    call(again(1_000))


def test_fault_49_what_unpacks_to_too_much_is_computed(open_cache, call, planted, monkeypatch):
    """
    A record, signed by us, that is small and says that it unpacks to more than may be: it is
    dropped unread, the call computes, and what lies beside it is served.
    """
    monkeypatch.setenv("MEMOTIER_KEY", text(KEY))
    f = function(call, open_cache())
    call(f(1_000)), call(f(2_000))
    rows = planted()
    before = rows.all()
    bomb = zlib.compress(bytes(records._MOST_EXPANDED + 1), 9)
    monkeypatch.setattr(records, "_MOST_EXPANDED", 1 << 40)
    monkeypatch.setattr(records, "_MOST_GAIN", 1 << 40)
    for address, data in before.items():
        if b"x" * 1_500 not in data:
            rows.keep(address)
            place = {"address": address, "group": "ns"}
            head = data[: data.index(records.MAGIC)]  # of a Redis; a file has none
            record = records.unseal(data[len(head) :], keys=(KEY,), **place)
            monkeypatch.setattr(records, "_compressed", lambda payload: bomb)
            large = record._replace(payload=bytes(records.MAX_BYTES))
            rows.put(address, head + records.seal(large, keys=(KEY,), compress=True, **place))
    monkeypatch.undo()
    monkeypatch.setenv("MEMOTIER_KEY", text(KEY))
    cache = open_cache()
    g = function(call, cache)

    assert [sized(1_000), sized(2_000)] == [call(g(1_000)), call(g(2_000))]
    assert [1_000] == g.calls and 1 == refused(cache)
    assert sized(1_000) == call(function(call, open_cache())(1_000))


def test_fault_49_ids_of_a_batch(open_cache, call):
    """
    Of a batch those are stored that may be.
    """
    asked = []

    def load(ids: list[int]) -> dict[int, bytes]:
        asked.append(ids)
        return {one: sized(one) for one in ids}

    options = {"name": "load", "version": 1, "namespace": "ns"}
    for _ in range(2):
        cache = open_cache(max_value_bytes=LIMIT)
        f = tiered_cache.many(cache=cache, **options)(call.define(load))
        sizes = [1_000, LIMIT + 1, LIMIT, 2_000]
        assert {size: sized(size) for size in sizes} == call(f(sizes))
    assert [sizes, [LIMIT + 1]] == asked
