"""
``FakeClock``: time that passes when a test says so.
"""

from __future__ import annotations

import threading

from ..clock import Clock
from ..types import Seconds

_NANO = 10**9


class _Hands:
    """
    What a fake clock shows, in whole nanoseconds, so that nothing is lost in adding.
    """

    def __init__(self, wall: Seconds, tick: Seconds) -> None:
        self.monotonic_ns = 1_000 * _NANO
        self.wall_ns = round(wall * _NANO)
        self.tick_ns = round(tick * _NANO)
        self.lock = threading.Lock()

    def move(self, ns: int, wall_ns: int) -> None:
        with self.lock:
            self.monotonic_ns += ns
            self.wall_ns += wall_ns

    def monotonic(self) -> Seconds:
        if self.tick_ns:
            self.move(self.tick_ns, self.tick_ns)
        return self.monotonic_ns / _NANO

    def wall(self) -> Seconds:
        if self.tick_ns:
            self.move(self.tick_ns, self.tick_ns)
        return self.wall_ns / _NANO


class FakeClock(Clock):
    """
    A clock for ``MultiLevelCache(clock=...)`` and for stores that only tests move.

    Args:
        wall: Seconds since 1970 at which it begins.

        tick: Seconds that every reading takes, so that no two readings of ``monotonic`` are equal.
            0: it stands still.
    """

    _hands: _Hands

    def __init__(self, wall: Seconds = 1_700_000_000.0, *, tick: Seconds = 1e-9) -> None:
        hands = _Hands(wall, tick)
        super().__init__(monotonic=hands.monotonic, wall=hands.wall)
        # A clock is frozen: what moves are its hands.
        object.__setattr__(self, "_hands", hands)

    def __repr__(self) -> str:
        return f"<FakeClock wall={self._hands.wall_ns / _NANO!r}>"

    def advance(self, seconds: Seconds) -> None:
        """
        Let *seconds* pass.

        Raises:
            ValueError: If *seconds* is negative: time does not go back, wall clocks do
                (``set_wall``).
        """
        if seconds < 0:
            raise ValueError(
                f"advance({seconds!r}) would let time go back; to set the wall clock back use "
                "set_wall()"
            )
        ns = round(seconds * _NANO)
        self._hands.move(ns, ns)

    def set_wall(self, wall: Seconds) -> None:
        """
        Set the wall clock to *wall* seconds since 1970, as an administrator or NTP would. No time
        passes.
        """
        with self._hands.lock:
            self._hands.wall_ns = round(wall * _NANO)
