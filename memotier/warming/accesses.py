"""
What one ``CacheWarmer`` knows: accesses of keys that it was told of, and recorded calls.

Accesses are counted in memory, under a lock because threads and tasks both tell of them; what is
new since the last save is counted once more, apart, so that a save adds it to what other
processes have saved meanwhile.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Final

from ..clock import Clock
from ..durations import check_namespace
from ..recording.history import History
from ..recording.pattern import Pattern
from ..recording.records import Recorded
from ..recording.signature import Signature, Unrecordable, sign
from ..types import Seconds

#: Accesses of different keys and users that are known at once.
MOST_PATTERNS: Final = 10_000


class Accesses:
    """
    Patterns by signature; *calls* are those of decorated functions, as far as they were loaded.

    Args:
        by_hour: Whether the hours of accesses are kept.

        by_user: Whether accesses of different users are kept apart.
    """

    def __init__(self, history: History, clock: Clock, *, by_hour: bool, by_user: bool) -> None:
        self.patterns: dict[Signature, Pattern] = {}
        self.calls: list[Recorded] = []
        #: Accesses of keys that cannot be written down.
        self.unrecordable = 0
        self._unsaved: dict[Signature, Pattern] = {}
        self._history = history
        self._clock = clock
        self._by_hour = by_hour
        self._by_user = by_user
        self._lock = threading.Lock()

    @property
    def half_life(self) -> Seconds:
        """
        Seconds after which an access counts half.
        """
        return self._history.limits.half_life

    def all(self) -> list[Recorded]:
        """
        Everything that is known.
        """
        with self._lock:
            return [*(Recorded(one, p) for one, p in self.patterns.items()), *self.calls]

    def record(self, key: Any, namespace: str, hit: bool, user_id: str | None) -> None:
        """
        Count an access of *key*.
        """
        check_namespace(namespace)
        user = "" if user_id is None or not self._by_user else str(user_id)[:256]
        try:
            signature = sign("cache", namespace, "", {"key": key}, user=user, key=self._history.key)
        except Unrecordable:
            self.unrecordable += 1
            return
        if signature.redacted:
            self.unrecordable += 1  # its fingerprint is no key for a loader
            return
        now = self._clock.wall()
        hour = time.localtime(now).tm_hour
        with self._lock:
            for patterns in (self.patterns, self._unsaved):
                pattern = patterns.get(signature)
                if pattern is None:
                    _make_room(patterns, now)
                    pattern = patterns[signature] = Pattern()
                pattern.add(int(hit), int(not hit), now, hour, self.half_life)
                if not self._by_hour:
                    pattern.hours[hour] = 0.0

    def save(self) -> int:
        """
        Add what is new to the history; how many patterns.

        Raises:
            StoreUnavailable: If it cannot be written; it stays new.
        """
        with self._lock:
            taken, self._unsaved = self._unsaved, {}
        try:
            self._history.add([Recorded(one, pattern) for one, pattern in taken.items()])
        except BaseException:
            with self._lock:
                _add(taken, self._unsaved, self.half_life)
                self._unsaved = taken
            raise
        return len(taken)

    def load(self) -> int:
        """
        Know what the history has, besides what is new; how many patterns.

        Raises:
            StoreUnavailable: If it cannot be read.
        """
        found = self._history.read().calls
        patterns = {one: pattern for one, pattern in found if not one.function}
        with self._lock:
            _add(patterns, self._unsaved, self.half_life)
            self.patterns = patterns
            self.calls = [one for one in found if one.signature.function]
            return len(patterns) + len(self.calls)


def _add(
    to: dict[Signature, Pattern], others: dict[Signature, Pattern], half_life: Seconds
) -> None:
    for signature, pattern in others.items():
        to.setdefault(signature, Pattern()).merge(pattern, half_life)


def _make_room(patterns: dict[Signature, Pattern], now: Seconds) -> None:
    """
    For one more, at the cost of those that count least.
    """
    if len(patterns) < MOST_PATTERNS:
        return
    least = sorted(patterns, key=lambda one: patterns[one].weight_at(now))
    for signature in least[: MOST_PATTERNS // 10]:
        del patterns[signature]
