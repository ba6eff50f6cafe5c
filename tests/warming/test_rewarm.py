"""
``rewarm=True``: what was invalidated is computed again, the most used first.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from memotier import tiered_cache
from memotier.warming import rewarm

ROOT = Path(__file__).parents[2]


@pytest.fixture
def by_hand(monkeypatch):
    """
    Rounds are made by the test, not by a thread.
    """
    monkeypatch.setattr(rewarm.Rewarmer, "start", lambda self: None)
    monkeypatch.setattr(rewarm, "AT_ONCE", 1)
    return lambda cache: rewarm._rewarmers[cache._keyed.engine].look()


def used(call, cache, **options):
    called = []

    @call.cached(cache=cache, name="f", namespace="tool.x", record=True, **options)
    def f(x):
        called.append(x)
        return x

    for x in range(4):
        for _ in range(4 - x):
            call(f(x))
    called.clear()
    return f, called


@pytest.mark.parametrize("what", ["tag", "namespace", "above", "all", "function"])
def test_the_hottest_come_first(tiers, call, by_hand, what):
    """
    Whatever invalidated them.
    """
    f, called = used(call, tiers, rewarm=True, tags=["t"])
    {
        "tag": lambda: tiers.sync.invalidate_tags("t"),
        "namespace": lambda: tiers.sync.clear_namespace("tool.x"),
        "above": lambda: tiers.sync.clear_namespace("tool"),
        "all": lambda: tiers.sync.clear(),
        "function": lambda: call(f.cache_clear()),
    }[what]()
    by_hand(tiers)

    assert [0, 1, 2, 3] == called
    assert [0, 1, 2, 3] == [call(f(x)) for x in range(4)] and 4 == len(called)


def test_only_what_was_invalidated(tiers, call, by_hand):
    """
    By key: that one; by a tag of some: those.
    """
    f, called = used(call, tiers, rewarm=True, tags=["x:{x}"])
    call(f.invalidate(2))
    by_hand(tiers)
    tiers.sync.invalidate_tags("x:1")
    by_hand(tiers)
    by_hand(tiers)

    assert [2, 1] == called


def test_what_expired_or_made_room_is_left_alone(make_cache, call, by_hand, clock):
    """
    Nobody said that it was wrong.
    """
    cache = make_cache("disk", l1_maxsize=2)
    _, called = used(call, cache, rewarm=True, ttl=60)
    by_hand(cache)
    clock.advance(61)
    cache.sync.invalidate_tags("something else")
    by_hand(cache)

    assert [] == called


def test_functions_that_do_not_ask_are_left_alone(tiers, call, by_hand):
    """
    ``record=True`` alone says that it may be called, not that it should.
    """
    _, called = used(call, tiers, tags=["t"])

    @call.cached(cache=tiers, name="g", record=True, rewarm=True, tags=["t"])
    def g(x):
        called.append("g")

    call(g(1))
    called.clear()
    tiers.sync.invalidate_tags("t")
    by_hand(tiers)

    assert ["g"] == called


def test_it_is_seen_when_another_process_invalidates(make_cache, call, by_hand, tmp_path):
    """
    The board tells.
    """
    cache = make_cache("disk")
    _, called = used(call, cache, rewarm=True, tags=["t"])
    code = (
        "import sys; from memotier import MultiLevelCache\n"
        "with MultiLevelCache(directory=sys.argv[1]) as cache: cache.sync.invalidate_tags('t')"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "cache")], check=True, timeout=60, cwd=ROOT
    )
    by_hand(cache)

    assert [0, 1, 2, 3] == called


def test_a_thread_does_it(make_cache):
    """
    Without anybody's doing, and it ends with the cache.
    """
    import threading

    cache = make_cache("disk")
    again = threading.Event()

    @tiered_cache(cache=cache, name="f", record=True, rewarm=True)
    def f(x):
        if f.cache_info().misses:
            again.set()
        return x

    f(1)
    f.invalidate(1)
    assert again.wait(30)
    thread = rewarm._rewarmers[cache._keyed.engine]._thread
    cache.sync.close()
    thread.join(10)

    assert not thread.is_alive()


def test_a_thread_that_cannot_be_started_fails_no_call(make_cache, monkeypatch, caplog):
    """
    It is said, and what is invalidated then waits for nobody.
    """
    cache = make_cache("disk")

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    @tiered_cache(cache=cache, name="f", record=True, rewarm=True)
    def f(x):
        return x

    with monkeypatch.context() as patched:
        patched.setattr("threading.Thread.start", refuse)
        assert 1 == f(1)
    assert "no thread can be started" in caplog.text
    f.invalidate(1)
    cache._keyed.recorder.save()

    assert {} == cache._keyed.recorder.known


def test_functions_that_are_made_over_and_over_are_let_go(make_cache, by_hand):
    """
    What is known of them goes with them.
    """
    cache = make_cache("disk", l1_maxsize=2)

    for n in range(10):

        @tiered_cache(cache=cache, name=f"f{n}", record=True, rewarm=True)
        def f(x):
            return x

        f(1)
    cache._keyed.recorder.save()
    gc.collect()

    assert len(rewarm._rewarmers[cache._keyed.engine].functions) <= 3
