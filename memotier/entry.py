"""
One result, as it is kept in memory and as it is shown to people.

``Resident`` is what the hit path touches: few fields, no behaviour. ``Entry`` is the
frozen picture that ``lookup()`` returns. All clocks of an entry start when it was computed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from .types import Seconds

NEVER: Seconds = float("inf")


class Resident:
    """
    An entry in memory. Written under the lock of the memory tier, except ``hits``, ``used``
    and ``epoch``, which the hit path writes without one (a lost update costs a count).
    """

    __slots__ = (
        "born",  # monotonic seconds at which it was stored
        "check_at",  # after how many hits one is checked; of functions with verify= only
        "cost",  # seconds the computation took
        "epoch",  # the epoch at which its versions were last found unchanged
        "fresh_until",  # monotonic seconds
        "hits",  # how often it answered
        "key",  # its key in that table
        "node",  # the policy's own note
        "place",  # whose table it is: a function, an instance's method, a namespace
        "size",  # bytes, estimated
        "stamp",  # what the engine knows of it beyond that; see engine/stamp.py
        "table",  # the dict that holds it; None once it has left
        "thaw",  # makes what a caller gets from it; None: share the value itself
        "used",  # monotonic seconds of the last hit (only for policies that need it)
        "value",  # what is kept: a private snapshot if the value is mutable
    )

    value: Any
    thaw: Callable[[Any], Any] | None
    hits: int
    check_at: int
    born: Seconds
    used: Seconds
    epoch: int
    fresh_until: Seconds
    table: dict[Any, Resident] | None
    key: Hashable
    place: Any
    size: int
    cost: Seconds
    stamp: Any
    node: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    What is known about one stored result.

    Times are seconds: *created* since 1970, the others durations; *ttl_left* is infinite for
    an entry that never expires. *tier* is ``"l1"`` or ``"l2"``, *size* is in bytes, *writer*
    says which host and process computed it; *cost* is what its function's ``cost=`` said of it, or
    None.
    """

    value: Any = field(repr=False)
    created: Seconds
    age: Seconds
    ttl_left: Seconds
    compute_seconds: Seconds
    tier: str
    tags: tuple[str, ...]
    hits: int
    size: int
    namespace: str
    key: str
    writer: str
    cost: float | None = None
    #: Whether its time is over, and it is served all the same because a refresh has failed.
    stale: bool = False
    #: Of the function's code, by which it was computed; empty for a key of the cache object.
    version: str = ""
    #: Seconds of computing that *hits* have saved: both of this process, since memory has it.
    saved_seconds: Seconds = 0.0
