"""
``@tiered_cache``: from a function and its options to the decorated object.
"""

from __future__ import annotations

import functools
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeAlias, TypeVar, cast, overload

from .cache import MultiLevelCache
from .callables import is_method_of, label_of, refuse_others, refuse_writing, signature_of
from .callnames import home_module
from .depends import Env, Epoch, File
from .errors import ConfigError
from .memo import Memo
from .options import check_options
from .streams import StreamMemo, StreamTiered, check_stream, is_stream
from .tiered import Tiered
from .types import Codec
from .typing import (
    Authorize,
    BoundAsync,
    BoundSync,
    CachedAsyncFunction,
    CachedAsyncStream,
    CachedFunction,
    CachedStream,
    Decorator,
    Effects,
    Remembered,
    Scope,
    Ttl,
)

if TYPE_CHECKING:
    from .quota import Quota
    from .semantic.near import Semantic

P = ParamSpec("P")
R = TypeVar("R")
I = TypeVar("I")  # noqa: E741 - what a stream yields
Y = TypeVar("Y")

_UNSET: Any = object()

Dependency: TypeAlias = File | Env | Epoch | BoundSync[..., Any] | BoundAsync[..., Any]


@overload
def tiered_cache(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
    function: Callable[P, Coroutine[Any, Any, R]], /
) -> CachedAsyncFunction[P, R]: ...
@overload
def tiered_cache(  # type: ignore[overload-overlap]
    function: Callable[P, Generator[I, Y, R]], /
) -> CachedStream[P, Generator[I, Y, R], I]: ...
@overload
def tiered_cache(  # type: ignore[overload-overlap]
    function: Callable[P, Iterator[I]], /
) -> CachedStream[P, Iterator[I], I]: ...
@overload
def tiered_cache(  # type: ignore[overload-overlap]
    function: Callable[P, AsyncGenerator[I, Y]], /
) -> CachedAsyncStream[P, AsyncGenerator[I, Y], I]: ...
@overload
def tiered_cache(  # type: ignore[overload-overlap]
    function: Callable[P, AsyncIterator[I]], /
) -> CachedAsyncStream[P, AsyncIterator[I], I]: ...
@overload
def tiered_cache(function: Callable[P, R], /) -> CachedFunction[P, R]: ...
@overload
def tiered_cache(
    *,
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
    stale_while_revalidate: Ttl = ...,
    stale_if_error: Ttl = ...,
    error_backoff: Ttl = ...,
    jitter: Ttl = ...,
    refresh_ahead: float | Literal["xfetch"] | None = ...,
    soft_timeout: Ttl = ...,
    hard_timeout: Ttl = ...,
    depends_on: Iterable[Dependency] = ...,
    cache_exceptions: Remembered = ...,
    error_ttl: Ttl = ...,
    error_ttl_max: Ttl = ...,
    semantic: str | Semantic | None = ...,
    scope: Scope = ...,
    quota: Quota | None = ...,
    agent: bool = ...,
    effects: Effects | None = ...,
    is_error: Callable[[Any], Any] | bool | None = ...,
    authorize: Authorize | None = ...,
    verify: float | None = ...,
    equal: Callable[[Any, Any], Any] | None = ...,
) -> Decorator: ...
def tiered_cache(
    function: Any = _UNSET,
    /,
    *,
    name: Any = None,
    namespace: Any = None,
    ttl: Any = None,
    tags: Any = (),
    cache: Any = "default",
    key: Any = None,
    ignore: Any = (),
    version: Any = "auto",
    on_unkeyable: Any = "raise",
    codec: Any = "safe",
    cache_if: Any = None,
    cost: Any = None,
    copy: Any = "auto",
    single_flight: Any = "cluster",
    stale_while_revalidate: Any = None,
    stale_if_error: Any = None,
    error_backoff: Any = None,
    jitter: Any = None,
    refresh_ahead: Any = None,
    soft_timeout: Any = None,
    hard_timeout: Any = None,
    depends_on: Any = (),
    cache_exceptions: Any = (),
    error_ttl: Any = None,
    error_ttl_max: Any = None,
    record: Any = None,
    redact: Any = (),
    record_user: Any = None,
    rewarm: Any = False,
    semantic: Any = None,
    scope: Any = None,
    quota: Any = None,
    agent: Any = False,
    effects: Any = None,
    is_error: Any = None,
    authorize: Any = None,
    verify: Any = None,
    equal: Any = None,
) -> Any:
    """
    Keep the results of a function in two tiers: memory, and what is below it.

    Works on functions, coroutine functions, methods, class- and static methods (above or
    below the other decorator), partials and callable objects; with or without parentheses.
    A call of a generator function replays its stream, or reads one that others read already.

    Args:
        name: What the function is called in keys, where ``module.qualname`` will not do
            (lambdas, functions inside functions, notebooks).

        namespace: Prefix of its keys; dots make a hierarchy. Default: the function's module.

        ttl: How long a result is fresh: seconds, ``timedelta``, ``"10m"``, ``math.inf``,
            None (what the tiers say), or a callable that is given the result and, if it takes
            more, the arguments.

        tags: What ``invalidate_tags`` will know the results by: texts, templates such as
            ``"user:{user_id}"``, or a callable that is given the arguments.

        cache: A ``MultiLevelCache``, or the name of a configured one.

        key: A callable that is given the arguments and returns what counts of them.

        ignore: Names of parameters that do not count.

        version: Results of another version are not used. ``"auto"``: a fingerprint of the
            source, in which comments, docstrings and formatting do not count.

        on_unkeyable: What happens to a call that has no key: ``"raise"``, or ``"bypass"``
            (called, not cached, counted, logged once).

        codec: How results become bytes: ``"safe"``, ``"pickle"`` (signed with the key from
            ``MEMOTIER_KEY`` or the user's key file), or a ``Codec``.

        cache_if: A callable that is given the result: store it?

        cost: A callable that is given the result and says what it cost, in money, tokens or any
            other unit: a number of 0 or more. Hits are credited with it (``cost_saved``).

        copy: Whether callers get copies of mutable results: ``"auto"`` (where the type needs
            it), True, or False (all share one object, as with ``functools.lru_cache``).

        single_flight: Concurrent calls with one key are computed once: by all processes that
            share the second tier (``"cluster"``), by those of each machine (``"machine"``), or
            in each of them (``"process"``, for generator functions always). None: every caller
            computes.

        stale_while_revalidate: For how long after *ttl* callers get the old result at once,
            while one refresh runs in the background. None or 0: not at all.

        stale_if_error: For how long after *ttl* the old result is served if the function
            raises. None or 0: not at all.

        error_backoff: How long a refresh that failed is not tried again. None: 5 s.

        jitter: The most that is added to *ttl*, at random for each result: a duration, or a
            fraction of the ttl as a ``float`` between 0 and 1 or as ``"10%"``.

        refresh_ahead: The fraction of *ttl*, between 0 and 1, after which the next caller
            starts a refresh in the background and gets the result that is still fresh; or
            ``"xfetch"``: drawn at random from how long the function took.

        soft_timeout: How long a caller waits for the function while *stale_if_error* allows
            the old result; then he gets that, and the function goes on in the background.

        hard_timeout: How long a caller waits at all; then ``ComputeTimeout`` is raised, and
            the function goes on in the background.

        depends_on: What results depend on besides the arguments: ``file(...)``, ``env(...)``,
            ``epoch(...)`` and other cached functions. A result is not used when one has changed.
        cache_exceptions: Types of exceptions that are remembered: while one is, calls with the
            same key raise a copy of it, and the function is not called. One type, several, or
            a dict with a duration for each. Kept in the memory of this process only.

        error_ttl: How long the first failure of a key is remembered; each one after it, without
            a result in between, twice as long. None: 5 s.

        error_ttl_max: The most that a failure is remembered. None: 1 min.

        record: Whether calls are recorded, with their arguments, so that ``memotier.warm`` can
            make them again: True says that this does no harm. None: what the settings say.

        redact: Names of parameters whose values are never written down or shown; they count in the
            key, by a keyed digest.

        record_user: The parameter that says for whom a call is, for warming by user.

        rewarm: Whether results that were invalidated are computed again in the background, the
            most used first. Needs ``record=True``.

        semantic: The name of a parameter, or a ``Semantic``: a call may be answered by the result
            of one whose text there is near, and all else the same. Needs ``memotier[semantic]``.

        scope: Whose the results are: a ``ContextVar``, a callable without arguments, or names of
            parameters. It is part of the key; a call of nobody raises ``ScopeMissing``.
            ``"public"`` says that all callers share.

        quota: What each scope may have: ``Quota(entries=, bytes=, computations_per_second=)``.
            Beyond the last, calls that have to compute raise ``QuotaExceeded``.

        agent: Whether it is a tool of agents: then *scope* and *effects* must be given, errors
            are not remembered, parameters that a framework fills in are refused unless *ignore*
            names them, and a Redis takes a key.

        effects: What a call does besides returning its result: ``"pure"`` (nothing, and only the
            arguments count), ``"read"`` (it looks at the world), ``"idempotent"`` (it changes
            something, and once is as good as often), or the annotations of an MCP tool.
            ``"write"`` is refused: see ``mutates``.

        is_error: Whether a result is an error, which is never kept: a callable that is given the
            result, True (``memotier.looks_like_error``), or False (no result is). None: with
            *agent* what True says, else what False says.

        authorize: A callable that is given the ``Entry`` and the scope of the call (None without
            one) before a result is handed out that this call has not computed itself. If it does
            not return True the function is called past the cache, as with ``bypass()``: so a hit
            never grants what the function would not, and never refuses what it would. What it
            raises is raised. For a coroutine function it may be one.

        verify: The share of hits, from 0 to 1, that is computed once more in the background and
            compared; ``cache_info()`` tells how many differed. The fresh result replaces the old
            one. None or 0: none.

        equal: A callable that is given the old and the new result: are they the same? None: if
            their content is, types included.

    Raises:
        ConfigError: If an option cannot be used, or the function cannot be cached.
    """
    options = {
        "name": name,
        "namespace": namespace,
        "ttl": ttl,
        "tags": tags,
        "cache": cache,
        "key": key,
        "ignore": ignore,
        "version": version,
        "on_unkeyable": on_unkeyable,
        "codec": codec,
        "cache_if": cache_if,
        "cost": cost,
        "copy": copy,
        "single_flight": single_flight,
        "stale_while_revalidate": stale_while_revalidate,
        "stale_if_error": stale_if_error,
        "error_backoff": error_backoff,
        "jitter": jitter,
        "refresh_ahead": refresh_ahead,
        "soft_timeout": soft_timeout,
        "hard_timeout": hard_timeout,
        "depends_on": depends_on,
        "cache_exceptions": cache_exceptions,
        "error_ttl": error_ttl,
        "error_ttl_max": error_ttl_max,
        "record": record,
        "redact": redact,
        "record_user": record_user,
        "rewarm": rewarm,
        "semantic": semantic,
        "scope": scope,
        "quota": quota,
        "agent": agent,
        "effects": effects,
        "is_error": is_error,
        "authorize": authorize,
        "verify": verify,
        "equal": equal,
    }
    if function is _UNSET:
        return cast(Any, functools.partial(_decorate, options=options))
    return _decorate(function, options=options)


