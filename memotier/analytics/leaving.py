"""
What a process leaves of the figures of one cache, in its second tier.

A notice is written when something changed, and renewed every ``RENEW`` seconds while the process
lives: so what nobody renews belongs to a process that was killed, and expires. The last one says
that it is the last.

States: *going*; *resting*, for ``REST`` seconds after it could not be written (a disk that is full
or read-only, a server that is away: that is said by nobody and counted as ``l2.leave`` among the
failures); *over*.

It is only ever called by the one thread that goes rounds (snapshots.py), and never raises.
"""

from __future__ import annotations

import math
import secrets
import weakref
from typing import Any, Final

from ..engine.events import kind_and_place, logger
from ..errors import StoreError
from ..keyed import Keyed
from ..stores.notices import LARGEST, LIFE
from ..types import Seconds
from .counters import Whose
from .fitting import fitted
from .since import Begun, begun, since
from .taking import taken
from .tracker import picture, tracker_of

#: Seconds after which a living process says again what it said.
RENEW: Final[Seconds] = LIFE / 5
REST: Final[Seconds] = 30.0
#: What stands in the failures of a snapshot for notices that could not be left.
LEAVE: Final = "l2.leave"


class Leaving:
    """
    The notices of one cache in this process.

    Args:
        is_child: Whether this is a forked process, which begins to count now.
    """

    def __init__(self, keyed: Keyed, *, is_child: bool = False) -> None:
        self._keyed = weakref.ref(keyed)
        engine = keyed.engine
        self._notices: Any = getattr(engine.store, "notices", None)
        self._monotonic = engine.clock.monotonic
        #: Another process may have the same number one day, so it is no part of the name.
        self.name = secrets.token_hex(8)
        self._base: Begun | None = begun(keyed) if is_child else None
        self._seen: dict[Whose, tuple[float, ...]] | None = None
        self._snapshot: dict[str, Any] | None = None
        self._renew_at: Seconds = -math.inf
        self._rests_until: Seconds = -math.inf
        tracker_of(engine, None if is_child else keyed.left_since).names.add(self.name)

    def is_of(self, keyed: Keyed) -> bool:
        return self._keyed() is keyed

    def round(self) -> bool:
        """
        Leave the figures if there is something new; whether there will be another round.
        """
        keyed = self._keyed()
        if keyed is None:
            self._leave_last()  # nobody has the cache any more
            return False
        if keyed.engine.closed:
            return False
        now = self._monotonic()
        try:
            if self._is_resting(keyed, now):
                return True
            seen = dict(picture(keyed.engine).counted)
            if seen != self._seen or now >= self._renew_at:
                self._leave(keyed, seen)
        except Exception as error:
            self._failed(keyed, error)
        return True

    def end(self) -> None:
        """
        Leave them for the last time.
        """
        keyed = self._keyed()
        try:
            if keyed is None:
                self._leave_last()
            elif not (keyed.engine.closed or self._is_resting(keyed, self._monotonic())):
                self._leave(keyed, {}, ended=True)
        except Exception as error:
            self._failed(keyed, error)

    def after_fork(self) -> None:
        """
        In the child: another name, and what was counted so far is the parent's.
        """
        keyed = self._keyed()
        self.name = secrets.token_hex(8)
        self._seen = self._snapshot = None
        self._renew_at = -math.inf
        if keyed is not None:
            tracker_of(keyed.engine).names = {self.name}
            try:
                self._base = begun(keyed)
            except Exception as error:
                self._failed(keyed, error)

    def look_soon(self) -> None:
        keyed = self._keyed()
        if keyed is not None:
            keyed.engine.meter.start_soon()

    def _leave(
        self, keyed: Keyed, seen: dict[Whose, tuple[float, ...]], *, ended: bool = False
    ) -> None:
        base = self._base
        snapshot = taken(keyed, before=base and base.before)
        if not snapshot["functions"]:
            return  # it was only looked at
        if base is not None:
            snapshot = since(snapshot, base)
        if keyed.engine.options.encrypt:
            # It lies in clear beside records in which tags do not.
            snapshot = {**snapshot, "tags": []}
        self._write({**snapshot, "ended": ended})
        self._seen, self._snapshot = seen, snapshot
        self._renew_at = self._monotonic() + RENEW

    def _leave_last(self) -> None:
        if self._snapshot is None:
            return
        try:
            self._write({**self._snapshot, "ended": True})
        except Exception as error:
            self._failed(None, error)

    def _write(self, snapshot: dict[str, Any]) -> None:
        data = fitted(snapshot, LARGEST)
        if data is not None:
            self._notices.leave(self.name, data)

    def _is_resting(self, keyed: Keyed, now: Seconds) -> bool:
        # (A store that is away would keep who closes it waiting.)
        return now < self._rests_until or getattr(keyed.engine.store, "is_resting", False)

    def _failed(self, keyed: Keyed | None, error: Exception) -> None:
        self._rests_until = self._monotonic() + REST
        if keyed is not None:
            keyed.engine.meter.failed(LEAVE)
        if not isinstance(error, StoreError):
            logger.debug("leaving figures failed (%s)", kind_and_place(error))
