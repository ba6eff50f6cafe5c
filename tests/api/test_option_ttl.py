"""
How long a result is fresh: every form of ``ttl``, in a time that only the test moves.
"""

from __future__ import annotations

import logging
import math
from datetime import timedelta

import pytest

import memotier


def _shown(value):
    """A test's name must not hold an address: workers collect the tests each for itself."""
    return "callable" if callable(value) else str(value)


@pytest.mark.parametrize(
    ("ttl", "seconds"),
    [
        (600, 600),
        (0.5, 0.5),
        ("10m", 600),
        ("1h30m", 5400),
        ("500ms", 0.5),
        (timedelta(minutes=10), 600),
        (lambda result: 600, 600),
        (lambda result, x: "10m", 600),
        (lambda *args: timedelta(seconds=600), 600),
    ],
    ids=_shown,
)
def test_fresh_until_ttl_and_no_longer(call, tiers, clock, ttl, seconds):
    """
    An entry answers until its ttl is over, in both tiers, and is computed anew after that.
    """
    seen = []

    @call.cached(cache=tiers, ttl=ttl, name="f")
    def f(x):
        seen.append(x)
        return [x, len(seen)]

    assert [1, 1] == call(f(1))
    clock.advance(seconds * 0.99)
    assert [1, 1] == call(f(1))
    clock.advance(seconds * 0.02)
    assert [1, 2] == call(f(1))


@pytest.mark.parametrize("ttl", [math.inf, "never", lambda result: math.inf], ids=_shown)
def test_infinite_ttl(call, tiers, clock, ttl):
    """
    An entry with an infinite ttl never expires, whatever the tiers say.
    """
    f = call.cached(cache=tiers, ttl=ttl, name="f")(lambda x: [x])

    assert [1] == call(f(1))
    clock.advance(10 * 365 * 86_400)
    assert [1] == call(f(1))
    assert 1 == f.cache_info().misses
    assert math.inf == call(f.lookup(1)).ttl_left


@pytest.mark.parametrize("ttl", [None, lambda result: None], ids=["none", "callable"])
def test_without_ttl_the_tiers_decide(call, make_cache, clock, ttl):
    """
    ttl=None is the tier's: 300 seconds in memory, 3600 below it.
    """
    f = call.cached(cache=make_cache("disk"), ttl=ttl, name="f")(lambda x: [x])

    assert [1] == call(f(1))
    clock.advance(299)
    assert [1] == call(f(1))
    assert 0 == f.cache_info().l2_hits
    clock.advance(2)
    assert [1] == call(f(1))
    assert 1 == f.cache_info().l2_hits
    clock.advance(3600)
    assert [1] == call(f(1))
    assert 2 == f.cache_info().misses


def test_default_ttl_of_the_cache(call, make_cache, clock):
    """
    A cache's default_ttl holds for functions that say nothing, not for those that do.
    """
    cache = make_cache(default_ttl="10s")
    silent = call.cached(cache=cache)(lambda x: x)
    said = call.cached(cache=cache, ttl=60)(lambda x: x)

    for f in (silent, said):
        assert 1 == call(f(1))
    clock.advance(11)
    for f in (silent, said):
        assert 1 == call(f(1))

    assert (2, 1) == (silent.cache_info().misses, said.cache_info().misses)


def test_ttl_by_result_and_arguments(call, cache, clock):
    """
    A callable is given the result and, if it takes more, the arguments.
    """
    asked = []

    def ttl(result, x, *, k=1):
        asked.append((result, x, k))
        return 10 if result else 1000

    @call.cached(cache=cache, ttl=ttl)
    def f(x, *, k=1):
        return x > 0

    assert [True, False] == [call(f(1)), call(f(-1, k=2))]
    assert [(True, 1, 1), (False, -1, 2)] == asked
    clock.advance(11)
    assert [True, False] == [call(f(1)), call(f(-1, k=2))]
    assert [(True, 1, 1), (False, -1, 2), (True, 1, 1)] == asked


def test_ttl_callable_on_a_method_is_given_the_instance(call, cache, clock):
    """
    Of a method's arguments the instance is the first.
    """

    class Shop:
        patience = 50

        @call.cached(cache=cache, ttl=lambda result, self, item: self.patience)
        def price(self, item):
            return item

    shop = Shop()
    assert 1 == call(shop.price(1))
    assert 49 < call(shop.price.lookup(1)).ttl_left <= 50


@pytest.mark.parametrize("bad", [lambda r: 1 / 0, lambda r: -1, lambda r: "soon", lambda r: True])
def test_a_ttl_that_cannot_be_told_costs_the_entry_not_the_call(call, cache, caplog, bad):
    """
    If a ttl callable fails the caller gets the result; it is not stored, and said once.
    """
    seen = []

    @call.cached(cache=cache, ttl=bad)
    def f(x):
        seen.append(x)
        return [x]

    with caplog.at_level(logging.WARNING, "memotier"):
        assert [[1], [1]] == [call(f(1)), call(f(1))]

    assert [1, 1] == seen
    (line,) = caplog.messages
    assert "ttl=" in line


def test_set_ttl_from_inside(call, tiers, clock):
    """
    ``current().set_ttl`` counts more than the option, for this one result.
    """

    @call.cached(cache=tiers, ttl=1000, name="f")
    def f(x):
        if x == 1:
            memotier.current().set_ttl("10s")
        return [x]

    assert [[1], [2]] == [call(f(1)), call(f(2))]
    clock.advance(11)
    assert [[1], [2]] == [call(f(1)), call(f(2))]
    assert 3 == f.cache_info().misses


def test_set_ttl_where_nothing_else_expires(call, make_cache, clock):
    """
    A function that never expires by its options can still say that a result does.
    """
    cache = make_cache(default_ttl=math.inf)

    class Shop:
        @call.cached(cache=cache, ttl=math.inf)
        def price(self, item):
            memotier.current().set_ttl(10)
            return item

    shop = Shop()
    price = shop.price
    assert 1 == call(price(1)) == call(price(1))
    clock.advance(11)
    assert 1 == call(price(1))
    assert 2 == price.cache_info().misses


def test_ttl_of_the_namespace_in_the_settings(call, tmp_path):
    """
    Settings give a namespace its ttl; the option counts more.
    """
    memotier.configure(namespaces={"tool": {"ttl": "20s"}})
    silent = call.cached(namespace="tool.search")(lambda x: x)
    said = call.cached(namespace="tool.search", ttl=5000)(lambda x: x)

    assert 1 == call(silent(1)) == call(said(1))
    assert 19 < call(silent.lookup(1)).ttl_left <= 20
    assert 4999 < call(said.lookup(1)).ttl_left <= 5000
