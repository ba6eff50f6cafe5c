"""
Wall clocks that are wrong, or are put right in the middle of a call.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from memotier import MultiLevelCache, WritePolicy, tiered_cache
from memotier.engine.engine import SKEW

from ..engine.worlds import HandClock

STEPS = [3.0, 3600.0, 86400.0, -3.0, -3600.0, -86400.0]
TTL = 100


def tool(directory: Path, time: HandClock) -> tuple[MultiLevelCache, Any]:
    cache = MultiLevelCache(directory=directory, clock=time.clock)

    @tiered_cache(namespace="n", cache=cache, name="f", version=1, ttl=TTL, tags=["t"])
    def f(x: int) -> int:
        return x

    return cache, f


@pytest.mark.parametrize("policy", WritePolicy)
@pytest.mark.parametrize("step", STEPS)
def test_fault_46_the_clock_is_set_during_a_call(
    tmp_path: Path, step: float, policy: WritePolicy
) -> None:
    """
    The result is returned, and no one is given it for longer than its ttl and the step.
    """
    time, runs = HandClock(), []
    cache = MultiLevelCache(directory=tmp_path / "c", clock=time.clock, write_policy=policy)

    @tiered_cache(namespace="n", cache=cache, name="f", version=1, ttl=TTL)
    def f() -> int:
        runs.append(1)
        if len(runs) == 1:
            time.set_by += step
        return len(runs)

    with cache:
        assert 1 == f()
        assert f() in (1, 2)
        cache.sync.flush()
        time.turn(TTL + SKEW + abs(step))
        assert len(runs) + 1 == f()


@pytest.mark.parametrize("apart", STEPS)
def test_fault_46_two_processes_whose_clocks_differ(tmp_path: Path, apart: float) -> None:
    """
    What one writes, the other may or may not believe; what either invalidates, neither serves,
    and nothing that a clock which is ahead has written is there for ever.
    """
    right, wrong = HandClock(), HandClock()
    wrong.set_by = apart
    here, f = tool(tmp_path / "c", right)
    there, g = tool(tmp_path / "c", wrong)

    with here, there:
        for one, other in ((f, g), (g, f)):
            assert 1 == one(1)
            assert 1 == other(1)
            one.invalidate(1)
            assert other.lookup(1) is None
            assert 1 == other(1)
            there.sync.invalidate_tags("t")
            assert (None, None) == (f.lookup(1), g.lookup(1))
        f(1), g(1)
        right.turn(TTL + SKEW + abs(apart))
        wrong.turn(TTL + SKEW + abs(apart))
        assert (None, None) == (f.lookup(1), g.lookup(1))
