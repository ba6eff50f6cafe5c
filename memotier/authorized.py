"""
``authorize=`` of one function: may this caller have a result that another call has computed?

It is given the entry and the scope of the call, and answers True, or anything else, which means no:
only True grants. What follows from its answer is in engine/gates.py.

What must never happen: an answer that says nothing (None, a coroutine that nobody awaits) grants.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .durations import short
from .engine.calls import Call
from .engine.drive import Plan
from .engine.engine import Engine
from .engine.flights import Failed
from .engine.gates import Consult, Source
from .entries import told
from .entry import Entry
from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .memo import Memo


def check_authorize(
    label: str, authorize: Any, sources: Iterable[Memo], *, cache_exceptions: Any
) -> None:
    """
    Args:
        sources: The functions that it depends on, by its own word.

    Raises:
        ConfigError: If it cannot be used, or not with the other options; or if the function has
            none and one of *sources* has: it would hand out to everybody what it has from that.
    """
    for memo in sources if authorize is None else ():
        if memo.options.authorize is not None:
            raise ConfigError(
                f"{label}: depends_on={memo.label} needs an authorize=: {memo.label} has one, and "
                f"hits of {label} would hand out what it made of its results without asking"
            )
    if authorize is None:
        return
    if not callable(authorize) or isinstance(authorize, type):
        raise _refused(label, authorize, "a function of the entry and the scope")
    if cache_exceptions not in (None, ()):
        raise ConfigError(
            f"{label}: cache_exceptions={short(cache_exceptions)} cannot be used with authorize=: "
            "an error has no entry that could be asked about. Leave one of them out"
        )
    try:
        signature = inspect.signature(authorize)
    except (TypeError, ValueError):
        return  # a builtin that does not tell
    try:
        signature.bind(None, None)
    except TypeError:
        raise _refused(
            label, authorize, "it is given two arguments, the entry and the scope"
        ) from None


def gate_of(memo: Memo) -> Authorize:
    """
    What is asked before results of *memo*, which has an authorize=, are handed out.

    Raises:
        ConfigError: If nobody could await its answer.
    """
    function = memo.options.authorize
    assert function is not None
    call = getattr(function, "__call__", None)  # noqa: B004 - an object that is called like one
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
    if is_async and not memo.is_async:
        raise _refused(
            memo.label,
            function,
            f"it is a coroutine function, and {memo.label} is not; give a plain one",
        )
    return Authorize(memo, function, is_async=is_async)


class Authorize:
    """
    The gate of one function.
    """

    __slots__ = ("_function", "_is_async", "_memo")

    def __init__(self, memo: Memo, function: Callable[..., Any], *, is_async: bool) -> None:
        self._memo = memo
        self._function = function
        self._is_async = is_async

    def allows(self, engine: Engine, call: Call, value: Any, source: Source) -> Plan:
        """
        True, False, or ``Failed``; see ``engine.gates.Gate``.
        """
        return (
            yield from self.allows_entry(engine, call, self._entry(engine, call, value, source))
        )

    def allows_entry(self, engine: Engine, call: Call, entry: Entry) -> Plan:
        """
        The same for a picture that was made already.
        """
        said = yield Consult(self._function, entry, _scope(call))
        return said if said.__class__ is Failed else self._is_yes(engine, said)

    def allows_now(self, engine: Engine, call: Call, value: Any, source: Source) -> bool:
        """
        The same where nothing is awaited (``peek``): no, if its answer would have to be. What it
        raises is raised.
        """
        if self._is_async:
            return False
        said = self._function(self._entry(engine, call, value, source), _scope(call))
        return self._is_yes(engine, said)

    def _entry(self, engine: Engine, call: Call, value: Any, source: Source) -> Entry:
        memo = self._memo
        return told(engine, call, value, source, memo.key_of(call), memo.version)

    def _is_yes(self, engine: Engine, said: Any) -> bool:
        if said is True or said is False:
            return said
        if inspect.iscoroutine(said):
            said.close()
        label = self._memo.label
        engine.events.say_once(
            label,
            "authorize",
            f"{label}: authorize= returned a {type(said).__qualname__}; only True grants, so the "
            "function is called instead",
        )
        return False


def _scope(call: Call) -> Any:
    return None if call.scoped is None else call.scoped.value


def _refused(label: str, authorize: Any, advice: str) -> ConfigError:
    return ConfigError(f"{label}: authorize={short(authorize)} cannot be used: {advice}")
