"""
``is_error=``: an error that a function returns is treated as one that it raises.
"""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from memotier import ConfigError, looks_like_error, tiered_cache

from ..engine.worlds import Gate

TTL, WINDOW = 10, 20
OOPS = {"error": "oops"}


class Source:
    """
    What a cached function asks; it can be told to return an error.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.fails = False

    def read(self, *_):
        self.asked += 1
        return dict(OOPS) if self.fails else f"value {self.asked}"


@pytest.fixture
def source():
    return Source()


def below(cache):
    """
    How many records the second tier has.
    """
    return cache.get_stats()["l2"]["size"]


@pytest.mark.parametrize("write_policy", ["write_through", "write_back", "write_around"])
def test_an_error_is_returned_and_kept_in_no_tier(call, make_cache, source, write_policy):
    """
    Each call asks again, until there is a result; both tiers have that alone.
    """
    cache = make_cache("disk", write_policy=write_policy)
    f = call.cached(cache=cache, name="f", is_error=True)(source.read)
    source.fails = True
    assert OOPS == call(f(1)) == call(f(1))
    call(cache.flush()) if call.is_async else cache.sync.flush()
    assert (2, 0, 0) == (source.asked, below(cache), f.cache_info().currsize)
    info = f.cache_info()
    assert (0, 2, 2) == (info.hits, info.misses, info.errors_returned)
    assert 2 == cache.get_stats()["errors_returned"]

    source.fails = False
    assert "value 3" == call(f(1)) == call(f(1))
    call(cache.flush()) if call.is_async else cache.sync.flush()
    assert 1 == below(cache)
    assert 2 == f.cache_info().errors_returned


def test_a_tool_of_agents_keeps_no_errors(call, tiers, source):
    """
    ``agent=True`` judges by itself, ``is_error=False`` asks for errors to be kept, and without
    ``agent=`` nobody judges.
    """
    source.fails = True
    tool = {"agent": True, "effects": "read", "scope": "public"}
    if tiers.get_stats()["l2"]["max_size"] is None:
        tool = {"is_error": True}  # (a tool at a Redis needs a key)
    for options, asked in ((tool, 2), ({**tool, "is_error": False}, 1), ({}, 1)):
        source.asked = 0
        name = f"f{asked}{len(options)}"
        f = call.cached(cache=tiers, name=name, **options)(source.read)
        assert OOPS == call(f(1)) == call(f(1))
        assert asked == source.asked


def test_what_is_in_force_is_shown():
    """
    ``cache_parameters()`` has the judge, or None.
    """

    def shown(**options):
        return tiered_cache(**options)(lambda x: x).cache_parameters()["is_error"]

    tool = {"agent": True, "effects": "pure", "scope": "public"}
    assert shown() is None is shown(is_error=False) is shown(**tool, is_error=False)
    assert looks_like_error is shown(is_error=True)
    assert looks_like_error is shown(**tool) is shown(**tool, is_error=True)
    assert callable is shown(is_error=callable) is shown(**tool, is_error=callable)


async def _judge(value): ...


@pytest.mark.parametrize("value", ["yes", 1, 0, {}, _judge])
def test_what_judges_nothing_is_refused(value):
    """
    With the value and what can be given.
    """
    with pytest.raises(ConfigError, match=r"is_error=.*cannot be used.*looks_like_error"):
        tiered_cache(is_error=value)(lambda x: x)
    with pytest.raises(ConfigError, match="is_error="):
        tiered_cache.many(is_error=value)(lambda ids: {})


def test_a_judge_of_ones_own(call, tiers):
    """
    Is given the result, and its answer counts as true or false.
    """
    f = call.cached(cache=tiers, name="f", is_error=lambda rows: [] if rows else "empty")(
        lambda rows: list(rows)
    )
    assert [] == call(f(())) == call(f(()))
    assert 2 == f.cache_info().errors_returned
    assert [1] == call(f((1,))) == call(f((1,)))
    assert 2 == f.cache_info().errors_returned


def test_a_judge_that_raises_costs_the_entry_not_the_call(call, cache, caplog):
    """
    The caller gets the result; it is not stored, is no error, and that is said once.
    """
    f = call.cached(cache=cache, is_error=lambda result: result.missing)(lambda x: [x])
    with caplog.at_level(logging.WARNING, "memotier"):
        assert [[1], [1]] == [call(f(1)), call(f(1))]
    (line,) = caplog.messages
    assert "is_error= raised AttributeError" in line
    assert (0, 0) == (f.cache_info().currsize, f.cache_info().errors_returned)
    told = call(f.explain(1))
    assert "refused" == told.reason and "is_error= raised AttributeError" in str(told)


def test_it_is_told_apart_from_what_cache_if_refuses(call, tiers, source):
    """
    ``explain()`` says which it was; ``cache_if`` is not asked about errors.
    """
    seen = []
    f = call.cached(
        cache=tiers, name="f", is_error=True, cache_if=lambda value: seen.append(value)
    )(source.read)
    call(f(1))
    assert "refused" == call(f.explain(1)).reason
    source.fails = True
    call(f(1))
    told = call(f.explain(1))
    assert "is_error" == told.reason and not told.would_hit
    assert "its result is an error" in str(told) and "oops" not in str(told)
    assert ["value 1"] == seen


def test_a_ttl_a_price_and_tags_are_not_asked_of_an_error(call, cache, source):
    """
    They are callables that expect a result.
    """
    source.fails = True
    options = {"ttl": lambda text: len(text.split()), "cost": lambda text: len(text.split())}
    f = call.cached(cache=cache, is_error=True, **options)(source.read)
    assert OOPS == call(f(1))
    assert "is_error" == call(f.explain(1)).reason


# -- an old result ---------------------------------------------------------------------


@pytest.fixture
def stale(call, tiers, source):
    options = {"ttl": TTL, "stale_if_error": WINDOW, "error_backoff": 3, "is_error": True}
    return call.cached(cache=tiers, name="read", **options)(source.read)


def test_the_old_result_is_served_in_its_place(stale, tiers, call, clock, source, caplog):
    """
    With ``stale_if_error``, as for an error that is raised: for so long, with the same backoff,
    the same counts and one log line, in which nothing of the result stands.
    """
    call(stale(1))
    clock.advance(TTL)
    source.fails = True
    with caplog.at_level(logging.WARNING, "memotier"):
        assert "value 1" == call(stale(1)) == call(stale(1))
        assert 2 == source.asked  # it rests
        clock.advance(3)
        assert "value 1" == call(stale(1))
    assert (3, 2) == (source.asked, tiers.get_stats()["stale"]["if_error"])
    (record,) = caplog.records
    assert "returned an error" in record.getMessage() and "oops" not in caplog.text

    clock.advance(WINDOW)
    assert OOPS == call(stale(1))
    source.fails = False
    assert "value 5" == call(stale(1))


def test_after_an_invalidation_the_error_is_returned(stale, call, clock, source):
    """
    What was invalidated is not served, whatever happens.
    """
    call(stale(1))
    call(stale.invalidate(1))
    source.fails = True
    assert OOPS == call(stale(1))
    assert 0 == stale.cache_info().currsize


def test_a_refresh_in_the_background_keeps_the_old_result(call, make_cache, clock, source):
    """
    It counts as failed, and callers get the old result as long as the options allow.
    """
    cache = make_cache("disk")
    options = {"ttl": TTL, "stale_while_revalidate": WINDOW, "is_error": True}
    f = call.cached(cache=cache, name="f", **options)(source.read)
    call(f(1))
    clock.advance(TTL)
    source.fails = True
    assert "value 1" == call(f(1))
    background = cache._keyed.engine.background
    for thread in list(background._threads):
        thread.join(10)
    if call.is_async:
        call(asyncio.wait_for(_ended(background), 10))
    assert (2, 1) == (source.asked, cache.get_stats()["background"]["failed"])
    assert "value 1" == call(f(1))
    assert 1 == f.cache_info().currsize == below(cache)


async def _ended(background):
    while background._tasks:
        await asyncio.wait(set(background._tasks))
        await asyncio.sleep(0)


def test_with_timeouts_too(call, tiers, clock, source):
    """
    The function runs apart from its caller, who gets the old result in the place of the error.
    """
    options = {"ttl": TTL, "stale_if_error": WINDOW, "hard_timeout": 60, "is_error": True}
    f = call.cached(cache=tiers, name="f", **options)(source.read)
    assert "value 1" == call(f(1))
    clock.advance(TTL)
    source.fails = True
    assert "value 1" == call(f(1))
    clock.advance(TTL + WINDOW)
    assert OOPS == call(f(1))


def test_an_explicit_refresh_leaves_the_old_result(call, tiers, source):
    """
    As if the function had raised: the error is for who asked, and all others get what they had.
    """
    f = call.cached(cache=tiers, name="f", is_error=True)(source.read)
    call(f(1))
    source.fails = True
    assert OOPS == call(f.refresh(1))
    assert "value 1" == call(f(1))
    source.fails = False
    assert "value 3" == call(f.refresh(1)) == call(f(1))


# -- together --------------------------------------------------------------------------


def test_who_waits_gets_the_same_error_and_a_copy(cache):
    """
    One computation for those who asked meanwhile, each with an error of his own.
    """
    gate, asked, answers = Gate(), [], []

    @tiered_cache(cache=cache, is_error=True)
    def f(x):
        asked.append(x)
        gate.wait()
        return {"error": "oops", "details": []}

    def ask():
        answers.append(f(1))

    first, second = threading.Thread(target=ask), threading.Thread(target=ask)
    first.start()
    assert gate.entered.wait(10)
    (flight,) = cache._keyed.engine.flights.table.values()
    second.start()
    while flight.future is None and second.is_alive():
        second.join(0.001)
    gate.open()
    first.join(10), second.join(10)
    assert [1] == asked and 1 == f.cache_info().joined
    assert OOPS["error"] == answers[0]["error"] == answers[1]["error"]
    assert answers[0]["details"] is not answers[1]["details"]
    assert (0, 1) == (f.cache_info().currsize, f.cache_info().errors_returned)


def test_an_instance_has_its_own(call, cache):
    """
    Methods, too.
    """

    class Shop:
        def __init__(self, fails):
            self.fails = fails

        @call.cached(cache=cache, is_error=True)
        def read(self, x):
            return OOPS if self.fails else x

    good, bad = Shop(False), Shop(True)
    assert (1, OOPS) == (call(good.read(1)), call(bad.read(1)))
    assert 1 == Shop.read.cache_info().currsize


def test_of_a_batch_single_items(call, tiers):
    """
    Each id is judged by itself: errors are returned and asked for again, the others are kept.
    """
    asked = []

    def load(ids):
        asked.append(list(ids))
        return {one: OOPS if one % 2 else {"id": one} for one in ids}

    many = tiered_cache.many(cache=tiers, name="load", is_error=True)(call.define(load))
    for _ in range(2):
        assert {1: OOPS, 2: {"id": 2}, 3: OOPS} == call(many([1, 2, 3]))
    assert [[1, 2, 3], [1, 3]] == asked
    assert (1, 4) == (many.cache_info().currsize, many.cache_info().errors_returned)
    assert "is_error" == call(many.explain(3)).reason
    assert OOPS == call(many.refresh(3))
    assert 1 == many.cache_info().currsize


def test_map(call, tiers, source):
    """
    Many calls of one function: none of the errors is kept.
    """
    f = call.cached(cache=tiers, name="f", is_error=True)(lambda x: OOPS if x else "fine")
    assert ["fine", OOPS, OOPS] == call(f.map([0, 1, 2]))
    assert 1 == f.cache_info().currsize


def test_a_stream_with_an_error_in_it_is_not_kept(cache):
    """
    Of whatever item, or as what the generator returns; readers get all of it.
    """
    runs = []

    @tiered_cache(cache=cache, is_error=True)
    def stream(bad, returned=None):
        runs.append(bad)
        for number in range(3):
            yield dict(OOPS) if number == bad else number
        return returned

    for bad in (0, 2):
        assert [OOPS if one == bad else one for one in range(3)] == list(stream(bad))
        assert 3 == len(list(stream(bad)))
    assert list(stream(None)) == list(stream(None))
    assert 3 == len(list(stream(None, "Tool execution error")))
    assert 3 == len(list(stream(None, "Tool execution error")))
    assert [0, 0, 2, 2, None, None, None] == runs
    assert "is_error" == stream.explain(0).reason

    strict = tiered_cache(cache=cache, is_error=lambda item: item.bad)(lambda: (yield from ()))
    assert [] == list(strict())  # what returns nothing has nothing to be judged


def test_async_streams_too(cache):
    """
    Their items alike.
    """
    runs = []

    @tiered_cache(cache=cache, is_error=True)
    async def stream(bad):
        runs.append(bad)
        yield dict(OOPS) if bad else "fine"

    async def read():
        return [[item async for item in stream(bad)] for bad in (True, True, False, False)]

    assert [[OOPS], [OOPS], ["fine"], ["fine"]] == asyncio.run(read())
    assert [True, True, False] == runs


@pytest.mark.extras
def test_a_near_call_is_not_answered_with_an_error(call, tiers):
    """
    ``semantic=``: what was not kept under its own text is not found under another one.
    """
    from memotier import Semantic
    from memotier.semantic.ngrams import NgramEmbedder

    near = Semantic("text", threshold=0.5, embedder=NgramEmbedder(), guards=False)
    texts = []

    def answer(text):
        texts.append(text)
        return OOPS if len(texts) == 1 else f"about {text}"

    f = call.cached(cache=tiers, name="f", semantic=near, is_error=True)(answer)
    assert OOPS == call(f("the capital of France"))
    assert "about the capital of france" == call(f("the capital of france"))
    assert "about the capital of france" == call(f("The capital of france"))
    assert 2 == len(texts)


def test_what_somebody_stores_is_kept(call, tiers, source):
    """
    ``seed()`` asks for it.
    """
    f = call.cached(cache=tiers, name="f", is_error=True)(source.read)
    call(f.seed(OOPS, 1))
    assert OOPS == call(f(1))
    assert 0 == source.asked
