"""
Where values go: write-through, write-back, write-around; promotion, demotion, what is owed.
"""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from memotier import CacheLevelConfig, MultiLevelCache, WritePolicy, tiered_cache

from .worlds import Faulty, HandClock


def opened(
    directory: Path, policy: WritePolicy, time: HandClock | None = None, l1: int = 100
) -> MultiLevelCache:
    clock = {} if time is None else {"clock": time.clock}
    return MultiLevelCache(
        l1_config=CacheLevelConfig(max_size=l1, ttl=math.inf),
        directory=directory,
        write_policy=policy,
        flush_interval="1h",
        **clock,  # type: ignore[arg-type]
    )


def below(directory: Path, key: str) -> object:
    """
    What another process would find.
    """
    with MultiLevelCache(directory=directory) as other:
        return other.sync.get(key)


def test_write_through_is_below_when_it_returns(tmp_path: Path) -> None:
    """
    Another process finds the value at once.
    """
    with opened(tmp_path, WritePolicy.WRITE_THROUGH) as cache:
        cache.sync.set("k", 1)
        assert 1 == below(tmp_path, "k")
        assert 0 == cache.get_stats()["pending_writes"]


def test_write_back_is_in_memory_alone_until_flushed(tmp_path: Path) -> None:
    """
    What is at risk is counted, and after ``flush()`` nothing is.
    """
    with opened(tmp_path, WritePolicy.WRITE_BACK) as cache:
        for number in range(5):
            cache.sync.set(f"k{number}", number)
        assert 5 == cache.get_stats()["pending_writes"]
        assert below(tmp_path, "k3") is None

        assert 5 == cache.sync.flush()
        assert 0 == cache.get_stats()["pending_writes"]
        assert 3 == below(tmp_path, "k3")
        assert 0 == cache.sync.flush()


def test_write_back_is_written_when_evicted(tmp_path: Path) -> None:
    """
    Demotion: what memory has no room for is found below, in this process too.
    """
    with opened(tmp_path, WritePolicy.WRITE_BACK, l1=3) as cache:
        for number in range(10):
            cache.sync.set(f"k{number}", {"n": number})
        assert [{"n": n} for n in range(10)] == [cache.sync.get(f"k{n}") for n in range(10)]
        assert 3 == cache.get_stats()["l1"]["size"]
        assert cache.get_stats()["l1"]["evictions"] >= 7


def test_write_back_is_written_at_close(tmp_path: Path) -> None:
    """
    ``close()`` loses nothing.
    """
    with opened(tmp_path, WritePolicy.WRITE_BACK) as cache:
        cache.sync.set("k", 1)
    assert 1 == below(tmp_path, "k")


def test_write_back_is_written_at_intervals(tmp_path: Path) -> None:
    """
    A thread pays what is owed, and ends when nothing is.
    """
    cache = MultiLevelCache(
        directory=tmp_path, write_policy=WritePolicy.WRITE_BACK, flush_interval=0.02
    )
    cache.sync.set("k", 1)
    thread = cache._keyed.engine.flusher._thread
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()
    assert 1 == below(tmp_path, "k")
    cache.sync.set("k", 2)
    assert cache._keyed.engine.flusher._thread is not None
    cache.sync.close()


def test_fault_51_write_back_is_written_at_exit(tmp_path: Path) -> None:
    """
    An interpreter that just ends writes down what memory held.
    """
    script = textwrap.dedent(
        """
        import sys
        from memotier import MultiLevelCache, WritePolicy
        cache = MultiLevelCache(directory=sys.argv[1], write_policy=WritePolicy.WRITE_BACK,
                                flush_interval="1h")
        for n in range(200):
            cache.sync.set(f"k{n}", n)
        """
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True, timeout=30)
    with MultiLevelCache(directory=tmp_path) as cache:
        assert list(range(200)) == [cache.sync.get(f"k{n}") for n in range(200)]


def test_write_back_results_of_functions_survive(tmp_path: Path) -> None:
    """
    The decorator owes its results like the cache object does.
    """
    runs = []

    def f(x: int) -> int:
        runs.append(x)
        return x

    for _ in range(2):
        with opened(tmp_path, WritePolicy.WRITE_BACK) as cache:
            cached = tiered_cache(namespace="wb", cache=cache, name="f", version=1)(f)
            assert 7 == cached(7)
            assert 7 == cached(7)
    assert [7] == runs


