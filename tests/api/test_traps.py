"""
The seven traps of decorating with a proxy, one section each (3 and 4: test_traps_pickle.py).
"""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest

from memotier import MISS, MultiLevelCache, tiered_cache

from . import importable
from .importable import Shop

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def fresh():
    """
    What other tests stored in the importable functions is gone.
    """
    for one in (importable.double, Shop.price, Shop.outer, Shop.inner, Shop.below, Shop.above):
        one.cache_clear()


# -- 1: a classmethod arrives differently, by side of the decorator and by Python version -----


def _before_3_13(wrapper, cls):
    """What ``classmethod.__get__`` did up to Python 3.12: it asked the wrapper to bind itself."""
    return type(wrapper).__get__(wrapper, cls)


def _since_3_13(wrapper, cls):
    """What ``classmethod.__get__`` does since: the wrapper is called as it is."""
    return types.MethodType(wrapper, cls)


@pytest.mark.parametrize("bind", [_before_3_13, _since_3_13])
def test_trap_1_below_a_classmethod(call, cache, bind):
    """
    However Python binds it, a class has its own results, and the key is the same.
    """

    class Base:
        @classmethod
        @call.cached(cache=cache)
        def name(cls, x=1):
            return [cls.__name__, x]

    class Derived(Base):
        pass

    wrapper = Base.__dict__["name"].__func__
    for kind in (Base, Derived):
        bound = bind(wrapper, kind)
        assert [kind.__name__, 1] == call(bound()) == call(bound(1)) == call(bound(x=1))
        assert [kind.__name__, 1] == call(kind.name(1)) == wrapper.peek(kind, 1)
        assert wrapper.cache_key(kind, 1) == _before_3_13(wrapper, kind).cache_key(1)
    assert 2 == wrapper.cache_info().misses


def test_trap_1_attributes_below_a_classmethod_up_to_3_12(call, cache):
    """
    The attributes know the class, where Python tells it.
    """

    class Base:
        @classmethod
        @call.cached(cache=cache)
        def name(cls, x=1):
            return [cls.__name__, x]

    bound = _before_3_13(Base.__dict__["name"].__func__, Base)
    assert ["Base", 3] == call(bound(3)) == bound.peek(3)
    assert call(bound.invalidate(3))


@pytest.mark.parametrize("arguments", [(), (3,)], ids=["none", "one"])
def test_trap_1_attributes_below_a_classmethod_since_3_13(call, cache, arguments):
    """
    Where Python does not tell the class, nothing is forgotten by mistake: the error says what
    to write.
    """

    class Base:
        @classmethod
        @call.cached(cache=cache)
        def name(cls, x=1):
            return [cls.__name__, x]

    bound = _since_3_13(Base.__dict__["name"].__func__, Base)
    assert ["Base", 3] == call(bound(3))
    for name in ("invalidate", "peek", "cache_key", "lookup", "refresh", "bypass"):
        with pytest.raises(TypeError, match="cls") as caught:
            call(getattr(bound, name)(*arguments))
        if arguments:
            assert "@tiered_cache above @classmethod" in str(caught.value)
    assert call(bound.invalidate(Base, 3))


def test_trap_1_above_a_classmethod(call, cache):
    """
    Above, it is the same in every Python, with attributes, also through a subclass.
    """

    class Base:
        @tiered_cache(cache=cache)
        @classmethod
        @call.define
        def name(cls, x=1):
            return [cls.__name__, x]

    class Derived(Base):
        pass

    for kind in (Base, Derived):
        for access in (kind, kind()):
            assert [kind.__name__, 3] == call(access.name(3)) == access.name.peek(3)
            assert [kind.__name__, 3] == call(access.name.refresh(x=3))
    assert call(Base.name.invalidate(3))
    assert Base.name.peek(3) is MISS
    assert ["Derived", 3] == Derived.name.peek(3)


# -- 2: through the class the instance is an argument -----------------------------------------


