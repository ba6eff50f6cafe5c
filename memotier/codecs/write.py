"""
Writing a value as a flat table of nodes; see read.py for the layout.

A part of a value that is more than a few atoms becomes a node of its own, and a reference
stands in its place. Nodes are written in the order in which they are found, so a reference
always points further on, and writing needs no recursion however the value is nested.
"""

from __future__ import annotations

import struct
from typing import Any, TypeAlias

import ormsgpack

from ..errors import MemotierError, SerializationError
from . import kinds
from .arrays import split_array, split_scalar
from .classes import layout_of
from .frames import split_frame
from .layouts import Layout
from .plain import ENCODE_OPTION, PASS_TO_US
from .survey import ATOMS, MAX_DEPTH, MAX_ITEMS, PLAIN, survey

# ormsgpack writes these as if they were bytes or its own; no hook is asked.
_SWALLOWED = frozenset({bytearray, memoryview, ormsgpack.Ext, ormsgpack.Fragment})
_KEYS = ATOMS
ALIGNMENT = 16
HEAD = struct.Struct("<IIII")
# One object, written so often over, is the sign of pairs of pairs of pairs: 2**40 leaves
# from 40 objects. Refused here it takes 50 ms, by the count of items 3 s.
_MAX_REPEATS = 10_000
# Reserved for the node of the whole value, whose single part it is.
VALUE = 0


# The objects that the current node is inside of, innermost first.
_Chain: TypeAlias = "tuple[Any, _Chain] | None"


