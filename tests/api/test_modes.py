"""
Caching off for a while or altogether, configuring, named caches, and closing.
"""

from __future__ import annotations

import asyncio
import threading

import pytest

import memotier
from memotier import MISS, ConfigError, tiered_cache


@pytest.fixture
def seen():
    return []


@pytest.fixture
def f(call, tiers, seen):
    @call.cached(cache=tiers, name="f")
    def f(x):
        seen.append(x)
        return [x]

    return f


# -- disabled ---------------------------------------------------------------------------------


def test_disabled_neither_reads_nor_writes(f, call, seen):
    """
    Inside ``disabled()`` every call computes, and outside everything is as it was.
    """
    assert [1] == call(f(1))
    with memotier.disabled():
        assert [1] == call(f(1)) == call(f.refresh(1)) == call(f.bypass(1))
        assert [2] == call(f(2))
        assert f.peek(1) is MISS
        assert call(f.lookup(1)) is None
        assert call(f.seed(["x"], 3)) is None
    assert [1, 1, 1, 1, 2] == seen
    assert [1] == call(f(1))
    assert f.peek(2) is MISS
    assert f.peek(3) is MISS
    assert 5 == len(seen)


def test_invalidations_happen_while_disabled(f, call, seen, tiers):
    """
    What is invalidated inside ``disabled()`` is gone afterwards.
    """
    for x in (1, 2, 3):
        assert [x] == call(f(x))
    with memotier.disabled():
        assert call(f.invalidate(1))
    assert [[1], [2]] == [call(f(1)), call(f(2))]
    with memotier.disabled():
        call(f.cache_clear())
    assert [3] == call(f(3))
    assert [1, 2, 3, 1, 3] == seen


def test_disabled_nested(f, call, seen):
    """
    Caching is on again only after the outermost block, also when one ends with an error.
    """
    assert [1] == call(f(1))
    with memotier.disabled():
        with pytest.raises(KeyError), memotier.disabled():
            raise KeyError
        assert [1] == call(f(1))
    assert [1] == call(f(1))
    assert [1, 1] == seen


def test_disabled_holds_for_its_own_thread(tiers, seen):
    """
    Other threads go on reading the cache meanwhile.
    """

    @tiered_cache(cache=tiers, name="f")
    def f(x):
        seen.append(x)
        return [x]

    assert [1] == f(1)
    found = []
    with memotier.disabled():
        thread = threading.Thread(target=lambda: found.append((f(1), f.peek(1))))
        thread.start()
        thread.join(10)
        assert [1] == f(1)
    assert [([1], [1])] == found
    assert [1, 1] == seen


def test_disabled_holds_for_its_own_task_and_those_it_starts(cache):
    """
    Tasks started inside inherit it, tasks started outside do not.
    """
    seen = []

    @tiered_cache(cache=cache)
    async def f(x):
        seen.append(x)
        return [x]

    async def main():
        await f(1)
        go = asyncio.Event()

        async def waiting():
            await go.wait()
            return await f(1)

        outside = asyncio.ensure_future(waiting())
        with memotier.disabled():
            await asyncio.sleep(0)
            inside = asyncio.ensure_future(f(1))
            go.set()
            assert [1] == await outside
            assert [1] == await inside
        assert [1] == await f(1)

    asyncio.run(main())
    assert [1, 1] == seen


def test_disabled_for_caches_made_inside(call, make_cache, seen):
    """
    A cache that is made inside the block is off inside it and on afterwards.
    """

    def make(cache):
        @call.cached(cache=cache)
        def f(x):
            seen.append(x)
            return [x]

        return f

    with memotier.disabled():
        inside = make(make_cache())
        assert [1] == call(inside(1)) == call(inside(1))
    assert [1, 1] == seen
    assert [1] == call(inside(1)) == call(inside(1)) == inside.peek(1)
    assert [1, 1, 1] == seen


def test_disabled_holds_for_keys_too(cache):
    """
    The cache object is off like the functions.
    """
    cache.sync.set("k", 1)
    with memotier.disabled():
        assert cache.sync.get("k") is None
        cache.sync.set("other", 1)
        assert 2 == cache.sync.get_or_compute("k", lambda: 2)
    assert (1, None) == (cache.sync.get("k"), cache.sync.get("other"))


def test_current_works_while_nothing_is_cached(call, tiers):
    """
    A function that describes its entry can be called where there will be none.
    """

    @call.cached(cache=tiers, on_unkeyable="bypass")
    def f(x):
        memotier.current().add_tags("t")
        memotier.current().set_ttl(5)
        memotier.current().skip()
        return 1

    assert 1 == call(f(1)) == call(f(object())) == call(f.bypass(1)) == call(f.refresh(1))
    with memotier.disabled():
        assert 1 == call(f(1)) == call(f.refresh(1))
    tiers.sync.close()
    assert 1 == call(f(1)) == call(f.refresh(1))


def test_current_is_the_innermost_entry(cache):
    """
    What a bypassing inner call says of itself does not reach the outer entry.
    """

    @tiered_cache(cache=cache)
    def inner(x):
        memotier.current().add_tags("inner")
        return 1

    @tiered_cache(cache=cache)
    def outer(x):
        memotier.current().add_tags("before")
        with memotier.disabled():
            inner(x)
        inner.bypass(x)
        inner(x)
        memotier.current().add_tags("after")
        return 2

    assert 2 == outer(1)
    assert ("before", "after") == outer.lookup(1).tags
    assert ("inner",) == inner.lookup(1).tags


def test_current_outside_of_a_computation():
    """
    Outside of a computation there is no entry in the making, and the error says so.
    """
    with pytest.raises(memotier.MemotierError, match="while it is being computed") as caught:
        memotier.current()
    assert isinstance(caught.value, LookupError)