def _decorate(wrapped: Any, *, options: dict[str, Any], memo_of: Callable[..., Memo] = Memo) -> Any:
    function = wrapped
    options = dict(options)
    semantic = options.pop("semantic", None)
    if isinstance(wrapped, (classmethod, staticmethod)) and not isinstance(wrapped, Tiered):
        function = wrapped.__func__
    label = label_of(function)
    refuse_others(function, label)
    streams = is_stream(function)
    if streams:
        if semantic is not None:
            raise ConfigError(f"{label} is a generator function, which semantic= is not for")
        check_stream(function, label, options)
        if memo_of is not Memo:
            raise ConfigError(
                f"{label} is a generator function: @tiered_cache.many takes functions that "
                "return the results of all ids at once"
            )
    signature = signature_of(function, label)

    checked = check_options(label, signature, home_module(function), streams=streams, **options)
    refuse_writing(label, function, checked.effects)
    if checked.agent and checked.key is None:
        from .runcontexts import refuse_contexts

        told = () if checked.scope is None else checked.scope.names
        refuse_contexts(label, function, signature, counted=told, ignore=checked.ignore)
    is_method = isinstance(wrapped, classmethod) or (
        not isinstance(wrapped, staticmethod) and is_method_of(function, signature)
    )
    if streams:
        return StreamTiered.of(wrapped, StreamMemo(function, checked, label, is_method=is_method))
    if semantic is not None:
        from .semantic.near import prepare

        memo_of = prepare(semantic, label, signature, options)
    memo = memo_of(function, checked, label, is_method=is_method)
    return Tiered.of(wrapped, memo)
