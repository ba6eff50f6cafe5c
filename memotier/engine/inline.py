"""
What an event loop does itself, because having a thread do it would take longer.

A store that tasks can ask leaves them with bytes to decode, and wants bytes. Small things of types
that are ours take some microseconds; everything else, and whatever may run code of a user's, is for
a thread.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final

from ..codecs.records import is_compressed
from ..codecs.values import SafeCodec
from .calls import Call

#: Bytes of records that are decoded, or of a value that is encoded.
SMALL: Final = 16 * 1024
#: Objects in such a value.
_FEW: Final = 200


def opens_soon(calls: Iterable[Call], records: Iterable[bytes | None]) -> bool:
    """
    Whether opening *records*, which are those of *calls*, takes microseconds.
    """
    size = 0
    for call, data in zip(calls, records, strict=True):
        if data is None:
            continue
        size += len(data)
        if (
            size > SMALL
            or type(call.shelf.codec) is not SafeCodec
            or call.watch is not None  # it may look at files
            or is_compressed(data)
        ):
            return False
    return True


def packs_soon(codec: Any, value: Any) -> bool:
    """
    Whether encoding *value* with *codec* takes microseconds.
    """
    return type(codec) is SafeCodec and is_small(value)


def is_small(value: Any) -> bool:
    """
    Whether *value* is plain data, and not much. Looks at ``_FEW`` objects at most.
    """
    left, size = [value], 0
    few = _FEW
    while left:
        one = left.pop()
        kind = type(one)
        few -= 1
        if _is_leaf(kind):
            size += sys.getsizeof(one)
        elif not (kind is dict or _is_sequence(kind)) or len(one) > few:
            return False
        elif kind is dict:
            left += one.keys()
            left += one.values()
        else:
            left += one
        if few < 0 or size > SMALL:
            return False
    return True


# By identity: a class may have a hash, or a comparison, that raises.


def _is_leaf(kind: type) -> bool:
    return (
        kind is str
        or kind is int
        or kind is float
        or kind is type(None)
        or kind is bool
        or kind is bytes
    )


def _is_sequence(kind: type) -> bool:
    return kind is list or kind is tuple or kind is set or kind is frozenset