def test_what_is_owed_and_invalidated_is_never_written(tmp_path: Path) -> None:
    """
    Delete, tag and clear reach entries that exist in memory alone.
    """
    with opened(tmp_path, WritePolicy.WRITE_BACK, l1=2) as cache:
        cache.sync.set("deleted", 1)
        cache.sync.set("tagged", 1, tags=["t"])
        cache.sync.set("kept", 1)
        cache.sync.set("room", 1)
        assert cache.sync.delete("deleted")
        cache.sync.invalidate_tags("t")
        assert cache.sync.get("tagged") is None
        cache.sync.flush()
        assert [None, None, 1] == [below(tmp_path, k) for k in ("deleted", "tagged", "kept")]


def test_a_delete_by_another_process_beats_a_write_that_is_owed(tmp_path: Path) -> None:
    """
    The delayed write is older than the delete, and is refused.
    """
    with opened(tmp_path, WritePolicy.WRITE_BACK) as cache:
        cache.sync.set("k", "old")
        with MultiLevelCache(directory=tmp_path) as other:
            other.sync.delete("k")
        cache.sync.flush()
        assert below(tmp_path, "k") is None


def test_owed_entries_stay_owed_while_the_second_tier_is_away(time: HandClock) -> None:
    """
    A failed flush is tried again; nothing is lost and nothing raised.
    """
    cache = MultiLevelCache(
        l1_config=CacheLevelConfig(max_size=2),
        l2_config=CacheLevelConfig(max_size=100),
        write_policy=WritePolicy.WRITE_BACK,
        flush_interval="1h",
        clock=time.clock,
    )
    engine = cache._keyed.engine
    faulty = engine.store = Faulty(engine.store)  # type: ignore[assignment, arg-type]
    faulty.failing = {"set"}
    for number in range(6):
        cache.sync.set(f"k{number}", number)
    assert 0 == cache.sync.flush()
    assert 6 == cache.get_stats()["pending_writes"]
    assert list(range(6)) == [cache.sync.get(f"k{n}") for n in range(6)]

    faulty.failing = set()
    assert 6 == cache.sync.flush()


def test_write_around_leaves_memory_to_what_is_read(tmp_path: Path) -> None:
    """
    A written value is below only; reading it brings it up.
    """
    with opened(tmp_path, WritePolicy.WRITE_AROUND) as cache:
        cache.sync.set("k", 1)
        assert 0 == cache.get_stats()["l1"]["size"]
        assert 1 == cache.sync.get("k")
        assert 1 == cache.get_stats()["l1"]["size"]
        assert 1 == cache.get_stats()["l2"]["hits"]
        cache.sync.set("k", 2)
        assert 2 == cache.sync.get("k")


def test_write_around_without_a_second_tier_keeps_values_in_memory() -> None:
    """
    There is nothing to write around to.
    """
    with MultiLevelCache(write_policy=WritePolicy.WRITE_AROUND) as cache:
        cache.sync.set("k", 1)
        assert 1 == cache.sync.get("k")


@pytest.mark.parametrize("policy", list(WritePolicy))
def test_what_the_second_tier_cannot_carry_stays_in_memory(
    tmp_path: Path, policy: WritePolicy, caplog: pytest.LogCaptureFixture
) -> None:
    """
    It is counted, said once per namespace, and still a hit.
    """
    with opened(tmp_path, policy) as cache:
        for number in range(3):
            cache.sync.set(f"f{number}", print)
        cache.sync.flush()
        assert print is cache.sync.get("f0")
        assert 3 == cache.get_stats()["l1"]["errors"]
    assert 1 == sum("stays in memory" in record.message for record in caplog.records)


def test_promotion_never_makes_an_entry_live_longer(tmp_path: Path, time: HandClock) -> None:
    """
    All clocks count from the write, in whichever tier the entry is.
    """
    with opened(tmp_path, WritePolicy.WRITE_THROUGH, time) as cache:
        cache.sync.set("k", 1, ttl=100)
    with opened(tmp_path, WritePolicy.WRITE_THROUGH, time) as cache:
        time.turn(60)
        assert 1 == cache.sync.get("k")
        time.turn(39)
        assert 1 == cache.sync.get("k")
        time.turn(2)
        assert cache.sync.get("k") is None


def test_fault_49_a_value_above_the_limit_is_returned_and_not_stored(tmp_path: Path) -> None:
    """
    It does not push the others out of the second tier; just below the limit it is stored.
    """
    cache = MultiLevelCache(directory=tmp_path, l1_maxsize=0, max_value_bytes=10_000)
    cache.sync.set("small", 1)
    cache.sync.set("large", b"x" * 10_001)
    cache.sync.set("fits", b"x" * 9_900)
    found = cache.sync.get_many(["small", "large", "fits"])
    assert {"small": 1, "fits": b"x" * 9_900} == found
    assert 1 == cache.get_stats()["l1"]["errors"]
    cache.sync.close()


