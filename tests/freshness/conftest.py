"""
Refreshes in the background, and a way to wait until there are none.
"""

from __future__ import annotations

import asyncio

import pytest


def engine_of(cache):
    return cache._keyed.engine


@pytest.fixture
def settle(call):
    """
    ``settle(cache)`` returns when nothing runs in the background of *cache* any more.
    """

    async def wait_for_tasks(background):
        while background._tasks:
            await asyncio.wait(set(background._tasks), timeout=10)
            await asyncio.sleep(0)

    def wait(cache):
        background = engine_of(cache).background
        if call.is_async:
            call(wait_for_tasks(background))
        for thread in list(background._threads):
            thread.join(10)
        assert 0 == background.running

    return wait


class Source:
    """
    What a cached function asks: counts, and can be told to fail.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.error = None

    def read(self, *_):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return f"value {self.asked}"


@pytest.fixture
def source():
    return Source()
