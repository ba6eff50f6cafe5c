"""
One engine per cache: the state that plans decide on, and the few steps that touch it.

States: open; *closed* (everything was written down and let go; plans compute without it).
One lock orders joining, landing, inserting and invalidating. No I/O, no function of a user
and no decoding ever happens under it.

Finalizers and signal handlers are functions of a user that run wherever Python pleases, also
in a thread that holds the lock or is inside a store. What they call from there computes without
the cache (``is_inside``): no step of the engine is ever entered in the middle of another.
"""

from __future__ import annotations

import os
import socket
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..clock import SYSTEM, Clock, moment
from ..codecs.copies import Kept
from ..entry import NEVER, Resident
from ..errors import StoreError
from ..stores.memory import MemoryTier
from ..stores.offload import Offload
from ..types import MISS, Name, Policy, Seconds, Store, Token
from . import names as naming
from .background import MOST_TIMED, Background
from .calls import Call
from .clocks import Clocks, soften
from .debts import Debts
from .effects import doing
from .events import Events
from .evidence import Evidence
from .failures import Failures
from .flights import Flight, Flights
from .index import Index
from .instances import bury
from .meter import Meter
from .options import Options
from .places import Debt, Held, Place, Shelf, Stamp
from .running import Streams
from .versions import Versions

#: Seconds by which another machine's clock may be ahead before its records are not believed.
SKEW: Seconds = 5.0


