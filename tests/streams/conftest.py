"""
One body for generators and async generators; sources that tell what was done with them.
"""

from __future__ import annotations

import asyncio
import functools

import pytest

from memotier import tiered_cache


def engine_of(cache):
    return cache._keyed.engine


def is_quiet(cache):
    """
    Whether no stream runs, and no flight is left.
    """
    engine = engine_of(cache)
    running = [one for one in engine.streams.running if one.state.name == "RUNNING"]
    flights = engine.flights
    return not (running or engine.streams.table or flights.table or flights.beside)


class Kind:
    """
    Runs one test body for generator functions and for async ones.
    """

    def __init__(self, is_async: bool) -> None:
        self.is_async = is_async
        self._runner = asyncio.Runner() if is_async else None

    def __repr__(self) -> str:
        return "async" if self.is_async else "sync"

    def define(self, function):
        """*function*, or the async generator function that yields the same."""
        if not self.is_async:
            return function

        @functools.wraps(function)
        async def twin(*args, **kwargs):
            source = function(*args, **kwargs)
            try:
                for item in source:
                    await asyncio.sleep(0)
                    yield item
            finally:
                source.close()

        return twin

    def cached(self, **options):
        """``tiered_cache(**options)`` for a generator function of this kind."""
        return lambda function: tiered_cache(**options)(self.define(function))

    def next(self, stream):
        """The next item; StopIteration at the end."""
        if self._runner is None:
            return next(stream)
        try:
            return self._runner.run(_next(stream))
        except StopAsyncIteration:
            raise StopIteration from None

    def take(self, stream, count):
        """The next *count* items."""
        return [self.next(stream) for _ in range(count)]

    def list(self, stream):
        """What is left of a stream."""
        if self._runner is None:
            return list(stream)
        return self._runner.run(_listed(stream))

    def close(self, stream):
        """What a consumer does who has read enough."""
        if self._runner is None:
            stream.close()
        else:
            self._runner.run(_awaited(stream.aclose()))

    def __call__(self, answer):
        """What an attribute gave: in async code it is awaited."""
        if self._runner is None:
            return answer
        return self._runner.run(_awaited(answer))

    def end(self):
        if self._runner is not None:
            self._runner.close()


async def _awaited(answer):
    return await answer


async def _next(stream):
    return await anext(stream)


async def _listed(stream):
    return [item async for item in stream]


@pytest.fixture(params=["sync", "async"])
def kind(request):
    made = Kind(request.param == "async")
    yield made
    made.end()


class Source:
    """
    What a cached generator function reads: counts what it gave, and notes that it was closed.
    """

    def __init__(self) -> None:
        self.begun = self.closed = self.given = 0

    def read(self, items, error=None):
        self.begun += 1
        try:
            for item in items:
                self.given += 1
                yield item
            if error is not None:
                raise error
        finally:
            self.closed += 1


@pytest.fixture
def source():
    return Source()
