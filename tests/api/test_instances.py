"""
Methods: what an instance is known by, and that nothing of it outlives it.
"""

from __future__ import annotations

import enum
import gc
import logging
import weakref
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from memotier import MISS, UnkeyableArgument, tiered_cache


def _class(call, cache, **members):
    class Shop:
        __slots__ = members.pop("slots", ("__dict__", "__weakref__"))

        @call.cached(cache=cache, name="f")
        def f(self, x):
            return [x, id(self)]

    for name, member in members.items():
        setattr(Shop, name, member)
    return Shop


def test_an_instance_is_not_kept_alive(call, tiers):
    """
    Neither a result nor a look-up holds the instance: it dies with its last user reference.
    """
    shop = _class(call, tiers)()
    watch = weakref.ref(shop)
    call(shop.f(1))
    call(shop.f.lookup(1))
    call(shop.f([1]))
    gc.disable()
    try:
        del shop
        assert watch() is None
    finally:
        gc.enable()


def test_results_are_gone_with_the_instance(call, cache):
    """
    No entry of a dead instance can be counted or found.
    """
    kind = _class(call, cache)
    shop, other = kind(), kind()
    call(shop.f(1)), call(shop.f([2])), call(other.f(1))
    assert 3 == kind.f.cache_info().currsize
    del shop
    gc.collect()

    assert 1 == kind.f.cache_info().currsize
    call(other.f(2))
    assert 2 == cache.get_stats()["l1"]["size"]


def test_a_new_object_at_an_old_address(call, cache):
    """
    An object that is born where another died never gets its results.
    """
    kind = _class(call, cache)
    addresses = set()
    for at in range(200):
        shop = kind()
        addresses.add(id(shop))
        assert shop.f.peek(1) is MISS
        assert [1, id(shop)] == call(shop.f(1))
        call(shop.f.seed(at, 1))
        assert at == call(shop.f(1)) == shop.f.peek(1)
        del shop

    assert len(addresses) < 200, "no address was used twice: nothing was shown"
    assert 200 == kind.f.cache_info().misses


def test_an_instance_in_a_cycle(call, cache):
    """
    An instance that refers to itself and to its bound method is collected with them.
    """
    kind = _class(call, cache)
    shop = kind()
    shop.me, shop.bound = shop, shop.f
    call(shop.bound(1))
    watch = weakref.ref(shop)
    del shop
    gc.collect()

    assert watch() is None
    assert 0 == kind.f.cache_info().currsize


def test_a_decorated_closure_is_collected(call, cache):
    """
    A function that is decorated inside a function goes when nobody has it.
    """
    f = call.cached(cache=cache)(lambda x: [x])
    call(f(1))
    watch = weakref.ref(f.__wrapped__)
    cache.sync.clear()
    del f
    gc.collect()

    assert watch() is None


def test_slots_without_weakref(call, cache):
    """
    An instance that can neither be keyed nor watched is an error that names three ways out.
    """
    shop = _class(call, cache, slots=())()

    with pytest.raises(UnkeyableArgument) as caught:
        call(shop.f(1))

    message = str(caught.value)
    for part in ("'self'", "Shop", "__cache_key__", "'__weakref__'", "ignore=('self',)"):
        assert part in message


def test_slots_without_weakref_bypass_if_asked(call, cache):
    """
    With ``on_unkeyable="bypass"`` the method of such an instance is called.
    """

    class Shop:
        __slots__ = ()

        @call.cached(cache=cache, on_unkeyable="bypass")
        def f(self, x):
            return [x]

    assert [1] == call(Shop().f(1))
    assert 1 == Shop.f.cache_info().bypassed


@pytest.mark.extras
def test_cache_key_of_a_class(call, tiers):
    """
    Instances whose ``__cache_key__()`` is the same are the same, also in the second tier.
    """
    kind = _class(call, tiers, __cache_key__=lambda self: self.town)
    one, two, other = kind(), kind(), kind()
    one.town = two.town = "Rome"
    other.town = "Oslo"

    assert [1, id(one)] == call(one.f(1)) == call(two.f(1))
    assert [1, id(other)] == call(other.f(1))
    assert one.f.cache_key(1) == two.f.cache_key(1) != other.f.cache_key(1)
    assert call(two.f.invalidate(1))
    assert one.f.peek(1) is MISS


@dataclass(frozen=True)
class Frozen:
    town: str


@dataclass(frozen=True, slots=True)
class Slotted:
    town: str


class Pair(NamedTuple):
    town: str


class Town(enum.Enum):
    ROME = "Rome"
    OSLO = "Oslo"


def _pydantic():
    import pydantic

    class Model(pydantic.BaseModel):
        town: str

    return lambda town: Model(town=town)


