"""
Streams of functions that depend on epochs and on other functions.
"""

from __future__ import annotations

import asyncio

from memotier import epoch, tiered_cache


def test_a_bumped_epoch_makes_it_anew(make_cache):
    """
    What is only a name is part of a stream's entry as of any other.
    """
    cache = make_cache("disk")
    made = []

    @tiered_cache(cache=cache, name="numbers", depends_on=[epoch("session")])
    def numbers(n):
        made.append(n)
        yield from range(n)

    assert [0, 1] == list(numbers(2)) == list(numbers(2))
    epoch("session").bump(cache=cache)
    assert [0, 1] == list(numbers(2))
    assert [2, 2] == made


async def test_a_cleared_function_makes_it_anew(make_cache):
    """
    The same for async streams of another cached function.
    """
    cache = make_cache("disk")
    made = []

    @tiered_cache(cache=cache, name="source")
    async def source(n):
        return n

    @tiered_cache(cache=cache, name="numbers", depends_on=[source])
    async def numbers(n):
        made.append(n)
        for one in range(await source(n)):
            await asyncio.sleep(0)
            yield one

    assert [0, 1] == [one async for one in numbers(2)] == [one async for one in numbers(2)]
    await source.cache_clear()
    assert [0, 1] == [one async for one in numbers(2)]
    assert [2, 2] == made
