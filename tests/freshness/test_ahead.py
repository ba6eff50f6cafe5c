"""
``refresh_ahead``: refreshed while it is still fresh; ``jitter``: not everything ends at once.
"""

from __future__ import annotations

import math

import pytest

from memotier.engine import clocks

from .conftest import engine_of

TTL, BACKOFF = 10, 1


@pytest.fixture
def read(tiers, call, source):
    return call.cached(cache=tiers, name="r", ttl=TTL, refresh_ahead=0.8, error_backoff=BACKOFF)(
        source.read
    )


def test_the_first_call_after_the_fraction_refreshes(read, tiers, call, clock, settle, source):
    """
    It gets what is still fresh; the next one gets the new result.
    """
    call(read(1))
    clock.advance(7.9)
    assert "value 1" == call(read(1))
    settle(tiers)
    assert 1 == source.asked

    clock.advance(0.2)
    assert "value 1" == call(read(1))
    settle(tiers)
    assert "value 2" == call(read(1))
    assert 0 == tiers.get_stats()["stale"]["while_revalidating"]
    assert 1 == tiers.get_stats()["background"]["done"]


def test_nobody_asks_nothing_is_refreshed(read, tiers, call, clock):
    """
    There is no timer: past ttl the next caller waits for the new result.
    """
    call(read(1))
    clock.advance(TTL)

    assert "value 2" == call(read(1))
    assert 0 == tiers.get_stats()["background"]["done"]


def test_a_refresh_that_fails_prolongs_nothing(read, tiers, call, clock, settle, source):
    """
    The result stays fresh until its ttl ends, and is asked for again after error_backoff.
    """
    call(read(1))
    clock.advance(8.5)
    source.error = ValueError("down")
    for _ in range(3):
        assert "value 1" == call(read(1))
        settle(tiers)
    assert 2 == source.asked
    clock.advance(BACKOFF)
    assert "value 1" == call(read(1))
    settle(tiers)
    assert 3 == source.asked
    clock.advance(0.5)

    with pytest.raises(ValueError, match="down"):
        call(read(1))


def test_what_another_process_refreshed_is_taken(make_cache, call, clock, source, settle):
    """
    A refresh looks below first, and is content with what is newer than its own.
    """
    options = {"name": "r", "namespace": "n", "ttl": TTL, "refresh_ahead": 0.8}
    caches = [make_cache("disk"), make_cache("disk")]
    one, two = (call.cached(cache=cache, **options)(source.read) for cache in caches)
    call(one(1)), call(two(1))
    assert 1 == source.asked
    clock.advance(9)
    call(one(1))
    settle(caches[0])
    assert "value 1" == call(two(1))
    settle(caches[1])

    assert "value 2" == call(two(1))
    assert 2 == source.asked


@pytest.mark.parametrize("arguments", [{}, {"l1_maxsize": 0}])
def test_a_record_that_is_due_is_refreshed(make_cache, call, clock, source, settle, arguments):
    """
    Found below after the fraction, also without a memory tier.
    """
    options = {"name": "r", "namespace": "n", "ttl": TTL, "refresh_ahead": 0.8}
    call(call.cached(cache=make_cache("disk"), **options)(source.read)(1))
    clock.advance(9)
    cache = make_cache("disk", **arguments)
    read = call.cached(cache=cache, **options)(source.read)

    assert "value 1" == call(read(1))
    settle(cache)
    assert "value 2" == call(read(1))


def test_memory_that_keeps_less_long_does_not_make_it_due(make_cache, call, clock, source):
    """
    The fraction is of the ttl; what memory had to let go earlier is read below.
    """
    options = {"name": "r", "namespace": "n", "ttl": 1000, "refresh_ahead": 0.8}
    call(call.cached(cache=make_cache("disk"), **options)(source.read)(1))
    cache = make_cache("disk")  # memory: 300 s of what it reads below
    read = call.cached(cache=cache, **options)(source.read)
    call(read(1))
    clock.advance(310)

    assert "value 1" == call(read(1))
    engine_of(cache).background.join()
    assert 1 == source.asked


def test_an_invalidated_result_is_not_refreshed_but_made(read, tiers, call, clock):
    """
    Who asks after an invalidation waits.
    """
    call(read(1))
    clock.advance(9)
    call(read.invalidate(1))

    assert "value 2" == call(read(1))
    assert 0 == tiers.get_stats()["background"]["done"]


