"""
``memotier.current()``: the entry in the making, for the function that makes it.
"""

from __future__ import annotations

from datetime import timedelta

from .durations import seconds
from .engine.flights import Flight, leading
from .errors import MemotierError
from .keyed import check_tags


class NotComputing(MemotierError, LookupError):
    """
    ``memotier.current()`` was called outside of a function that is being computed.
    """


class Current:
    """
    The entry that the running function computes. What is said here holds for this one result.
    """

    __slots__ = ("_flight",)

    def __init__(self, flight: Flight) -> None:
        self._flight = flight

    def __repr__(self) -> str:
        flight = self._flight
        return f"<memotier.Current ttl={flight.ttl} added_tags={len(flight.added_tags or ())}>"

    def add_tags(self, *tags: str) -> None:
        """
        Let the entry be found by *tags* as well.
        """
        self._flight.added_tags = [*(self._flight.added_tags or ()), *check_tags(tags)]

    def set_ttl(self, ttl: float | timedelta | str) -> None:
        """
        Let the entry be fresh for *ttl* seconds (or ``timedelta``, or ``"10m"``).
        """
        self._flight.ttl = seconds(ttl, what="ttl")

    def skip(self) -> None:
        """
        Return the result, but do not store it.
        """
        self._flight.skipped = True


def current() -> Current:
    """
    The entry in the making.

    Raises:
        NotComputing: If no cached function is being computed in this context.
    """
    led = leading.get()
    if led is None:
        raise NotComputing(
            "memotier.current() is for the inside of a function with @tiered_cache "
            "while it is being computed"
        )
    return Current(led.flight)
