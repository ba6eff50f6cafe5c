"""
Whatever interrupts a call, wherever it is: nobody waits for ever, and nothing is half done.
"""

from __future__ import annotations

import gc
import linecache
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import memotier
from memotier import CacheLevelConfig, MultiLevelCache, WritePolicy, tiered_cache
from memotier.engine.flights import Flight, leading

from .worlds import HandClock, in_threads

ENGINE = str(Path(memotier.__file__).parent / "engine")


class Stop(BaseException):
    """
    Stands for KeyboardInterrupt.
    """


@contextmanager
def stopped_at(number: int) -> Iterator[list[str]]:
    """
    Raise ``Stop`` at the *number*-th line that the engine runs; the list gets the lines.

    Not at a "with", nor where a flag is taken down: tracing would raise between the end of a body
    and what follows it, where Python never looks whether there is a signal.
    """
    spared = ("with ", "doing.io = False", "leading.set(before)")
    lines: list[str] = []

    def local(frame: Any, event: str, argument: Any) -> Any:
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and not line.lstrip().startswith(spared):
            lines.append(f"{frame.f_code.co_filename}:{frame.f_lineno}: {line.strip()}")
            if len(lines) == number:
                raise Stop
        return local

    def trace(frame: Any, event: str, argument: Any) -> Any:
        return local if frame.f_code.co_filename.startswith(ENGINE) else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield lines
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("below", ["memory", "local"])
@pytest.mark.parametrize("way", ["call", "refresh", "invalidate", "seed"])
def test_fault_38_interrupted_at_any_line(time: HandClock, below: str, way: str) -> None:
    """
    After an interrupt at each line in turn, no flight is left, and the next call is right.
    """
    tiers: dict[str, Any] = {"l2_config": CacheLevelConfig(max_size=50)} if below == "local" else {}
    number, interrupted = 0, 0
    while True:
        number += 1
        cache = MultiLevelCache(l1_config=CacheLevelConfig(max_size=2), **tiers, clock=time.clock)
        f = tiered_cache(namespace="stop", cache=cache, name="f", tags=["t"])(lambda x: [x])
        f(-1), f(-2)  # the next entry evicts one
        act: Callable[[], Any] = {
            "call": lambda: f(1),
            "refresh": lambda: f.refresh(-1),
            "invalidate": lambda: f.invalidate(-1),
            "seed": lambda: f.seed([1], 1),
        }[way]
        try:
            with stopped_at(number) as lines:
                act()
        except Stop:
            interrupted += 1
        engine = cache._keyed.engine
        assert leading.get() is None, lines[-1]
        assert not engine.flights.table, lines[-1]
        assert not engine.flights.beside, lines[-1]
        assert [[1], [-1]] == in_threads(lambda: f(1), lambda: f(-1)), lines[-1]
        for x in range(10):
            assert [x] == f(x)
        assert engine.memory.size == len(engine.local_residents(None)) <= 2, lines[-1]
        cache.sync.close()
        if len(lines) < number:
            break
    assert interrupted == number - 1 > 20


@pytest.mark.parametrize("policy", list(WritePolicy))
def test_a_finalizer_that_calls_the_function_again(time: HandClock, policy: WritePolicy) -> None:
    """
    A value's ``__del__`` runs when the cache drops it: it may use the cache, and nothing breaks.
    """
    cache = MultiLevelCache(
        l1_config=CacheLevelConfig(max_size=3),
        l2_config=CacheLevelConfig(max_size=50),
        write_policy=policy,
        clock=time.clock,
    )
    said: list[Any] = []

    class Value:
        def __init__(self, x: int) -> None:
            self.x = x

        def __del__(self) -> None:
            said.append(f(self.x + 1000) if self.x < 1000 else None)

    @tiered_cache(namespace="del", cache=cache, name="f", copy=False)
    def f(x: int) -> Any:
        return Value(x) if x < 1000 else x

    for x in range(50):
        assert x == f(x).x
    cache.sync.clear()
    gc.collect()
    assert [x + 1000 for x in range(50)] == sorted(said)
    assert cache._keyed.engine.memory.size <= 3
    assert 0 == len(cache._keyed.engine.memory.garbage)
    cache.sync.close()


def test_a_collection_in_the_middle_of_a_step_may_use_the_cache(time: HandClock) -> None:
    """
    Finalizers of anything run wherever memory is allocated, also under the engine's lock: what
    they ask for is computed without the cache, and the step they interrupt stays whole.
    """
    cache = MultiLevelCache(l1_config=CacheLevelConfig(max_size=3), clock=time.clock)
    f = tiered_cache(namespace="del", cache=cache, name="f", tags=["t"])(lambda x: [x])
    engine = cache._keyed.engine
    with engine.lock:
        assert [7] == f(7)
        assert [7] == f.refresh(7)
        assert cache.sync.get("k") is None
        cache.sync.set("k", 1)
    assert 0 == engine.memory.size
    assert not engine.flights.table


def test_fault_50_a_leader_whose_thread_has_ended_is_noticed(
    cache: MultiLevelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A flight that nobody can land any more does not hold its followers.
    """
    monkeypatch.setattr("memotier.engine.effects.LOOK_EVERY", 0.01)
    f = tiered_cache(namespace="dead", cache=cache, name="f")(lambda: 1)
    engine = cache._keyed.engine
    f()
    f.invalidate()

    def leave_a_flight() -> None:
        flight = Flight(f._self_memo.locate(()).flight_key, engine.versions.epoch)
        engine.flights.table[flight.key] = flight

    in_threads(leave_a_flight)
    assert engine.flights.table
    assert [1] == in_threads(f)


def test_a_signal_handler_may_call_the_function(cache: MultiLevelCache) -> None:
    """
    A handler that runs in the middle of a call gets a value, and so does the call.
    """
    f = tiered_cache(namespace="sig", cache=cache, name="f")(lambda x: [x])
    f(0)
    seen: list[Any] = []

    def handler(*_: Any) -> None:
        seen.append(f(len(seen) % 3))
        if len(seen) < 200:
            signal.setitimer(signal.ITIMER_REAL, 0.0002)

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0002)
    try:
        while len(seen) < 200:
            for x in range(20):
                assert [x] == f(x)
                f.invalidate(x)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert all(one in ([0], [1], [2]) for one in seen)
    assert not cache._keyed.engine.flights.table
