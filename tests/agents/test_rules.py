"""
What holds for tools of agents, rule by rule: what is no whole result is not kept, in no tier, and
nobody has another tenant's.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from contextvars import ContextVar, copy_context

import pytest

import memotier
from memotier import MISS, tiered_cache

AGENT = {"agent": True, "effects": "read", "name": "tool", "version": 1, "namespace": "ns"}
user: ContextVar[str] = ContextVar("user")


@pytest.fixture(autouse=True)
def _signed(monkeypatch):
    # A Redis takes a key for tools of agents.
    monkeypatch.setenv("MEMOTIER_KEY", "5a" * 32)


@pytest.fixture
def stored(tiers):
    """
    How many entries there are, in memory and below.
    """

    def count():
        stats = tiers.get_stats()
        return stats["l1"]["size"] + ((stats["l2"] or {}).get("size") or 0)

    return count


class Interrupted(BaseException):
    """Not an ``Exception``, as a ``KeyboardInterrupt`` is none."""


@pytest.mark.parametrize("error", [ValueError, TimeoutError, Interrupted, asyncio.CancelledError])
def test_a_failure_is_not_kept(call, tiers, stored, error):
    """
    Whatever a tool raises, the next call runs it, and nothing lies in a tier.
    """
    runs = []

    @call.cached(cache=tiers, scope="public", **AGENT)
    def tool(x):
        runs.append(x)
        if len(runs) < 3:
            raise error("no")
        return [x]

    for _ in range(2):
        with pytest.raises(error):
            call(tool(1))
        assert 0 == stored() and tool.peek(1) is MISS
    assert [1] == call(tool(1)) == call(tool(1))
    assert 3 == len(runs)


def test_a_result_that_an_error_has_tainted_is_not_kept_if_the_tool_says_so(call, tiers, stored):
    """
    ``memotier.current().skip()`` where the tool helps itself: its caller has the answer, nobody
    else ever does, and what it was made of is kept all the same.
    """
    up = []

    @call.cached(cache=tiers, scope="public", **{**AGENT, "name": "source"})
    def source(x):
        return [x]

    @tiered_cache(cache=tiers, scope="public", **AGENT)
    def tool(x):
        found = [x, "whole"] if up else [x]
        if not up:
            memotier.current().skip()
        return found

    call(source(1))
    before = stored()
    assert [1] == tool(1) == tool(1)
    assert before == stored() and tool.peek(1) is MISS and 2 == tool.cache_info().misses
    up.append(1)
    assert [1, "whole"] == tool(1) == tool(1)
    assert 3 == tool.cache_info().misses
    call(source(1))
    assert 1 == source.cache_info().misses


def test_skipping_is_of_the_tool_that_says_it(call, tiers):
    """
    A tool inside of another one that is not kept leaves the outer one as it is, and the other way.
    """
    runs = []

    def made(name, inner, skips):
        def tool(x):
            runs.append(name)
            found = inner(x)
            if skips:
                memotier.current().skip()
            return found

        return tiered_cache(cache=tiers, scope="public", **{**AGENT, "name": name})(tool)

    kept = made("outer", made("inner", lambda x: [x], True), False)
    dropped = made("outer 2", made("inner 2", lambda x: [x], False), True)
    for _ in range(2):
        kept(1), dropped(1)
    assert ["outer", "inner", "outer 2", "inner 2", "outer 2"] == runs


@pytest.mark.parametrize("end", ["closed", "raised", "collected"])
def test_a_stream_that_broke_off_is_not_kept(tiers, stored, end):
    """
    A part of what a tool streams is never taken for the whole.
    """
    runs = []

    @tiered_cache(cache=tiers, scope=("who",), **AGENT)
    def tool(x, who):
        runs.append(who)
        yield x
        if end == "raised" and len(runs) == 1:
            raise OSError("the connection is gone")
        yield x + 1

    stream = tool(1, "ann")
    assert 1 == next(stream)
    if end == "closed":
        stream.close()
    elif end == "raised":
        with pytest.raises(OSError, match="gone"):
            next(stream)
    del stream

    assert 0 == stored()
    for _ in range(2):
        assert [1, 2] == list(tool(1, "ann"))
    assert ["ann", "ann"] == runs


def test_an_async_stream_that_broke_off_is_not_kept(tiers, stored):
    """
    The same of an async one whose reader is cancelled.
    """
    runs = []

    @tiered_cache(cache=tiers, scope="public", **AGENT)
    async def tool(x):
        runs.append(x)
        yield x
        if len(runs) == 1:
            await asyncio.Event().wait()
        yield x + 1

    async def main():
        first = asyncio.Event()

        async def read():
            async for _ in tool(1):
                first.set()

        reader = asyncio.create_task(read())
        await first.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert 0 == stored()
        return [[one async for one in tool(1)] for _ in range(2)]

    assert [[1, 2], [1, 2]] == asyncio.run(main())
    assert [1, 1] == runs


def test_a_cancelled_tool_is_not_kept(tiers, stored):
    """
    A task that is cancelled while its tool runs leaves nothing; the next one runs it.
    """
    runs = []

    @tiered_cache(cache=tiers, scope="public", **AGENT)
    async def tool(x):
        runs.append(x)
        if len(runs) == 1:
            await asyncio.Event().wait()
        return [x]

    async def main():
        task = asyncio.create_task(tool(1))
        while not runs:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 0 == stored()
        return await tool(1)

    assert [1] == asyncio.run(main())


def test_a_batch_keeps_what_it_has_and_nothing_else(call, tiers):
    """
    Of ids that a tool has no result for, or for which it fails, nothing is kept.
    """
    asked, is_down = [], [False]

    def load(ids: list[int], who: str) -> dict[int, str]:
        asked.append(ids)
        if is_down[0]:
            raise OSError("away")
        return {one: f"{one} of {who}" for one in ids if one != 2}

    tool = tiered_cache.many(cache=tiers, scope=("who",), **AGENT)(call.define(load))
    assert {1: "1 of ann"} == call(tool([1, 2], "ann"))
    is_down[0] = True
    with pytest.raises(OSError, match="away"):
        call(tool([1, 2, 3], "ann"))
    is_down[0] = False
    assert {1: "1 of ann", 3: "3 of ann"} == call(tool([1, 2, 3], "ann"))
    assert [[1, 2], [2, 3], [2, 3]] == asked


def test_tenants_do_not_wait_for_each_other(tiers):
    """
    Two tenants who ask the same at once are two computations: neither is handed the other's, and
    neither can tell by the time that the other has asked.
    """
    both = threading.Barrier(2, timeout=20)

    @tiered_cache(cache=tiers, scope=user, **AGENT)
    def tool(x):
        both.wait()  # hangs if one of them waits for the other's
        return user.get(), x

    answers = {}

    def ask(who):
        user.set(who)
        answers[who] = tool(1)

    threads = [
        threading.Thread(target=copy_context().run, args=(ask, who)) for who in ("ann", "bob")
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert {"ann": ("ann", 1), "bob": ("bob", 1)} == answers
    assert (2, 0) == (tool.cache_info().misses, tool.cache_info().joined)


@pytest.mark.parametrize("is_signed", [True, False])
def test_fault_12_a_record_that_is_moved_to_another_tenant(
    make_cache, tmp_path, monkeypatch, is_signed
):
    """
    Who can write to the store swaps the records of two tenants: each computes, and nobody is
    answered with the other's, with a key and without.
    """
    if not is_signed:
        monkeypatch.delenv("MEMOTIER_KEY")
    runs = []

    def tool(x, who):
        runs.append(who)
        return f"{x} of {who}"

    def opened():
        return tiered_cache(cache=make_cache("disk"), scope=("who",), **AGENT)(tool)

    first = opened()
    first("q", "ann"), first("q", "bob")
    with closing(sqlite3.connect(tmp_path / "cache" / "v1" / "cache.db")) as rows:
        [one, other] = rows.execute("SELECT rowid, value FROM Cache").fetchall()
        for (row, _), (_, value) in ((one, other), (other, one)):
            rows.execute("UPDATE Cache SET value = ? WHERE rowid = ?", (value, row))
        rows.commit()
    again = opened()

    assert ["q of ann", "q of bob"] == [again("q", "ann"), again("q", "bob")]
    assert ["ann", "bob"] * 2 == runs
