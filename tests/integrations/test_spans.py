"""
Spans around misses, with the real SDK.
"""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from memotier import tiered_cache
from memotier.engine.around import around
from memotier.errors import ConfigError
from memotier.integrations import opentelemetry


@pytest.fixture
def provider():
    return TracerProvider()


@pytest.fixture
def finished(provider):
    """
    The spans that have ended, by a function; those of the test's own are left out with ``ours``.
    """
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    opentelemetry.instrument(provider, spans=True)
    yield lambda: list(exporter.get_finished_spans())
    opentelemetry.uninstrument()


@pytest.fixture
def tracer(provider):
    return provider.get_tracer("test")


def ours(spans):
    return [span for span in spans if span.name.startswith("memotier ")]


def test_a_miss_is_a_span_and_a_hit_is_none(call, cache, finished):
    """
    One span for the computation, none for the hits, with whose it was and what became of it.
    """

    @call.cached(cache=cache, namespace="tool.search", name="app.search")
    def search(q):
        return q

    assert ["a", "a", "a"] == [call(search("a")) for _ in range(3)]

    (span,) = ours(finished())
    assert {
        "memotier.cache": "cache",
        "memotier.namespace": "tool.search",
        "memotier.function": "app.search",
        "memotier.tier": "call",
        "memotier.outcome": "computed",
    } == dict(span.attributes)
    assert span.start_time <= span.end_time


def test_spans_of_the_function_are_children(call, cache, finished, tracer):
    """
    The function's spans are inside ours, ours is inside the caller's, and afterwards the caller's
    is the current one again.
    """

    @call.cached(cache=cache)
    def inner(x):
        with tracer.start_as_current_span("inside"):
            return x

    async def caller():
        with tracer.start_as_current_span("caller"):
            result = inner(1)
            if call.is_async:
                await result
            with tracer.start_as_current_span("after"):
                pass

    asyncio.run(caller())

    by_name = {span.name: span for span in finished()}
    (miss,) = ours(finished())
    assert miss.context.span_id == by_name["inside"].parent.span_id
    assert by_name["caller"].context.span_id == miss.parent.span_id
    assert by_name["caller"].context.span_id == by_name["after"].parent.span_id


def test_spans_of_tasks_at_once_are_apart(cache, finished, tracer):
    """
    Two coroutines that compute at the same time have each its own parent.
    """

    @tiered_cache(cache=cache)
    async def slow(x):
        await asyncio.sleep(0)
        with tracer.start_as_current_span(f"inside {x}"):
            await asyncio.sleep(0)
            return x

    async def caller(x):
        with tracer.start_as_current_span(f"caller {x}"):
            return await slow(x)

    async def main():
        await asyncio.gather(*map(caller, range(3)))

    asyncio.run(main())

    spans = {span.context.span_id: span for span in finished()}
    for span in spans.values():
        if span.name.startswith("inside"):
            top = spans[spans[span.parent.span_id].parent.span_id]
            assert top.name.split()[1] == span.name.split()[1]


def test_a_batch_is_one_span(make_cache, finished, tracer):
    """
    For all ids that memory could not answer, in threads and in tasks; what the function does is
    inside of it, and what went wrong is told by its type.
    """
    cache = make_cache("disk")

    def bring(ids):
        with tracer.start_as_current_span("inside"):
            if 13 in ids:
                raise OSError("away")
            return {one: one for one in ids}

    @tiered_cache.many(cache=cache, name="app.users")
    def users(ids):
        return bring(ids)

    @tiered_cache.many(cache=cache, name="app.tasks")
    async def tasks(ids):
        return bring(ids)

    for name, ask in (("app.users", users), ("app.tasks", lambda ids: asyncio.run(tasks(ids)))):
        before = len(finished())
        assert {1: 1} == ask([1])
        assert {1: 1, 2: 2, 3: 3} == ask([1, 2, 3])
        assert {1: 1, 2: 2} == ask([1, 2])  # memory has all of them
        with pytest.raises(OSError, match="away"):
            ask([13])

        spans = finished()[before:]
        told = [
            tuple(span.attributes[f"memotier.{name}"] for name in ("function", "outcome", "items"))
            for span in ours(spans)
        ]
        assert [(name, "computed", 1), (name, "computed", 2), (name, "failed", 1)] == told
        ids = [span.context.span_id for span in ours(spans)]
        assert ids == [span.parent.span_id for span in spans if span.name == "inside"]


def test_a_batch_that_is_found_below(make_cache, finished):
    """
    Nothing was computed: the second tier had all of them.
    """

    def users_of(cache):
        return tiered_cache.many(cache=cache, name="app.users")(lambda ids: {n: n for n in ids})

    users_of(make_cache("disk"))([1, 2])
    before = len(finished())
    users_of(make_cache("disk"))([1, 2])

    (span,) = finished()[before:]
    assert ("found", "l2") == (
        span.attributes["memotier.outcome"],
        span.attributes["memotier.tier"],
    )