def test_trap_2_through_the_class():
    """
    ``C.m(c, 1)`` and ``C.m.invalidate(c, 1)`` mean what ``c.m(1)`` and ``c.m.invalidate(1)`` do.
    """
    shop = Shop(2)

    assert 6 == Shop.price(shop, 3) == shop.price(3) == Shop.price.peek(shop, 3)
    assert 1 == Shop.price.cache_info().misses
    assert Shop.price.cache_key(shop, 3) == shop.price.cache_key(3)
    Shop.price.seed(7, shop, 4)
    assert 7 == shop.price(4)
    assert Shop.price.invalidate(shop, 3)
    assert shop.price.peek(3) is MISS
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'item'"):
        Shop.price.invalidate(shop)


# -- 5: attributes set by the user, and dir() -------------------------------------------------


def test_trap_5_setting_an_attribute(call, cache):
    """
    An attribute that a user sets can be read again, and is on the function too.
    """
    f = call.cached(cache=cache)(lambda x: [x])
    f.foo = 1

    assert 1 == f.foo == f.__wrapped__.foo
    del f.foo
    assert not hasattr(f, "foo")
    assert [1] == call(f(1))


def test_trap_5_setting_an_attribute_of_a_bound_method():
    """
    On a bound method that is an error, as without cache: it would be lost.
    """
    shop = Shop()
    with pytest.raises(AttributeError, match="foo"):
        shop.price.foo = 1
    Shop.price.foo = 1
    assert 1 == shop.price.foo
    del Shop.price.foo


def test_trap_5_a_misspelt_attribute():
    """
    What is neither ours nor the function's is an error that names it.
    """
    for thing in (importable.double, Shop().price, Shop.outer):
        with pytest.raises(AttributeError, match="invalidat"):
            thing.invalidat(1)


@pytest.mark.parametrize("thing", [importable.double, Shop.price, Shop().price, Shop.outer])
def test_trap_5_dir(thing):
    """
    Completion in a REPL offers our attributes, and those of the function.
    """
    ours = {
        "cache_info", "cache_parameters", "cache_clear", "invalidate", "refresh", "peek",
        "lookup", "seed", "cache_key", "bypass", "__wrapped__", "__name__", "__doc__",
        "expire", "cache_expire", "forget",
    }  # fmt: skip
    assert ours <= set(dir(thing))
    assert all(hasattr(thing, name) for name in ours)
    assert all(getattr(thing, name).__doc__ for name in ours - {"__wrapped__", "__doc__"})


# -- 6: the cost of a call --------------------------------------------------------------------


def test_trap_6_a_hit_is_one_frame():
    """
    A hit runs no code of wrapt's and none of ours but the generated function.
    """

    class Local:
        def m(self, x, y=2):
            return x + y

    local, cache = Local(), MultiLevelCache()
    Local.cached = tiered_cache(cache=cache)(Local.m)
    f = tiered_cache(cache=cache)(lambda x, y=2: x + y)
    assert 3 == f(1) == f(1) == local.cached(1) == local.cached(1)
    bound = local.cached
    frames = []

    def watch(frame, event, _):
        if event == "call":
            frames.append(frame.f_code.co_filename)

    for hit in (f, bound):
        frames.clear()
        sys.setprofile(watch)
        try:
            hit(1)
        finally:
            sys.setprofile(None)
        (only,) = frames
        assert only.startswith("<memotier hit path of")


# -- 7: what importing costs ------------------------------------------------------------------


def test_trap_7_the_decorator_is_imported_when_it_is_used():
    """
    ``import memotier`` does not import wrapt, and with it asyncio; using the decorator does.
    """
    code = (
        "import sys, memotier\n"
        "print('wrapt' in sys.modules, 'asyncio' in sys.modules)\n"
        "memotier.tiered_cache\n"
        "print('wrapt' in sys.modules)\n"
    )
    assert "False False\nTrue\n" == run_python("-c", code)


def run_python(*arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    assert "" == done.stderr
    return done.stdout
