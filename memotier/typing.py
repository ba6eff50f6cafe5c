"""
The types of decorated functions, as checkers see them.

Protocols of our own: wrapt's stubs would let every misspelt attribute pass. What ``__get__``
gives depends on how the function is called, told by callable protocols as its ``self`` type.

``seed`` takes the covariant type of the result although it is an argument: whoever has widened
a function's type could seed a value of the wider type. Refusing a wrong value where the
function is known is worth more.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from .engine.stats import CacheInfo
from .entry import Entry
from .explanation import Explanation
from .types import Miss

if TYPE_CHECKING:
    from .engine.scopeinfo import ScopeInfo

#: A duration: seconds, ``timedelta``, ``"10m"``, ``math.inf``; None: what the tiers say.
Ttl: TypeAlias = float | timedelta | str | None
#: Types of exceptions; the duration for which each is remembered.
Remembered: TypeAlias = (
    type[Exception] | Iterable[type[Exception]] | Mapping[type[Exception], Ttl] | None
)

#: Whose results are: a context variable, a callable, names of parameters, ``"public"``; None:
#: nobody says.
Scope: TypeAlias = (
    ContextVar[Any] | Callable[[], Any] | tuple[str, ...] | list[str] | Literal["public"] | None
)


class Hints(Protocol):
    """
    The annotations of an MCP tool, as the protocol spells them.
    """

    @property
    def readOnlyHint(self) -> bool | None: ...
    @property
    def idempotentHint(self) -> bool | None: ...
    @property
    def destructiveHint(self) -> bool | None: ...


class PythonHints(Protocol):
    """
    The same, as the protocol's Python package spells them.
    """

    @property
    def read_only_hint(self) -> bool | None: ...
    @property
    def idempotent_hint(self) -> bool | None: ...
    @property
    def destructive_hint(self) -> bool | None: ...


#: What a call does besides returning its result.
Effects: TypeAlias = Literal["pure", "read", "idempotent"] | Hints | PythonHints | Mapping[str, Any]

#: Whether a caller, by his scope, may have an entry.
Authorize: TypeAlias = Callable[[Entry, Any], bool | Awaitable[bool]]

I = TypeVar("I")  # noqa: E741 - what a stream yields
I_co = TypeVar("I_co", covariant=True)
P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
S_contra = TypeVar("S_contra", contravariant=True)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Y = TypeVar("Y")


class _OfClass(Protocol[S_contra, Q, T_co]):
    def __call__(self, cls: type[S_contra], /, *args: Q.args, **kwargs: Q.kwargs) -> T_co: ...


class _OfInstance(Protocol[S_contra, Q, T_co]):
    def __call__(self, slf: S_contra, /, *args: Q.args, **kwargs: Q.kwargs) -> T_co: ...


class _AsyncOfClass(Protocol[S_contra, Q, T_co]):
    def __call__(
        self, cls: type[S_contra], /, *args: Q.args, **kwargs: Q.kwargs
    ) -> Coroutine[Any, Any, T_co]: ...


class _AsyncOfInstance(Protocol[S_contra, Q, T_co]):
    def __call__(
        self, slf: S_contra, /, *args: Q.args, **kwargs: Q.kwargs
    ) -> Coroutine[Any, Any, T_co]: ...


class BoundSync(Protocol[P, T_co]):  # type: ignore[misc]
    """
    A cached function, or a cached method of an instance.
    """

    __name__: str
    __qualname__: str

    @property
    def __wrapped__(self) -> Callable[..., Any]: ...
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool: ...
    def expire(self, *args: P.args, **kwargs: P.kwargs) -> bool: ...
    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    def peek(self, *args: P.args, **kwargs: P.kwargs) -> T_co | Miss: ...
    def lookup(self, *args: P.args, **kwargs: P.kwargs) -> Entry | None: ...
    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation: ...
    def seed(
        self,
        value: T_co,  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None: ...
    def cache_key(self, *args: P.args, **kwargs: P.kwargs) -> str: ...
    def bypass(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    @overload
    def map(
        self,
        calls: Iterable[Any],
        /,
        *,
        limit: int | None = ...,
        return_exceptions: Literal[False] = ...,
    ) -> list[T_co]: ...
    @overload
    def map(
        self, calls: Iterable[Any], /, *, limit: int | None = ..., return_exceptions: bool
    ) -> list[T_co | Exception]: ...
    def cache_info(self) -> CacheInfo: ...
    def scope_info(self, scope: Any, /) -> ScopeInfo: ...
    def cache_parameters(self) -> dict[str, Any]: ...
    def cache_clear(self) -> None: ...
    def forget(self, scope: Any, /) -> None: ...
    def cache_expire(self) -> None: ...


class BoundAsync(Protocol[P, T_co]):  # type: ignore[misc]
    """
    A cached coroutine function, or a cached async method of an instance.
    """

    __name__: str
    __qualname__: str

    @property
    def __wrapped__(self) -> Callable[..., Any]: ...
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T_co]: ...
    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool: ...
    async def expire(self, *args: P.args, **kwargs: P.kwargs) -> bool: ...
    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    def peek(self, *args: P.args, **kwargs: P.kwargs) -> T_co | Miss: ...
    async def lookup(self, *args: P.args, **kwargs: P.kwargs) -> Entry | None: ...
    async def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation: ...
    async def seed(
        self,
        value: T_co,  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None: ...
    def cache_key(self, *args: P.args, **kwargs: P.kwargs) -> str: ...
    async def bypass(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    @overload
    async def map(
        self,
        calls: Iterable[Any],
        /,
        *,
        limit: int | None = ...,
        return_exceptions: Literal[False] = ...,
    ) -> list[T_co]: ...
    @overload
    async def map(
        self, calls: Iterable[Any], /, *, limit: int | None = ..., return_exceptions: bool
    ) -> list[T_co | Exception]: ...
    def cache_info(self) -> CacheInfo: ...
    def scope_info(self, scope: Any, /) -> ScopeInfo: ...
    def cache_parameters(self) -> dict[str, Any]: ...
    async def cache_clear(self) -> None: ...
    async def forget(self, scope: Any, /) -> None: ...
    async def cache_expire(self) -> None: ...


class CachedFunction(BoundSync[P, T_co], Protocol[P, T_co]):  # type: ignore[misc]
    """
    What ``@tiered_cache`` makes of a function.
    """

    @overload
    def __get__(
        self: _OfClass[S, Q, T], obj: S | None, owner: type[S], /
    ) -> BoundSync[Q, T]: ...  # a classmethod
    @overload
    def __get__(self, obj: None, owner: type[Any] | None = None, /) -> CachedFunction[P, T_co]: ...
    @overload
    def __get__(
        self: _OfInstance[S, Q, T], obj: S, owner: type[Any] | None = None, /
    ) -> BoundSync[Q, T]: ...
    @overload
    def __get__(
        self, obj: object, owner: type[Any] | None = None, /
    ) -> BoundSync[P, T_co]: ...  # a staticmethod


class CachedAsyncFunction(BoundAsync[P, T_co], Protocol[P, T_co]):  # type: ignore[misc]
    """
    What ``@tiered_cache`` makes of a coroutine function.
    """

    @overload
    def __get__(
        self: _AsyncOfClass[S, Q, T], obj: S | None, owner: type[S], /
    ) -> BoundAsync[Q, T]: ...
    @overload
    def __get__(
        self, obj: None, owner: type[Any] | None = None, /
    ) -> CachedAsyncFunction[P, T_co]: ...
    @overload
    def __get__(
        self: _AsyncOfInstance[S, Q, T], obj: S, owner: type[Any] | None = None, /
    ) -> BoundAsync[Q, T]: ...
    @overload
    def __get__(self, obj: object, owner: type[Any] | None = None, /) -> BoundAsync[P, T_co]: ...


class BoundStream(Protocol[P, T_co, I_co]):  # type: ignore[misc]
    """
    A cached generator function, or such a method of an instance: *T_co* is what a call returns,
    *I_co* what that yields.
    """

    __name__: str
    __qualname__: str

    @property
    def __wrapped__(self) -> Callable[..., Any]: ...
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool: ...
    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    def peek(self, *args: P.args, **kwargs: P.kwargs) -> list[I_co] | Miss: ...
    def lookup(self, *args: P.args, **kwargs: P.kwargs) -> Entry | None: ...
    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation: ...
    def seed(
        self,
        items: Iterable[I_co],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None: ...
    def cache_key(self, *args: P.args, **kwargs: P.kwargs) -> str: ...
    def bypass(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    def cache_info(self) -> CacheInfo: ...
    def scope_info(self, scope: Any, /) -> ScopeInfo: ...
    def cache_parameters(self) -> dict[str, Any]: ...
    def cache_clear(self) -> None: ...
    def forget(self, scope: Any, /) -> None: ...


class BoundAsyncStream(Protocol[P, T_co, I_co]):  # type: ignore[misc]
    """
    A cached async generator function, or such a method of an instance: *T_co* is what a call
    returns, *I_co* what that yields.
    """

    __name__: str
    __qualname__: str

    @property
    def __wrapped__(self) -> Callable[..., Any]: ...
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool: ...
    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    def peek(self, *args: P.args, **kwargs: P.kwargs) -> list[I_co] | Miss: ...
    async def lookup(self, *args: P.args, **kwargs: P.kwargs) -> Entry | None: ...
    async def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation: ...
    async def seed(
        self,
        items: Iterable[I_co],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None: ...
    def cache_key(self, *args: P.args, **kwargs: P.kwargs) -> str: ...
    def bypass(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    def cache_info(self) -> CacheInfo: ...
    def scope_info(self, scope: Any, /) -> ScopeInfo: ...
    def cache_parameters(self) -> dict[str, Any]: ...
    async def cache_clear(self) -> None: ...
    async def forget(self, scope: Any, /) -> None: ...


class CachedStream(BoundStream[P, T_co, I_co], Protocol[P, T_co, I_co]):  # type: ignore[misc]
    """
    What ``@tiered_cache`` makes of a generator function.
    """

    @overload
    def __get__(
        self: _OfClass[S, Q, T], obj: S | None, owner: type[S], /
    ) -> BoundStream[Q, T, I_co]: ...
    @overload
    def __get__(
        self, obj: None, owner: type[Any] | None = None, /
    ) -> CachedStream[P, T_co, I_co]: ...
    @overload
    def __get__(
        self: _OfInstance[S, Q, T], obj: S, owner: type[Any] | None = None, /
    ) -> BoundStream[Q, T, I_co]: ...
    @overload
    def __get__(
        self, obj: object, owner: type[Any] | None = None, /
    ) -> BoundStream[P, T_co, I_co]: ...


class CachedAsyncStream(BoundAsyncStream[P, T_co, I_co], Protocol[P, T_co, I_co]):  # type: ignore[misc]
    """
    What ``@tiered_cache`` makes of an async generator function.
    """

    @overload
    def __get__(
        self: _OfClass[S, Q, T], obj: S | None, owner: type[S], /
    ) -> BoundAsyncStream[Q, T, I_co]: ...
    @overload
    def __get__(
        self, obj: None, owner: type[Any] | None = None, /
    ) -> CachedAsyncStream[P, T_co, I_co]: ...
    @overload
    def __get__(
        self: _OfInstance[S, Q, T], obj: S, owner: type[Any] | None = None, /
    ) -> BoundAsyncStream[Q, T, I_co]: ...
    @overload
    def __get__(
        self, obj: object, owner: type[Any] | None = None, /
    ) -> BoundAsyncStream[P, T_co, I_co]: ...


class Decorator(Protocol):
    """
    ``tiered_cache(...)`` with options, before it is given the function.
    """

    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[P, Coroutine[Any, Any, T]], /
    ) -> CachedAsyncFunction[P, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Generator[I, Y, R]], /
    ) -> CachedStream[P, Generator[I, Y, R], I]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Iterator[I]], /
    ) -> CachedStream[P, Iterator[I], I]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, AsyncGenerator[I, Y]], /
    ) -> CachedAsyncStream[P, AsyncGenerator[I, Y], I]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, AsyncIterator[I]], /
    ) -> CachedAsyncStream[P, AsyncIterator[I], I]: ...
    @overload
    def __call__(self, function: Callable[P, T], /) -> CachedFunction[P, T]: ...
