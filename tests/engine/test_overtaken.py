"""
What is overtaken is not kept: by a set, a refresh, an invalidation, or a newer computation, in
whatever way the older one runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memotier import (
    CacheLevelConfig,
    InvalidationNotDurable,
    MultiLevelCache,
    WritePolicy,
    tiered_cache,
)
from memotier.clock import Clock
from memotier.codecs import sealed
from memotier.errors import DecodeRefused

from .worlds import Background, Faulty, Gate, HandClock

BACK = WritePolicy.WRITE_BACK


def faulty_of(cache: MultiLevelCache) -> Faulty:
    engine = cache._keyed.engine
    faulty = engine.store = Faulty(engine.store)  # type: ignore[assignment, arg-type]
    return faulty


def two_tiers(time: HandClock, policy: WritePolicy = BACK, l1: int = 100) -> MultiLevelCache:
    return MultiLevelCache(
        l1_config=CacheLevelConfig(max_size=l1, ttl=math.inf),
        l2_config=CacheLevelConfig(max_size=1000, ttl=math.inf),
        write_policy=policy,
        flush_interval="1h",
        clock=time.clock,
    )


def empty_memory(cache: MultiLevelCache) -> None:
    """
    What eviction would do, for all at once; nothing is forgotten below, and nothing is owed.
    """
    engine = cache._keyed.engine
    with engine.lock:
        assert not engine.debts.unwritten
        engine.remove(engine.local_residents(None))


def gated(data: list[str], gate: Gate) -> Callable[[], str]:
    """
    A function that holds the old truth until it is let through.
    """

    def slow() -> str:
        seen = data[0]
        if seen == "old":
            gate.wait()
        return seen

    return slow


WAYS: dict[str, Callable[[Any], Any]] = {
    "refresh": lambda f: f.refresh(),
    "without single-flight": lambda f: f(),
    "beside": lambda f: f(),
}
NEWER: dict[str, Callable[[Any], Any]] = {
    "invalidate": lambda f: f.invalidate(),
    "seed": lambda f: f.seed("new"),
    "refresh": lambda f: f.refresh(),
}


@pytest.mark.parametrize("newer", NEWER)
@pytest.mark.parametrize("way", ["refresh", "without single-flight"])
def test_fault_03_a_computation_that_nobody_can_join_is_overtaken_too(
    cache: MultiLevelCache, way: str, newer: str
) -> None:
    """
    A refresh, or a call without single-flight, that began before loses in both tiers.
    """
    data, gate = ["old"], Gate()
    single = None if way == "without single-flight" else "process"
    f = tiered_cache(namespace="o", cache=cache, name="f", single_flight=single)(gated(data, gate))
    early = Background(lambda: WAYS[way](f))
    gate.entered.wait(10)
    data[0] = "new"
    NEWER[newer](f)
    gate.open()
    assert "old" == early.result()
    assert "new" == f()
    empty_memory(cache)
    assert "new" == f()


def test_fault_03_a_call_beside_a_flight_is_overtaken_too(cache: MultiLevelCache) -> None:
    """
    Recursion with the same key computes beside its own flight; an invalidation reaches both.
    """
    data, gate, depth = ["old"], Gate(), []

    @tiered_cache(namespace="o", cache=cache, name="f")
    def f() -> str:
        depth.append(1)
        if len(depth) == 1:
            f()
        seen = data[0]
        if seen == "old" and len(depth) == 2:
            gate.wait()
        return seen

    early = Background(f)
    gate.entered.wait(10)
    data[0] = "new"
    f.invalidate()
    gate.open()
    early.result()
    assert "new" == f()
    empty_memory(cache)
    assert "new" == f()


@pytest.mark.parametrize("way", ["seed", "invalidate"])
def test_overtaken_while_it_is_written(time: HandClock, way: str) -> None:
    """
    A set that comes while an older result is on its way into the second tier wins there, too.
    """
    cache = two_tiers(time, WritePolicy.WRITE_THROUGH)
    faulty = faulty_of(cache)
    data, gate = ["old"], Gate()
    f = tiered_cache(namespace="o", cache=cache, name="f")(lambda: data[0])

    def stop_once() -> None:
        faulty.before.clear()
        gate.wait()

    faulty.before["set"] = stop_once
    early = Background(f)
    gate.entered.wait(10)
    data[0] = "new"
    NEWER[way](f)
    gate.open()
    early.result()
    assert "new" == f()
    empty_memory(cache)
    assert "new" == f()


class _TooLarge:
    """
    A value that the second tier cannot have and memory cannot copy.
    """

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("there is only one of me")


def little_room(time: HandClock, policy: WritePolicy) -> MultiLevelCache:
    """
    Neither tier has room for 2000 bytes.
    """
    return MultiLevelCache(
        l1_config=CacheLevelConfig(max_size=10, max_bytes=1500, ttl=math.inf),
        l2_config=CacheLevelConfig(max_size=1000, ttl=math.inf),
        write_policy=policy,
        flush_interval="1h",
        max_value_bytes=1000,
        clock=time.clock,
    )


REPLACED: dict[str, Callable[[Any, Any], Any]] = {
    "set": lambda cache, value: cache.sync.set("k", value),
    "set many": lambda cache, value: cache.sync.set_many({"k": value, "other": 1}),
}


@pytest.mark.parametrize("policy", list(WritePolicy))
@pytest.mark.parametrize("how", REPLACED)
@pytest.mark.parametrize("value", [_TooLarge(), b"x" * 2000], ids=["uncopyable", "too large"])
def test_a_value_that_cannot_be_kept_still_replaces_the_older_one(
    time: HandClock, policy: WritePolicy, how: str, value: Any
) -> None:
    """
    After a set the older value is gone, in memory, below, and among what is owed.
    """
    cache = little_room(time, policy)
    cache.sync.set("k", "old")
    REPLACED[how](cache, value)
    assert cache.sync.get("k") is None
    cache.sync.flush()
    assert cache.sync.get("k") is None


@pytest.mark.parametrize("policy", list(WritePolicy))
@pytest.mark.parametrize("value", [_TooLarge(), b"x" * 2000], ids=["uncopyable", "too large"])
def test_a_refresh_that_cannot_be_kept_still_replaces_the_older_one(
    time: HandClock, policy: WritePolicy, value: Any
) -> None:
    """
    The call after it computes again.
    """
    cache = little_room(time, policy)
    data: list[Any] = ["old"]
    f = tiered_cache(namespace="o", cache=cache, name="f")(lambda: data[0])
    assert "old" == f()
    data[0] = value
    f.refresh()
    data[0] = "newest"
    assert "newest" == f()


def test_what_cache_if_does_not_want_replaces_the_older_one(cache: MultiLevelCache) -> None:
    """
    A refresh whose result is not to be kept leaves nothing.
    """
    data: list[Any] = ["old"]
    f = tiered_cache(namespace="o", cache=cache, name="f", cache_if=lambda v: v is not None)(
        lambda: data[0]
    )
    f()
    data[0] = None
    assert f.refresh() is None
    data[0] = "new"
    assert "new" == f()


def test_a_set_that_the_second_tier_misses_is_not_undone_by_it(time: HandClock) -> None:
    """
    While the second tier is away a value is set; when it is back, what it has is older.
    """
    cache = two_tiers(time, WritePolicy.WRITE_THROUGH)
    cache.sync.set("k", "old")
    faulty = faulty_of(cache)
    faulty.failing = {"get", "set", "delete", "versions", "bump"}
    cache.sync.set("k", "new")
    assert "new" == cache.sync.get("k")
    faulty.failing.clear()
    time.turn(5)
    empty_memory(cache)
    assert cache.sync.get("k") is None


# -- write-back ----------------------------------------------------------------------


def test_an_entry_that_comes_back_while_it_is_written_is_owed_once(time: HandClock) -> None:
    """
    Evicted, being written, promoted again: afterwards nothing is owed, nothing is lost.
    """
    cache = two_tiers(time, l1=2)
    faulty = faulty_of(cache)
    for name in "abc":
        cache.sync.set(name, {"is": name})

    def promote() -> None:
        faulty.before.clear()
        assert {"is": "a"} == cache.sync.get("a")

    faulty.before["set"] = promote
    cache.sync.flush()
    cache.sync.flush()
    assert 0 == cache.get_stats()["pending_writes"]
    assert not cache._keyed.engine.debts.left
    empty_memory(cache)
    assert [{"is": name} for name in "abc"] == [cache.sync.get(name) for name in "abc"]


def test_a_refused_write_takes_the_promoted_twin_along(time: HandClock) -> None:
    """
    Another process deleted the key: neither the evicted entry nor its twin is served.
    """
    cache = two_tiers(time, l1=2)
    other = two_tiers(time)
    store = other._keyed.engine.store = cache._keyed.engine.store
    assert store is not None
    faulty = faulty_of(cache)
    for name in "abc":
        cache.sync.set(name, name)

    def promote() -> None:
        faulty.before.clear()
        assert "a" == cache.sync.get("a")
        other.sync.delete("a")

    faulty.before["set"] = promote
    cache.sync.flush()
    assert cache.sync.get("a") is None


def test_two_flushes_and_a_set_between_them(time: HandClock) -> None:
    """
    A write that is overtaken by the write of a newer value does not bring the older one back.
    """
    cache = two_tiers(time)
    faulty = faulty_of(cache)
    cache.sync.set("k", "old")

    def overtake() -> None:
        faulty.before.clear()
        cache.sync.set("k", "new")
        assert 1 == cache.sync.flush()

    faulty.before["set"] = overtake
    cache.sync.flush()
    assert "new" == cache.sync.get("k")
    assert 0 == cache.get_stats()["pending_writes"]
    empty_memory(cache)
    assert cache.sync.get("k") in ("new", None)


def test_two_flushes_at_once_write_the_same_entry(time: HandClock) -> None:
    """
    The second one finds it written: no error, nothing is owed, the value is there.
    """
    cache = two_tiers(time)
    faulty = faulty_of(cache)
    cache.sync.set_many({"a": 1, "b": 2})

    def again() -> None:
        faulty.before.clear()
        assert 2 == cache.sync.flush()

    faulty.before["set"] = again
    assert 0 == cache.sync.flush()
    empty_memory(cache)
    assert {"a": 1, "b": 2} == cache.sync.get_many(["a", "b"])


def test_a_computed_entry_loses_against_a_delete_of_another_process(time: HandClock) -> None:
    """
    Write-back: between the computation and the write somebody deletes; the write is refused.
    """
    cache, other = two_tiers(time), two_tiers(time)
    other._keyed.engine.store = cache._keyed.engine.store
    for mine in (cache, other):
        mine.sync.set("warm", 0)
        mine.sync.flush()
    data = ["old"]
    f = tiered_cache(namespace="o", cache=cache, name="f")(lambda: data[0])
    g = tiered_cache(namespace="o", cache=other, name="f")(f.__wrapped__)
    f.refresh()
    g.invalidate()
    data[0] = "new"
    cache.sync.flush()
    assert "new" == g()


def test_without_a_mark_nothing_is_owed(time: HandClock) -> None:
    """
    If the slot cannot be read, a later write could undo a delete: memory alone keeps the value.
    """
    cache = two_tiers(time)
    cache.sync.set("warm", 0)
    cache.sync.flush()
    faulty = faulty_of(cache)
    faulty.failing = {"get"}
    cache.sync.set("k", 1)
    assert 0 == cache.get_stats()["pending_writes"]
    assert 1 == cache.sync.get("k")


@pytest.mark.parametrize("way", ["computed", "set"])
def test_write_back_without_room_in_memory_writes_through(time: HandClock, way: str) -> None:
    """
    A value that memory cannot hold is not lost.
    """
    cache = MultiLevelCache(
        l1_config=CacheLevelConfig(max_size=10, max_bytes=1000),
        l2_config=CacheLevelConfig(max_size=1000),
        write_policy=BACK,
        clock=time.clock,
    )
    large = b"x" * 5000
    if way == "set":
        cache.sync.set("k", large)
    else:
        assert large == cache.sync.get_or_compute("k", lambda: large)
    assert large == cache.sync.get("k")


def test_fault_46_what_is_owed_ends_by_the_monotonic_clock(tmp_path: Path) -> None:
    """
    A wall clock that is set back does not make an evicted entry live longer.
    """
    wall = [1_700_000_000.0]
    time = HandClock()
    cache = MultiLevelCache(
        l1_config=CacheLevelConfig(max_size=1, ttl=math.inf),
        directory=tmp_path,
        write_policy=BACK,
        flush_interval="1h",
        clock=Clock(monotonic=time.clock.monotonic, wall=lambda: wall[0]),
    )
    with cache:
        cache.sync.set("k", 1, ttl=60)
        cache.sync.set("other", 2)
        wall[0] -= 3600
        time.turn(61)
        assert cache.sync.get("k") is None
        assert 1 == cache.sync.flush()


def test_expired_entries_are_not_counted_as_written(time: HandClock) -> None:
    """
    ``flush()`` says how many entries the second tier got.
    """
    cache = two_tiers(time)
    cache.sync.set("short", 1, ttl=10)
    cache.sync.set("long", 2, ttl=1000)
    time.turn(20)
    assert 1 == cache.sync.flush()
    assert 0 == cache.get_stats()["pending_writes"]


# -- versions --------------------------------------------------------------------------


def test_what_was_computed_without_versions_ends_when_the_second_tier_changed(
    time: HandClock,
) -> None:
    """
    Nobody knows under which versions it was computed: an epoch that moved ends it.
    """
    cache, other = two_tiers(time), two_tiers(time)
    other._keyed.engine.store = cache._keyed.engine.store
    cache.sync.set("warm", 0)
    faulty = faulty_of(cache)
    data = ["old"]
    f = tiered_cache(namespace="o", cache=cache, name="f", tags=["t"])(lambda: data[0])
    faulty.failing = {"get", "versions", "set"}
    assert "old" == f()
    data[0] = "new"
    other.sync.invalidate_tags("t")
    assert "old" == f()  # this process has no way to know
    faulty.failing.clear()
    cache.sync.get("somebody asks below")
    assert "new" == f()


def test_close_tells_the_second_tier_what_it_could_not_take(time: HandClock) -> None:
    """
    A postponed invalidation is made before the store is let go.
    """
    cache, other = two_tiers(time), two_tiers(time)
    store = other._keyed.engine.store = cache._keyed.engine.store
    faulty = faulty_of(cache)
    cache.sync.set("k", 1, tags=["t"])
    cache.sync.flush()
    faulty.failing = {"bump"}
    with pytest.raises(InvalidationNotDurable):
        cache.sync.invalidate_tags("t")
    assert 1 == other.sync.get("k")
    faulty.failing.clear()
    faulty.before["close"] = lambda: None
    close, store.close = store.close, lambda: None  # type: ignore[method-assign, union-attr]
    cache.sync.close()
    store.close = close  # type: ignore[method-assign, union-attr]
    empty_memory(other)
    assert other.sync.get("k") is None


@pytest.mark.parametrize("then", ["get", "flush", "get many"])
def test_an_owed_entry_that_expires_does_not_uncover_an_older_one(
    time: HandClock, then: str
) -> None:
    """
    Write-back: the second tier still has the value before; it is not served again.
    """
    cache = two_tiers(time)
    cache.sync.set("k", "old")
    cache.sync.flush()
    cache.sync.set("k", "new", ttl=10)
    time.turn(20)
    if then == "flush":
        cache.sync.flush()
    assert {} == cache.sync.get_many(["k"]) if then == "get many" else True
    assert cache.sync.get("k") is None
    assert 0 == cache.get_stats()["pending_writes"]


# -- who begins in between ---------------------------------------------------------------


@pytest.mark.parametrize("policy", list(WritePolicy))
def test_a_reader_that_began_during_a_set_does_not_undo_it(
    time: HandClock, policy: WritePolicy
) -> None:
    """
    It has read the older record when the set ends: its caller may have that, memory may not.
    """
    cache = two_tiers(time, policy)
    cache.sync.set("k", "old")
    cache.sync.flush()
    empty_memory(cache)
    faulty = faulty_of(cache)
    gate, began = Gate(), []
    faulty.after["get"] = lambda: began or (began.append(1), gate.wait())
    if policy is BACK:
        reader = Background(lambda: cache.sync.get_or_compute("k", lambda: "computed"))
        gate.entered.wait(10)
        cache.sync.set("k", "new")
    else:

        def read_meanwhile() -> None:
            faulty.before.clear()
            nonlocal reader
            reader = Background(lambda: cache.sync.get_or_compute("k", lambda: "computed"))
            gate.entered.wait(10)

        reader = Background(lambda: None)
        faulty.before["set"] = read_meanwhile
        cache.sync.set("k", "new")
    gate.open()
    reader.result()
    assert "new" == cache.sync.get("k")


def test_a_call_that_began_during_a_refresh_does_not_undo_it(time: HandClock) -> None:
    """
    In memory alone, too: what it read before the refresh ended is older.
    """
    cache = MultiLevelCache(clock=time.clock)
    data, gates = ["old"], {"refresh": Gate(), "call": Gate()}

    @tiered_cache(namespace="o", cache=cache, name="f")
    def f() -> str:
        seen = data[0]
        gates["call" if seen == "between" else "refresh"].wait()
        return seen

    refreshing = Background(f.refresh)
    gates["refresh"].entered.wait(10)
    data[0] = "between"
    calling = Background(f)
    gates["call"].entered.wait(10)
    data[0] = "new"
    gates["refresh"].open()
    refreshing.result()
    gates["call"].open()
    calling.result()
    assert "between" != f()


def test_an_outdated_flight_hears_of_a_later_set(time: HandClock) -> None:
    """
    A computation that an invalidation left behind does not take away what was set since.
    """
    cache = two_tiers(time)
    gate, runs = Gate(), []

    def slow() -> str:
        runs.append(1)
        if len(runs) == 1:
            gate.wait()
            return "first"
        return "second"

    early = Background(lambda: cache.sync.get_or_compute("k", slow))
    gate.entered.wait(10)
    cache.sync.clear()
    assert "second" == cache.sync.get_or_compute("k", slow)
    cache.sync.flush()
    cache.sync.set("k", "third")
    gate.open()
    early.result()
    assert "third" == cache.sync.get("k")


def test_a_flush_that_comes_last_does_not_bring_back_what_it_wrote(time: HandClock) -> None:
    """
    The same entry was written by another flush, and replaced, before this one wrote it again.
    """
    cache = two_tiers(time)
    faulty = faulty_of(cache)
    cache.sync.set("k", "old")

    def overtake() -> None:
        faulty.before.clear()
        cache.sync.flush()
        cache.sync.set("k", "new")
        cache.sync.flush()

    faulty.before["set"] = overtake
    cache.sync.flush()
    assert "new" == cache.sync.get("k")
    empty_memory(cache)
    assert cache.sync.get("k") is None


@pytest.mark.parametrize("way", ["delete", "tag"])
def test_an_invalidation_on_its_way_uncovers_nothing(time: HandClock, way: str) -> None:
    """
    Write-back: between taking the newer value away here and the older one below nobody sees it.
    """
    cache = two_tiers(time)
    cache.sync.set("k", "old", tags=["t"])
    cache.sync.flush()
    cache.sync.set("k", "new", tags=["t"])
    faulty = faulty_of(cache)
    seen: list[Any] = []
    operation = "delete" if way == "delete" else "bump"
    faulty.before[operation] = lambda: seen.append(cache.sync.get("k"))
    cache.sync.delete("k") if way == "delete" else cache.sync.invalidate_tags("t")
    assert [None] == seen
    assert cache.sync.get("k") is None


def test_without_single_flight_memory_is_looked_at_first(time: HandClock) -> None:
    """
    An unrelated invalidation sends every hit the slow way once, and computes nothing.
    """
    cache = two_tiers(time, WritePolicy.WRITE_THROUGH)
    runs: list[int] = []
    f = tiered_cache(namespace="o", cache=cache, name="f", single_flight=None)(runs.append)
    f(1)
    cache.sync.invalidate_tags("unrelated")
    f(1)
    assert [1] == runs


def test_a_record_that_cannot_be_dropped_spoils_no_others(
    time: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A batch with one refused record answers the rest, though removing that one fails.
    """
    cache = two_tiers(time, WritePolicy.WRITE_THROUGH)
    cache.sync.set_many({"a": 1, "b": 2})
    empty_memory(cache)
    damaged, unseal = cache._keyed.call("a", "default").address, sealed.unseal

    def refuse(data: Any, *, address: Any, **others: Any) -> Any:
        if address == damaged:
            raise DecodeRefused("damaged")
        return unseal(data, address=address, **others)

    monkeypatch.setattr(sealed, "unseal", refuse)
    faulty_of(cache).failing = {"discard"}
    assert {"b": 2} == cache.sync.get_many(["a", "b"])


def test_a_second_invalidation_that_fails_is_not_forgotten_with_the_first(
    time: HandClock,
) -> None:
    """
    While the first one is told at last, another one of the same key cannot be.
    """
    cache = two_tiers(time, WritePolicy.WRITE_THROUGH)
    cache.sync.set("k", "old")
    faulty = faulty_of(cache)
    faulty.failing = {"delete"}
    with pytest.raises(InvalidationNotDurable):
        cache.sync.delete("k")
    faulty.failing.clear()

    def fail_again() -> None:
        faulty.after.clear()
        faulty.failing = {"delete"}
        with pytest.raises(InvalidationNotDurable):
            cache.sync.delete("k")

    faulty.after["delete"] = fail_again
    time.turn(2)
    cache.sync.get("other")
    assert cache._keyed.engine.versions.pending_keys