def _attrs():
    import attrs

    @attrs.frozen
    class Place:
        town: str

    return Place


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(lambda: Frozen, id="frozen dataclass"),
        pytest.param(lambda: Slotted, id="with slots"),
        pytest.param(lambda: Pair, id="named tuple"),
        pytest.param(lambda: Town, id="enum"),
        pytest.param(_pydantic, id="pydantic", marks=pytest.mark.extras),
        pytest.param(_attrs, id="attrs", marks=pytest.mark.extras),
    ],
)
def test_values_are_known_by_their_content(call, cache, kind):
    """
    Two equal values share results; two different ones do not.
    """
    make = kind()

    def f(self, x):
        return [self.town if hasattr(self, "town") else self.value, x]

    owner = type(make("Rome"))
    f.__qualname__ = f"{owner.__qualname__}.f"
    method = call.cached(cache=cache)(f)
    bind = lambda value: method.__get__(value, owner)  # noqa: E731

    assert ["Rome", 1] == call(bind(make("Rome"))(1)) == call(bind(make("Rome"))(1))
    assert ["Oslo", 1] == call(bind(make("Oslo"))(1)) == call(bind(make("Oslo"))(1))
    assert (2, 2) == method.cache_info()[:2]


def test_values_share_through_the_second_tier(call, make_cache):
    """
    A value is the same in another process.
    """
    for misses in (1, 0):
        with make_cache("disk") as cache:

            @call.cached(cache=cache, name="Frozen.f")
            def f(self, x):
                return [self.town, x]

            assert ["Rome", 1] == call(f.__get__(Frozen("Rome"))(1))
            assert misses == f.cache_info().misses


def test_a_value_with_unkeyable_content(call, cache):
    """
    A class that says it is a value, and holds what has no key, is an error and not an identity.
    """

    @dataclass(frozen=True)
    class Odd:
        content: object

        @call.cached(cache=cache)
        def f(self, x):
            return x

    assert 1 == call(Odd(5).f(1))
    with pytest.raises(UnkeyableArgument, match=r"'self'.*content"):
        call(Odd(object()).f(1))


def test_instances_are_not_shared_through_the_second_tier(call, make_cache, caplog):
    """
    An instance that is known only by itself has its results in memory: no other process's
    instance, and no later one, is the same.
    """
    for _ in range(2):
        with make_cache("disk") as cache, caplog.at_level(logging.WARNING, "memotier"):
            shop = _class(call, cache)()
            assert [1, id(shop)] == call(shop.f(1)) == call(shop.f(1)) == shop.f.peek(1)
            assert 1 == type(shop).f.cache_info().misses
            assert 0 == cache.get_stats()["l2"]["size"]
            assert "l1" == call(shop.f.lookup(1)).tier


def test_subclasses_share_the_method_not_the_results(call, cache):
    """
    Two classes that inherit one method: each instance has its own results, one function counts.
    """
    base = _class(call, cache)
    one, two = type("One", (base,), {})(), type("Two", (base,), {})()

    assert [1, id(one)] == call(one.f(1))
    assert [1, id(two)] == call(two.f(1))
    assert 2 == base.f.cache_info().misses == one.f.cache_info().misses
    call(one.f.invalidate(1))
    assert one.f.peek(1) is MISS
    assert [1, id(two)] == two.f.peek(1)


def test_equal_values_of_two_subclasses(call, cache):
    """
    The class is part of what a value is.
    """

    class Base(NamedTuple):
        town: str

    def f(self, x):
        return [type(self).__name__, x]

    f.__qualname__ = f"{Base.__qualname__}.f"
    Base.f = call.cached(cache=cache)(f)
    one, two = type("One", (Base,), {}), type("Two", (Base,), {})

    assert ["One", 1] == call(one("Rome").f(1))
    assert ["Two", 1] == call(two("Rome").f(1))


def test_overridden_and_super(cache):
    """
    A method and the one it overrides are two functions.
    """

    class Base:
        @tiered_cache(cache=cache)
        def f(self, x):
            return ["base", x]

    class Derived(Base):
        @tiered_cache(cache=cache)
        def f(self, x):
            return ["derived", *super().f(x)]

    one = Derived()
    assert ["derived", "base", 1] == one.f(1) == one.f(1)
    assert [1, 1] == [Base.f.cache_info().misses, Derived.f.cache_info().misses]


def test_mutable_content_counts_as_it_is(call, cache):
    """
    A dataclass that changes is another value then.
    """

    @dataclass(eq=False)
    class Basket:
        items: list

        @call.cached(cache=cache)
        def count(self):
            return len(self.items)

    basket = Basket([1])
    assert 1 == call(basket.count())
    basket.items.append(2)
    assert 2 == call(basket.count())


def test_the_instance_by_keyword_and_through_the_class(call, cache):
    """
    ``C.f(c, 1)``, ``c.f(1)`` and ``C.f(self=c, x=1)`` are one call.
    """
    kind = _class(call, cache)
    shop = kind()

    assert [1, id(shop)] == call(shop.f(1)) == call(kind.f(shop, 1)) == call(kind.f(self=shop, x=1))
    assert [1, id(shop)] == kind.f.peek(shop, 1) == kind.f.peek(x=1, self=shop)
    assert 1 == kind.f.cache_info().misses
