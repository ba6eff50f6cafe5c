"""
What hits save: seconds, less the looking, and what ``cost=`` says.
"""

from __future__ import annotations

import logging
import math
from decimal import Decimal

import pytest

from memotier import ConfigError, MultiLevelCache, tiered_cache
from memotier.analytics import figures, snapshot


def near(number):
    return pytest.approx(number, abs=1e-5)


@pytest.fixture
def ask(call, clock):
    """
    ``ask(cache)`` is a function that takes 2 s and costs what its result says.
    """

    def make(cache, **options):
        options = {"cost": lambda result: result["tokens"], **options}

        @call.cached(cache=cache, namespace="llm", name="ask", version=1, **options)
        def ask(prompt):
            clock.advance(2.0)
            return {"text": prompt, "tokens": 10 * len(prompt)}

        return ask

    return make


def test_a_hit_in_memory_saves_all(call, cache, ask):
    """
    Each hit is credited with the seconds and the price of its own entry.
    """
    ask = ask(cache)
    for prompt in ("a", "bbb", "bbb", "bbb", "a"):
        call(ask(prompt))
    info = ask.cache_info()

    assert 6.0 == near(info.seconds_saved)
    assert 2 * 30 + 10 == info.cost_saved
    assert 70 == cache.get_stats()["cost_saved"]


def test_a_hit_below_saves_less_the_look(call, make_cache, ask, slow):
    """
    What another process has stored saves what computing it took, less the look-up; and the
    price that stands in the record.
    """
    first, second = make_cache("disk"), make_cache("disk")
    call(ask(first)("bbb"))
    reader = ask(second)
    slow(second, get=0.25)
    call(reader("bbb"))
    call(reader("bbb"))

    assert (1, 1) == (reader.cache_info().l2_hits, reader.cache_info().l1_hits)
    assert 1.75 + 2.0 == near(reader.cache_info().seconds_saved)
    assert 60 == reader.cache_info().cost_saved
    assert 30.0 == call(reader.lookup("bbb")).cost


def test_a_look_that_took_longer_saves_nothing(call, make_cache, ask, slow):
    """
    What is saved never becomes less; the balance says that the cache costs more.
    """
    first, second = make_cache("disk"), make_cache("disk")
    call(ask(first)("a"))
    reader = ask(second)
    slow(second, get=2.5)
    call(reader("a"))
    [one] = snapshot(second)["functions"]

    assert (1, 0.0) == (reader.cache_info().l2_hits, near(reader.cache_info().seconds_saved))
    assert -0.5 == pytest.approx(figures.balance_seconds(one), abs=0.1)


def test_what_has_left_memory_stays_credited(call, make_cache, ask):
    """
    Evicted, cleared: what its hits saved is not forgotten.
    """
    cache = make_cache(l1_maxsize=1)
    ask = ask(cache)
    for prompt in ("a", "a", "bb", "bb"):
        call(ask(prompt))
    cache.sync.clear()

    assert (4.0, 30.0) == (near(ask.cache_info().seconds_saved), ask.cache_info().cost_saved)


def test_write_back_writes_the_price(call, make_cache, ask):
    """
    What is written later is written with it.
    """
    from memotier import WritePolicy

    first = make_cache("disk", write_policy=WritePolicy.WRITE_BACK)
    call(ask(first)("bbb"))
    first.sync.flush()
    reader = ask(make_cache("disk"))
    call(reader("bbb"))

    assert 30 == reader.cache_info().cost_saved


def test_tags_added_later_keep_the_price(call, make_cache, ask):
    """
    ``current().add_tags`` and a record that is sealed anew carry it on.
    """
    first = make_cache("disk")
    first.sync.set("k", 1)
    asks = ask(first)
    call(asks("bbb"))
    place = asks._self_memo.locate(("bbb",))
    from memotier.engine import retag
    from memotier.engine.drive import drive

    assert drive(retag.add_tags(first._keyed.engine, place, ("late",)))
    reader = ask(make_cache("disk"))
    call(reader("bbb"))

    assert 30 == reader.cache_info().cost_saved


def test_a_joined_call_saves_the_price(cache, two_at_once):
    """
    Two callers, one computation: it was paid once.
    """
    work = two_at_once(cache, cost=lambda _: 5)

    assert (1, 5.0) == (work.cache_info().joined, work.cache_info().cost_saved)
    assert 5.0 == figures.total(snapshot(cache))["cost_paid"]


