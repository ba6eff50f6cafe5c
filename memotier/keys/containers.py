"""
How values that hold other values are opened: a head, the values inside, names for their places.

An *opener* takes a value of one exact type and returns ``(head, children, places)``. The key of
the value is the head and then the codes of the children; the head carries their count or fixes
it. *places* names the children in error messages: names of attributes, or None for indices.
Dicts and sets are opened in canonical.py, because their codes are sorted.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from .wire import SHORT, varint

Opened: TypeAlias = tuple[bytes, Sequence[Any], Sequence[str] | None]
Opener: TypeAlias = Callable[[Any], Opened]


def counted(tag: bytes, count: int) -> bytes:
    """
    The head of a container of *count* children.
    """
    return tag + (SHORT[count] if count < 128 else varint(count))


def _list(value: list[Any]) -> Opened:
    children = value[:]
    return counted(b"L", len(children)), children, None


def _tuple(value: tuple[Any, ...]) -> Opened:
    return counted(b"U", len(value)), value, None


def _ordered(value: OrderedDict[Any, Any]) -> Opened:
    flat = [part for pair in list(value.items()) for part in pair]
    return counted(b"O", len(flat)), flat, None


def _deque(value: deque[Any]) -> Opened:
    children = [value.maxlen, *value]
    return counted(b"Q", len(children)), children, None


def _range(value: range) -> Opened:
    # Ranges that give the same numbers are equal, but have different ``start`` and ``stop``.
    return b"r", (value.start, value.stop, value.step), ("start", "stop", "step")


def _slice(value: slice) -> Opened:
    return b"l", (value.start, value.stop, value.step), ("start", "stop", "step")


def _defaultdict(value: defaultdict[Any, Any]) -> Opened:
    # The factory answers for missing keys, so a function may see it: part of the key.
    return b"D", (value.default_factory, dict(value)), ("default_factory", "items()")


def _counter(value: Counter[Any]) -> Opened:
    return b"C", (dict(value),), ("items()",)


OPENERS: dict[type, Opener] = {
    list: _list,
    tuple: _tuple,
    OrderedDict: _ordered,
    deque: _deque,
    range: _range,
    slice: _slice,
    defaultdict: _defaultdict,
    Counter: _counter,
}
