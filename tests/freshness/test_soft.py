"""
Soft invalidation: what was invalidated is stale, not gone.
"""

from __future__ import annotations

import asyncio

import pytest

import memotier
from memotier import MISS, ConfigError, tiered_cache

from .softly import BACKOFF, HARD, SOFT, TTL, WINDOW, Down, defined, each_way, told


@each_way
def test_it_is_served_at_once_and_refreshed_behind(tiers, call, source, settle, way):
    """
    With stale_while_revalidate the old result is served once more, and then the new one.
    """
    read = defined(tiers, call, source, stale_while_revalidate=WINDOW)
    call(read(1))
    told(call, SOFT[way](tiers, read))

    assert "value 1" == call(read(1))
    settle(tiers)
    assert ["value 2", "value 2"] == [call(read(1)), call(read(1))]
    assert 1 == tiers.get_stats()["stale"]["while_revalidating"]


@each_way
def test_it_is_what_a_failing_function_falls_back_on(tiers, call, source, clock, way):
    """
    With stale_if_error the function is asked again, and the old result covers its failure until
    the window ends, which counts from the invalidation.
    """
    read = defined(tiers, call, source, stale_if_error=WINDOW, error_backoff=BACKOFF)
    call(read(1))
    clock.advance(10)
    told(call, SOFT[way](tiers, read))
    source.error = Down()

    assert "value 1" == call(read(1))
    assert 2 == source.asked
    clock.advance(WINDOW - 1)
    assert "value 1" == call(read(1))
    clock.advance(1.001)
    with pytest.raises(Down):
        call(read(1))


@each_way
def test_a_function_that_works_is_asked_anew(tiers, call, source, way):
    """
    With stale_if_error alone nothing old is served while the function answers.
    """
    read = defined(tiers, call, source, stale_if_error=WINDOW)
    call(read(1))
    told(call, SOFT[way](tiers, read))

    assert "value 2" == call(read(1)) == call(read(1))


@each_way
def test_without_a_window_it_is_gone(tiers, call, source, way):
    """
    A function without windows computes anew, and gets its error if that fails.
    """
    read = defined(tiers, call, source)
    call(read(1))
    told(call, SOFT[way](tiers, read))
    assert read.peek(1) is MISS
    assert call(read.lookup(1)) is None

    source.error = Down()
    with pytest.raises(Down):
        call(read(1))
    source.error = None
    assert "value 3" == call(read(1))


@each_way
@pytest.mark.parametrize("hard", HARD)
def test_a_hard_invalidation_after_it_wins(tiers, call, source, way, hard):
    """
    What was stale is gone, whichever of its names the hard invalidation takes.
    """
    read = defined(tiers, call, source, stale_while_revalidate=WINDOW, stale_if_error=WINDOW)
    call(read(1))
    told(call, SOFT[way](tiers, read))
    told(call, HARD[hard](tiers, read))
    source.error = Down()

    with pytest.raises(Down):
        call(read(1))


@each_way
def test_a_soft_one_after_a_hard_one_brings_nothing_back(tiers, call, source, way):
    """
    What was invalidated hard stays gone.
    """
    read = defined(tiers, call, source, stale_if_error=WINDOW)
    call(read(1))
    tiers.sync.invalidate_tags("t")
    told(call, SOFT[way](tiers, read))
    source.error = Down()

    with pytest.raises(Down):
        call(read(1))


@each_way
def test_a_second_one_does_not_prolong_anything(tiers, call, source, clock, way):
    """
    The window of an entry counts from the first soft invalidation that was noticed.
    """
    read = defined(tiers, call, source, stale_if_error=WINDOW, error_backoff=BACKOFF)
    call(read(1))
    told(call, SOFT[way](tiers, read))
    source.error = Down()
    assert "value 1" == call(read(1))
    clock.advance(WINDOW - 1)
    told(call, SOFT[way](tiers, read))
    clock.advance(1.001)

    with pytest.raises(Down):
        call(read(1))


@each_way
@pytest.mark.parametrize("restarts", [False, True])
def test_the_hard_limit_stays(make_cache, call, source, clock, way, restarts):
    """
    A soft invalidation late in the life of an entry moves its end by nothing.
    """
    options = {"stale_if_error": WINDOW, "error_backoff": BACKOFF}
    cache = make_cache("disk")
    read = defined(cache, call, source, **options)
    call(read(1))
    clock.advance(TTL + WINDOW - 1)
    told(call, SOFT[way](cache, read))
    source.error = Down()
    if restarts:
        cache.sync.close()
        cache = make_cache("disk")
        read = defined(cache, call, source, **options)

    assert "value 1" == call(read(1))
    clock.advance(1.001)
    with pytest.raises(Down):
        call(read(1))


@each_way
def test_refresh_ahead_serves_for_its_share_of_the_ttl(tiers, call, source, clock, settle, way):
    """
    From the invalidation on, for as long as from the moment of attention to the end of ttl.
    """
    read = defined(tiers, call, source, refresh_ahead=0.8)
    call(read(1)), call(read(2))
    clock.advance(10)
    told(call, SOFT[way](tiers, read))
    clock.advance(TTL * 0.2 - 1)
    assert "value 1" == call(read(1))
    settle(tiers)
    assert "value 3" == call(read(1))

    if way != "call":
        clock.advance(1.001)
        assert "value 4" == call(read(2))


def test_it_is_seen_as_the_stale_value(tiers, call):
    """
    The function can look at what was invalidated softly, and say that it holds still.
    """
    seen = []

    @call.cached(cache=tiers, name="page", version=1, ttl=TTL, stale_if_error=WINDOW, tags=["t"])
    def page(x):
        seen.append(memotier.current().stale_value)
        return "page" if seen[-1] is MISS else memotier.current().not_modified()

    call(page(1))
    tiers.sync.invalidate_tags("t", soft=True)

    assert "page" == call(page(1)) == call(page(1))
    assert [MISS, "page"] == seen
    assert TTL == pytest.approx(call(page.lookup(1)).ttl_left)


