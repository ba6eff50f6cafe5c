"""
What all adapters for tools of agents stand on, without a framework.
"""

from __future__ import annotations

import asyncio
import gc

import pytest

from memotier.errors import CassetteMiss
from memotier.integrations.toolcalls import ToolCalls
from memotier.testing import cassette

READ = {"effects": "read"}


class Client:
    pass


class Small:
    __slots__ = ()

    def __call__(self, q):
        return q


@pytest.fixture
def calls(make_cache):
    return ToolCalls(
        "Adapter",
        scope="public",
        tools={"search": READ},
        read_only=False,
        ttl=None,
        cache=make_cache(),
        namespace="adapter",
        name=None,
    )


@pytest.fixture(params=["sync", "async"])
def ask(request, calls):
    """
    ``ask(run, owner=...)``: one call of "search", in both colours.
    """

    def one(run, **of):
        is_async = request.param == "async"
        asked = calls.asked("notes", "search", READ, {"q": 1}, is_async=is_async, **of)
        if not is_async:
            return asked.call(run)

        async def arun():
            return run()

        return asyncio.run(asked.acall(arun))

    return one


def test_objects_that_are_gone_leave_nothing(calls, ask):
    """
    Each has results of its own, and no other one has them later, whatever its address is.
    """
    for number in range(100):
        owner = Client()
        for _ in range(2):
            assert number == ask(lambda number=number: number, owner=owner)[0]
    del owner
    gc.collect()
    assert {} == calls._tokens._made


def test_what_nobody_can_tell_apart_is_not_kept(ask):
    """
    An object that takes no weak reference might be another one at the same address.
    """
    runs = []
    for _ in range(2):
        assert (None, None) == ask(lambda: runs.append(1), functions=[Small()])
    assert 2 == len(runs)


def test_an_error_of_ours_runs_no_tool(ask, tmp_path):
    """
    A cassette that has no such call is about the call, and not about one that was joined.
    """
    runs = []
    path = tmp_path / "tape.jsonl"
    with cassette(path, mode="record"):
        pass
    with pytest.raises(CassetteMiss), cassette(path, mode="replay-strict"):
        ask(lambda: runs.append(1))
    assert [] == runs
