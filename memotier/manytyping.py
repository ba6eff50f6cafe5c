"""
The types of functions with ``@tiered_cache.many``, as checkers see them; see typing.py.

Called, such a function takes what it took before. Asked about one id, it takes that id first and
the other arguments after it, which no type can say of an arbitrary signature: these are checked
when they are used. Where the function says that it returns a dict, the id is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Protocol, TypeVar, overload

from .cache import MultiLevelCache
from .engine.stats import CacheInfo
from .entry import Entry
from .explanation import Explanation
from .types import Codec, Miss
from .typing import (
    Authorize,
    Effects,
    Scope,
    Ttl,
    _AsyncOfClass,
    _AsyncOfInstance,
    _OfClass,
    _OfInstance,
)

if TYPE_CHECKING:
    from .engine.scopeinfo import ScopeInfo
    from .quota import Quota

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
K = TypeVar("K")
V = TypeVar("V")
K_contra = TypeVar("K_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
V_co = TypeVar("V_co", covariant=True)


class _AboutAll(Protocol):
    __name__: str
    __qualname__: str

    @property
    def __wrapped__(self) -> Callable[..., Any]: ...
    def cache_info(self) -> CacheInfo: ...
    def scope_info(self, scope: Any, /) -> ScopeInfo: ...
    def cache_parameters(self) -> dict[str, Any]: ...


class BoundMany(_AboutAll, Protocol[P, R_co, K_contra, V_co]):  # type: ignore[misc]
    """
    A function of many ids with an entry for each, or a method of an instance.
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    def bypass(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    def invalidate(self, one: K_contra, /, *args: Any, **kwargs: Any) -> bool: ...
    def refresh(self, one: K_contra, /, *args: Any, **kwargs: Any) -> V_co | Miss: ...
    def peek(self, one: K_contra, /, *args: Any, **kwargs: Any) -> V_co | Miss: ...
    def lookup(self, one: K_contra, /, *args: Any, **kwargs: Any) -> Entry | None: ...
    def explain(self, one: K_contra, /, *args: Any, **kwargs: Any) -> Explanation: ...
    def seed(
        self,
        value: V_co,  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
        one: K_contra,
        /,
        *args: Any,
        **kwargs: Any,
    ) -> None: ...
    def cache_key(self, one: K_contra, /, *args: Any, **kwargs: Any) -> str: ...
    def cache_clear(self) -> None: ...
    def forget(self, scope: Any, /) -> None: ...


class BoundAsyncMany(_AboutAll, Protocol[P, R_co, K_contra, V_co]):  # type: ignore[misc]
    """
    The same of a coroutine function.
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]: ...
    async def bypass(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    async def invalidate(self, one: K_contra, /, *args: Any, **kwargs: Any) -> bool: ...
    async def refresh(self, one: K_contra, /, *args: Any, **kwargs: Any) -> V_co | Miss: ...
    def peek(self, one: K_contra, /, *args: Any, **kwargs: Any) -> V_co | Miss: ...
    async def lookup(self, one: K_contra, /, *args: Any, **kwargs: Any) -> Entry | None: ...
    async def explain(self, one: K_contra, /, *args: Any, **kwargs: Any) -> Explanation: ...
    async def seed(
        self,
        value: V_co,  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
        one: K_contra,
        /,
        *args: Any,
        **kwargs: Any,
    ) -> None: ...
    def cache_key(self, one: K_contra, /, *args: Any, **kwargs: Any) -> str: ...
    async def cache_clear(self) -> None: ...
    async def forget(self, scope: Any, /) -> None: ...


class CachedMany(BoundMany[P, R_co, K_contra, V_co], Protocol[P, R_co, K_contra, V_co]):  # type: ignore[misc]
    """
    What ``@tiered_cache.many`` makes of a function.
    """

    @overload
    def __get__(
        self: _OfClass[S, Q, R], obj: S | None, owner: type[S], /
    ) -> BoundMany[Q, R, K_contra, V_co]: ...  # a classmethod
    @overload
    def __get__(
        self, obj: None, owner: type[Any] | None = None, /
    ) -> BoundMany[P, R_co, Any, V_co]: ...  # its first argument is the instance
    @overload
    def __get__(
        self: _OfInstance[S, Q, R], obj: S, owner: type[Any] | None = None, /
    ) -> BoundMany[Q, R, K_contra, V_co]: ...
    @overload
    def __get__(
        self, obj: object, owner: type[Any] | None = None, /
    ) -> BoundMany[P, R_co, K_contra, V_co]: ...  # a staticmethod


class CachedAsyncMany(BoundAsyncMany[P, R_co, K_contra, V_co], Protocol[P, R_co, K_contra, V_co]):  # type: ignore[misc]
    """
    What ``@tiered_cache.many`` makes of a coroutine function.
    """

    @overload
    def __get__(
        self: _AsyncOfClass[S, Q, R], obj: S | None, owner: type[S], /
    ) -> BoundAsyncMany[Q, R, K_contra, V_co]: ...
    @overload
    def __get__(
        self, obj: None, owner: type[Any] | None = None, /
    ) -> BoundAsyncMany[P, R_co, Any, V_co]: ...
    @overload
    def __get__(
        self: _AsyncOfInstance[S, Q, R], obj: S, owner: type[Any] | None = None, /
    ) -> BoundAsyncMany[Q, R, K_contra, V_co]: ...
    @overload
    def __get__(
        self, obj: object, owner: type[Any] | None = None, /
    ) -> BoundAsyncMany[P, R_co, K_contra, V_co]: ...


class DecoratorOfMany(Protocol):
    """
    ``tiered_cache.many(...)`` with options, before it is given the function.
    """

    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, Mapping[K, V]]], /
    ) -> CachedAsyncMany[P, dict[K, V], K, V]: ...
    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, Sequence[V]]], /
    ) -> CachedAsyncMany[P, list[V], Any, V]: ...
    @overload
    def __call__(
        self, function: Callable[P, Mapping[K, V]], /
    ) -> CachedMany[P, dict[K, V], K, V]: ...
    @overload
    def __call__(self, function: Callable[P, Sequence[V]], /) -> CachedMany[P, list[V], Any, V]: ...


class Many(DecoratorOfMany, Protocol):
    """
    ``tiered_cache.many``: given the function, or options first.
    """

    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, Mapping[K, V]]], /
    ) -> CachedAsyncMany[P, dict[K, V], K, V]: ...
    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, Sequence[V]]], /
    ) -> CachedAsyncMany[P, list[V], Any, V]: ...
    @overload
    def __call__(
        self, function: Callable[P, Mapping[K, V]], /
    ) -> CachedMany[P, dict[K, V], K, V]: ...
    @overload
    def __call__(self, function: Callable[P, Sequence[V]], /) -> CachedMany[P, list[V], Any, V]: ...
    @overload
    def __call__(
        self,
        *,
        items: str | None = ...,
        max_batch: int | None = ...,
        name: str | None = ...,
        namespace: str | None = ...,
        ttl: Ttl | Callable[..., Ttl] = ...,
        tags: Iterable[str] | Callable[..., Iterable[str]] = ...,
        cache: MultiLevelCache | str = ...,
        key: Callable[..., Any] | None = ...,
        ignore: Iterable[str] = ...,
        version: str | float = ...,
        on_unkeyable: Literal["raise", "bypass"] = ...,
        codec: Codec | Literal["safe", "pickle"] = ...,
        cache_if: Callable[[Any], Any] | None = ...,
        cost: Callable[[Any], float] | None = ...,
        copy: bool | Literal["auto"] = ...,
        single_flight: Literal["process", "machine", "cluster"] | None = ...,
        jitter: Ttl = ...,
        scope: Scope = ...,
        quota: Quota | None = ...,
        agent: bool = ...,
        effects: Effects | None = ...,
        redact: Iterable[str] = ...,
        is_error: Callable[[Any], Any] | bool | None = ...,
        authorize: Authorize | None = ...,
    ) -> DecoratorOfMany: ...


class WithMany(Protocol[F]):
    """
    ``tiered_cache``: the function *F*, with an attribute.
    """

    __call__: F
    many: Many