def test_skip(call, tiers, seen):
    """
    ``current().skip()`` returns a result without storing it.
    """

    @call.cached(cache=tiers, name="f")
    def f(x):
        seen.append(x)
        if x < 0:
            memotier.current().skip()
        return [x]

    assert [[1], [-1]] * 2 == [call(f(x)) for x in (1, -1, 1, -1)]
    assert [1, -1, -1] == seen


# -- mode off ---------------------------------------------------------------------------------


def test_mode_off(call, monkeypatch, tmp_path, seen):
    """
    With MEMOTIER_MODE=off functions are called as if they were not decorated; no file is made.
    """
    monkeypatch.setenv("MEMOTIER_MODE", "off")
    monkeypatch.setenv("MEMOTIER_DIRECTORY", str(tmp_path / "cache"))

    @call.cached()
    def f(x):
        seen.append(x)
        return [x]

    assert [1] == call(f(1)) == call(f(1)) == call(f.refresh(1)) == call(f.bypass(1))
    assert [1] * 4 == seen
    assert f.peek(1) is MISS
    assert call(f.lookup(1)) is None
    assert call(f.invalidate(1)) is False
    assert call(f.seed(5, 1)) is None
    assert call(f.cache_clear()) is None
    assert (0, 0) == f.cache_info()[:2]
    assert f.cache_key(1) == f.cache_key(x=1)
    assert not (tmp_path / "cache").exists()


def test_mode_off_and_on_again(call, seen):
    """
    ``configure(mode=...)`` holds for functions that are in use already.
    """

    @call.cached()
    def f(x):
        seen.append(x)
        return [x]

    for mode, computed in (("on", 1), ("off", 3), ("on", 4)):
        memotier.configure(mode=mode)
        assert [1] == call(f(1)) == call(f(1))
        assert computed == len(seen)


# -- configure, get_cache, invalidate_tags ------------------------------------------------------


def test_configure_moves_functions_to_the_new_cache(call, tmp_path, seen):
    """
    Functions that know their cache by name go on with the new one; bound methods too.
    """

    class Shop:
        @call.cached()
        def price(self, item):
            seen.append(item)
            return [item]

    shop = Shop()
    price = shop.price
    assert [1] == call(price(1)) == call(price(1))
    before = memotier.get_cache()
    memotier.configure(l1={"max_size": 3})

    assert before.closed
    assert memotier.get_cache() is memotier.get_cache() is not before
    assert [1] == call(price(1)) == call(shop.price(1)) == call(price(1))
    assert [1, 1] == seen
    assert 3 == price.cache_info().maxsize


def test_configure_adds_up(call, tmp_path):
    """
    Several calls add up; what one of them gets wrong changes nothing.
    """
    memotier.configure(default_ttl="10s")
    memotier.configure(l1={"max_size": 3})
    cache = memotier.get_cache()
    with pytest.raises(ConfigError, match="max_sise"):
        memotier.configure(l1={"max_sise": 5})
    f = call.cached()(lambda x: x)

    assert cache is memotier.get_cache()
    assert 1 == call(f(1))
    assert 3 == f.cache_info().maxsize
    assert 9 < call(f.lookup(1)).ttl_left <= 10


def test_settings_of_the_project_are_used(call, tmp_path):
    """
    ``pyproject.toml`` of the working directory configures the default cache.
    """
    with open("pyproject.toml", "w") as file:
        file.write('[tool.memotier]\ndirectory = "kept"\nl1 = { max_size = 5 }\n')

    for misses in (1, 0):
        memotier.configure()
        f = call.cached(name="f")(lambda x: [x])
        assert [1] == call(f(1))
        assert (misses, 5) == (f.cache_info().misses, f.cache_info().maxsize)


def test_invalidate_tags_everywhere(call, make_cache):
    """
    ``memotier.invalidate_tags`` reaches every named cache in use, not those of others.
    """
    memotier.configure(caches={"other": {}})
    functions = [
        call.cached(cache=cache, tags=["t"])(lambda x: [x])
        for cache in ("default", "other", make_cache())
    ]
    for f in functions:
        assert [1] == call(f(1))
    memotier.invalidate_tags("t")

    assert [False, False, True] == [call(f.lookup(1)) is not None for f in functions]


# -- closing ----------------------------------------------------------------------------------


def test_after_closing_functions_compute(f, call, seen, tiers):
    """
    When its cache object is closed a function just computes, and its attributes do nothing.
    """
    assert [1] == call(f(1)) == call(f(1))
    tiers.sync.close()

    assert tiers.closed
    assert [1] == call(f(1)) == call(f(1)) == call(f.refresh(1))
    assert [1] * 4 == seen
    assert f.peek(1) is MISS
    assert call(f.lookup(1)) is None
    assert call(f.invalidate(1)) is False
    assert call(f.seed(5, 1)) is None
    assert call(f.cache_clear()) is None
    assert f.cache_key(1) == f.cache_key(x=1)
    assert isinstance(f.cache_parameters(), dict)


def test_closed_before_the_first_call(call, cache, seen):
    """
    A function whose cache is closed before it is ever called computes.
    """
    cache.sync.close()
    f = call.cached(cache=cache)(lambda x: [x])

    assert [1] == call(f(1)) == call(f(1))
    assert 0 == f.cache_info().currsize


def test_closing_a_named_cache_opens_a_new_one(call, seen):
    """
    A function that knows its cache by name goes on with a new one.
    """

    @call.cached()
    def f(x):
        seen.append(x)
        return [x]

    assert [1] == call(f(1)) == call(f(1))
    memotier.get_cache().sync.close()
    assert [1] == call(f(1)) == call(f(1))
    assert [1, 1] == seen
