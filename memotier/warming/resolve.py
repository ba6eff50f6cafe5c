"""
From a recorded call to the decorated function and its arguments.

Functions are found among those that are decorated in this process, and nowhere else: a name
in a history imports nothing.
"""

from __future__ import annotations

import typing
from enum import Enum
from typing import Any, NamedTuple

from ..codecs.classes import register_from_annotation
from ..engine.engine import Engine
from ..keys.bind import VAR_KEYWORD, VAR_POSITIONAL
from ..memo import Memo, memos
from ..recording.records import Recorded
from ..registry import opened


class Unfit(Enum):
    """
    Why a recorded call cannot be made again.
    """

    VANISHED = "vanished"
    CHANGED = "changed"
    REDACTED = "redacted"
    UNREADABLE = "unreadable"


class Job(NamedTuple):
    """
    A call to make: of *memo*, with these values of its parameters.
    """

    memo: Memo
    values: tuple[Any, ...]
    recorded: Recorded


class Functions:
    """
    The decorated functions whose calls may be made again, by namespace and name.
    """

    def __init__(self, engine: Engine) -> None:
        self._by_name: dict[tuple[str, str], Memo] = {}
        for memo in memos():
            # Whoever said record=True once may have taken it back: a history gives no leave.
            if memo.options.record is False or not _is_of(memo, engine) or memo.recording is None:
                continue
            self._by_name[memo.options.namespace, memo.identity.name] = memo
            for parameter in memo.parameters.all:
                register_from_annotation(_annotation(memo, parameter.name))

    def __len__(self) -> int:
        return len(self._by_name)

    def job(self, recorded: Recorded) -> Job | Unfit:
        """
        The call that *recorded* stands for, or why there is none.
        """
        signature = recorded.signature
        memo = self._by_name.get((signature.namespace, signature.function))
        if memo is None:
            return Unfit.VANISHED
        if signature.redacted:
            return Unfit.REDACTED
        try:
            arguments = signature.arguments()
        except Exception:
            return Unfit.UNREADABLE
        values = bind(memo, arguments)
        return Unfit.CHANGED if values is None else Job(memo, values, recorded)


def _is_of(memo: Memo, engine: Engine) -> bool:
    """
    Whether *memo* belongs to the cache of *engine*; then it is attached to it.
    """
    said = memo.options.cache
    # (One that is not in use is not opened to find out: it is another one.)
    cache = opened(said) if isinstance(said, str) else said
    if cache is None or cache._keyed.engine is not engine or engine.closed:
        return False
    return memo.ready() is engine


def bind(memo: Memo, arguments: dict[str, Any]) -> tuple[Any, ...] | None:
    """
    The values of a call with these recorded arguments; None if they do not fit the parameters
    that the function has now.
    """
    parameters = memo.parameters.all
    if not arguments.keys() <= set(memo.parameters.names):
        return None
    values = []
    for parameter in parameters:
        if parameter.name in arguments:
            value = arguments[parameter.name]
        elif parameter.kind is VAR_POSITIONAL:
            value = ()
        elif parameter.kind is VAR_KEYWORD:
            value = {}
        elif parameter.default is not parameter.empty:
            value = parameter.default
        else:
            return None
        if parameter.kind is VAR_POSITIONAL and type(value) is not tuple:
            return None
        if parameter.kind is VAR_KEYWORD and type(value) is not dict:
            return None
        values.append(value)
    return tuple(values)


def _annotation(memo: Memo, name: str) -> Any:
    try:
        return typing.get_type_hints(memo.function, include_extras=True).get(name)
    except Exception:
        return None
