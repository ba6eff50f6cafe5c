"""
Every kind of thing that can be decorated, sync and async by one body.
"""

from __future__ import annotations

import functools
import math
import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass

import pytest

from memotier import tiered_cache


def test_function(call, cache):
    """
    A function runs once per arguments.
    """
    seen = []

    @call.cached(cache=cache)
    def double(x):
        seen.append(x)
        return 2 * x

    assert [2, 2, 4] == [call(double(1)), call(double(1)), call(double(2))]
    assert [1, 2] == seen


def test_bare_and_empty_parentheses(call):
    """
    Without options, with and without parentheses, the default cache is used.
    """
    bare = tiered_cache(call.define(lambda x: [x]))
    empty = tiered_cache()(call.define(lambda x: [x]))

    assert [1] == call(bare(1)) == call(bare(1)) == call(empty(1)) == call(empty(1))
    assert 1 == bare.cache_info().hits == empty.cache_info().hits


def test_method(call, cache):
    """
    A method's results belong to its instance.
    """

    class Shop:
        def __init__(self, rate):
            self.rate = rate

        @call.cached(cache=cache)
        def price(self, item, count=1):
            return item * self.rate * count

    one, two = Shop(1), Shop(2)

    assert [5, 10] == [call(one.price(5)), call(two.price(5))]
    assert [5, 10] == [call(one.price(item=5)), call(Shop.price(two, 5, count=1))]
    assert 2 == Shop.price.cache_info().misses


def test_method_whose_first_parameter_has_another_name(call, cache):
    """
    What stands in a class body is a method, whatever it calls its instance.
    """

    class Shop:
        @call.cached(cache=cache)
        def price(this, item):
            return id(this), item

    one, two = Shop(), Shop()

    assert (id(one), 3) == call(one.price(3)) == call(one.price(3))
    assert (id(two), 3) == call(two.price(3))
    assert 2 == Shop.price.cache_info().misses


@pytest.mark.parametrize("order", ["inner", "outer"])
def test_classmethod(call, cache, order):
    """
    The class is part of the key of a classmethod, on whichever side the decorator stands.
    """

    def name(cls, suffix="!"):
        return cls.__name__ + suffix

    cached = call.cached(cache=cache)

    class Base:
        pass

    name.__qualname__ = f"{Base.__qualname__}.name"
    Base.name = (
        classmethod(cached(name))
        if order == "inner"
        else tiered_cache(cache=cache)(classmethod(call.define(name)))
    )

    class Derived(Base):
        pass

    for _ in range(2):
        assert "Base!" == call(Base.name()) == call(Base().name(suffix="!"))
        assert "Derived!" == call(Derived.name()) == call(Derived().name("!"))
    assert 2 == Base.name.cache_info().misses


@pytest.mark.parametrize("order", ["inner", "outer"])
def test_staticmethod(call, cache, order):
    """
    A staticmethod is a function, on whichever side the decorator stands.
    """

    def double(x):
        return 2 * x

    class Tools:
        pass

    Tools.double = (
        staticmethod(call.cached(cache=cache)(double))
        if order == "inner"
        else tiered_cache(cache=cache)(staticmethod(call.define(double)))
    )

    assert 6 == call(Tools.double(3)) == call(Tools().double(3)) == call(Tools.double(x=3))
    assert 1 == Tools.double.cache_info().misses


def test_a_staticmethod_can_call_a_parameter_cls(call, cache):
    """
    A parameter's name makes no method of a staticmethod.
    """

    class Tools:
        @tiered_cache(cache=cache)
        @staticmethod
        @call.define
        def name(cls, suffix):
            return f"{cls}{suffix}"

        @staticmethod
        @call.cached(cache=cache)
        def below(self, suffix):
            return f"{self}{suffix}"

    assert "a1" == call(Tools.name("a", 1)) == call(Tools.name(cls="a", suffix=1))
    assert "a1" == call(Tools.below("a", 1)) == call(Tools.below(self="a", suffix=1))
    assert 1 == Tools.name.cache_info().misses == Tools.below.cache_info().misses


def test_lambda(cache):
    """
    Two lambdas on one line keep their results apart.
    """
    add, sub = (tiered_cache(cache=cache)(f) for f in (lambda x: x + 1, lambda x: x - 1))

    assert [2, 0, 2, 0] == [add(1), sub(1), add(1), sub(1)]


def test_partial(call, cache):
    """
    A partial is called like what it leaves open.
    """

    def power(base, exponent, *, scale=1):
        return scale * base**exponent

    square = tiered_cache(cache=cache)(functools.partial(call.define(power), exponent=2))
    of_two = tiered_cache(cache=cache)(functools.partial(call.define(power), 2))

    assert 9 == call(square(3)) == call(square(base=3)) == call(square(3, exponent=2))
    assert 8 == call(of_two(3)) == call(of_two(exponent=3, scale=1))
    assert 1 == square.cache_info().misses == of_two.cache_info().misses


