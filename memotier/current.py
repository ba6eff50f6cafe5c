"""
``memotier.current()``: the entry in the making, for the function that makes it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from .durations import seconds
from .engine.clocks import Renewal
from .engine.flights import Flight, leading
from .engine.places import Held
from .errors import MemotierError
from .keyed import check_tags
from .types import MISS


class NotComputing(MemotierError, LookupError):
    """
    ``memotier.current()`` was called outside of a function that is being computed.
    """


class NothingStale(MemotierError, LookupError):
    """
    ``not_modified()`` was said of a result that is not there.
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

    @property
    def stale_value(self) -> Any:
        """
        The result that this one is to replace, a copy if it is mutable; MISS if there is none at
        hand.

        Only functions with *stale_while_revalidate*, *stale_if_error* or *refresh_ahead* keep one.
        """
        old = getattr(self._flight, "old", None)
        return MISS if old is None else Held(old.value, old.thaw).hand_out()

    def not_modified(self) -> Any:
        """
        Keep the old result and let its clocks begin anew, whatever the function returns.

        Returns:
            The old result.

        Raises:
            NothingStale: If there is none: ``stale_value`` is MISS.
        """
        value = self.stale_value
        if value is MISS:
            raise NothingStale(
                "memotier.current().not_modified() has no old result to keep; ask the source "
                "for all of it when current().stale_value is MISS"
            )
        assert isinstance(self._flight, Renewal)
        self._flight.unmodified = (value,)
        return value

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
