"""
Real processes on one directory: what one of them invalidates no other serves again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WORKER = textwrap.dedent(
    """
    import asyncio, sys, time
    from memotier import MISS, MultiLevelCache, tiered_cache
    cache = MultiLevelCache(directory=sys.argv[1], default_ttl="1h")
    made = []

    @tiered_cache(namespace="co.deep", ttl=3600, tags=["t", "x:{x}"], cache=cache, name="f")
    def f(x):
        made.append(x)
        return f"{x} {time.time_ns()}"

    @tiered_cache(namespace="co.deep", ttl=3600, tags=["t"], cache=cache, name="g")
    async def g(x):
        return f"{x} {time.time_ns()}"

    acts = {
        "call": lambda x: f(x),
        "acall": lambda x: asyncio.run(g(x)),
        "held": lambda x: f.peek(x) is not MISS,
        "key": lambda x: (f.invalidate(x), asyncio.run(g.invalidate(x))),
        "tag": lambda x: cache.sync.invalidate_tags("t"),
        "template": lambda x: (cache.sync.invalidate_tags("x:" + x), asyncio.run(g.invalidate(x))),
        "function": lambda x: (f.cache_clear(), asyncio.run(g.cache_clear())),
        "namespace": lambda x: cache.sync.clear_namespace("co"),
        "clear": lambda x: cache.sync.clear(),
        "get": lambda x: cache.sync.get(x),
        "set": lambda x: cache.sync.set(x, time.time_ns(), tags=["t"]),
        "delete": lambda x: cache.sync.delete(x),
        "reads": lambda x: cache._keyed.engine.store.store._access.connections._calls,
    }
    for line in sys.stdin:
        act, x = line.split()
        print(acts[act](x), flush=True)
    """
)

WAYS = ["key", "tag", "template", "function", "namespace", "clear"]


class Process:
    """
    A process that uses the cache and does what it is told.
    """

    def __init__(self, directory: Path, **options: Any) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **options},
        )

    def do(self, act: str, x: str = "k") -> str:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(f"{act} {x}\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline().strip()
        assert answer, f"the process has ended: {act} {x}"
        return answer

    def end(self) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()
        self._child.wait(30)
        self._child.stdout.close()

    def kill(self) -> None:
        self._child.kill()
        self.end()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Process, Process]]:
    both = (Process(tmp_path / "c"), Process(tmp_path / "c"))
    yield both
    for one in both:
        one.end()


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_fault_18_the_next_call_after_an_invalidation_computes(
    two: tuple[Process, Process], way: str
) -> None:
    """
    In both directions and both colours, though the other one answers from memory.
    """
    for round_ in range(6):
        one, other = two if round_ % 2 else two[::-1]
        old = one.do("call"), one.do("acall")
        assert old == (other.do("call"), other.do("acall"))
        assert "True" == other.do("held")
        one.do(way)
        new = other.do("call"), other.do("acall")
        assert new[0] != old[0]
        assert new[1] != old[1]
        assert new == (one.do("call"), one.do("acall"))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["delete", "tag", "clear"])
def test_fault_18_values_by_key(two: tuple[Process, Process], way: str) -> None:
    """
    The cache object is as coherent as functions are.
    """
    one, other = two
    one.do("set", "a")
    assert other.do("get", "a") == one.do("get", "a") != "None"
    one.do(way, "a")
    assert "None" == other.do("get", "a")


@pytest.mark.slow
def test_a_hit_asks_no_one(two: tuple[Process, Process]) -> None:
    """
    Hits of a process do not reach the database, before and after an invalidation elsewhere.
    """
    one, other = two
    for x in "abc":
        one.do("call", x)
        other.do("call", x)
    for _ in range(2):
        before = other.do("reads")
        for _ in range(20):
            assert "True" == other.do("held", "b")
            other.do("call", "b")
        assert before == other.do("reads")
        one.do("template", "a")
        other.do("call", "b")


@pytest.mark.slow
def test_fault_18_what_was_not_invalidated_stays(two: tuple[Process, Process]) -> None:
    """
    One call's invalidation costs the others a look at most, never a computation.
    """
    one, other = two
    values = {x: other.do("call", x) for x in "abcdefgh"}
    one.do("key", "a")
    for x in "bcdefgh":
        assert values[x] == other.do("call", x)


@pytest.mark.slow
def test_fault_19_a_removed_directory(two: tuple[Process, Process], tmp_path: Path) -> None:
    """
    Processes that use the disk find within a second that it is another one, and agree again.
    """
    import shutil
    import time

    one, other = two
    old = one.do("call")
    assert old == other.do("call")
    shutil.rmtree(tmp_path / "c")
    time.sleep(1.1)  # the store looks for its file once in a second of real time
    for process in two:
        process.do("call", "another")
    assert one.do("call", "fresh") == other.do("call", "fresh")
    one.do("key", "fresh")
    assert one.do("call", "fresh") == other.do("call", "fresh")


@pytest.mark.slow
def test_fault_35_the_board_survives_a_killed_process(tmp_path: Path) -> None:
    """
    A process that dies in between leaves nothing that others wait for.
    """
    one, other, third = (Process(tmp_path / "c") for _ in range(3))
    old = other.do("call")
    one.do("call")
    one.kill()
    third.do("tag")
    assert old != other.do("call")
    other.end()
    third.end()