@pytest.mark.parametrize(
    "cost",
    [
        lambda result: result["no such key"],
        lambda _: "12",
        lambda _: None,
        lambda _: math.nan,
        lambda _: math.inf,
        lambda _: -1,
        lambda _: 10**400,
    ],
)
def test_a_cost_that_is_none_is_an_event(call, make_cache, ask, cost, caplog):
    """
    The caller gets the result, which is kept; it is said once, without data, and not counted.
    """
    cache, heard = make_cache("disk"), []
    cache._keyed.engine.events.listeners.append(lambda event, detail: heard.append(event))
    ask = ask(cache, cost=cost)
    with caplog.at_level(logging.WARNING, "memotier"):
        for prompt in ("secret", "secret", "other"):
            call(ask(prompt))

    assert (1, 0.0) == (ask.cache_info().l1_hits, ask.cache_info().cost_saved)
    assert 2 == heard.count("unpriced")
    assert 1 == caplog.text.count("cost=") and "secret" not in caplog.text


@pytest.mark.parametrize("amount", [0, 3, 2.5, Decimal("0.02"), True])
def test_numbers_are_amounts(call, cache, ask, amount):
    """
    Whatever is a number of 0 or more.
    """
    ask = ask(cache, cost=lambda _: amount)
    call(ask("a"))
    call(ask("a"))

    assert float(amount) == ask.cache_info().cost_saved


@pytest.mark.parametrize("cost", ["tokens", 3])
def test_what_cannot_be_called_is_refused(cost):
    """
    At decoration, with the value.
    """
    with pytest.raises(ConfigError, match=f"cost={cost!r}"):
        tiered_cache(cost=cost)(lambda x: x)


def test_an_async_cost_is_refused():
    """
    It is called without await.
    """

    async def cost(_):
        return 1

    with pytest.raises(ConfigError, match="without await"):
        tiered_cache(cost=cost)(lambda x: x)


def test_items_and_streams_have_prices(call, cache):
    """
    In a batch the price is of one id's result; of a stream, of the list of its items.
    """

    @tiered_cache.many(cache=cache, cost=lambda result: result)
    @call.define
    def many(ids):
        return {one: one for one in ids}

    call(many([1, 2]))
    call(many([1, 2, 3]))
    assert 3.0 == many.cache_info().cost_saved

    @tiered_cache(cache=cache, name="letters", cost=len)
    def letters(text):
        yield from text

    assert [list("abcd")] * 2 == [list(letters("abcd")), list(letters("abcd"))]
    assert 4.0 == letters.cache_info().cost_saved


def test_a_cache_that_costs_more_than_it_saves_is_named(call, make_cache, clock, slow):
    """
    Look-ups and stores that take longer than computing: the balance says so, and the
    recommendation names the function; one that is worth it is not named.
    """
    from memotier import CacheAnalytics

    cache = make_cache("disk")
    analytics = CacheAnalytics(cache)

    @call.cached(cache=cache, name="cheap", namespace="a", ttl="1d")
    def cheap(x):
        clock.advance(0.001)
        return x

    @call.cached(cache=cache, name="dear", namespace="a", ttl="1d")
    def dear(x):
        clock.advance(10.0)
        return x

    call(cheap(-1))
    slow(cache, get=0.02, set=0.02)
    for x in range(60):
        call(cheap(x))
        call(dear(x))
    for x in range(60):
        call(cheap(x))
        call(dear(x))
    bad, good = analytics.snapshot()["functions"]

    assert 60 * (0.001 - 0.04) == pytest.approx(figures.balance_seconds(bad), abs=0.01)
    assert 60 * (10.0 - 0.04) == pytest.approx(figures.balance_seconds(good), abs=0.01)
    named = [
        one.function
        for one in analytics.get_recommendations()
        if one.kind == "costs_more_than_it_saves"
    ]
    assert ["cheap"] == named


def test_a_function_without_cost_says_none(call, cache):
    """
    Nothing is counted, and ``lookup`` says None.
    """

    @call.cached(cache=cache)
    def double(x):
        return 2 * x

    call(double(1))
    call(double(1))

    assert 0.0 == double.cache_info().cost_saved
    assert call(double.lookup(1)).cost is None
    assert isinstance(cache, MultiLevelCache)
