"""
Soft invalidation below memory: other processes, restarts, delayed writes, a disk that fails.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from contextlib import contextmanager

import pytest

import memotier
from memotier import MISS, InvalidationNotDurable, MultiLevelCache, tiered_cache

from ..engine.worlds import Faulty
from .conftest import engine_of
from .softly import BACKOFF, SOFT, WINDOW, Down, defined, each_way, told


@each_way
def test_what_lies_on_disk_is_stale_for_the_next_process(make_cache, call, source, clock, way):
    """
    A cache that starts anew finds it stale, and counts its window from the invalidation.
    """
    options = {"stale_if_error": WINDOW, "error_backoff": BACKOFF}
    first = make_cache("disk")
    read = defined(first, call, source, **options)
    call(read(1))
    told(call, SOFT[way](first, read))
    first.sync.close()
    source.error = Down()
    clock.advance(WINDOW - 2)
    for _ in range(2):
        cache = make_cache("disk")
        read = defined(cache, call, source, **options)
        assert read.peek(1) is MISS
        assert call(read.lookup(1)) is None
        assert "value 1" == call(read(1))
        cache.sync.close()
        clock.advance(1)

    read = defined(make_cache("disk"), call, source, **options)
    with pytest.raises(Down):
        call(read(1))


@each_way
def test_another_cache_sees_it_at_its_next_call(make_cache, call, source, settle, way):
    """
    Two caches on one directory: what one invalidates softly the other serves as stale, from its
    memory too.
    """
    here, there = make_cache("disk"), make_cache("disk")
    read = defined(here, call, source, stale_while_revalidate=WINDOW)
    seen = defined(there, call, source, stale_while_revalidate=WINDOW)
    call(read(1))
    assert "value 1" == call(seen(1)) == call(seen(1))
    told(call, SOFT[way](here, read))

    assert "value 1" == call(seen(1))
    settle(there)
    assert "value 2" == call(seen(1))
    assert 1 == there.get_stats()["stale"]["while_revalidating"]


OTHER = textwrap.dedent(
    """
    import sys
    from memotier import MultiLevelCache, tiered_cache
    cache = MultiLevelCache(directory=sys.argv[1])

    @tiered_cache(cache=cache, name="read", version=1, ttl=3600, stale_if_error=3600, tags=["t"],
                  namespace="soft.deep")
    def read(x):
        raise OSError("down")

    print("ready", flush=True)
    for line in sys.stdin:
        try:
            print(eval(line), flush=True)
        except OSError:
            print("raised", flush=True)
    """
)


@contextmanager
def other_process(directory):
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask(line):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    try:
        assert "ready" == process.stdout.readline().strip()
        yield ask
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def test_real_processes(tmp_path):
    """
    Another process finds it stale, falls back on it, invalidates it softly and then hard; each
    is seen here at the next call.
    """
    cache, asked = MultiLevelCache(directory=tmp_path / "cache"), []

    @tiered_cache(
        cache=cache, name="read", version=1, ttl=3600, stale_if_error=3600, tags=["t"],
        namespace="soft.deep",
    )  # fmt: skip
    def read(x):
        asked.append(memotier.current().stale_value)
        return f"value {len(asked)}"

    ways = [
        "read.expire(1)",
        "read.cache_expire()",
        "cache.sync.invalidate_tags('t', soft=True)",
        "cache.sync.clear_namespace('soft', soft=True)",
        "cache.sync.clear(soft=True)",
    ]
    read(1)
    with other_process(tmp_path / "cache") as ask:
        assert "value 1" == ask("read(1)")
        for number, way in enumerate(ways, start=1):
            ask(way)
            assert f"value {number}" == ask("read(1)")  # its function fails
            assert f"value {number + 1}" == read(1) == read(1)
            assert f"value {number}" == asked[-1]
            read.expire(1)
            assert f"value {number + 1}" == ask("read(1)")
            ask("cache.sync.invalidate_tags('none')")
            read.seed(f"value {number + 1}", 1)
        ask("cache.sync.invalidate_tags('t', soft=True)")
        ask("cache.sync.invalidate_tags('t')")
        assert "raised" == ask("read(1)")
        read(1)
        assert asked[-1] is MISS
    cache.sync.close()


@pytest.mark.parametrize("policy", list(memotier.WritePolicy))
@each_way
def test_of_what_is_still_to_be_written(make_cache, call, source, policy, way):
    """
    Whatever the write policy, an entry is stale after it, here and in the next process; what was
    owed has been written before.
    """
    options = {"stale_if_error": WINDOW, "error_backoff": BACKOFF}
    cache = make_cache("disk", write_policy=policy, flush_interval="1d")
    read = defined(cache, call, source, **options)
    call(read(1))
    told(call, SOFT[way](cache, read))
    source.error = Down()
    assert "value 1" == call(read(1))
    cache.sync.close()

    cache = make_cache("disk")
    read = defined(cache, call, source, **options)
    assert "value 1" == call(read(1))


def test_it_is_not_durable_and_so_not_believed(tmp_path, call, source):
    """
    If the disk cannot be told the caller hears of it, what lies there is not believed, memory is
    stale, and later the disk is told softly.
    """
    cache = MultiLevelCache(directory=tmp_path / "cache")
    engine = engine_of(cache)
    engine.store = store = Faulty(engine.store)
    read = defined(cache, call, source, stale_if_error=WINDOW)
    keyed = defined(cache, call, source, stale_if_error=WINDOW, tags=["u"])
    call(read(1)), call(keyed(2))
    store.failing = {"bump", "expire", "delete", "set"}
    with pytest.raises(InvalidationNotDurable):
        cache.sync.invalidate_tags("t", soft=True)
    with pytest.raises(InvalidationNotDurable):
        call(keyed.expire(2))
    assert read.peek(1) is MISS
    assert call(read.lookup(1)) is None
    assert call(keyed.lookup(2)) is None
    source.error = Down()
    assert "value 1" == call(read(1))

    store.failing = set()
    store.calls.clear()
    cache.sync.close()
    assert {"bump", "expire"} <= set(store.calls)
    assert "delete" not in store.calls

    cache = MultiLevelCache(directory=tmp_path / "cache")
    source.error = Down()
    read = defined(cache, call, source, stale_if_error=WINDOW)
    assert "value 1" == call(read(1))
    assert "value 2" == call(read(2))
    cache.sync.close()


def test_a_hard_one_that_is_not_durable_stays_hard(tmp_path, call, source):
    """
    A soft one on top of a hard one that the disk does not know yet does not make it soft.
    """
    cache = MultiLevelCache(directory=tmp_path / "cache")
    engine = engine_of(cache)
    engine.store = store = Faulty(engine.store)
    read = defined(cache, call, source, stale_if_error=WINDOW)
    call(read(1))
    store.failing = {"bump"}
    for soft in (True, False, True):
        with pytest.raises(InvalidationNotDurable):
            cache.sync.invalidate_tags("t", soft=soft)
    store.failing = set()
    cache.sync.close()

    cache = MultiLevelCache(directory=tmp_path / "cache")
    read = defined(cache, call, source, stale_if_error=WINDOW)
    source.error = Down()
    with pytest.raises(Down):
        call(read(1))
    cache.sync.close()


@each_way
@pytest.mark.parametrize("failing", [{"set"}, {"set", "expire", "bump"}], ids=len)
def test_what_could_not_be_written_before_is_not_stood_in_for(
    tmp_path, call, source, way, failing, clock
):
    """
    Write-back: a result was refreshed, and the disk does not take it before a soft invalidation.
    The result from before the refresh is not the stale one, then or later.
    """
    directory = tmp_path / "cache"
    cache = MultiLevelCache(directory=directory, write_policy="write_back", clock=clock)
    read = defined(cache, call, source, stale_if_error=WINDOW, error_backoff=BACKOFF)
    call(read(1))
    cache.sync.flush()
    call(read.refresh(1))
    engine = engine_of(cache)
    engine.store = store = Faulty(engine.store)
    store.failing = failing
    try:
        told(call, SOFT[way](cache, read))
    except InvalidationNotDurable:
        assert "bump" in failing
    store.failing = set()
    source.error = Down()
    for _ in range(3):
        clock.advance(BACKOFF + 1)
        try:
            assert "value 2" == call(read(1))
        except Down:
            pass
    cache.sync.close()

    cache = MultiLevelCache(directory=directory, clock=clock)
    read = defined(cache, call, source, stale_if_error=WINDOW)
    with pytest.raises(Down):
        call(read(1))
    cache.sync.close()
