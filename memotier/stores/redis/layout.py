"""
How a cache lies in a Redis: its keys, and the head of each record.

    mt1:{NAME}:<32 hex digits>   a record, at its address
    mt1:{NAME}:tokens            a hash: all tokens (names, slots of addresses), the epoch, and the
                                 number of the last message
    mt1:{NAME}:ages              a sorted set: when names were invalidated, to forget them one day
    mt1:{NAME}:index             a sorted set: the addresses that have a record, by their end
    mt1:{NAME}:inv:<database>    the channel for invalidations
    mt1:{NAME}:lease:<32 digits> who computes the record at an address, as long as he lives
    mt1:{NAME}:free:<database>   the channel for leases that were given back
    mt1:{NAME}:made:<name>       which versions of a function made records, by lines, the last first

NAME is the name of the cache, which is checked; everything else is digests. In a cluster all of
this is in one slot (``{NAME}``), because a script that compares and stores touches keys of all
kinds.

The tokens are one key on purpose. A server that is full may evict any key: of tokens under keys of
their own it would evict one that nobody used lately, and a name without a token counts as one that
was never invalidated. One key is lost as a whole, and its epoch with it; the first half of the
epoch (the *birth*) stands in every record, so what was stored before is a miss then.

Every key has a time to live. A record has ``LONGEST`` at most; tokens have ``LIFE``, renewed with
every invalidation and, if a day of it has gone, with a write, so they outlive every record that
depends on them.
"""

from __future__ import annotations

import math
import struct
from typing import Final, NamedTuple

from ...durations import is_below
from ...types import Address, Name, Seconds

FORMAT: Final = "mt1"
#: Seconds that a record lives at most.
LONGEST: Final[Seconds] = 30 * 86_400.0
#: Seconds that tokens live after the last write.
LIFE: Final[Seconds] = LONGEST + 15 * 86_400.0
LIFE_MS: Final = int(LIFE * 1000)
#: Milliseconds of it that may go before a write renews it; far less than what it has to spare.
UNRENEWED_MS: Final = 86_400_000

#: Versions of a function that are noted, and bytes of one.
MOST_NOTES: Final = 4
LONGEST_NOTE: Final = 100

EPOCH: Final = b"epoch"
SERIAL: Final = b"serial"
#: Bytes at the front of an epoch that stay the same until the tokens are lost.
BIRTH: Final = 4
_SLOTS: Final = 4096

_VERSION: Final = 1
# Version, birth, alive until (wall seconds), expired at (0: it is not), length of the group.
_HEAD: Final = struct.Struct(f">B{BIRTH}sddB")
#: Where the moment of expiring lies in a record, and what is there if it was not expired.
EXPIRED_AT: Final = 1 + BIRTH + 8
NOT_EXPIRED: Final = bytes(8)
#: Bytes of a head without the name of the group, and with the longest.
SHORTEST_HEAD: Final = _HEAD.size
LONGEST_HEAD: Final = _HEAD.size + 255


class Keys:
    """
    The keys of the cache *name*, in the database *database* of the server.
    """

    def __init__(self, name: str, database: int | str) -> None:
        prefix = f"{FORMAT}:{{{name}}}:"
        self.tokens = f"{prefix}tokens"
        self.ages = f"{prefix}ages"
        self.index = f"{prefix}index"
        # A server has the same channels in all its databases.
        self.channel = f"{prefix}inv:{database}"
        self.free = f"{prefix}free:{database}"
        self.notices = f"{prefix}snaps"
        self._prefix = prefix

    def notice(self, name: str) -> str:
        """The key of what the process called *name* left; see notices.py."""
        return f"{self._prefix}snap:{name}"

    def record(self, address: Address) -> str:
        """The key of the record at *address*."""
        return self._prefix + address.hex()

    def made(self, name: Name) -> str:
        """The key of what was noted of *name*."""
        return f"{self._prefix}made:{name.hex()}"

    def lease(self, place: bytes) -> str:
        """The key of the lease for *place*."""
        return f"{self._prefix}lease:{place.hex()}"


class Head(NamedTuple):
    """
    What stands before a record.
    """

    birth: bytes
    until: Seconds
    expired: Seconds | None
    group: str

    def is_alive(self, birth: bytes | None, now: Seconds) -> bool:
        """Whether it is of this *birth* and not over."""
        return self.birth == birth and self.until > now

    def is_in(self, group: str | None) -> bool:
        """Whether it belongs to *group* or below it; None: to any."""
        return group is None or is_below(self.group, group)


def pack(birth: bytes, until: Seconds, group: str, record: bytes) -> bytes:
    """
    The value to store for *record*.
    """
    name = group.encode()
    return _HEAD.pack(_VERSION, birth, until, 0.0, len(name)) + name + record


def head_of(data: bytes | None) -> Head | None:
    """
    The head of a stored value, or of its beginning; None if it is none of ours.
    """
    if type(data) is not bytes or len(data) < _HEAD.size:
        return None
    version, birth, until, expired, length = _HEAD.unpack_from(data)
    group = data[_HEAD.size : _HEAD.size + length]
    if version != _VERSION or len(group) != length or not group.isascii():
        return None
    moment = None
    if expired != 0:
        moment = expired if math.isfinite(expired) else 0.0
    return Head(birth, until, moment, group.decode())


def record_of(data: bytes, head: Head) -> bytes:
    """
    The record in a stored value.
    """
    return data[_HEAD.size + len(head.group) :]


def moment_bytes(moment: Seconds) -> bytes:
    """
    What stands at ``EXPIRED_AT`` in a record that was expired at *moment*.
    """
    return struct.pack(">d", moment)


def slot_of(address: Address) -> Name:
    """
    The slot whose token a delete of *address* renews; some addresses share it.
    """
    return b"s" + ((address[0] << 8 | address[1]) % _SLOTS).to_bytes(2, "big")
