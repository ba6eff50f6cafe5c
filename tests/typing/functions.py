"""
Types of cached functions, checked by mypy and pyright; never run.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar, assert_type

from memotier import (
    MISS,
    CacheInfo,
    Entry,
    Explanation,
    MultiLevelCache,
    env,
    epoch,
    file,
    tiered_cache,
)
from memotier.types import Miss

T = TypeVar("T")


@tiered_cache
def f(a: int, b: str = "x", *, c: float = 1.0) -> list[int]:
    return [a]


@tiered_cache(ttl="10m", tags=["n:{a}"], namespace="tool.search")
def g(a: int) -> str:
    return str(a)


@tiered_cache(
    ttl=60, stale_while_revalidate="1m", stale_if_error=timedelta(days=1), error_backoff=2
)
async def windowed(a: int) -> str:
    return str(a)


@tiered_cache(jitter="10%", refresh_ahead=0.8, hard_timeout="2s")
def ahead(a: int) -> str:
    return str(a)


tiered_cache(refresh_ahead="xfetch")
tiered_cache(refresh_ahead="often")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


tiered_cache(depends_on=[file("a", content=True), env("B"), epoch("c"), ahead, windowed])
tiered_cache(depends_on=["a"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


@tiered_cache(cache_exceptions=(KeyError, OSError), error_ttl="5s", error_ttl_max=60)
async def remembering(a: int) -> str:
    return str(a)


tiered_cache(cache_exceptions=KeyError)
tiered_cache(cache_exceptions={KeyError: "1m", OSError: None})
tiered_cache(cache_exceptions=KeyboardInterrupt)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


tiered_cache(stale_if_error=[1])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


@tiered_cache()
async def h(a: int, *rest: str) -> dict[str, int]:
    return {}


@tiered_cache
async def i(a: int) -> bytes:
    return b""


# -- calls -------------------------------------------------------------------------------------

assert_type(f(1), list[int])
assert_type(f(1, "y", c=2.0), list[int])
assert_type(f(a=1, b="y"), list[int])
assert_type(g(1), str)
waited_for_later: Coroutine[Any, Any, dict[str, int]] = h(1, "a")

f("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
f()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
f(1, d=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
f(1, "y", 2.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
g("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
h("1")  # type: ignore[arg-type, unused-coroutine]  # pyright: ignore[reportArgumentType, reportUnusedCoroutine]


# -- attributes ----------------------------------------------------------------------------------

assert_type(f.invalidate(1), bool)
assert_type(f.expire(1), bool)
assert_type(f.refresh(1, "y"), list[int])
assert_type(f.lookup(1), Entry | None)
assert_type(f.explain(1), Explanation)
assert_type(f.seed([2], 1, c=2.0), None)
assert_type(f.cache_key(1), str)
assert_type(f.bypass(a=1), list[int])
assert_type(f.cache_info(), CacheInfo)
assert_type(f.cache_parameters(), dict[str, Any])
assert_type(f.cache_clear(), None)
assert_type(f.cache_expire(), None)
assert_type(f.forget("ann"), None)
assert_type(f.__name__, str)

found = f.peek(1)
assert_type(found, list[int] | Miss)
if found is not MISS:
    assert_type(found, list[int] | Miss)
if not isinstance(found, Miss):
    assert_type(found, list[int])

f.invalidate("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
f.expire("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
f.refresh()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
f.peek(1, d=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
f.cache_key("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
f.bypass("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
f.lookup("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
f.seed([1], "1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
f.seed("not a list", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
f.invalidat(1)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
f + 1  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnusedExpression]
f.cache_clear(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def attributes_of_coroutine_functions() -> None:
    assert_type(await h(1), dict[str, int])
    assert_type(await i(1), bytes)
    assert_type(await i.invalidate(1), bool)
    assert_type(await i.expire(1), bool)
    assert_type(await i.refresh(1), bytes)
    assert_type(await i.lookup(1), Entry | None)
    assert_type(await i.explain(1), Explanation)
    assert_type(await i.seed(b"", 1), None)
    assert_type(await i.bypass(1), bytes)
    assert_type(await i.cache_clear(), None)
    assert_type(await i.cache_expire(), None)
    assert_type(await i.forget(("team", 1)), None)
    assert_type(i.peek(1), bytes | Miss)
    assert_type(i.cache_key(1), str)
    assert_type(i.cache_info(), CacheInfo)

    await i.invalidate("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await i.seed("not bytes", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await f(1)  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    await f.invalidate(1)  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    i.refresh(1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]


# -- as callables ----------------------------------------------------------------------------------

plain: Callable[[int], list[int]] = f
waiting: Callable[[int], Awaitable[bytes]] = i
wrong: Callable[[str], list[int]] = f  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
assert_type(list(map(g, [1, 2])), list[str])
assert_type(functools.partial(g, 1)(), str)
assert_type(sorted([1, 2], key=g), list[int])


@tiered_cache
def both(item: T, other: T) -> tuple[T, T]:
    return item, other


@tiered_cache(ttl=5)
def same(item: T, times: int = 1) -> list[T]:
    return [item] * times


assert_type(both(1, 2), tuple[int, int])
assert_type(both.refresh("a", "b"), tuple[str, str])
assert_type(same(1.5), list[float])
both(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


class Doubler:
    def __call__(self, x: int) -> int:
        return 2 * x


assert_type(tiered_cache(Doubler())(1), int)
assert_type(tiered_cache(lambda: 1)(), int)
assert_type(tiered_cache(functools.partial(g, 1))(), str)


# -- options --------------------------------------------------------------------------------------


class JsonCodec:
    name = "json"

    def encode(self, value: Any) -> bytes:
        return b""

    def decode(self, payload: bytes | memoryview) -> Any:
        return None


def everything(cache: MultiLevelCache) -> None:
    @tiered_cache(
        name="n",
        namespace="a.b",
        ttl=lambda result, x: timedelta(seconds=x),
        tags=lambda x: [f"t:{x}"],
        cache=cache,
        key=lambda x: x,
        ignore=(),
        version=2,
        on_unkeyable="bypass",
        codec=JsonCodec(),
        cache_if=lambda result: result is not None,
        copy=False,
        single_flight=None,
    )
    def full(x: int) -> int | None:
        return x

    assert_type(full(1), int | None)
    assert_type(full.peek(1), int | Miss | None)


for ttl in (60, 0.5, "10m", timedelta(1), math.inf, None):
    tiered_cache(ttl=ttl)

tiered_cache(ttl=[60])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
tiered_cache(tll=60)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
tiered_cache(on_unkeyable="ignore")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
tiered_cache(codec="json")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
tiered_cache(copy="deep")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
tiered_cache(cache=None)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
tiered_cache("10m")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