class Engine:
    """
    The tiers of one cache and what is known about them.
    """

    def __init__(
        self, options: Options, policy: Policy, store: Store | None, clock: Clock = SYSTEM
    ) -> None:
        self.options = options
        self.store = store
        self.clock = clock
        self.lock = threading.RLock()
        self.memory = MemoryTier(
            policy, max_size=options.l1_max_size, max_bytes=options.l1_max_bytes
        )
        self.versions = Versions(shared=store is not None)
        #: Why entries are not there, for ``explain()``.
        self.evidence = self.memory.evidence = Evidence(self.versions, self.lock, clock)
        self.flights = Flights()
        self.failures = Failures(self.memory)
        self.streams = Streams()
        self.events = Events()
        self.meter = Meter(self.evidence)
        self.offload = Offload()
        self.background = Background(self.lock, self.flights)
        self.timed = Background(self.lock, self.flights, "compute", MOST_TIMED)
        self.shelves: weakref.WeakSet[Shelf] = weakref.WeakSet()
        #: Who carries which tag, for those who count; None: nobody does.
        self.index: Index | None = None
        #: What functions are told that say nothing of it themselves; see predict.py.
        self.predicts: float | None = None
        #: How many have asked for it, by the number of hits.
        self.predictors: dict[int, int] = {}
        #: Whether other processes may invalidate what memory holds, and tell it on a board.
        self.watches = bool(getattr(store, "watches", False))
        #: Who computes a key, among all processes that share it; None if nobody else is there.
        self.claims: Any = getattr(store, "claims", None) if self.watches else None
        #: False: only the second tier keeps anything.
        self.has_memory = options.l1_max_size != 0
        self.closed = False
        self._has_lock: Callable[[], bool] = self.lock._is_owned  # type: ignore[attr-defined]
        #: Write-back: what the second tier does not have yet.
        self.debts = Debts(self.memory)
        self.flusher: Any = None
        #: Called once, in the thread for I/O, before anything is let go at ``close()``.
        self.before_close: list[Callable[[], None]] = []
        self.l2_errors = self.l2_invalidations = self.l2_replacements = 0
        self.l2_refused = 0  # records that were not believed
        self.key_collisions = self.writes_lost = 0
        #: Places whose instance died; emptied at the next insertion, because a weak reference
        #: may call back at any moment, also while this thread holds the lock.
        self.orphans: deque[Place] = deque()
        self.writer = f"{socket.gethostname()}:{os.getpid()}"

    def is_inside(self) -> bool:
        """
        Whether this thread is in the middle of a critical section, or of a store's operation.
        """
        return doing.io or self._has_lock()

    # -- looking -----------------------------------------------------------------

    def examine(
        self, table: dict[Any, Resident], key: Any, *, stale: bool = False
    ) -> tuple[Resident | None, list[Name]]:
        """
        The valid resident under *key*, or the names whose tokens must be known to tell.

        Called under the lock.

        Args:
            stale: Whether one will do that is no longer fresh, but of use (``Clocks``).
        """
        self.look()
        resident = table.get(key)
        if resident is None:
            return None, []
        now = self.clock.monotonic()
        if resident.fresh_until <= now and not self._is_of_use(resident, now, stale):
            return None, []

        versions, expired_at = self.versions, NEVER
        if resident.epoch != versions.epoch:
            stamp = resident.stamp
            names = resident.place.shelf.names if stamp is None else stamp.names
            if versions.bumped_since(resident.epoch, names) or (
                stamp is not None
                and stamp.told_at is not None
                and versions.moved_since(resident.epoch, (stamp.told_at,))
            ):
                self.reject(resident)
                return None, []
            if versions.shared and stamp.tokens is None:
                # Computed while the second tier could not say under which versions.
                if versions.seen != stamp.seen or versions.moved_since(resident.epoch, names):
                    self.reject(resident)
                    return None, []
            elif versions.shared:
                unknown = versions.unknown(names)
                if unknown:
                    return None, unknown
                at = versions.expired_at(names, stamp.tokens, stamp.created)
                if at is None:
                    self.reject(resident)
                    return None, []
                expired_at = at if at == NEVER else moment(self.clock, at, now)
            expired_at = min(expired_at, versions.softened_since(resident.epoch, names))
            # Before the epoch, which lets hits pass.
            if expired_at != NEVER and not soften(resident, expired_at):
                self.reject(resident)
                return None, []
            resident.epoch = versions.epoch
            if resident.fresh_until <= now and not self._is_of_use(resident, now, stale):
                return None, []
        return resident, []

    def reject(self, resident: Resident | None, why: str | bytes = b"") -> None:
        """
        Take away *resident*, if there is one, which must not be served, or cannot be. Called under
        the lock.
        """
        if resident is None:
            return
        stamp = resident.stamp
        if stamp is not None and stamp.debt is not None:
            # What lies below is what it was to replace; it may be valid, and is older.
            self.versions.distrust(stamp.address, self.clock.monotonic())
        self.remove((resident,), why)

    def _is_of_use(self, resident: Resident, now: Seconds, stale: bool) -> bool:
        """
        Whether a resident that somebody has to look at is what *stale* asks for.
        """
        clocks = None if resident.stamp is None else resident.stamp.clocks
        if clocks is None or clocks.served_until <= now:
            self.memory.expire(resident)
            self.debts.note_left(resident)
            return False
        return stale or clocks.fresh_until > now

    def peek(self, table: dict[Any, Resident], key: Any, *, counts: bool = True) -> Any:
        """
        The value if memory has it and nothing needs to be asked, else MISS. No lock: a hit,
        and counted as one unless *counts* is False.
        """
        resident = table.get(key)
        if resident is None:
            return MISS
        # The value first: see stores/memory.py.
        value, now = resident.value, self.clock.monotonic()
        epoch, seen, board = self.versions.cells
        if resident.epoch != epoch or resident.fresh_until <= now or board[0] != seen:
            return MISS
        if counts:
            resident.hits += 1
            resident.used = now
        thaw = resident.thaw
        if thaw is None:
            return value
        try:
            return thaw(value)
        except Exception:
            return MISS  # the plan finds the same, and says so

    def take(self, resident: Resident) -> Held:
        """
        Count a hit that took the slow way, and hold on to the value. Called under the lock:
        without it the value may be gone a moment later.
        """
        resident.hits += 1
        resident.used = self.clock.monotonic()
        if self.meter.watcher is not None:
            self.meter.watcher.hit(resident)
        return Held(resident.value, resident.thaw)

    def is_outdated(self, call: Call, flight: Flight, names: tuple[Name, ...]) -> bool:
        """
        Whether something that an entry with *names*, and with the tags that were added while
        it is computed, depends on was invalidated since, hard or softly.
        """
        versions = self.versions
        self.look()
        if flight.softened:
            return True
        if flight.epoch == versions.epoch:
            return False
        names = (*names, *map(naming.tag, flight.added_tags or ()))
        if versions.bumped_since(flight.epoch, names):
            return True
        if versions.softened_since(flight.epoch, names) != NEVER:
            return True
        address = call.address
        at = names if address is None else (*names, address)
        return versions.shared and versions.moved_since(flight.epoch, at)

    def observe(self, epoch: Token) -> None:
        """
        The second tier answered, in *epoch* of its own. Called under the lock.
        """
        self.look()
        self.versions.observe(epoch)

    def look(self) -> None:
        """
        Take note of what other processes have invalidated. Called under the lock, and before a
        computation notes the epoch in which it begins.
        """
        if self.watches:
            self.versions.adopt(getattr(self.store, "board", None))
            self.versions.look()

    # -- keeping -----------------------------------------------------------------

    def insert(
        self,
        call: Call,
        kept: Kept,
        *,
        cost: Seconds,
        fresh: Seconds,
        epoch: int,
        stamp: Stamp | None,
        debt: Debt | None = None,
        ttl_left: Seconds | None = None,
    ) -> bool:
        """
        Make a resident of a private snapshot; False if there is no room. Under the lock.

        Args:
            fresh: Seconds from now for which memory may serve it.

            ttl_left: The same without memory's own limit; None: there is none.

            epoch: The epoch in which it began to be computed.

            debt: What the second tier has yet to be told (write-back).
        """
        ledger = call.shelf.ledger
        fits = ledger is None or ledger.takes(call, kept.size, stamp)
        if self.closed or not (fits and self.memory.fits(kept.size, call.key)):
            return False
        if self.orphans:
            bury(self)
        now = self.clock.monotonic()
        resident = Resident()
        resident.value, resident.thaw, resident.size = kept.value, kept.thaw, kept.size
        resident.hits, resident.epoch, resident.cost = 0, epoch, cost
        resident.fresh_until = NEVER if fresh == NEVER else now + fresh
        resident.table, resident.key, resident.place = call.table, call.key, call.place
        resident.stamp, resident.node, resident.born, resident.used = stamp, None, now, now
        if call.shelf.checks is not None:
            resident.check_at = call.shelf.checks.draw()
        if call.shelf.windows is not None and stamp is not None:
            left, ttl = (fresh, fresh) if ttl_left is None else (ttl_left, stamp.fresh)
            stamp.clocks = Clocks(now + left, call.shelf.windows, ttl, cost)
            stamp.clocks.memory_until = resident.fresh_until
            if stamp.expired_at is not None:
                at = moment(self.clock, stamp.expired_at, now)
                stamp.clocks.expire(at, call.shelf.windows)
            self.background.set_attention(resident, call.flight_key, now)
        self.failures.forget(call.flight_key)
        old = call.table.get(call.key)
        evicted = self.memory.insert(resident)
        if self.index is not None:
            self.index.note(call, stamp, resident, epoch)
        if old is not None:
            self.debts.forgive(old)
        if self.debts.unwritten and debt is None:
            self.debts.forgive_at(call.address)
        for victim in evicted:
            self.debts.note_left(victim)
        if debt is not None and stamp is not None:
            stamp.debt = debt
            self.debts.owe(resident)
        if ledger is not None:
            ledger.note(self, call, stamp, resident)
        return True

    def give_up(self, call: Call, why: str | bytes = "replaced") -> bool:
        """
        Take away what is there under *call*, in memory or owed; whether there was anything not
        known to be invalid. Called under the lock.
        """
        self.failures.forget(call.flight_key)
        valid, unknown = self.examine(call.table, call.key, stale=True)
        found = valid is not None or bool(unknown)
        if self.index is not None:
            self.index.forget(call.flight_key)
        resident = call.resident()
        if resident is not None:
            self.remove((resident,), why)
        return (bool(self.debts.unwritten) and self.debts.forgive_at(call.address)) or found

    # -- trouble -------------------------------------------------------------------

    def fault(self, error: StoreError) -> None:
        """
        The second tier failed: count it; the breaker has said it.
        """
        with self.lock:
            self.l2_errors += 1
        self.events.emit("fault", {"tier": "l2", "error": str(error)})

    def remove(self, residents: Iterable[Resident], why: str | bytes = b"") -> int:
        """
        Invalidate residents and what is owed of them; how many there were; *why* as for
        ``Evidence.removed``. Under the lock.
        """
        residents = list(residents)
        self.evidence.removed(self, residents, why)
        for resident in residents:
            self.debts.forgive(resident)
        return self.memory.invalidate(residents)

    def sweep(self) -> None:
        """
        Let go of values that have left memory. Not under the lock, because that may run code
        of their classes.
        """
        if self.memory.garbage:
            with self.lock:
                garbage = self.memory.take_garbage()
            del garbage

    def hear_store(self, event: str, detail: Mapping[str, Any]) -> None:
        """
        The second tier tells what happened to it.
        """
        if event in ("store_replaced", "store_quarantined"):
            # Its tokens are gone, and with them the knowledge of what was invalidated: what
            # memory holds counts as changed.
            with self.lock:
                self.evidence.bumped((naming.EVERYTHING,), self.clock.monotonic())
                self.versions.bump((naming.EVERYTHING,))
                self.versions.forget()
                self.remove(self.local_residents(None), naming.EVERYTHING)
            self.sweep()
        self.events.emit(event, detail)

    def local_residents(self, namespace: str | None) -> list[Resident]:
        """
        All residents below *namespace* (None: all). Called under the lock.
        """
        return [
            resident
            for shelf in list(self.shelves)
            if namespace is None or shelf.is_below(namespace)
            for resident in shelf.residents()
        ]
