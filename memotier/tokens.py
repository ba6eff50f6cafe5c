"""
What a token looks like: a hard half, and for a name that was invalidated softly a soft half.

    None                     never invalidated
    8 random bytes           invalidated hard, and not softly since
    8 + 8 + 8 bytes          and then softly: the hard half as it was (zeros if there was none),
                             when that was (wall seconds, a big-endian double), 8 random bytes

An entry carries the tokens from before it was computed. If they are unchanged it is valid; if
only soft halves are new it has *expired* and is of use as a stale one is; otherwise it is gone.
A hard invalidation takes the soft half away, so it wins against every soft one before it.

The time only says how long an expired entry is of use, never whether one is valid. What cannot
have come from here (another length, a soft half that went away, a time that is no number) counts
as a hard invalidation, as does a token that was lost.
"""

from __future__ import annotations

import math
import secrets
import struct
from collections.abc import Sequence
from typing import Final

from .types import Seconds, Token

_HALF: Final = 8
_SOFT: Final = 3 * _HALF
_NEVER_HARD: Final = bytes(_HALF)
_WHEN: Final = struct.Struct(">d")

#: The lengths that a token can have.
SIZES: Final = frozenset({_HALF, _SOFT})

#: The answer of ``expired_at`` for what is still valid.
NOT_EXPIRED: Final[Seconds] = math.inf


def hard_token() -> bytes:
    """
    The token of a name that was just invalidated.
    """
    return secrets.token_bytes(_HALF)


def soft_token(old: Token, now: Seconds) -> bytes:
    """
    The token of a name that was just invalidated softly.

    Args:
        old: Its token before.

        now: Wall seconds.
    """
    if old is None:
        hard = _NEVER_HARD
    elif type(old) is bytes and len(old) in SIZES:
        hard = old[:_HALF]
    else:
        hard = hard_token()  # not one of ours: what was valid under it must not stay so
    return hard + _WHEN.pack(now) + secrets.token_bytes(_HALF)


def expired_at(noted: Sequence[Token] | None, now: Sequence[Token]) -> Seconds | None:
    """
    When an entry was invalidated softly.

    Args:
        noted: The tokens of its names before it was computed; None: nobody knows.

        now: Those that the names have at present.

    Returns:
        Wall seconds of the first that is known; ``NOT_EXPIRED`` if nothing happened; None if
        the entry is gone.
    """
    if noted == now:
        return NOT_EXPIRED
    if noted is None or len(noted) != len(now):
        return None
    moments: list[Seconds] = []
    for before, after in zip(noted, now, strict=True):
        if before == after:
            continue
        if after is None or len(after) != _SOFT:
            return None
        if after[:_HALF] != (_NEVER_HARD if before is None else before[:_HALF]):
            return None
        (when,) = _WHEN.unpack_from(after, _HALF)
        if not math.isfinite(when):
            return None
        moments.append(when)
    return min(moments)
