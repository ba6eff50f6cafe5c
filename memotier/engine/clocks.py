"""
The clocks of an entry: until when it is fresh, and for what it is good after that.

    computed        attention     fresh_until      revalidate_until     error_until
       |---- fresh ----|--- fresh ----|---- stale: at once ----|-- if it fails --|  dead
                       |              |                        |
                       |              |                        computed by whoever asks; the
                       |              |                        old value if that fails
                       |              old value at once, one refresh behind
                       still fresh, one refresh behind (refresh_ahead)

Both windows begin where freshness ends (RFC 5861), and either may be the longer one. The hit
path knows one moment, ``Resident.fresh_until``: when somebody has to look. Without these
options that is the end of freshness, and there are no clocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ..types import Seconds
from .flights import Flight

NEVER_SERVED: Seconds = float("-inf")


class Clocks:
    """
    The moments of one entry, in monotonic seconds.
    """

    __slots__ = ("error_until", "fresh_until", "revalidate_until", "served_until")

    def __init__(self, fresh_until: Seconds, windows: Windows) -> None:
        self.fresh_until = fresh_until
        until = fresh_until + windows.revalidate
        self.revalidate_until = until if windows.revalidate else NEVER_SERVED
        self.error_until = fresh_until + windows.on_error
        #: Nothing is served after this, whatever happens.
        self.served_until = fresh_until + windows.longest


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """
    What a function asks for beyond freshness; in seconds.
    """

    revalidate: Seconds = 0.0
    on_error: Seconds = 0.0
    backoff: Seconds = 5.0

    @property
    def longest(self) -> Seconds:
        """
        How long an entry may be of use after its freshness.
        """
        return max(self.revalidate, self.on_error)


class Old(NamedTuple):
    """
    A stale result in the hands of whoever computes the next one: what is given if that fails.
    """

    value: Any
    thaw: Any
    stamp: Any
    clocks: Clocks


class Renewal(Flight):
    """
    A flight of a function that has windows.
    """

    __slots__ = ("behind", "failed", "old")

    def __init__(self, key: Any, epoch: int, *, behind: bool = False) -> None:
        super().__init__(key, epoch)
        self.old: Old | None = None
        #: Whether it runs in the background: nobody called it, so nobody hears its error.
        self.behind = behind
        self.failed = False