@pytest.mark.parametrize("where", ["memory", "left"])
def test_what_an_owed_entry_was_to_replace_does_not_come_back(tmp_path: Path, where: str) -> None:
    """
    A value was replaced, and its successor invalidated before it was written: both are gone,
    although the older one does not carry the tag.
    """
    with MultiLevelCache(
        directory=tmp_path / "c",
        write_policy=WritePolicy.WRITE_BACK,
        flush_interval=3600,
        l1_maxsize=2,
    ) as cache:
        cache.sync.set("k", "old")
        cache.sync.flush()
        cache.sync.set("k", "new", tags=["t"])
        if where == "left":
            cache.sync.set_many({1: 1, 2: 2, 3: 3})
        cache.sync.invalidate_tags("t")

        assert None is cache.sync.get("k")
        with MultiLevelCache(directory=tmp_path / "c") as other:
            assert None is other.sync.get("k")


def test_what_replaces_an_expired_debt_is_kept(tmp_path: Path, time: HandClock) -> None:
    """
    That the old record is taken away below does not count as an invalidation of the new one.
    """
    runs = []
    with opened(tmp_path, WritePolicy.WRITE_BACK, time, l1=1) as cache:

        @tiered_cache(cache=cache, name="f", version=1, ttl=100)
        def f(x: int) -> int:
            runs.append(x)
            return len(runs)

        f(1), f(2)
        time.turn(100)
        assert 3 == f(1) == f(1)


@pytest.mark.parametrize("failing", [{"versions"}, {"versions", "get"}])
def test_what_an_owed_entry_was_to_replace_does_not_come_back_after_a_fault(
    tmp_path: Path, failing: set[str]
) -> None:
    """
    Nobody could say whether the successor was still valid, so it was given up; the older value,
    which lies below and is valid by its own names, is not taken for it when the disk is back.
    """
    runs: list[int] = []
    with MultiLevelCache(
        directory=tmp_path / "c", write_policy=WritePolicy.WRITE_BACK, flush_interval=3600
    ) as cache:

        @tiered_cache(cache=cache, name="f", version=1)
        def f() -> int:
            runs.append(1)
            if len(runs) == 3:
                raise ZeroDivisionError
            return len(runs)

        f()
        cache.sync.flush()
        assert 2 == f.refresh()
        engine = cache._keyed.engine
        faulty = engine.store = Faulty(engine.store)  # type: ignore[assignment, arg-type]
        cache.sync.invalidate_tags("of others")
        faulty.failing = failing
        with pytest.raises(ZeroDivisionError):
            f()
        faulty.failing = set()

        assert 4 == f() == f()


@pytest.mark.parametrize("soft", [False, True])
def test_what_left_memory_and_is_owed_hears_of_other_processes(tmp_path: Path, soft: bool) -> None:
    """
    A result waits to be written when another cache on the directory invalidates its call.
    """
    runs: list[int] = []

    def f(x: int) -> int:
        runs.append(x)
        return len(runs)

    with (
        opened(tmp_path, WritePolicy.WRITE_BACK, l1=1) as cache,
        opened(tmp_path, WritePolicy.WRITE_BACK) as other,
    ):
        here = tiered_cache(cache=cache, name="f", namespace="n", version=1)(f)
        there = tiered_cache(cache=other, name="f", namespace="n", version=1)(f)
        here(1), here(2)
        (there.expire if soft else there.invalidate)(1)
        assert 3 == here(1)


@pytest.mark.parametrize("policy", list(WritePolicy))
@pytest.mark.parametrize("way", ["call", "refresh", "seed", "flush"])
def test_what_is_in_memory_only_hears_of_other_processes(
    tmp_path: Path, policy: WritePolicy, way: str
) -> None:
    """
    A result that cannot be written stays in memory; when another cache on the directory
    invalidates its call it is gone from there.
    """
    runs: list[int] = []

    def f() -> object:
        runs.append(1)
        return lambda: None

    with opened(tmp_path, policy) as cache, opened(tmp_path, policy) as other:
        here = tiered_cache(cache=cache, name="f", namespace="n", version=1)(f)
        there = tiered_cache(cache=other, name="f", namespace="n", version=1)(f)
        there.lookup()  # it is open
        {"refresh": here.refresh, "seed": lambda: here.seed(print)}.get(way, here)()
        if way == "flush":
            cache.sync.flush()
        kept = here()
        assert kept is here()
        there.invalidate()
        assert kept is not here()