def test_callable_object(call, cache):
    """
    An object that is called like a function, or like a coroutine function, is cached as one.
    """

    class Doubler:
        @call.define
        def __call__(self, x):
            return 2 * x

    double = tiered_cache(cache=cache)(Doubler())

    assert 6 == call(double(3)) == call(double(x=3))
    assert 1 == double.cache_info().misses


def test_builtins(cache):
    """
    Functions made in C are functions, if they tell their parameters.
    """
    factorial = tiered_cache(cache=cache)(math.factorial)
    length = tiered_cache(cache=cache)(operator.length_hint)

    assert 120 == factorial(5) == factorial(5)
    assert 2 == length("ab") == length("ab")
    assert 1 == factorial.cache_info().misses == length.cache_info().misses


def test_method_of_one_object(call, tiers):
    """
    Bound methods of two objects are two functions, also where they share a second tier.
    """

    class Shop:
        def __init__(self, rate):
            self.rate = rate

        @call.define
        def price(self, item):
            return item * self.rate

    Shop.__qualname__ = "Shop"
    Shop.price.__qualname__ = "Shop.price"
    one, two = (tiered_cache(cache=tiers)(Shop(rate).price) for rate in (1, 2))

    assert [5, 10, 5, 10] == [call(f(5)) for f in (one, two, one, two)]


def test_class_attributes_that_are_not_bound(cache):
    """
    A cached partial or callable object in a class is not given the instance, as without cache.
    """

    class Doubler:
        def __call__(self, x):
            return 2 * x

    class Tools:
        double = tiered_cache(cache=cache)(Doubler())
        length = tiered_cache(cache=cache)(len)
        again = tiered_cache(cache=cache)(Doubler().__call__)

    assert 6 == Tools().double(3)
    assert 2 == Tools().length("ab")
    assert 6 == Tools().again(3)


@pytest.mark.parametrize("order", ["inner", "outer"])
def test_abstract_method(call, cache, order):
    """
    An abstract method stays abstract, and its implementation has results of its own.
    """
    decorators = [call.cached(cache=cache), abstractmethod]
    first, second = decorators if order == "inner" else reversed(decorators)

    class Base(ABC):
        @second
        @first
        def load(self, x):
            return ("base", x)

    class Derived(Base):
        @call.cached(cache=cache)
        def load(self, x):
            return ("derived", x)

        @call.define
        def above(self, x):
            return super().load(x)

    with pytest.raises(TypeError, match="abstract"):
        Base()
    derived = Derived()
    assert ("derived", 1) == call(derived.load(1))
    if not call.is_async:
        assert ("base", 1) == derived.above(1) == derived.above(1)


def test_property_around(cache):
    """
    A property over a cached method computes once per instance.
    """
    seen = []

    class Shop:
        @property
        @tiered_cache(cache=cache)
        def total(self):
            seen.append(id(self))
            return [1]

    one, two = Shop(), Shop()

    assert [[1]] * 4 == [one.total, two.total, one.total, two.total]
    assert [id(one), id(two)] == seen


def test_slots_dataclass(call, cache):
    """
    A class that is made a second time, as with ``slots=True``, keeps its cached methods.
    """

    @dataclass(slots=True, weakref_slot=True, eq=False)
    class Point:
        x: int

        @call.cached(cache=cache)
        def plus(self, y):
            return self.x + y

    assert 3 == call(Point(1).plus(2))
    assert 4 == call(Point(2).plus(2))


def test_wrapper_that_takes_anything_is_called_like_what_it_wraps(call, cache):
    """
    Behind a ``functools.wraps`` decorator, spellings of one call are still one call.
    """

    def passing(function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            return function(*args, **kwargs)

        return inner

    def add(a, b=2):
        return a + b

    cached = tiered_cache(cache=cache)(call.define(passing(add)))

    assert 3 == call(cached(1)) == call(cached(a=1, b=2)) == call(cached(1, 2))
    assert 1 == cached.cache_info().misses


def test_wrapper_with_a_parameter_of_its_own_is_called_by_it(cache):
    """
    A wrapper that adds a parameter can be called with it, and it counts.
    """

    def scaled(function):
        @functools.wraps(function)
        def inner(*args, scale=1, **kwargs):
            return scale * function(*args, **kwargs)

        return inner

    @tiered_cache(cache=cache)
    @scaled
    def add(a, b=2):
        return a + b

    assert [3, 30, 3] == [add(1), add(1, scale=10), add(1)]


def test_recursion(call, cache):
    """
    A function may call itself.
    """
    if call.is_async:

        @tiered_cache(cache=cache)
        async def fib(n):
            return n if n < 2 else await fib(n - 1) + await fib(n - 2)
    else:

        @tiered_cache(cache=cache)
        def fib(n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert 832040 == call(fib(30))
    assert 31 == fib.cache_info().misses
