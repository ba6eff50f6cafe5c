"""
Long lists and tuples of numbers, such as an embedding, as one leaf: eight bytes each.

Which form a list takes depends on its content alone, and the two begin with different tags.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

#: Shorter ones are written value by value: looking at the types costs as much.
FEW = 16


def packed(head: bytes, values: Sequence[object]) -> tuple[bytes, bytes, int] | None:
    """
    Tag, bytes and their number for *values* that are all ``float``, or all ``int`` of 64 bits.

    None for others. *head* is the head of the usual form; its first byte says list or tuple.
    """
    kind = type(values[0])
    if kind is not int and kind is not float:
        return None
    # count() compares by identity first, so no class of anybody is asked.
    if [*map(type, values)].count(kind) != len(values):
        return None

    form = "d" if kind is float else "q"
    # One NaN anywhere shows in the sum; all NaNs must be one, so these go the usual way.
    if kind is float and (total := sum(values)) != total:  # type: ignore[arg-type]
        return None
    try:
        data = struct.pack(f">{len(values)}{form}", *values)
    except struct.error:
        return None
    return b"1" + head[:1] + form.encode(), data, len(data)
