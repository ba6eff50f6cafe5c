"""
``scope=`` of one function: whose its results are, as its options say; and ``forget(scope)``.

The scope of a call is read where it is made: from a context variable, a callable, or some of its
arguments. It is part of the key, and its name (a digest) stands in each entry and each record, so
that all entries of a scope can be forgotten at once.

What must never happen: a call whose scope nobody tells is answered, or its result kept. It raises
``ScopeMissing``, whatever ``on_unkeyable=`` says, and the function is not called.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .durations import short
from .engine import names as naming
from .engine import removal
from .engine.drive import Plan
from .engine.engine import Engine
from .engine.places import Shelf
from .errors import ConfigError, ScopeMissing, UnkeyableArgument
from .keys.canonical import encode_call
from .types import Name

if TYPE_CHECKING:
    from .engine.scopeinfo import ScopeInfo
    from .memo import Memo

PUBLIC: Final = "public"
WAYS: Final = (
    "scope=a ContextVar or a callable that says for whom a call is, scope=(names of parameters "
    'that do), or scope="public" if all callers may share the results'
)
#: Values that say nothing if they are empty, as None does.
_EMPTY: Final = (str, bytes, tuple, list, dict, set, frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """
    Whose the results of one function are.
    """

    #: As it was given, for people.
    shown: Any
    #: The parameters that tell; none: ``read`` tells, or the results are everybody's.
    names: tuple[str, ...] = ()
    read: Callable[[], Any] | None = None

    @property
    def is_public(self) -> bool:
        return not self.names and self.read is None

    @property
    def follows_context(self) -> bool:
        """
        Whether it is the same wherever the context of the call is: in tasks and helping threads.
        """
        return isinstance(self.shown, ContextVar)

    def now(self, label: str) -> Any:
        """
        The scope of a call that is made here and now.

        Raises:
            ScopeMissing: If nobody tells.
        """
        assert self.read is not None
        try:
            return self.read()
        except Exception as error:
            if self.follows_context and isinstance(error, LookupError):
                why = "its scope= is a ContextVar that has no value here"
            else:
                why = f"its scope= raised {type(error).__qualname__}"
            raise _missing(label, why) from error


def canonical(label: str, value: Any) -> bytes:
    """
    A scope as bytes: the same in every process and for every function.

    Raises:
        ScopeMissing: If *value* tells no scope, or has no stable key.
    """
    if _is_unset(value):
        shown = "None" if value is None else f"an empty {type(value).__qualname__}"
        if type(value) is tuple and value:
            shown = "a tuple with None or an empty part"
        raise _missing(label, f"its scope is {shown}")
    try:
        return encode_call(label, ("scope",), (value,))
    except UnkeyableArgument as error:
        raise _missing(
            label, f"its scope is a {type(value).__qualname__}, which has no stable key"
        ) from error


def _is_unset(value: Any) -> bool:
    if value is None or (type(value) in _EMPTY and not value):
        return True
    return type(value) is tuple and any(map(_is_unset, value))


def _missing(label: str, why: str) -> ScopeMissing:
    return ScopeMissing(
        f"{label}() was not called: {why}, and nobody else's result may be used. Say for whom the "
        'call is, or that all callers share the results, with scope="public"'
    )


# -- the option ------------------------------------------------------------------------


def check_scope(
    label: str,
    signature: inspect.Signature,
    scope: Any,
    *,
    ignore: tuple[str, ...],
    streams: bool,
) -> Scope | None:
    """
    What the option says; None if it says nothing. ``ConfigError`` for what cannot be used.
    """

    def refuse(advice: str) -> ConfigError:
        return ConfigError(f"{label}: scope={short(scope)} cannot be used: {advice}")

    if scope is None:
        return None
    if isinstance(scope, str):
        if scope == PUBLIC:
            return Scope(shown=PUBLIC)
        if scope in signature.parameters:
            raise refuse(f"write scope=({scope!r},)")
        raise refuse(f"write {WAYS}")
    if isinstance(scope, ContextVar) or callable(scope):
        if streams:
            raise refuse(
                f"{label} is a generator function, and who reads on may be another one than who "
                "began. Pass as an argument for whom it is, and name that: scope=(...,)"
            )
        if isinstance(scope, ContextVar):
            return Scope(shown=scope, read=scope.get)
        if inspect.iscoroutinefunction(scope):
            raise refuse("it is called without await; give a plain function")
        _check_call(scope, refuse)
        return Scope(shown=scope, read=scope)
    try:
        names = tuple(scope)
    except TypeError:
        raise refuse(f"write {WAYS}") from None
    if not names:
        raise refuse(f"it names nobody; write {WAYS}")
    for one in names:
        if type(one) is not str or one not in signature.parameters:
            known = ", ".join(signature.parameters) or "none"
            raise refuse(f"{short(one)} is not a parameter; there are: {known}")
        if one in ignore:
            raise refuse(f"ignore= says that {one!r} does not count, so all would share")
    return Scope(shown=names, names=names)


def check_sources(label: str, scope: Scope | None, functions: Iterable[Memo]) -> None:
    """
    Refuse a function that would keep for everybody what it has from one that does not.

    Args:
        functions: Those that it depends on, by its own word.

    Raises:
        ConfigError: With the function whose results are somebody's.
    """
    if scope is not None:
        return
    for memo in functions:
        theirs = memo.options.scope
        if theirs is not None and not theirs.is_public:
            raise ConfigError(
                f"{label}: depends_on={memo.label} needs a scope=: the results of {memo.label} are "
                f"those of one scope, and {label} would share what it made of them. Write {WAYS}"
            )


def check_agent(label: str, agent: Any, scope: Scope | None, cache_exceptions: Any) -> None:
    """
    What ``agent=True`` asks of the other options.

    Raises:
        ConfigError: If it cannot be used, or not with them.
    """
    if type(agent) is not bool:
        raise ConfigError(f"{label}: agent={short(agent)} cannot be used: True or False")
    if not agent:
        return
    if scope is None:
        raise ConfigError(f"{label}: agent=True needs to know whose the results are: write {WAYS}")
    if cache_exceptions not in (None, ()):
        raise ConfigError(
            f"{label}: cache_exceptions={short(cache_exceptions)} cannot be used with agent=True: "
            "an error is no result of a tool. Leave it out"
        )


def _check_call(scope: Any, refuse: Callable[[str], ConfigError]) -> None:
    """
    A callable that cannot be called without arguments would make every call an error.
    """
    try:
        signature = inspect.signature(scope)
    except (TypeError, ValueError):
        return  # a builtin that does not tell
    try:
        signature.bind()
    except TypeError:
        raise refuse(
            "it is called without arguments. For a scope among the arguments give the names of "
            "the parameters"
        ) from None


# -- names, and forgetting ---------------------------------------------------------------


def names_of(engine: Engine, shelf: Shelf | None, scope: bytes) -> tuple[Name, ...]:
    """
    The names of a scope, and of the scope in one function: a pair for each key of the cache, so
    that a process which has only the former key can forget what this one wrote.
    """
    found: list[Name] = []
    for key in engine.options.keys or (b"",):
        if shelf is None:
            found.append(naming.scope(scope, key))
        else:
            found.append(naming.scope(scope, key, shelf.function_name))
    return tuple(found)


def epoch_names(engine: Engine, scope: bytes, epoch: str) -> tuple[Name, ...]:
    """
    The names of an epoch in one scope, also one for each key.
    """
    name = naming.epoch(epoch)
    return tuple(naming.scope(scope, key, name) for key in engine.options.keys or (b"",))


def forget(engine: Engine, scope: Any, shelf: Shelf | None = None) -> Plan:
    """
    Invalidate all results of a scope; of one function if *shelf* is given.

    Raises:
        ConfigError: If *scope* is none.
    """
    text = text_of(scope, "forget()")
    if engine.closed:
        return
    try:
        yield from removal.bump(engine, names_of(engine, shelf, text))
    finally:
        (name, *_) = names_of(engine, None, text)
        with engine.lock:
            for one in list(engine.shelves) if shelf is None else [shelf]:
                if one.ledger is not None:
                    one.ledger.forget([one.ledger.find(name)])


def info(engine: Engine, scope: Any, shelf: Shelf | None = None) -> ScopeInfo:
    """
    What a scope has and was given; of one function if *shelf* is given.

    Raises:
        ConfigError: If *scope* is none.
    """
    from .engine.scopeinfo import scope_info

    return scope_info(engine, name_of(engine, scope), shelf)


def name_of(engine: Engine, scope: Any) -> Name:
    """
    The digest by which the entries of a scope are known, under the present key of the cache.

    Raises:
        ConfigError: If *scope* is none.
    """
    return names_of(engine, None, text_of(scope, "scope_info()"))[0]


def text_of(scope: Any, asked: str) -> bytes:
    """
    A scope that was given to *asked* as bytes.

    Raises:
        ConfigError: If it is none.
    """
    if _is_unset(scope):
        raise ConfigError(
            f"{asked} was given None or something empty, which is nobody's scope: give the value "
            "that the ContextVar, the callable or the parameter has; of several parameters a tuple"
        )
    try:
        return canonical(asked, scope)
    except ScopeMissing as error:
        raise ConfigError(
            f"{asked} was given a {type(scope).__qualname__}, which has no stable key, so no "
            "call has it as its scope"
        ) from error
