"""
Types of batches, checked by mypy and pyright; never run.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, assert_type

from memotier import CacheInfo, Entry, Explanation, tiered_cache
from memotier.types import Miss


@tiered_cache
def f(a: int, b: str = "x") -> bytes:
    return b""


@tiered_cache(ttl=60)
async def g(a: int) -> float:
    return a


assert_type(f.map([1, (2, "y"), {"a": 3}]), list[bytes])
assert_type(f.map([1], limit=4), list[bytes])
assert_type(f.map([1], return_exceptions=True), list[bytes | Exception])
f.map(1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
f.map([1], limit="4")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


async def mapped() -> None:
    assert_type(await g.map([1, 2]), list[float])
    assert_type(await g.map([1, 2], return_exceptions=True), list[float | Exception])


# -- many -----------------------------------------------------------------------------------------


@tiered_cache.many
def users(ids: list[int], *, lang: str = "en") -> dict[int, str]:
    return {}


@tiered_cache.many(ttl="10m", items="ids", max_batch=100, tags=["user:{ids}"])
async def ausers(ids: Sequence[int]) -> Mapping[int, str]:
    return {}


@tiered_cache.many()
def lengths(texts: list[str]) -> list[int]:
    return [len(text) for text in texts]


@tiered_cache.many(jitter=0.1, redact=("token",))
async def alengths(texts: list[str]) -> list[int]:
    return [len(text) for text in texts]


assert_type(users([1], lang="de"), dict[int, str])
assert_type(users(ids=[1]), dict[int, str])
assert_type(users.bypass([1]), dict[int, str])
assert_type(users.invalidate(1, lang="de"), bool)
assert_type(users.refresh(1), str | Miss)
assert_type(users.peek(1), str | Miss)
assert_type(users.lookup(1), Entry | None)
assert_type(users.explain(1), Explanation)
assert_type(users.seed("x", 1), None)
assert_type(users.cache_key(1), str)
assert_type(users.cache_info(), CacheInfo)
assert_type(users.cache_clear(), None)
assert_type(lengths(["a"]), list[int])
assert_type(lengths.refresh("a"), int | Miss)
waited_for_later: Coroutine[Any, Any, dict[int, str]] = ausers([1])

users(["a"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
users([1], lang=2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
users.invalidate("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
users.seed(5, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
users.map([[1]])  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
tiered_cache.many(max_batch="7")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
tiered_cache.many(soft_timeout=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
tiered_cache.several  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


async def awaited() -> None:
    assert_type(await ausers([1]), dict[int, str])
    assert_type(await ausers.invalidate(1), bool)
    assert_type(await ausers.refresh(1), str | Miss)
    assert_type(ausers.peek(1), str | Miss)
    assert_type(await alengths(["a"]), list[int])
    await ausers.seed(1, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Shop:
    @tiered_cache
    def price(self, item: int) -> float:
        return item

    @tiered_cache.many
    def prices(self, items: list[int]) -> dict[int, float]:
        return {}

    @tiered_cache.many(ttl=5)
    async def aprices(self, items: list[int]) -> dict[int, float]:
        return {}


shop = Shop()
assert_type(shop.price.map([1, 2]), list[float])
assert_type(Shop.price.map([(shop, 1)]), list[float])
assert_type(shop.prices([1]), dict[int, float])
assert_type(shop.prices.invalidate(1), bool)
assert_type(Shop.prices(shop, [1]), dict[int, float])
assert_type(Shop.prices.invalidate(shop, 1), bool)
plain: Callable[[list[int]], dict[int, float]] = shop.prices
shop.prices(["a"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
shop.prices.invalidate("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def methods() -> None:
    assert_type(await shop.aprices([1]), dict[int, float])
    assert_type(shop.aprices.peek(1), float | Miss)
    assert_type(await shop.aprices.lookup(1), Entry | None)
    assert_type(await shop.aprices.explain(1), Explanation)
