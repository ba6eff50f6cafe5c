"""
Reading the flat table of nodes that write.py makes.

::

    14 zero bytes | nodes, raws, length of classes, 0 (4 x u32)
    lengths of the nodes and of the raws (u32 each)
    classes: msgpack [name, fingerprint, name, fingerprint, ...]
    nodes: tag byte, msgpack list of parts          the first is the whole value
    raws: bytes of arrays and frames, each at a multiple of 16 from the payload's begin

A reference points to a later node, and every node and raw is used exactly once. So nodes
are joined from the last to the first, without recursion, and a small record cannot unfold
into a large value.
"""

from __future__ import annotations

import struct
from typing import Any

import ormsgpack

from ..errors import DecodeRefused
from . import kinds
from .arrays import join_array, join_scalar
from .classes import resolve
from .frames import join_frame
from .layouts import Layout
from .plain import DECODE_OPTION
from .survey import ATOMS, MAX_DEPTH, MAX_ITEMS, check_depth, count_items
from .write import ALIGNMENT, HEAD, VALUE

_START = ALIGNMENT - 2
_MALFORMED = "a payload is not laid out as memotier writes it"


class Reader:
    """
    Reads one table, once. Raises whatever it meets; the codec translates.
    """

    __slots__ = ("_at", "_built", "_classes", "_deepest", "_error", "_nodes", "_raws")

    def __init__(self, data: memoryview) -> None:
        nodes, raws, length, zero = HEAD.unpack_from(data, _START)
        if zero or any(data[:_START]) or not 0 < nodes <= MAX_ITEMS or raws > nodes:
            raise DecodeRefused(_MALFORMED)
        at = _START + HEAD.size
        sizes = struct.unpack_from(f"<{nodes + raws}I", data, at)
        at += 4 * len(sizes)
        named = data[at : at + length]
        self._nodes, at = _slices(data, at + length, sizes[:nodes], 1)
        found, at = _slices(data, at, sizes[nodes:], ALIGNMENT)
        if at != len(data):
            raise DecodeRefused(_MALFORMED)

        self._raws = dict(enumerate(found))
        self._built: dict[int, tuple[Any, int]] = {}
        self._error: BaseException | None = None
        self._at = self._deepest = 0
        self._count()
        self._classes = _resolve_all(named)

    def _count(self) -> None:
        if sum(map(len, self._nodes)) <= MAX_ITEMS:
            return
        left = MAX_ITEMS
        for node in self._nodes:
            left -= count_items(node[1:], kinds.FIRST_COMPOSITE, left)

    def read(self) -> Any:
        """
        The value of the first node.
        """
        for at in range(len(self._nodes) - 1, -1, -1):
            self._at = at
            self._built[at] = self._node(self._nodes[at])
        value, _ = self._built.pop(0)
        if self._built or self._raws:
            raise DecodeRefused(_MALFORMED)
        return value

    def _node(self, node: memoryview) -> tuple[Any, int]:
        self._deepest = 0
        try:
            parts = ormsgpack.unpackb(node[1:], ext_hook=self._part, option=DECODE_OPTION)
        except ValueError:
            # ormsgpack replaces what its hook raises.
            if self._error is not None:
                raise self._error from None
            raise
        if type(parts) is not list:
            raise DecodeRefused(_MALFORMED)
        if self._deepest > MAX_DEPTH:
            raise DecodeRefused(f"payload is nested deeper than {MAX_DEPTH} levels")
        check_depth(parts, only_plain=False)
        depth = self._deepest + 1
        if node[0] == VALUE and self._at == 0:
            (value,) = parts
            return value, depth
        return self._join(node[0], parts), depth

    def _part(self, tag: int, data: bytes) -> Any:
        """
        Called by ormsgpack for every extension.
        """
        try:
            if tag == kinds.REFERENCE:
                return self._refer(data)
            load = kinds.LEAF_LOADERS.get(tag)
            if load is not None:
                return load(data)
            parts = ormsgpack.unpackb(data, option=DECODE_OPTION)
            if type(parts) is not list or not ATOMS.issuperset(map(type, parts)):
                raise DecodeRefused(_MALFORMED)
            return self._join(tag, parts)
        except Exception as error:
            self._error = self._error or error
            raise

    def _refer(self, data: bytes) -> Any:
        (index,) = struct.unpack("<I", data)
        value, depth = self._built.pop(index)
        self._deepest = max(self._deepest, depth)
        return value

    def _join(self, tag: int, parts: list[Any]) -> Any:
        join = kinds.JOINERS.get(tag)
        if join is not None:
            return join(parts)
        if tag == kinds.OBJECT:
            return self._classes[parts[0]].join(parts[1:])
        if tag == kinds.ARRAY:
            return join_array(self._raws.pop(parts[0]), parts[1:])
        if tag == kinds.SCALAR:
            return join_scalar(parts)
        if tag == kinds.FRAME:
            return join_frame(self._raws.pop(parts[0]), parts[1:])
        raise DecodeRefused(f"a payload holds a value of unknown kind {tag}")


def _slices(
    data: memoryview, at: int, sizes: tuple[int, ...], alignment: int
) -> tuple[list[memoryview], int]:
    found = []
    for size in sizes:
        if alignment > 1:
            # Positions count from the payload's begin, two bytes before *data*.
            at += -(at + 2) % alignment
        found.append(data[at : at + size])
        at += size
    return found, at


def _resolve_all(named: memoryview) -> list[Layout]:
    parts = ormsgpack.unpackb(named)
    if type(parts) is not list or len(parts) % 2:
        raise DecodeRefused(_MALFORMED)
    return [resolve(parts[i], parts[i + 1]) for i in range(0, len(parts), 2)]
