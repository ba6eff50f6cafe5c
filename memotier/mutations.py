"""
``@mutates``: a function that writes runs at every call, and what it changes is forgotten.

The way of a call: what it changes is told by its options and arguments *before* the function runs,
which may change those; then the function; then, whatever came of it, the invalidations.

Why after, and why that is enough: a result whose computation began before the invalidation has
noted versions that are no longer true, so it is neither kept nor served; one that begins after it
sees what was written. Until then old results are served, to calls that are concurrent with this
one. One more invalidation before the write would change nothing about that: who computes between
the two reads what was there before.

Why also after an error: it may have come when half was written.

What must never happen: the function is not run for lack of a cache, or its result or error is
replaced because a cache could not be told; or that is told nobody.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import inspect
import types
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Literal, Protocol, TypeVar

import wrapt

from .cache import MultiLevelCache
from .callables import label_of, signature_of
from .changes import WAYS, Changed, Changes
from .depends import Epoch
from .durations import short
from .engine.drive import Plan, adrive, drive
from .engine.events import kind_and_place, logger
from .errors import ConfigError, InvalidationNotDurable
from .memo import is_coroutine_function
from .streams import is_stream
from .tiered import BoundMethod, Tiered
from .typing import BoundAsync, BoundAsyncStream, BoundStream, BoundSync, Scope

F = TypeVar("F")

#: Results that work on when the call has returned.
_LATER: Final = (
    *(types.GeneratorType, types.AsyncGeneratorType),
    *(asyncio.Future, concurrent.futures.Future),
)


class Mutates(Protocol):
    """
    ``mutates(...)``, before it is given the function, which it gives back as it was.
    """

    def __call__(self, function: F, /) -> F: ...


def mutates(
    function: None = None,
    /,
    *,
    tags: Iterable[str] | Callable[..., Iterable[str]] = (),
    epochs: Iterable[Epoch] = (),
    functions: Iterable[
        BoundSync[..., Any]
        | BoundAsync[..., Any]
        | BoundStream[..., Any, Any]
        | BoundAsyncStream[..., Any, Any]
    ] = (),
    scope: Scope = None,
    cache: MultiLevelCache | str | None = None,
    on_untold: Literal["log", "raise"] = "log",
) -> Mutates:
    """
    Run a function that writes at every call, and forget what it changes, in both tiers and in
    every process, when it has returned or raised.

    Works on functions, coroutine functions, methods, class- and static methods (above or below
    the other decorator), partials and callable objects, which stay what they are for those who
    look at them. Generator functions are refused: nobody knows when they have written.

    Args:
        tags: What ``invalidate_tags`` would be given: texts, templates such as
            ``"file:{path}"``, or a callable that is given the arguments.

        epochs: What is bumped; the names may be templates.

        functions: Cached functions of which all results are forgotten.

        scope: In whose scope *epochs* are bumped, as for ``@tiered_cache``: a ``ContextVar``, a
            callable without arguments, or names of parameters. None or ``"public"``: everybody's.

        cache: Where *tags* and *epochs* are: a ``MultiLevelCache`` or the name of one. None: every
            named cache in use, and always the default one.

        on_untold: What happens if the function has run and a second tier could not be told:
            ``"log"`` (one warning until it can be told again; its result is returned), or
            ``"raise"`` (``InvalidationNotDurable``, unless the function raised).

    Raises:
        ConfigError: If an option cannot be used, or says nothing.
    """
    if function is not None:
        raise ConfigError(f"@mutates needs to know what the function changes: write {WAYS}")
    options = {
        "tags": tags,
        "epochs": epochs,
        "functions": functions,
        "scope": scope,
        "cache": cache,
    }
    decorate: Any = functools.partial(_decorate, options=options, on_untold=on_untold)
    return decorate  # type: ignore[no-any-return]


def _decorate(wrapped: Any, *, options: dict[str, Any], on_untold: Any) -> Any:
    if isinstance(wrapped, (classmethod, staticmethod)) and not isinstance(wrapped, Tiered):
        inner = _decorate(wrapped.__func__, options=options, on_untold=on_untold)
        return type(wrapped)(inner)
    label = label_of(wrapped)
    _refuse_others(wrapped, label)
    if on_untold not in ("log", "raise"):
        raise ConfigError(f'{label}: on_untold={short(on_untold)} cannot be used: "log" or "raise"')
    changes = Changes(label, signature_of(wrapped, label), **options)
    return Mutating(wrapped, Mutation(wrapped, label, changes, raises=on_untold == "raise"))


def _refuse_others(function: Any, label: str) -> None:
    if isinstance(function, (Tiered, BoundMethod)):
        raise ConfigError(
            f"{label} is cached, and what writes has to run at every call: leave out one of the "
            'two decorators. (@tiered_cache(effects="idempotent") may stand above @mutates.)'
        )
    if isinstance(function, type) or not callable(function):
        what = "a class" if isinstance(function, type) else f"a {type(function).__qualname__}"
        raise ConfigError(f"@mutates is for functions and callables; {label} is {what}")
    if is_stream(function):
        raise ConfigError(
            f"{label} is a generator function, and nobody knows when it has written: its reader "
            "may stop anywhere. Put @mutates on a function that returns when it is done"
        )


class Telling:
    """
    The invalidations that follow from one call, and which of them are still to be made.
    """

    def __init__(self, changes: Changes, changed: Changed) -> None:
        self.errors: list[Exception] = []
        self._left: deque[Callable[[], Plan]] = deque()
        try:
            self._left.extend(changes.invalidations(changed))
        except Exception as error:  # settings that have just been made unusable
            self.errors.append(error)

    def plan(self) -> Plan:
        """
        Make those that are left, all of them, also if one fails or whoever drives is interrupted.
        """
        interrupt: BaseException | None = None
        while self._left:
            try:
                yield from self._left[0]()
            except Exception as error:
                self.errors.append(error)
            except GeneratorExit:
                raise  # nobody can wait any more: this one is left, too
            except BaseException as error:
                # It has begun, and what has begun is made, or tried again by later calls.
                interrupt = interrupt or error
            self._left.popleft()
        if interrupt is not None:
            raise interrupt


class Mutation:
    """
    The function behind a decorated object, and what it changes.
    """

    def __init__(
        self, function: Callable[..., Any], label: str, changes: Changes, *, raises: bool
    ) -> None:
        self.function = function
        self.label = label
        self.changes = changes
        self.call = self._acall if is_coroutine_function(function) else self._call
        self._raises = raises
        #: Whether it was said that somebody could not be told, and that still holds.
        self._is_behind = False
        self._has_warned = False

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        changed = self.changes.of(args, kwargs)
        try:
            result = self.function(*args, **kwargs)
        except BaseException:
            self._tell(changed, is_done=False)
            raise
        if inspect.iscoroutine(result):
            # The rest of the work, which must not be lost by an error that comes before it.
            self._tell(changed, is_done=False)
            return self._finish(lambda: result, changed)
        self._tell(changed, is_done=True)
        if isinstance(result, _LATER):
            self._warn_of_more(result)
        return result

    async def _acall(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        changed = self.changes.of(args, kwargs)
        return await self._finish(lambda: self.function(*args, **kwargs), changed)

    async def _finish(self, begin: Callable[[], Awaitable[Any]], changed: Changed) -> Any:
        try:
            result = await begin()
        except GeneratorExit:
            # Closed by whoever had it; there is nothing that could be awaited.
            self._tell(changed, is_done=False)
            raise
        except BaseException:
            await self._atell(changed, is_done=False)
            raise
        await self._atell(changed, is_done=True)
        return result

    def _tell(self, changed: Changed, *, is_done: bool) -> None:
        telling = Telling(self.changes, changed)
        try:
            drive(telling.plan())
        except BaseException:
            self._report(telling.errors, may_raise=False)
            raise
        self._report(telling.errors, may_raise=is_done and self._raises)

    async def _atell(self, changed: Changed, *, is_done: bool) -> None:
        telling = Telling(self.changes, changed)
        try:
            await adrive(telling.plan())
        except BaseException as error:
            if isinstance(error, GeneratorExit):
                drive(telling.plan())
            self._report(telling.errors, may_raise=False)
            raise
        self._report(telling.errors, may_raise=is_done and self._raises)

    def _report(self, errors: list[Exception], *, may_raise: bool) -> None:
        """
        Somebody could not be told: it is said once until everybody can be told again.
        """
        if not errors:
            self._is_behind = False
            return
        first = errors[0]
        # Our own words show no data; other texts may.
        ours = isinstance(first, (InvalidationNotDurable, ConfigError))
        why = str(first) if ours else f"the invalidation raised {kind_and_place(first)}"
        text = f"{self.label}() has run, and what it changed is not forgotten everywhere: {why}"
        if may_raise:
            raise InvalidationNotDurable(text) from first
        if not self._is_behind:
            self._is_behind = True
            logger.warning("%s", text)

    def _warn_of_more(self, result: Any) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "%s() returned a %s: what that does later is followed by no invalidation. Put "
                "@mutates on the function that does it",
                *(self.label, type(result).__qualname__),
            )


class Mutating(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """
    A function with ``@mutates``: it looks like the function, and is called like it.
    """

    def __init__(self, wrapped: Any, mutation: Mutation) -> None:
        super().__init__(wrapped, _never_called)
        self._self_mutation = mutation
        # As a class attribute, what is no descriptor is not bound to instances.
        self._self_binds = hasattr(type(wrapped), "__get__") and not isinstance(
            wrapped, types.MethodType
        )

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._self_mutation.call(args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None or not self._self_binds:
            return self
        return types.MethodType(self, instance)

    def __set_name__(self, owner: type, name: str) -> None:
        pass  # (wrapt would ask the function for it.)

    def __repr__(self) -> str:
        return f"<mutates of {self._self_mutation.label}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        # By its name, where another process finds it decorated as well.
        return getattr(self, "__qualname__", self._self_mutation.label)

    def __copy__(self) -> Mutating:
        return self

    def __deepcopy__(self, memo: Any) -> Mutating:
        return self


def _never_called(*_: Any) -> Any:
    raise AssertionError("__call__ answers calls")
