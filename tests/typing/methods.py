"""
Types of cached methods, class- and static methods, checked by mypy and pyright; never run.
"""

# ruff: noqa: E501 - what a line must not say stands on that line

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, assert_type

from memotier import Entry, Explanation, tiered_cache
from memotier.types import Miss

T = TypeVar("T")


class Shop:
    rate: int = 1

    @tiered_cache
    def price(self, item: int, *, count: int = 1) -> int:
        return item * self.rate

    @tiered_cache(ttl=60)
    async def load(self, name: str) -> list[str]:
        return [name]

    @classmethod
    @tiered_cache
    def inner(cls, name: str) -> bytes:
        return name.encode()

    @tiered_cache(ttl=60)
    @classmethod
    def outer(cls, name: str) -> bytes:
        return name.encode()

    @classmethod
    @tiered_cache
    async def ainner(cls, name: str) -> bytes:
        return name.encode()

    @tiered_cache
    @classmethod
    async def aouter(cls, name: str) -> bytes:
        return name.encode()

    @staticmethod
    @tiered_cache
    def below(x: int) -> float:
        return x

    @tiered_cache
    @staticmethod
    def above(x: int) -> float:
        return x

    @tiered_cache(ttl=60)
    @staticmethod
    async def aabove(x: int) -> float:
        return x

    @property
    @tiered_cache
    def total(self) -> int:
        return 1


class Branch(Shop):
    """Inherits everything."""


class Dear(Shop):
    # (Every object that is no plain function has this trouble in pyright.)
    @tiered_cache
    def price(self, item: int, *, count: int = 1) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return super().price(item, count=count) > 1

    @tiered_cache
    def total_of(self, *items: int) -> int:
        return sum(self.price(item) for item in items)


class Box(Generic[T]):
    def __init__(self, item: T) -> None:
        self.item = item

    @tiered_cache
    def content(self, times: int) -> list[T]:
        return [self.item] * times


shop, branch = Shop(), Branch()

# -- on an instance -------------------------------------------------------------------------------

assert_type(shop.price(1), int)
assert_type(shop.price(item=1, count=2), int)
assert_type(shop.price.invalidate(1), bool)
assert_type(shop.price.expire(1), bool)
assert_type(shop.price.refresh(1, count=2), int)
assert_type(shop.price.peek(1), int | Miss)
assert_type(shop.price.lookup(1), Entry | None)
assert_type(shop.price.explain(1), Explanation)
assert_type(shop.price.seed(5, 1), None)
assert_type(shop.price.cache_key(1), str)
assert_type(shop.price.bypass(1), int)
assert_type(branch.price(1), int)
assert_type(shop.total, int)

shop.price("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
shop.price(1, 2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
shop.price.invalidate("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
shop.price.invalidate(shop, 1)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
shop.price.seed("5", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
shop.price.invalidat(1)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]

# -- through the class ------------------------------------------------------------------------------

assert_type(Shop.price(shop, 1), int)
assert_type(Shop.price.invalidate(shop, 1), bool)
assert_type(Shop.price.refresh(branch, item=1), int)

Shop.price.invalidate(1)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
Shop.price(shop, "1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# -- class- and static methods, decorated on either side ---------------------------------------------

assert_type(Shop.inner("a"), bytes)
assert_type(shop.inner("a"), bytes)
assert_type(Branch.inner("a"), bytes)
assert_type(Shop.outer("a"), bytes)
assert_type(shop.outer("a"), bytes)
assert_type(Branch.outer("a"), bytes)
assert_type(Shop.outer.invalidate("a"), bool)
assert_type(shop.outer.refresh("a"), bytes)
assert_type(Shop.below(1), float)
assert_type(shop.below(1), float)
assert_type(Shop.below.invalidate(1), bool)
assert_type(Shop.above(1), float)
assert_type(shop.above(1), float)
assert_type(shop.above.invalidate(1), bool)

Shop.inner(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Shop.outer(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Shop.outer.invalidate(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Shop.below("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Shop.above("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
shop.above.invalidate("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def coroutine_methods() -> None:
    assert_type(await shop.load("a"), list[str])
    assert_type(await shop.load.invalidate("a"), bool)
    assert_type(await shop.load.refresh(name="a"), list[str])
    assert_type(await Shop.load(shop, "a"), list[str])
    assert_type(await Shop.load.invalidate(shop, "a"), bool)
    assert_type(await Shop.ainner("a"), bytes)
    assert_type(await shop.ainner("a"), bytes)
    assert_type(await Shop.aouter("a"), bytes)
    assert_type(await shop.aouter.refresh("a"), bytes)
    assert_type(await Shop.aabove(1), float)
    assert_type(await shop.aabove.invalidate(1), bool)

    await shop.load(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await shop.load.invalidate(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await Shop.aouter(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    shop.load.invalidat("a")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


assert_type(Dear().price(1), bool)
assert_type(Dear().total_of.refresh(1, 2), int)

# -- more ---------------------------------------------------------------------------------------------

assert_type(Box(1).content(2), list[int])
assert_type(Box("a").content.refresh(2), list[str])

bound: Callable[[int], int] = shop.price
wrong: Callable[[str], int] = shop.price  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
anything: Callable[..., Any] = Shop.outer
