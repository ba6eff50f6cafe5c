"""
Structural copies: containers are copied in C, what cannot change is shared.

While the snapshot is made, a copier is put together for exactly its shape. A flat dict is
copied by ``dict.copy`` alone; a list of alike dicts by ``list(map(dict.copy, rows))``; a
dict with two lists in it by one ``dict.copy`` and two ``list.copy``. Containers of the same
shape get the same copier.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from .immutable import IMMUTABLE, is_immutable

Copier = Callable[[Any], Any]
Foreign = Callable[[Any], "tuple[Any, Copier] | None"]

_MAX_DEPTH = 64
_FLAT: dict[type, Copier] = {
    list: list.copy,
    dict: dict.copy,
    set: set.copy,
    bytearray: bytearray.copy,
    deque: deque.copy,
    OrderedDict: OrderedDict.copy,
}


class Irregular(Exception):
    """
    The value is not a tree of plain containers: something is shared, or is an object.
    """


class Shapes:
    """
    Copies one value and finds its copier.
    """

    def __init__(self, foreign: Foreign) -> None:
        self._foreign = foreign
        self._seen: set[int] = set()
        self._copiers: dict[Any, Copier] = {}

    def copy(self, value: Any, depth: int = 0) -> tuple[Any, Copier | None]:
        """
        A private copy of *value* and the copier for it; no copier for what can be shared.

        Raises:
            Irregular: If only ``copy.deepcopy`` would do.
        """
        kind = type(value)
        if kind in IMMUTABLE:
            return value, None
        if kind not in _FLAT and kind is not tuple:
            return self._other(value)
        if kind is tuple and is_immutable(value):
            return value, None
        # A part that occurs twice must occur twice in the copy as well: as one object.
        if id(value) in self._seen or depth > _MAX_DEPTH:
            raise Irregular
        self._seen.add(id(value))
        if kind is dict or kind is OrderedDict:
            return self._mapping(value, kind, depth)
        if kind is list or kind is tuple:
            return self._sequence(value, kind, depth)
        return self._flat_only(value, kind)

    def _other(self, value: Any) -> tuple[Any, Copier | None]:
        if is_immutable(value):
            return value, None
        foreign = self._foreign(value)
        if foreign is None or id(value) in self._seen:
            raise Irregular
        self._seen.add(id(value))
        return foreign

    def _flat_only(self, value: Any, kind: type) -> tuple[Any, Copier]:
        if kind is not bytearray and not is_immutable(tuple(value)):
            raise Irregular
        return _FLAT[kind](value), _FLAT[kind]

    def _mapping(self, value: Any, kind: type, depth: int) -> tuple[Any, Copier]:
        made = _FLAT[kind](value)
        slots: list[tuple[Any, Copier]] = []
        for key, item in made.items():
            if type(key) is not str and not is_immutable(key):
                raise Irregular
            if type(item) in IMMUTABLE:
                continue
            mine, copier = self.copy(item, depth + 1)
            if copier is not None:
                slots.append((key, copier))
                made[key] = mine
        if not slots:
            return made, _FLAT[kind]
        return made, self._shared(kind, tuple(slots), lambda: _filled(_FLAT[kind], slots))

    def _sequence(self, value: Any, kind: type, depth: int) -> tuple[Any, Copier]:
        made = list(value)
        slots: list[tuple[Any, Copier]] = []
        for at, item in enumerate(made):
            if type(item) in IMMUTABLE:
                continue
            mine, copier = self.copy(item, depth + 1)
            if copier is not None:
                slots.append((at, copier))
                made[at] = mine
        snapshot = made if kind is list else tuple(made)
        if not slots:
            return snapshot, _FLAT[list]
        one = slots[0][1]
        if len(slots) == len(made) and all(copier is one for _, copier in slots):
            return snapshot, self._shared(kind, one, lambda: _mapped(kind, one))
        fill = _filled(list, slots)
        if kind is list:
            return snapshot, self._shared(kind, tuple(slots), lambda: fill)
        return snapshot, self._shared(kind, tuple(slots), lambda: lambda old: tuple(fill(old)))

    def _shared(self, kind: type, shape: Any, make: Callable[[], Copier]) -> Copier:
        """
        One copier per shape, so that a list of alike rows has one copier for all of them.
        """
        found = self._copiers.get((kind, shape))
        if found is None:
            found = self._copiers[(kind, shape)] = make()
        return found


def _mapped(kind: type, copier: Copier) -> Copier:
    if kind is tuple:
        return lambda old: tuple(map(copier, old))
    return lambda old: list(map(copier, old))


def _filled(shallow: Copier, slots: list[tuple[Any, Copier]]) -> Copier:
    """
    A copy in C, and then the few parts that are mutable themselves.
    """
    if len(slots) == 1:
        ((place, inner),) = slots

        def fill_one(old: Any) -> Any:
            made = shallow(old)
            made[place] = inner(made[place])
            return made

        return fill_one

    def fill(old: Any) -> Any:
        made = shallow(old)
        for place, copier in slots:
            made[place] = copier(made[place])
        return made

    return fill
