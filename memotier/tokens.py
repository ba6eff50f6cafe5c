"""
What a token looks like: a hard half, and for a name that was invalidated softly a soft half.

    None                     never invalidated
    8 random bytes           invalidated hard, and not softly since
    8 + n * 8 + 8 bytes      and then softly: the hard half as it was (zeros if there was none),
                             when that was (n times: wall seconds, big-endian doubles, the last
                             one last), 8 random bytes

An entry carries the tokens from before it was computed. If they are unchanged it is valid; if
only soft halves are new it has *expired* and is of use as a stale one is; otherwise it is gone.
A hard invalidation takes the soft half away, so it wins against every soft one before it.

The times only say how long an expired entry is of use, never whether one is valid: it counts from
the first after the entry was made. Of many the closest ones are taken for one, the later. What
cannot have come from here (another length, a soft half that went away, a time that is no number)
counts as a hard invalidation, as does a token that was lost.
"""

from __future__ import annotations

import itertools
import math
import secrets
import struct
from collections.abc import Sequence
from typing import Final

from .types import Seconds, Token

_HALF: Final = 8
_TIMES: Final = 8  # that a token has at most
_NEVER_HARD: Final = bytes(_HALF)

#: The lengths that a token can have.
SIZES: Final = frozenset({_HALF, *(_HALF * (2 + n) for n in range(1, _TIMES + 1))})

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
        old = _NEVER_HARD
    elif type(old) is not bytes or len(old) not in SIZES:
        old = hard_token()  # not one of ours: what was valid under it must not stay so
    times = [*_times(old), now]
    if len(times) > _TIMES:
        gaps = [after - before for before, after in itertools.pairwise(times)]
        del times[gaps.index(min(gaps))]
    return b"".join((old[:_HALF], struct.pack(f">{len(times)}d", *times), hard_token()))


def _times(token: bytes) -> tuple[Seconds, ...]:
    number = len(token) // _HALF - 2
    return struct.unpack_from(f">{number}d", token, _HALF) if number > 0 else ()


def expired_at(
    noted: Sequence[Token] | None, now: Sequence[Token], created: Seconds
) -> Seconds | None:
    """
    When an entry was invalidated softly.

    Args:
        noted: The tokens of its names before it was computed; None: nobody knows.

        now: Those that the names have at present.

        created: When it was made, in wall seconds.

    Returns:
        Wall seconds of the first one that is known; ``NOT_EXPIRED`` if nothing happened; None if
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
        before = _NEVER_HARD if before is None else before
        if type(before) is not bytes or type(after) is not bytes:
            return None
        if after[:_HALF] != before[:_HALF] or len(after) == _HALF or len(after) not in SIZES:
            return None
        times = _times(after)
        if not all(map(math.isfinite, times)):
            return None
        moments.append(next((time for time in times if time >= created), times[-1]))
    return min(moments)
