"""
How large and how deep a value is, found out before anything is built from it.

Both looks are bounded: a value that contains itself, or shares parts so that it would
unfold without end, is refused after ``MAX_ITEMS`` items or ``MAX_DEPTH`` levels.
"""

from __future__ import annotations

import gc
from typing import Any

from ..errors import DecodeRefused, SerializationError

MAX_DEPTH = 64
MAX_ITEMS = 1_000_000
MAX_BYTES = 64 << 20

ATOMS = frozenset({type(None), bool, int, float, str, bytes})
CONTAINERS = frozenset({list, dict})
PLAIN = ATOMS | CONTAINERS

# So many containers are unfolded before the count is looked at again, twice as many each
# time: a list that holds one huge list a million times must not be unfolded in one go.
_FIRST_STRIDE = 16


def survey(value: Any, budget: int) -> tuple[set[type], int]:
    """
    The exact types inside *value*, and how many items it has.

    Looks through lists and dicts level by level in C (some 20 ns per item); other
    containers are surveyed when their own content is written.

    Raises:
        SerializationError: If it has more than *budget* items or more than 64 levels.
    """
    kinds: set[type] = set()
    count, level = 1, [value]

    for _ in range(MAX_DEPTH + 1):
        found = set(map(type, level))
        kinds |= found
        if found.isdisjoint(CONTAINERS):
            return kinds, count
        if not found <= PLAIN:
            level = [item for item in level if type(item) in CONTAINERS]
        level = _unfold(level, budget - count)
        count += len(level)

    raise SerializationError(
        f"a value nested deeper than {MAX_DEPTH} levels, or one that contains itself, cannot be "
        "stored; return a flatter value or one without cycles"
    )


def _unfold(level: list[Any], budget: int) -> list[Any]:
    below: list[Any] = []
    start, stride = 0, _FIRST_STRIDE
    while start < len(level):
        below += gc.get_referents(*level[start : start + stride])
        if len(below) > budget:
            raise SerializationError(
                f"a value of more than {MAX_ITEMS:,} items, counted as often as they are "
                "referred to, cannot be stored; return arrays, frames or smaller parts"
            )
        start, stride = start + stride, stride * 2
    return below


def check_depth(value: Any, *, only_plain: bool) -> None:
    """
    Refuse what was nested deeper than the encoder writes.
    """
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        if not only_plain:
            level = [item for item in level if type(item) in CONTAINERS]
        if not level:
            return
        level = gc.get_referents(*level)
    if level:
        raise DecodeRefused(f"payload is nested deeper than {MAX_DEPTH} levels")


# For each first byte of a msgpack token: how many bytes follow that are content (fixed),
# or minus the width of the length that says so.
_FIXED = [0] * 256
for _byte in range(0xA0, 0xC0):
    _FIXED[_byte] = _byte & 0x1F
for _byte, _size in {
    0xC4: -1, 0xC5: -2, 0xC6: -4, 0xC7: -1, 0xC8: -2, 0xC9: -4, 0xCA: 4, 0xCB: 8,
    0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
    0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16, 0xD9: -1, 0xDA: -2, 0xDB: -4,
    0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4,
}.items():  # fmt: skip
    _FIXED[_byte] = _size
_EXTENSIONS = frozenset({0xC7, 0xC8, 0xC9, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8})


def count_items(data: memoryview, first_composite: int, budget: int) -> int:
    """
    The items that msgpack *data* would become, without building them.

    An empty dict is one byte there and 72 bytes in memory, so a payload of 64 MiB could
    ask for 4 GiB. Some 150 ns per item; since every item takes a byte, only data longer
    than the budget needs the walk. Extensions from tag *first_composite* on hold items.

    Raises:
        DecodeRefused: If there are more than *budget*.
    """
    end = len(data)
    at = count = 0
    while at < end:
        first = data[at]
        size = _FIXED[first]
        at += 1
        if size < 0:
            width = -size
            size = int.from_bytes(data[at : at + width], "big")
            at += width
        if first in _EXTENSIONS:
            composite = at < end and data[at] >= first_composite
            at += 1
            if composite:
                # What is inside counts, beginning with the header of the list.
                continue
        at += size
        count += 1
        if count > budget:
            raise DecodeRefused(f"payload holds more than {budget:,} items")
    return count
