"""
``current().stale_value`` and ``not_modified()``: asking the source only whether it has changed.
"""

from __future__ import annotations

import pytest

import memotier
from memotier import MISS

TTL, WINDOW = 10, 20


@pytest.mark.parametrize(
    "options", [{"stale_while_revalidate": WINDOW}, {"stale_if_error": WINDOW}]
)
def test_the_old_value_is_kept_and_its_clocks_begin_anew(tiers, call, clock, settle, options):
    """
    Whatever the function returns after it has said so.
    """
    seen = []

    @call.cached(cache=tiers, name="r", ttl=TTL, **options)
    def read(x):
        seen.append(memotier.current().stale_value)
        if seen[-1] is not MISS:
            assert ["old"] == memotier.current().not_modified()
            return None
        return ["old"]

    call(read(1))
    clock.advance(TTL)
    assert ["old"] == call(read(1))
    settle(tiers)

    assert [MISS, ["old"]] == seen
    assert TTL == pytest.approx(call(read.lookup(1)).ttl_left, abs=0.1)
    assert ["old"] == call(read(1))
    assert 2 == len(seen)


def test_a_record_of_the_second_tier_is_the_old_value_too(make_cache, call, clock):
    """
    After a restart the source is asked whether it has changed, not for everything.
    """

    def body(x):
        if memotier.current().stale_value is MISS:
            return "old"
        return memotier.current().not_modified()

    options = {"name": "r", "namespace": "n", "ttl": TTL, "stale_if_error": WINDOW}
    call(call.cached(cache=make_cache("disk"), **options)(body)(1))
    clock.advance(TTL + 1)
    read = call.cached(cache=make_cache("disk"), **options)(body)

    assert "old" == call(read(1))
    assert TTL == pytest.approx(call(read.lookup(1)).ttl_left, abs=0.1)


def test_what_the_function_does_to_the_old_value_stays_with_it(cache, call, clock):
    """
    It is a copy, as any caller would get.
    """
    fails = []

    @call.cached(cache=cache, name="r", ttl=TTL, stale_if_error=WINDOW)
    def read():
        if fails:
            memotier.current().stale_value.append("changed")
            raise ValueError
        return ["old"]

    call(read())
    clock.advance(TTL)
    fails.append(True)

    assert ["old"] == call(read())


@pytest.mark.parametrize("options", [{}, {"stale_if_error": WINDOW}])
def test_without_an_old_value_it_says_so(cache, call, options):
    """
    A cold key, or a function that keeps nothing stale.
    """

    @call.cached(cache=cache, ttl=TTL, **options)
    def read():
        assert memotier.current().stale_value is MISS
        return memotier.current().not_modified()

    with pytest.raises(LookupError, match="stale_value is MISS"):
        call(read())


def test_an_error_after_it_is_an_error(cache, call, clock):
    """
    Then the rules of errors hold, and the clocks do not begin anew.
    """
    values = iter([1])

    @call.cached(cache=cache, name="r", ttl=TTL, stale_if_error=WINDOW)
    def read():
        for value in values:
            return value
        memotier.current().not_modified()
        raise ValueError("after all")

    call(read())
    clock.advance(TTL)
    assert 1 == call(read())
    clock.advance(WINDOW)

    with pytest.raises(LookupError):
        call(read())
