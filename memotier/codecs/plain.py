"""
Plain data (None, bool, int, float, str, bytes, list, dict) to msgpack and back, in C.

``pack_plain`` is only right for what ``survey`` found to be plain: with other data its options
would turn keys of dicts that are dates, UUIDs, enums or subclasses of str into plain text
without a word.
"""

from __future__ import annotations

from typing import Any

import ormsgpack

#: Everything that msgpack has no exact type for is refused (TypeError), not converted.
PASS_TO_US = (
    ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_UUID
    | ormsgpack.OPT_PASSTHROUGH_BIG_INT
)
ENCODE_OPTION = PASS_TO_US | ormsgpack.OPT_NON_STR_KEYS
DECODE_OPTION = ormsgpack.OPT_NON_STR_KEYS


def pack_plain(value: Any) -> bytes:
    return ormsgpack.packb(value, option=ENCODE_OPTION)


def unpack(packed: bytes | memoryview) -> Any:
    return ormsgpack.unpackb(packed, option=DECODE_OPTION)


def is_plain_container(first: int) -> bool:
    """
    Whether *first* is the first byte of a msgpack list or dict.
    """
    return 0x80 <= first <= 0x9F or 0xDC <= first <= 0xDF