@each_way
def test_nothing_shows_it_as_fresh(tiers, call, source, way):
    """
    ``peek`` and ``lookup`` see only what is fresh.
    """
    read = defined(tiers, call, source, stale_while_revalidate=WINDOW)
    call(read(1))
    told(call, SOFT[way](tiers, read))

    assert read.peek(1) is MISS
    assert call(read.lookup(1)) is None


def test_other_entries_are_left_alone(tiers, call, source):
    """
    Another key, tag, function and namespace stay as they are.
    """
    read = defined(tiers, call, source)
    other = call.cached(cache=tiers, name="other", namespace="softly", ttl=TTL)(source.read)
    one, two, three = call(read(1)), call(read(2)), call(other(1))
    call(read.expire(1))
    tiers.sync.invalidate_tags("another", soft=True)
    tiers.sync.clear_namespace("soft.deep.er", soft=True)

    assert two == call(read(2))
    assert one != call(read(1))
    tiers.sync.clear_namespace("soft", soft=True)
    assert three == call(other(1))


def test_what_it_answers(tiers, call, source):
    """
    Whether there was an entry, how many there were, or nothing, as the hard ones do.
    """
    read = defined(tiers, call, source, stale_if_error=WINDOW)
    assert call(read.expire(1)) is False
    call(read(1)), call(read(2))
    assert call(read.expire(1)) is True
    assert call(read.cache_expire()) is None
    assert tiers.sync.invalidate_tags("t", soft=True) is None
    tiers.sync.set("k", 1, namespace="soft")
    assert tiers.sync.delete("none", namespace="soft", soft=True) is False
    assert tiers.sync.delete("k", namespace="soft", soft=True) is True
    assert 2 <= tiers.sync.clear_namespace("soft", soft=True) <= 3


def test_of_an_object_there_is_no_window(tiers, call):
    """
    An entry that was set by key is a miss after it, awaited and in threads.
    """
    ways = [
        lambda: tiers.sync.delete("k", soft=True),
        lambda: tiers.sync.invalidate_tags("t", soft=True),
        lambda: tiers.sync.clear_namespace("default", soft=True),
        lambda: tiers.sync.clear(soft=True),
    ]
    for invalidate in ways:
        tiers.sync.set("k", "v", tags=["t"])
        assert "v" == tiers.sync.get("k")
        invalidate()
        assert tiers.sync.get("k") is None
        assert "new" == tiers.sync.get_or_compute("k", lambda: "new")


async def _awaited(cache):
    await cache.set("k", "v", tags=["t"])
    await cache.invalidate_tags("t", soft=True)
    found = [await cache.get("k")]
    await cache.set("k", "v")
    found.append(await cache.delete("k", soft=True))
    await cache.clear_namespace("default", soft=True)
    await cache.clear(soft=True)
    return [*found, await cache.get("k")]


def test_the_awaited_names(tiers):
    """
    The cache's own methods take ``soft`` as those of ``sync`` do.
    """
    assert [None, True, None] == asyncio.run(_awaited(tiers))


def test_of_all_named_caches(monkeypatch):
    """
    ``memotier.invalidate_tags(soft=True)`` reaches the default cache.
    """
    asked = []

    @tiered_cache(ttl=TTL, stale_if_error=WINDOW, tags=["t"])
    def read():
        asked.append(memotier.current().stale_value)
        return "page"

    read()
    memotier.invalidate_tags("t", soft=True)
    read()
    assert [MISS, "page"] == asked


def test_of_methods(tiers, call):
    """
    On an instance the instance is put in front, as for ``invalidate``.
    """

    class Reader:
        def __init__(self):
            self.asked = []

        @call.cached(cache=tiers, ttl=TTL, stale_if_error=WINDOW)
        def read(self, x):
            self.asked.append(memotier.current().stale_value)
            return x

    one, two = Reader(), Reader()
    call(one.read(1)), call(two.read(1))
    assert call(one.read.expire(1)) is True
    assert call(one.read.expire(2)) is False
    call(one.read(1)), call(two.read(1))
    assert ([MISS, 1], [MISS]) == (one.asked, two.asked)

    call(one.read.cache_expire())
    call(two.read(1))
    assert [MISS, 1] == two.asked


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_soft_is_true_or_false(tiers, value):
    """
    Anything else is a mistake, and is shown.
    """
    with pytest.raises(ConfigError, match=f"soft= is a {type(value).__name__}"):
        tiers.sync.invalidate_tags("t", soft=value)


def test_a_rest_after_a_failure_ends(tiers, call, source):
    """
    A soft invalidation is news: the next caller asks the function, although a refresh has just
    failed.
    """
    read = defined(tiers, call, source, stale_if_error=WINDOW, error_backoff=BACKOFF)
    call(read(1))
    tiers.sync.invalidate_tags("t", soft=True)
    source.error = Down()
    assert "value 1" == call(read(1)) == call(read(1))
    assert 2 == source.asked


def test_unrelated_invalidations_do_not_end_a_rest(tiers, call, source):
    """
    That an entry was expired is noticed once, however often its versions are compared.
    """
    read = defined(tiers, call, source, stale_if_error=WINDOW, error_backoff=BACKOFF)
    call(read(1))
    tiers.sync.invalidate_tags("t", soft=True)
    source.error = Down()
    call(read(1))
    for _ in range(3):
        tiers.sync.invalidate_tags("another")
        assert "value 1" == call(read(1))
    assert 2 == source.asked
