"""
Which keys are asked for most, in bounded memory.

Hits in memory are counted by the entries themselves. What is counted here is the rest: calls that
memory could not answer, and the hits of entries that have left. It is a *space-saving* sketch: a
key that is not known comes in with the count of those that were dropped as its possible error, so
whatever is asked for often enough stays. Room is made for many at once, so that a call costs a
look-up and an addition.

No text is kept: a key is known by a hash, and shown as the first digits of its address.

Source:
    A. Metwally, D. Agrawal, A. El Abbadi: Efficient Computation of Frequent and Top-k Elements in
    Data Streams. ICDT 2005. Dropping many at once: D. Anderson et al.: A High-Performance
    Algorithm for Identifying Frequent Items in Data Streams. IMC 2017.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from ..engine.calls import Call
from ..engine.places import Shelf
from ..entry import Resident
from ..types import Seconds

#: Characters of a key that may be shown.
LONGEST: Final = 80

_TEXT: Final = frozenset({str, bytes})


@dataclass(frozen=True, slots=True, kw_only=True)
class HotKey:
    """
    How one key is used. *key* is ``label#digits``, the first digits of its address if there is a
    second tier. *error* is how many accesses may be missing in *access_count*.
    """

    key: str
    namespace: str
    function: str
    access_count: int
    hit_count: int
    miss_count: int
    avg_latency_ms: float
    error: int = 0


class Known:
    """
    What is counted of one key.
    """

    __slots__ = ("accesses", "address", "error", "misses", "owner", "seconds")

    def __init__(self, owner: tuple[str, str, str], address: bytes | None, error: int) -> None:
        #: Namespace, function, label.
        self.owner = owner
        self.address = address
        self.error = error
        self.accesses = 0
        self.misses = 0
        self.seconds: Seconds = 0.0

    @property
    def estimate(self) -> int:
        return self.accesses + self.error


class HotKeys:
    """
    The *most* used keys, and as many that may become so. Two threads that count one key at the
    same moment may lose a count.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.known: dict[Hashable, Known] = {}
        #: What a key may have been asked for before it is known.
        self.floor = 0

    def asked(self, call: Call, *, found: bool) -> None:
        one = self._of(call.table, call.key, call.shelf, call.address)
        one.accesses += 1
        one.misses += not found

    def took(self, call: Call, seconds: Seconds) -> None:
        one = self.known.get(identity(call.table, call.key))
        if one is not None:
            one.seconds += seconds

    def left(self, table: Any, resident: Resident, hits: int) -> None:
        address = None if resident.stamp is None else resident.stamp.address
        self._of(table, resident.key, resident.place.shelf, address).accesses += hits

    def _of(self, table: Any, key: Any, shelf: Shelf, address: bytes | None) -> Known:
        at = identity(table, key)
        one = self.known.get(at)
        if one is None:
            if len(self.known) >= 2 * self.most:
                self._make_room()
            # Not the shelf, which would keep a function that is gone.
            owner = (shelf.namespace, shelf.identity, shelf.label)
            one = self.known[at] = Known(owner, address, self.floor)
        return one

    def _make_room(self) -> None:
        ranked = sorted(self.known.copy().items(), key=lambda item: item[1].estimate, reverse=True)
        self.floor = max(self.floor, ranked[self.most][1].estimate)
        self.known = dict(ranked[: self.most])


def identity(table: Any, key: Any) -> Hashable:
    """
    What a key of one table is known by. Keys are atoms, whose hash runs no code of a user; of text
    only that hash is kept, which takes no room and tells nothing. (Numbers are kept as they are:
    -1 and -2 have one hash.)
    """
    if key.__class__ is tuple:
        parts = [hash(part) if part.__class__ in _TEXT else part for part in key]
        return (id(table), *parts)
    return id(table), hash(key) if key.__class__ in _TEXT else key


def digits_of(at: Hashable, address: bytes | None) -> str:
    """
    The first digits of *address*; without one, some that hold in this process only.
    """
    if address is None:
        return blake2b(repr(at).encode(), digest_size=4).hexdigest()
    return bytes(address[:4]).hex()


def shown(key: Any) -> str | None:
    """
    The key as text, where it is made of values; None if it is their digest.
    """
    if isinstance(key, bytes):
        return None
    text = ", ".join(map(repr, key)) if isinstance(key, tuple) else repr(key)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