def test_lookup_tells_the_end_of_ttl(read, call):
    """
    Not the moment at which somebody has to look.
    """
    call(read(1))

    assert TTL == pytest.approx(call(read.lookup(1)).ttl_left, abs=0.1)


# -- xfetch ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drawn", "cost", "due"), [(1 - math.exp(-1), 2, 8), (0.0, 2, 10), (1 - math.exp(-2), 2, 6)]
)
def test_xfetch_is_drawn_from_the_cost(tiers, call, clock, settle, monkeypatch, drawn, cost, due):
    """
    now - cost * ln(random) >= end, with beta = 1.
    """
    asked = []

    @call.cached(cache=tiers, name="r", ttl=TTL, refresh_ahead="xfetch")
    def read():
        clock.advance(cost)
        asked.append(1)
        return len(asked)

    monkeypatch.setattr(clocks, "random", lambda: drawn)
    call(read())
    clock.advance(due - 0.1)
    assert 1 == call(read())
    settle(tiers)
    assert 1 == len(asked)
    clock.advance(0.2)

    if due < TTL:
        assert 1 == call(read())
        settle(tiers)
    assert 2 == call(read())


def test_xfetch_never_draws_a_moment_before_the_computation(monkeypatch):
    """
    A function that takes longer than its ttl is refreshed at every call, not more.
    """
    monkeypatch.setattr(clocks, "random", lambda: 1 - 2**-53)
    windows = clocks.Windows(ahead=0.0)

    assert 100 == windows.attention(110, TTL, cost=1000)
    assert math.inf == windows.attention(math.inf, None, cost=1000)


# -- jitter ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("jitter", "most"), [(5, 5), ("5s", 5), (0.2, 2), ("20%", 2), ("100%", 10), ("100ms", 0.1)]
)
@pytest.mark.parametrize("drawn", [0.0, 0.5])
def test_jitter_is_added_to_the_ttl(tiers, call, source, monkeypatch, jitter, most, drawn):
    """
    A random part of it, from nothing up to all.
    """
    monkeypatch.setattr(clocks, "random", lambda: drawn)
    read = call.cached(cache=tiers, name="r", ttl=TTL, jitter=jitter)(source.read)
    call(read(1))

    assert TTL + drawn * most == pytest.approx(call(read.lookup(1)).ttl_left, abs=0.01)


def test_jitter_lengthens_what_the_tiers_say(make_cache, call, source, monkeypatch):
    """
    Without a ttl each tier's own is lengthened, by one draw.
    """
    monkeypatch.setattr(clocks, "random", lambda: 0.5)
    options = {"name": "r", "namespace": "n", "jitter": "10%"}
    cache = make_cache("disk", default_ttl=None)
    engine = engine_of(cache)
    read = call.cached(cache=cache, **options)(source.read)
    call(read(1))
    (resident,) = read._self_memo.shelf.residents()

    assert engine.options.l2_ttl * 1.05 == pytest.approx(resident.stamp.fresh)
    left = resident.fresh_until - engine.clock.monotonic()
    assert engine.options.l1_ttl * 1.05 == pytest.approx(left, abs=0.1)


def test_the_windows_begin_after_the_jitter(tiers, call, clock, source, settle, monkeypatch):
    """
    It is part of the ttl.
    """
    monkeypatch.setattr(clocks, "random", lambda: 0.5)
    read = call.cached(cache=tiers, name="r", ttl=TTL, jitter=4, stale_while_revalidate=10)(
        source.read
    )
    call(read(1))
    clock.advance(11.9)
    assert "value 1" == call(read(1))
    settle(tiers)
    assert 1 == source.asked
    clock.advance(9.9)
    assert "value 1" == call(read(1))
    settle(tiers)
    assert 2 == source.asked


def test_jitter_holds_for_tags_set_ttl_and_seed(tiers, call, source, monkeypatch):
    """
    However the ttl was said, and whatever else is said of the entry.
    """
    import memotier

    monkeypatch.setattr(clocks, "random", lambda: 0.5)

    @call.cached(cache=tiers, name="r", ttl=TTL, jitter=4)
    def read(x):
        memotier.current().set_ttl(20)
        memotier.current().add_tags("t")
        return x

    call(read(1))
    call(read.seed(2, 2))

    assert 22 == pytest.approx(call(read.lookup(1)).ttl_left, abs=0.1)
    assert 12 == pytest.approx(call(read.lookup(2)).ttl_left, abs=0.1)