def test_a_batch_that_is_cancelled_ends_its_span(cache, finished):
    """
    As a call does.
    """

    @tiered_cache.many(cache=cache, name="app.users")
    async def users(ids):
        await asyncio.sleep(60)

    async def main():
        task = asyncio.create_task(users([1]))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    (span,) = finished()
    assert "interrupted" == span.attributes["memotier.outcome"]


def test_found_below(call, make_cache, finished):
    """
    What another cache stored on disk is found there: no computation, tier l2.
    """
    ran = []

    def named(cache):
        @call.cached(cache=cache, name="same", version="1")
        def f(x):
            ran.append(x)
            return x

        return f

    call(named(make_cache("disk"))(1))
    call(named(make_cache("disk"))(1))

    assert [1] == ran
    assert [("computed", "call"), ("found", "l2")] == [
        (span.attributes["memotier.outcome"], span.attributes["memotier.tier"])
        for span in ours(finished())
    ]


def test_joined(cache, finished):
    """
    Who waits for another's computation has a span of his own.
    """
    entered, go = threading.Event(), threading.Event()

    @tiered_cache(cache=cache)
    def f(x):
        entered.set()
        go.wait(30)
        return x

    threads = [threading.Thread(target=f, args=(1,)) for _ in range(2)]
    threads[0].start()
    entered.wait(30)
    threads[1].start()
    while not _waits(cache):
        threads[1].join(0.001)
    go.set()
    for thread in threads:
        thread.join(30)

    outcomes = sorted(span.attributes["memotier.outcome"] for span in ours(finished()))
    assert ["computed", "joined"] == outcomes


def _waits(cache):
    return any(flight.future is not None for flight in cache._keyed.engine.flights.table.values())


def test_an_error_shows_its_type_and_nothing_else(call, cache, finished):
    """
    The span of a call that raised says so; the text of the error, which may be data, is not in it.
    """

    @call.cached(cache=cache)
    def f(password):
        raise ValueError(f"wrong: {password}")

    with pytest.raises(ValueError, match="wrong"):
        call(f("sesame"))

    (span,) = ours(finished())
    assert "failed" == span.attributes["memotier.outcome"]
    assert "ValueError" == span.attributes["error.type"]
    assert not span.status.is_ok
    assert "sesame" not in span.to_json()


def test_the_stale_result_that_is_served_instead(call, cache, clock, finished):
    """
    The function raised, and its caller got the old result: outcome "stale".
    """
    fails = []

    @call.cached(cache=cache, ttl=10, stale_if_error=100)
    def f(x):
        if fails:
            raise OSError
        return x

    call(f(1))
    clock.advance(11)
    fails.append(1)
    assert 1 == call(f(1))

    assert "stale" == ours(finished())[-1].attributes["memotier.outcome"]


def test_a_function_with_a_timeout_runs_elsewhere_and_is_inside_all_the_same(
    call, cache, finished, tracer
):
    """
    With *hard_timeout* the function runs in a thread or task of its own.
    """

    @call.cached(cache=cache, hard_timeout=30)
    def f(x):
        with tracer.start_as_current_span("inside"):
            return x

    call(f(1))

    (inside,) = [span for span in finished() if span.name == "inside"]
    (miss,) = ours(finished())
    assert miss.context.span_id == inside.parent.span_id


async def test_a_cancelled_call_ends_its_span(cache, finished):
    """
    The span of a caller that is cancelled is not left open.
    """
    entered = asyncio.Event()

    @tiered_cache(cache=cache)
    async def f(x):
        entered.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(f(1))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gc.collect()

    (span,) = ours(finished())
    assert "interrupted" == span.attributes["memotier.outcome"]
    assert "CancelledError" == span.attributes["error.type"]


def test_a_tracer_that_fails_breaks_no_call(call, cache, monkeypatch):
    """
    The call has its result, and the log tells of the tracer.
    """

    class Broken(TracerProvider):
        def get_tracer(self, *_, **__):
            return self

        def start_span(self, *_, **__):
            raise RuntimeError

    opentelemetry.instrument(Broken(), spans=True)
    try:

        @call.cached(cache=cache)
        def f(x):
            return x

        assert 1 == call(f(1))
    finally:
        opentelemetry.uninstrument()


def test_nothing_is_left_of_it(provider, call, cache, finished):
    """
    After ``uninstrument()`` there is no span; spans that were not asked for are not made either.
    """
    opentelemetry.uninstrument()

    @call.cached(cache=cache)
    def f(x):
        return x

    call(f(1))
    opentelemetry.instrument(provider)
    call(f(2))

    assert None is around.plan
    assert [] == finished()


def test_twice_is_refused(provider, finished):
    """
    A second ``instrument()`` would count everything twice.
    """
    with pytest.raises(ConfigError, match=r"uninstrument\(\) first"):
        opentelemetry.instrument(provider)
    with pytest.raises(ConfigError, match="spans='yes'"):
        opentelemetry.instrument(provider, spans="yes")
