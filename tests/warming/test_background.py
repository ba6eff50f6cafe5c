"""
Warming that nobody waits for: rounds, one warmer per machine, and an end.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import memotier
from memotier import ConfigError, tiered_cache
from memotier.warming import background

ROOT = Path(__file__).parents[2]


@pytest.fixture
def recorded(lives):
    """
    A cache whose second life has everything to compute, and its function.
    """
    cache = lives()

    @tiered_cache(cache=cache, name="f", record=True)
    def f(x):
        return x

    for x in range(3):
        f(x)
    cache = lives(emptied=True)
    called = []

    @tiered_cache(cache=cache, name="f", record=True)
    def again(x):
        called.append(x)
        return x

    return cache, again, called


def test_on_start_returns_at_once_and_warms_behind(recorded):
    """
    A service does not wait for it.
    """
    cache, f, called = recorded
    warming = memotier.warm(cache=cache, on_start=True)
    assert warming.wait(30)

    assert [0, 1, 2] == sorted(called)
    assert (3, 1, False) == (warming.report.replayed, warming.rounds, warming.running)
    assert [0, 1, 2] == [f(x) for x in range(3)]


def test_stop_ends_it_between_two_rounds(recorded):
    """
    It waits for the next round no longer.
    """
    cache, _, _ = recorded
    first = threading.Event()
    warming = memotier.warm(
        cache=cache, on_start=True, every="1h", on_progress=lambda report: first.set()
    )
    assert first.wait(30)
    warming.stop(30)

    assert not warming.running
    assert warming.wait(0)


def test_rounds_are_made_again_and_again(recorded, monkeypatch):
    """
    Each finds what was invalidated since.
    """
    cache, f, called = recorded
    monkeypatch.setattr(background, "JITTER", 0.0)
    monkeypatch.setattr(memotier.warming.warm, "interval", lambda every: 0.001)
    enough = threading.Event()

    def progress(report):
        f.invalidate(0)
        if called.count(0) >= 3:
            enough.set()

    warming = memotier.warm(cache=cache, on_start=True, every="1s", on_progress=progress)
    assert enough.wait(30)
    warming.stop(30)

    assert warming.rounds >= 2


def test_what_goes_wrong_is_logged_and_the_next_round_made(recorded, caplog):
    """
    A service must not die of it.
    """
    cache, _, called = recorded
    warming = memotier.warm("no_such_module", cache=cache, on_start=True)
    assert warming.wait(30)

    assert ([], 1, 0) == (called, warming.failures, warming.rounds)
    assert "no_such_module" in caplog.text


_WARMER = """
import sys, memotier
from memotier import MultiLevelCache
cache = MultiLevelCache(directory=sys.argv[1])
cache.sync.get("open the store")
warming = memotier.warm(cache=cache, on_start=True)
assert warming.wait(30)
print(warming.rounds, warming.left_to_others)
"""


def test_one_process_of_a_machine_warms_at_a_time(recorded, tmp_path):
    """
    The others leave it to the one that holds the claim, and try again when it is gone.
    """
    cache, _, _ = recorded
    cache.sync.get("open the store")

    def other():
        done = subprocess.run(
            [sys.executable, "-c", _WARMER, str(tmp_path / "cache")],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=ROOT,
            check=True,
        )
        return done.stdout.split()

    claims = cache._keyed.engine.claims
    assert claims.take(background._PLACE)
    assert ["0", "1"] == other()
    claims.release(background._PLACE)
    assert ["1", "0"] == other()


async def test_a_lifespan_warms_while_the_application_runs(lives):
    """
    In the application's own event loop, where connections of coroutine functions belong.
    """
    cache = lives()
    loops = []

    @tiered_cache(cache=cache, name="f", record=True)
    async def f(x):
        loops.append(asyncio.get_running_loop())
        return x

    await f(1)
    await f.invalidate(1)
    done = asyncio.Event()
    alive = memotier.lifespan(cache=cache, every="1h", on_progress=lambda report: done.set())
    async with alive(object()):
        await asyncio.wait_for(done.wait(), 30)

    assert [asyncio.get_running_loop()] * 2 == loops
    assert [] == [task for task in asyncio.all_tasks() if task.get_name() == "memotier-warming"]


async def test_a_lifespan_ends_although_a_call_hangs(lives):
    """
    Shutting down cancels it.
    """
    cache = lives()
    entered = asyncio.Event()
    hangs = False

    @tiered_cache(cache=cache, name="f", record=True)
    async def f(x):
        entered.set()
        if hangs:
            await asyncio.Event().wait()

    await f(1)
    await f.invalidate(1)
    hangs = True
    entered.clear()
    async with memotier.lifespan(cache=cache)(object()):
        await asyncio.wait_for(entered.wait(), 30)


@pytest.mark.parametrize("every", [0, "10ms", "soon", -1])
def test_an_interval_that_never_rests_is_refused(cache, every):
    """
    When it is asked for, not in a thread that nobody looks at.
    """
    with pytest.raises(ConfigError):
        memotier.warm(cache=cache, on_start=True, every=every)
    with pytest.raises(ConfigError):
        memotier.lifespan(cache=cache, every=every)


def test_it_goes_on_after_configure(tmp_path):
    """
    A cache that is known by its name is another one then, for functions and for warming.
    """
    memotier.configure(directory=tmp_path / "first")

    @tiered_cache(name="f", record=True)
    def f(x):
        return x

    f(1)
    cache = memotier.get_cache()
    warmed = threading.Event()
    warming = memotier.warm(on_start=True, every="1s", on_progress=lambda report: warmed.set())
    warming._every = 0.01
    assert warmed.wait(30)

    memotier.configure(directory=tmp_path / "second")
    assert cache.closed
    f(2)
    warmed.clear()
    assert warmed.wait(30)
    assert warming.running
    memotier.get_cache().sync.close()
    assert warming.wait(30)


def test_a_cache_that_was_closed_is_not_opened_again(recorded, tmp_path):
    """
    Who closes it, ends the warming of it.
    """
    memotier.configure(directory=tmp_path / "named")
    memotier.get_cache()
    warming = memotier.warm(on_start=True, every="1s")
    warming._every = 0.01
    memotier.get_cache().sync.close()

    assert warming.wait(30)
    assert memotier.registry.opened("default").closed
