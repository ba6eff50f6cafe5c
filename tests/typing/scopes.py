"""
Types of ``scope=``, ``agent=``, ``authorize=`` and ``verify=``; read by mypy and pyright, not run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import assert_type

import memotier
from memotier import Entry, MultiLevelCache, Quota, ScopeInfo, tiered_cache

user: ContextVar[str] = ContextVar("user")


@tiered_cache(scope=user, agent=True, effects="read", quota=Quota(entries=10))
def by_variable(x: int) -> str:
    return f"{x}"


@tiered_cache(scope=lambda: "ann")
async def by_callable(x: int) -> str:
    return f"{x}"


@tiered_cache(scope=("who", "team"))
def by_names(who: str, team: int) -> Iterator[str]:
    yield who


@tiered_cache.many(scope=user, quota=Quota(bytes="1MB"), agent=True, effects="read")
def of_all(ids: list[int]) -> dict[int, str]:
    return {}


tiered_cache(is_error=True)
tiered_cache(is_error=lambda result: not result)
tiered_cache.many(is_error=False)
tiered_cache(is_error="yes")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


@tiered_cache(authorize=lambda entry, scope: scope == entry.key, verify=0.01, equal=max)
def checked(x: int) -> str:
    return f"{x}"


async def may(entry: Entry, scope: object) -> bool:
    return bool(entry.tags)


@tiered_cache(authorize=may)
async def awaited(x: int) -> str:
    return f"{x}"


@tiered_cache.many(authorize=may)
async def all_of(ids: list[int]) -> dict[int, str]:
    return {}


tiered_cache(authorize=lambda entry: True)  # type: ignore[arg-type,misc]  # pyright: ignore[reportArgumentType]
tiered_cache(verify="1%")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]

assert_type(checked(1), str)
assert_type(checked.cache_info().verified, int)

tiered_cache(scope=None)
tiered_cache(scope=["who"])
tiered_cache(scope=7)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
tiered_cache(scope="who")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
tiered_cache(quota=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
tiered_cache(agent="yes")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]

assert_type(by_variable(1), str)
assert_type(by_variable.forget("ann"), None)
assert_type(by_names.forget(("ann", 1)), None)
assert_type(of_all.forget(1), None)
assert_type(memotier.forget("ann"), None)
assert_type(by_variable.scope_info("ann"), ScopeInfo)
assert_type(by_callable.scope_info("ann"), ScopeInfo)
assert_type(by_names.scope_info(("ann", 1)), ScopeInfo)
assert_type(of_all.scope_info("ann"), ScopeInfo)


async def main(cache: MultiLevelCache) -> None:
    assert_type(await by_callable(1), str)
    assert_type(await by_callable.forget("ann"), None)
    assert_type(await cache.forget("ann"), None)
    assert_type(cache.sync.forget("ann"), None)
    assert_type(cache.scope_info("ann"), ScopeInfo)


class Shop:
    @tiered_cache(scope=user)
    def price(self, x: int) -> str:
        return f"{x}"


assert_type(Shop().price.forget("ann"), None)
assert_type(Shop().price.scope_info("ann"), ScopeInfo)
Shop().price.forget()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
