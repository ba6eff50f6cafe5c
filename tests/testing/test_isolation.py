"""
``isolated_cache``: what happens inside stays inside, and what was outside is there again.
"""

from __future__ import annotations

import asyncio

import pytest

import memotier
from memotier import MISS, MultiLevelCache, configure, disabled, get_cache, tiered_cache
from memotier.testing import FakeClock, FaultyStore, assert_hit, assert_miss, isolated_cache


@pytest.fixture
def f(call):
    """
    A function of either colour in the default cache, that has results.
    """

    @call.cached(ttl="10m", tags=["t"])
    def f(x):
        return [x]

    call(assert_miss(f, 1))
    call(assert_hit(f, 1))
    return f


def test_nothing_goes_in_or_out(f, call):
    """
    A function finds nothing inside that was stored outside, and the reverse.
    """
    with isolated_cache():
        call(assert_miss(f, 1))
        call(assert_hit(f, 1))
        call(assert_miss(f, 2))
        inside = f.cache_info()
    assert (1, 2, 2) == (inside.hits, inside.misses, inside.currsize)
    call(assert_hit(f, 1))
    call(assert_miss(f, 2))
    assert 2 == f.cache_info().misses


def test_who_is_not_called_inside_is_as_before(f, call):
    """
    No function has to be called for everything to be put back.
    """
    before = f.cache_info()
    with isolated_cache():
        pass
    assert before == f.cache_info()
    call(assert_hit(f, 1))


def test_two_blocks_are_two(f, call):
    """
    Each begins empty; a block within a block is the same for that.
    """
    with isolated_cache():
        call(assert_miss(f, 1))
        with isolated_cache():
            call(assert_miss(f, 1))
            call(assert_hit(f, 1))
            call(assert_miss(f, 2))
        call(assert_hit(f, 1))
        call(assert_miss(f, 2))
    with isolated_cache():
        call(assert_miss(f, 1))
    call(assert_hit(f, 1))


def test_time_is_that_of_the_block(f, call):
    """
    A fake clock inside does not concern what is outside.
    """
    clock = FakeClock()
    with isolated_cache(clock=clock):
        call(assert_miss(f, 1))
        clock.advance(599)
        call(assert_hit(f, 1))
        clock.advance(1)
        call(assert_miss(f, 1))
    call(assert_hit(f, 1))


def test_a_function_that_fails_in_a_block(f, call):
    """
    Whatever is raised inside, everything is put back.
    """
    call(assert_hit(f, 1))
    with pytest.raises(ZeroDivisionError), isolated_cache():
        call(f(1 // 0))
    call(assert_hit(f, 1))


class Thing:
    @tiered_cache(name="Thing.size")
    def size(self):
        return 1

    def __cache_key__(self):
        return "thing"


def test_a_bound_method_that_somebody_keeps(call):
    """
    What was generated for the engine of before answers neither inside nor, if it was kept inside,
    outside.
    """
    thing = Thing()
    kept = thing.size
    assert_miss(Thing.size, thing)
    with isolated_cache():
        kept_inside = thing.size
        assert 1 == kept()
        assert 1 == Thing.size.cache_info().misses
        assert 1 == kept_inside() == kept()
        after = thing.size
        assert 1 == after()
        assert (3, 1) == Thing.size.cache_info()[:2]
    assert 1 == kept() == kept_inside() == after()
    assert (3, 1) == Thing.size.cache_info()[:2]


def test_disabled_inside_does_not_wake_what_was_set_aside(f, call):
    """
    The end of a ``disabled()`` block lets hits pass again, but not those of the engines outside.
    """
    kept = f if call.is_async else f.__call__
    with isolated_cache():
        with disabled():
            call(kept(1))
        assert f.peek(1) is MISS
        call(assert_miss(f, 1))


def test_cache_objects_are_replaced_too(tmp_path):
    """
    Their functions, their methods and their directory: whoever holds them finds the stand-in.
    """
    cache = MultiLevelCache(directory=tmp_path / "d", l1_maxsize=0)
    sync = cache.sync

    @tiered_cache(cache=cache, name="g", tags=["t"])
    def g(x):
        return x

    assert_miss(g, 1)
    sync.set("k", "outside")
    with isolated_cache():
        assert sync.get("k") is None and asyncio.run(cache.get("k")) is None
        sync.set("k", "inside")
        assert "inside" == sync.get("k")
        assert_miss(g, 1)
        assert_hit(g, 1)
        cache.sync.invalidate_tags("t")
        assert_miss(g, 1)
        assert cache.get_stats()["l2"]["size"] == 0
        sync.close()
        assert cache.closed
    assert not cache.closed
    assert "outside" == sync.get("k")
    assert_hit(g, 1)
    sync.close()


def test_what_is_made_inside_ends_with_it():
    """
    Functions that are decorated in a block are without a cache afterwards, not without a life.
    """
    with isolated_cache() as cache:

        @tiered_cache
        def g(x):
            return x

        assert_miss(g, 1)
        assert_hit(g, 1)
        assert cache is get_cache()
    assert cache.closed
    assert cache is not get_cache()
    assert_miss(g, 1)
    assert_hit(g, 1)


def test_what_is_configured_inside_ends_with_it(f, call):
    """
    ``configure()`` opens caches anew, which are stand-ins again, and is forgotten.
    """
    clock = FakeClock()
    with isolated_cache(clock=clock):
        call(assert_miss(f, 1))
        configure(directory="somewhere", default_ttl="1h")
        call(assert_miss(f, 1))
        call(assert_hit(f, 1))
        assert "l2=none" in repr(get_cache())
    call(assert_hit(f, 1))
    assert 300 == get_cache()._keyed.engine.options.l1_ttl


@pytest.mark.parametrize("given", [{"mode": "off"}, {"l1": {"max_size": 0}}, {"directory": "d"}])
def test_settings_that_keep_nothing_in_memory(given):
    """
    A cache that is off, or has no memory tier, has one in a block: it is asked for.
    """
    configure(**given)

    @tiered_cache
    def g(x):
        return x

    g(1)
    with isolated_cache():
        assert_miss(g, 1)
        assert_hit(g, 1)


def test_no_call_is_recorded(tmp_path, monkeypatch):
    """
    What a test calls is not what is warmed tomorrow.
    """
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    configure(warming={"record": True})

    @tiered_cache(name="g", record=True)
    def g(x):
        return x

    with isolated_cache():
        assert_miss(g, 1)
        assert not g.cache_parameters()["record"]
    assert not (tmp_path / "state").exists()


def test_a_second_tier_of_its_own():
    """
    Each cache gets a store, and is closed with it.
    """
    stores = []

    def open_store():
        stores.append(FaultyStore())
        return stores[-1]

    @tiered_cache(name="g")
    def g(x):
        return x

    with isolated_cache(open_store=open_store) as cache:
        assert_miss(g, 1)
        assert 1 == cache.get_stats()["l2"]["size"]
        assert sum("set" in store.calls for store in stores) == 1
    assert all("close" in store.calls for store in stores)


def test_dependencies_go_with_it():
    """
    A function and the one it depends on find the same stand-in, and epochs are bumped there.
    """
    cache = MultiLevelCache()

    @tiered_cache(cache=cache, depends_on=[memotier.epoch("e")])
    def low():
        return 1

    @tiered_cache(cache=cache, depends_on=[low])
    def high():
        return low()

    high()
    with isolated_cache():
        assert_miss(high)
        low.cache_clear()
        assert_miss(high)
        memotier.epoch("e").bump(cache=cache)
        assert_miss(high)
        assert_hit(high)
    assert_hit(high)
    cache.sync.close()
