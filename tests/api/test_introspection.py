"""
What a decorated thing tells about itself: the same as the function.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import operator
import types
import typing
import weakref

import pytest

from memotier import tiered_cache

from . import importable
from .importable import Branch, Shop


@pytest.fixture
def plain(call):
    def f(x: int, *, k: str = "a") -> list[int]:
        """What it does."""
        return [x]

    return call.define(f)


@pytest.fixture
def f(plain, cache):
    return tiered_cache(cache=cache)(plain)


@pytest.mark.parametrize(
    "name",
    ["__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__",
     "__code__", "__globals__", "__closure__", "__annotations__"],
)  # fmt: skip
def test_attributes_of_the_function(f, plain, name):
    """
    Everything that a function has is that of the function.
    """
    assert getattr(plain, name) == getattr(f, name)


def test_what_inspect_says(call, f, plain):
    """
    ``inspect`` and ``typing`` see a function of the same kind, signature and source.
    """
    assert inspect.isfunction(f)
    assert isinstance(f, types.FunctionType)
    assert callable(f)
    assert call.is_async is inspect.iscoroutinefunction(f)
    assert not inspect.isgeneratorfunction(f)
    assert not inspect.isasyncgenfunction(f)
    assert inspect.signature(plain) == inspect.signature(f)
    assert inspect.getsource(plain) == inspect.getsource(f)
    assert inspect.getdoc(plain) == inspect.getdoc(f) == "What it does."
    assert typing.get_type_hints(plain) == typing.get_type_hints(f)
    assert plain is f.__wrapped__
    assert inspect.unwrap(plain) is inspect.unwrap(f)
    assert inspect.getfullargspec(plain) == inspect.getfullargspec(f)


def _methods(call, cache):
    class Shop:
        @call.cached(cache=cache)
        def method(self, x: int) -> int:
            """Doc."""
            return x

        @classmethod
        @call.cached(cache=cache)
        def inner(cls, x: int) -> int:
            """Doc."""
            return x

        @tiered_cache(cache=cache)
        @classmethod
        @call.define
        def outer(cls, x: int) -> int:
            """Doc."""
            return x

        @staticmethod
        @call.cached(cache=cache)
        def below(x: int) -> int:
            """Doc."""
            return x

        @tiered_cache(cache=cache)
        @staticmethod
        @call.define
        def above(x: int) -> int:
            """Doc."""
            return x

    return Shop


@pytest.mark.parametrize("name", ["method", "inner", "outer", "below", "above"])
def test_what_inspect_says_of_methods(call, cache, name):
    """
    A bound method is one for ``inspect``: the instance is not in its signature.
    """
    kind = _methods(call, cache)
    shop = kind()
    found = getattr(shop, name)

    assert "(x: 'int') -> 'int'" == str(inspect.signature(found))
    assert call.is_async is inspect.iscoroutinefunction(found)
    assert {"x": int, "return": int} == typing.get_type_hints(found)
    assert (name, "Doc.") == (found.__name__, inspect.getdoc(found))
    assert f"{kind.__qualname__}.{name}" == found.__qualname__
    assert __name__ == found.__module__
    assert name in inspect.getsource(found)
    assert hasattr(found, "cache_info")
    # (Since Python 3.13 a classmethod above ours is bound by Python alone.)
    assert "cache_info" in dir(found) or type(found) is types.MethodType
    static = name in ("below", "above")
    assert static is inspect.isfunction(found)
    assert static is not inspect.ismethod(found)
    if not static:
        assert (shop if name == "method" else kind) is found.__self__
        assert inspect.isfunction(found.__func__)
        assert call.is_async is inspect.iscoroutinefunction(found.__func__)


@pytest.mark.parametrize("name", ["method", "inner", "outer", "below", "above"])
def test_what_the_class_shows(call, cache, name):
    """
    In the class's own dict stands what Python would have there.
    """
    kind = _methods(call, cache)
    expected = {"inner": classmethod, "outer": classmethod, "below": staticmethod,
                "above": staticmethod, "method": types.FunctionType}[name]  # fmt: skip

    assert isinstance(inspect.getattr_static(kind, name), expected)
    assert call.is_async is inspect.iscoroutinefunction(getattr(kind, name))
    kinds = {one.name: one.kind for one in inspect.classify_class_attrs(kind)}
    assert {
        "method": "method",
        "inner": "class method",
        "outer": "class method",
        "below": "static method",
        "above": "static method",
    }[name] == kinds[name]


def test_hash_and_equality(f, plain, call, cache):
    """
    A cached function equals its function; a bound method equals the same one of the same object.
    """
    kind = _methods(call, cache)
    one, two = kind(), kind()

    assert f == plain
    assert hash(f) == hash(plain)
    assert one.method == one.method
    assert hash(one.method) == hash(one.method)
    assert one.method != two.method
    assert one.method != one.inner
    assert one.method != kind.method
    assert one.inner == two.inner == kind.inner
    assert 2 == len({one.method, one.method, two.method})


def test_weak_references(call, cache, f):
    """
    A cached function and a bound method can be referred to weakly, as without cache.
    """
    kind = _methods(call, cache)
    shop = kind()

    assert f is weakref.ref(f)()
    bound = shop.method
    watch = weakref.ref(bound)
    assert bound is watch()
    del bound
    assert watch() is None

    method = weakref.WeakMethod(shop.method)
    assert 1 == call(method()(1)) == call(shop.method(1))
    assert 1 == kind.method.cache_info().misses
    del shop
    assert method() is None


def test_singledispatch(cache):
    """
    A cached function can be dispatched to, and a dispatcher can be cached.
    """

    @functools.singledispatch
    def show(x):
        return ["object"]

    @show.register
    @tiered_cache(cache=cache)
    def show_int(x: int):
        return ["int", x]

    @show.register(str)
    @tiered_cache(cache=cache)
    def show_str(x):
        return ["str", x]

    cached = tiered_cache(cache=cache)(show)

    assert [["int", 1], ["str", "a"], ["object"]] == [show(1), show("a"), show(None)]
    assert [["int", 1], ["int", 1], ["str", "a"]] == [cached(1), cached(1), cached("a")]
    assert (1, 1) == (show_int.cache_info().hits, show_int.cache_info().misses)


def test_partials_and_maps_of_it(call, cache):
    """
    A cached function and a bound method can be used wherever a function can.
    """
    kind = _methods(call, cache)
    shop = kind()

    assert 1 == call(functools.partial(shop.method, 1)())
    assert 1 == call(functools.partial(kind.method, shop)(x=1))
    assert [1, 1] == [call(answer) for answer in map(shop.method, [1, 1])]
    assert 1 == call(operator.methodcaller("method", 1)(shop))
    assert 1 == kind.method.cache_info().misses


def test_wrapping_it_again(call, f):
    """
    ``functools.wraps`` around a cached function leads back to it.
    """

    @functools.wraps(f)
    def outside(*args, **kwargs):
        return f(*args, **kwargs)

    assert [1] == call(outside(1))
    assert f is outside.__wrapped__
    assert "f" == outside.__name__
    assert inspect.signature(f) == inspect.signature(outside)


def test_decorators_on_top(call, cache):
    """
    Another decorator on a cached method, and a cached method behind ``functools.partialmethod``.
    """

    def passing(function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            return function(*args, **kwargs)

        return inner

    class Shop:
        @passing
        @call.cached(cache=cache)
        def price(self, item, count=1):
            return [id(self), item, count]

        two = functools.partialmethod(price, count=2)

    shop, other = Shop(), Shop()
    assert [id(shop), 1, 1] == call(shop.price(1)) == call(shop.price(1, 1))
    assert [id(shop), 1, 2] == call(shop.two(1)) == call(shop.price(1, count=2))
    assert [id(other), 1, 1] == call(other.price(1))
    assert 3 == Shop.price.__wrapped__.cache_info().misses


@pytest.mark.extras
def test_pydantic_and_dataclass_leave_it_alone(call, cache):
    """
    A cached method in a model is a method, not a field.
    """
    import pydantic

    class Model(pydantic.BaseModel):
        x: int

        @call.cached(cache=cache)
        def plus(self, y: int) -> int:
            return self.x + y

    assert ["x"] == list(Model.model_fields)
    assert 3 == call(Model(x=1).plus(2)) == call(Model(x=1).plus(y=2))
    assert 4 == call(Model(x=2).plus(2))
    assert (1, 2) == Model.plus.cache_info()[:2]


def test_repr(f, call, cache):
    """
    A repr says that it is cached, and what.
    """
    kind = _methods(call, cache)

    assert f"<tiered_cache of {f.__qualname__}>" == repr(f)
    method = kind.method.__qualname__
    assert f"<bound <tiered_cache of {method}> of {kind.__qualname__}>" == repr(kind().method)


def test_help(f):
    """
    ``help()`` shows the function's own text.
    """
    import pydoc

    assert "What it does." in pydoc.render_doc(f, renderer=pydoc.plaintext)


def test_async_functions_are_coroutine_functions_for_asyncio(call, cache):
    """
    Frameworks that ask before they await get the right answer, for every way of access.
    """
    for found in (importable.adouble, tiered_cache(cache=cache)(importable.adouble.__wrapped__)):
        assert inspect.iscoroutinefunction(found)
    assert 6 == asyncio.run(importable.adouble(3))
    assert not inspect.iscoroutinefunction(importable.double)


def test_subclass_access():
    """
    A classmethod reached through a subclass is bound to the subclass.
    """
    for name in ("inner", "outer"):
        assert ("Shop", 1) == getattr(Shop, name)(1) == getattr(Shop(), name)(1)
        assert ("Branch", 1) == getattr(Branch, name)(1) == getattr(Branch(), name)(1)
        assert Branch is getattr(Branch, name).__self__