class Writer:
    """
    Writes one value, once.
    """

    __slots__ = (
        "_chain", "_classes", "_depth", "_error", "_left", "_pending", "_raws", "_times",
    )  # fmt: skip

    def __init__(self) -> None:
        self._left = MAX_ITEMS
        self._pending: list[tuple[int, list[Any], int, _Chain] | None] = []
        self._chain: _Chain = None
        # The object itself is kept as well, so that its id stays its own.
        self._times: dict[int, list[Any]] = {}
        self._raws: list[Any] = []
        self._classes: dict[Layout, int] = {}
        self._depth = 0
        self._error: BaseException | None = None

    def write(self, value: Any, mark: bytes) -> bytes:
        """
        The table of *value*, after the two bytes of *mark*.
        """
        nodes: list[bytes] = []
        self._pending.append((VALUE, [value], 0, None))
        while len(nodes) < len(self._pending):
            entry = self._pending[len(nodes)]
            assert entry is not None
            self._pending[len(nodes)] = None
            tag, parts, self._depth, self._chain = entry
            nodes.append(bytes((tag,)) + self._island(parts))
        return self._assemble(nodes, mark)

    def _assemble(self, nodes: list[bytes], mark: bytes) -> bytes:
        named = [part for layout in self._classes for part in (layout.name, layout.fingerprint)]
        classes = ormsgpack.packb(named)
        sizes = [*map(len, nodes), *map(len, self._raws)]
        pieces: list[Any] = [
            mark,
            bytes(ALIGNMENT - len(mark)),
            HEAD.pack(len(nodes), len(self._raws), len(classes), 0),
            struct.pack(f"<{len(sizes)}I", *sizes),
            classes,
            *nodes,
        ]
        if self._raws:
            at = sum(map(len, pieces))
            for raw in self._raws:
                pad = -at % ALIGNMENT
                pieces += (bytes(pad), raw)
                at += pad + len(raw)
        return b"".join(pieces)

    def _island(self, parts: list[Any]) -> bytes:
        """
        *parts* as msgpack, with extensions and references for what is not plain.
        """
        found, count = survey(parts, self._left)
        self._spend(count)
        if found.isdisjoint(_SWALLOWED):
            mark = len(self._pending), len(self._raws)
            option = ENCODE_OPTION if found <= PLAIN else PASS_TO_US
            try:
                return ormsgpack.packb(parts, self._part, option)
            except TypeError:
                self._raise_ours()
            # Odd keys or lone surrogates. What was queued meanwhile is queued again.
            del self._pending[mark[0] :], self._raws[mark[1] :]

        lowered = [self._lower(part) for part in parts]
        try:
            return ormsgpack.packb(lowered, self._part, ENCODE_OPTION)
        except TypeError as error:
            self._raise_ours()
            raise SerializationError(f"the value cannot be stored: {error}") from error

    def _raise_ours(self) -> None:
        # ormsgpack replaces what its hook raises; the first error is the one that says why.
        if self._error is not None:
            raise self._error

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise SerializationError(
                f"a value of more than {MAX_ITEMS:,} items cannot be stored; return arrays, "
                "frames or smaller parts"
            )

    def _lower(self, value: Any) -> Any:
        """
        *value* with everything replaced that ormsgpack would change without asking.

        Recurses only through lists and dicts, at most 64 deep: the survey has counted.
        """
        kind = type(value)
        if kind is list:
            return [self._lower(item) for item in value]
        if kind is dict:
            if all(map(_is_plain_key, value)):
                return {key: self._lower(item) for key, item in value.items()}
            return self._compose(value, kinds.PAIRS, kinds.flatten(value))
        if kind is str:
            return value if _encodable(value) else _surrogates(value)
        if kind is bytearray:
            return ormsgpack.Ext(kinds.BYTEARRAY, bytes(value))
        if kind in _SWALLOWED:
            raise _cannot(kind)
        return value

    def _part(self, value: Any) -> ormsgpack.Ext:
        """
        Called by ormsgpack for everything that is not plain.
        """
        try:
            leaf = kinds.LEAVES.get(type(value))
            if leaf is not None:
                return ormsgpack.Ext(leaf.tag, leaf.dump(value))
            return self._compose(value, *self._split(value))
        except MemotierError as error:
            self._error = self._error or error
            raise
        except Exception as error:
            self._error = _cannot(type(value))
            self._error.__cause__ = error
            raise

    def _split(self, value: Any) -> tuple[int, list[Any]]:
        kind = type(value)
        composite = kinds.COMPOSITES.get(kind)
        if composite is not None:
            return composite.tag, composite.split(value)
        layout = layout_of(kind)
        if layout is not None:
            index = self._classes.setdefault(layout, len(self._classes))
            return kinds.OBJECT, [index, *layout.split(value)]
        return self._split_foreign(value, kind)

    def _split_foreign(self, value: Any, kind: type) -> tuple[int, list[Any]]:
        package = kind.__module__.partition(".")[0]
        if package == "numpy":
            scalar = split_scalar(value)
            if scalar is not None:
                return kinds.SCALAR, scalar
            array = split_array(value)
            if array is not None:
                return kinds.ARRAY, self._with_raw(*array)
        if package in ("pandas", "polars"):
            frame = split_frame(value)
            if frame is not None:
                return kinds.FRAME, self._with_raw(*frame)
        raise _cannot(kind)

    def _with_raw(self, raw: Any, parts: list[Any]) -> list[Any]:
        self._raws.append(raw)
        return [len(self._raws) - 1, *parts]

    def _compose(self, value: Any, tag: int, parts: list[Any]) -> ormsgpack.Ext:
        """
        The parts of *value* on the spot if they are atoms, otherwise a reference to a node.
        """
        if ATOMS.issuperset(map(type, parts)):
            try:
                data = ormsgpack.packb(parts, option=PASS_TO_US)
            except TypeError:
                pass
            else:
                self._spend(len(parts))
                return ormsgpack.Ext(tag, data)
        if self._depth >= MAX_DEPTH or self._is_inside(value):
            raise SerializationError(
                f"a value nested deeper than {MAX_DEPTH} levels, or one that contains itself, "
                "cannot be stored; return a flatter value or one without cycles"
            )
        times = self._times.setdefault(id(value), [value, 0])
        times[1] += 1
        if times[1] > _MAX_REPEATS:
            raise SerializationError(
                f"a value that holds one {type(value).__qualname__} more than {_MAX_REPEATS:,} "
                "times cannot be stored, as each of them would become an item; return it once"
            )
        self._pending.append((tag, parts, self._depth + 1, (value, self._chain)))
        return ormsgpack.Ext(kinds.REFERENCE, struct.pack("<I", len(self._pending) - 1))

    def _is_inside(self, value: Any) -> bool:
        chain = self._chain
        while chain is not None:
            outer, chain = chain
            if outer is value:
                return True
        return False


def _is_plain_key(key: Any) -> bool:
    kind = type(key)
    if kind is str:
        return _encodable(key)
    if kind is int:
        return bool(-(1 << 63) <= key < (1 << 64))
    return kind in _KEYS


def _encodable(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _surrogates(value: str) -> ormsgpack.Ext:
    return ormsgpack.Ext(kinds.SURROGATES, kinds.dump_text(value))


def _cannot(kind: type) -> SerializationError:
    return SerializationError(
        f"a {kind.__module__}.{kind.__qualname__} cannot be stored as it is; return plain data, "
        "a dataclass, a pydantic or attrs model, an array or a frame instead, or use "
        "codec='pickle' with a key"
    )
