"""
The ``Store`` protocol in the memory of one process: what the others are measured by, and the
second tier of a cache that persists nothing.
"""

from __future__ import annotations

import heapq
import itertools
import math
import secrets
import threading
from collections.abc import Collection, Mapping, Sequence

from ..clock import SYSTEM, Clock
from ..durations import is_below
from ..errors import StoreUnavailable
from ..tokens import hard_token, soft_token
from ..types import MISS, Address, Item, Name, Reading, Seconds, Token
from . import forks
from .limits import check_limits

_ROW = 200  # bytes that an entry takes beside its record
_SLOTS = 4096


class _Row:
    """One record; *rank* is its place in the order of leaving, the lowest leaves first."""

    __slots__ = ("alive_until", "expired", "group", "rank", "reads", "record")

    def __init__(self, record: bytes, group: str, alive_until: Seconds) -> None:
        self.record = record
        self.group = group
        self.alive_until = alive_until
        self.expired: Seconds | None = None
        self.reads = 0
        self.rank: tuple[float, int] = (0.0, 0)


class LocalStore:
    """
    Bytes in a dict, under one lock, within *max_size* records and *max_bytes*.

    Args:
        eviction: ``"ttl"`` (soonest to expire first), ``"fifo"`` (least recently stored),
            ``"lru"`` or ``"lfu"``.
    """

    kind = "local"

    def __init__(
        self,
        max_size: int | None,
        *,
        max_bytes: int | None = None,
        eviction: str = "ttl",
        clock: Clock = SYSTEM,
    ) -> None:
        check_limits(max_size, max_bytes, eviction)
        self._max_size = max_size
        self._max_bytes = max_bytes
        self._eviction = eviction
        self._clock = clock
        self._rows: dict[Address, _Row] = {}
        self._bytes = 0
        # Heaps keep what was true when it was pushed; whoever pops looks at the row again.
        self._order: list[tuple[tuple[float, int], Address]] = []
        self._deaths: list[tuple[Seconds, Address]] = []
        self._tokens: dict[Name, bytes] = {}
        self._slots: dict[int, bytes] = {}
        self._epoch = secrets.token_bytes(8)
        self._serial = itertools.count(1)
        self._evictions = 0
        self._expirations = 0
        self._closed = False
        self._make_lock()
        forks.register(self)

    def __repr__(self) -> str:
        return f"<LocalStore {len(self._rows)} records>"

    def get(self, addresses: Sequence[Address]) -> Reading:
        """The records at *addresses* in their order, None where there is none or it expired."""
        now = self._clock.monotonic()
        with self._lock:
            self._check_open()
            records = [self._read(address, now) for address in addresses]
            marks = [self._slots.get(_slot(address)) for address in addresses]
            rows = [self._rows.get(address) for address in addresses]
            expired = [None if row is None else row.expired for row in rows]
            return Reading(records, self._epoch, marks, expired)

    def set(self, items: Sequence[Item]) -> list[bool]:
        """
        Store each item whose guard still holds, comparing and storing in one atomic step.

        Returns:
            For each item whether it was stored.
        """
        now = self._clock.monotonic()
        with self._lock:
            self._check_open()
            stored = [self._holds(item, now) for item in items]
            new = [item for item, is_wanted in zip(items, stored, strict=True) if is_wanted]
            for item in new:
                self._put(item, now)
            self._make_room(now, {item.address for item in new})
            return stored

    def delete(self, addresses: Sequence[Address]) -> list[bool]:
        """
        Remove records and give their slots fresh tokens.

        Returns:
            For each address whether an unexpired record was there.
        """
        now = self._clock.monotonic()
        with self._lock:
            self._check_open()
            for address in addresses:
                self._slots[_slot(address)] = hard_token()
            return [self._drop(address, now) for address in addresses]

    def expire(self, addresses: Sequence[Address]) -> list[bool]:
        """
        Note of records that they are not fresh from now on and give their slots fresh tokens.

        Returns:
            For each address whether an unexpired record was there.
        """
        now, wall = self._clock.monotonic(), self._clock.wall()
        with self._lock:
            self._check_open()
            answers = []
            for address in addresses:
                self._slots[_slot(address)] = hard_token()
                row = self._rows.get(address)
                is_there = row is not None and row.alive_until > now
                if row is not None and row.expired is None:
                    row.expired = wall
                answers.append(is_there)
            return answers

    def discard(self, address: Address) -> None:
        """Drop one damaged or outdated record; no token changes."""
        with self._lock:
            self._check_open()
            self._drop(address, 0.0)

    def versions(self, names: Sequence[Name]) -> tuple[list[Token], Token]:
        """The tokens of *names*, None for a name never bumped, and the epoch, consistently."""
        with self._lock:
            self._check_open()
            return [self._tokens.get(name) for name in names], self._epoch

    def bump(self, names: Sequence[Name], soft: bool = False) -> None:
        """Give each name and the epoch a fresh token."""
        now = self._clock.wall()
        with self._lock:
            self._check_open()
            for name in dict.fromkeys(names):
                old = self._tokens.get(name)
                self._tokens[name] = soft_token(old, now) if soft else hard_token()
            self._epoch = secrets.token_bytes(8)

    def clear_group(self, group: str) -> int:
        """Remove the records of namespace *group* and those below it; how many were unexpired."""
        return self._clear(group)

    def clear(self) -> int:
        """Remove every record, keep the versions; how many unexpired records there were."""
        return self._clear(None)

    def count(self, group: str | None = None) -> int:
        """Number of unexpired records, of one namespace and those below it or of all."""
        now = self._clock.monotonic()
        with self._lock:
            self._check_open()
            return sum(row.alive_until > now and _is_in(row, group) for row in self._rows.values())

    def usage(self) -> Mapping[str, int]:
        """
        ``size`` (records), ``bytes`` (room they take), ``evictions`` and ``expirations``.
        """
        size = self.count()
        with self._lock:
            return {
                "size": size,
                "bytes": self._bytes,
                "evictions": self._evictions,
                "expirations": self._expirations,
            }

    def close(self) -> None:
        """Forget everything; later calls raise ``StoreUnavailable``. May be called twice."""
        with self._lock:
            self._closed = True
            self._rows.clear()
            self._order.clear()
            self._deaths.clear()
            self._bytes = 0

    def before_fork(self) -> None:
        """Nobody else may be inside while the process is copied."""
        self._fork_locks.take()

    def after_fork(self, in_child: bool) -> None:
        """Both sides have a store of their own from here on."""
        self._fork_locks.release(in_child, self._make_lock)

    def _make_lock(self) -> None:
        self._lock = threading.Lock()
        self._fork_locks = forks.ForkSafeLocks(self._lock)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the local store is closed")

    def _holds(self, item: Item, now: Seconds) -> bool:
        guard = item.guard
        if guard.mark is not MISS and guard.mark != self._slots.get(_slot(item.address)):
            return False
        if guard.instead_of is not None:
            row = self._rows.get(item.address)
            if row is None or row.alive_until <= now or row.record != guard.instead_of:
                return False
        if guard.epoch == self._epoch:
            return True
        tokens = [self._tokens.get(name) for name in guard.names]
        return guard.epoch is not None and tokens == list(guard.tokens)

    def _read(self, address: Address, now: Seconds) -> bytes | None:
        row = self._rows.get(address)
        if row is None or row.alive_until <= now:
            return None
        row.reads += 1
        if self._eviction == "lru":
            row.rank = (next(self._serial), 0)
        elif self._eviction == "lfu":
            row.rank = (row.reads, row.rank[1])
        return row.record

    def _put(self, item: Item, now: Seconds) -> None:
        self._drop(item.address, now)
        until = math.inf if item.expire is None else now + item.expire
        row = _Row(item.record, item.group, until)
        serial = next(self._serial)
        first = {"ttl": until, "lfu": 0.0}.get(self._eviction, serial)
        row.rank = (first, serial)
        self._rows[item.address] = row
        self._bytes += len(item.record) + _ROW
        heapq.heappush(self._order, (row.rank, item.address))
        if item.expire is not None:
            heapq.heappush(self._deaths, (until, item.address))

    def _drop(self, address: Address, now: Seconds) -> bool:
        row = self._rows.pop(address, None)
        if row is None:
            return False
        self._bytes -= len(row.record) + _ROW
        return row.alive_until > now

    def _clear(self, group: str | None) -> int:
        now = self._clock.monotonic()
        with self._lock:
            self._check_open()
            leaving = [address for address, row in self._rows.items() if _is_in(row, group)]
            return sum(self._drop(address, now) for address in leaving)

    def _make_room(self, now: Seconds, new: Collection[Address]) -> None:
        self._bury(now)
        spared = []
        while self._is_too_full() and self._order:
            rank, address = heapq.heappop(self._order)
            row = self._rows.get(address)
            if row is None or row.rank < rank:
                continue  # Gone, or replaced by one that has its own place in the heap.
            if row.rank > rank:
                heapq.heappush(self._order, (row.rank, address))  # It was read meanwhile.
            elif address in new:
                spared.append((rank, address))
            else:
                self._drop(address, now)
                self._evictions += 1
        while self._is_too_full() and spared:
            self._drop(spared.pop(0)[1], now)
            self._evictions += 1
        for place in spared:
            heapq.heappush(self._order, place)
        self._tidy()

    def _is_too_full(self) -> bool:
        if self._max_size is not None and len(self._rows) > self._max_size:
            return True
        return self._max_bytes is not None and self._bytes > self._max_bytes

    def _bury(self, now: Seconds) -> None:
        while self._deaths and self._deaths[0][0] <= now:
            until, address = heapq.heappop(self._deaths)
            row = self._rows.get(address)
            if row is not None and row.alive_until == until:
                self._drop(address, now)
                self._expirations += 1

    def _tidy(self) -> None:
        """What was deleted or replaced stays in the heaps; not for ever."""
        most = 2 * len(self._rows) + 64
        if len(self._order) > most:
            self._order = [(row.rank, address) for address, row in self._rows.items()]
            heapq.heapify(self._order)
        if len(self._deaths) > most:
            self._deaths = [(row.alive_until, address) for address, row in self._rows.items()]
            heapq.heapify(self._deaths)


def _slot(address: Address) -> int:
    return int.from_bytes(address[:2], "big") % _SLOTS


def _is_in(row: _Row, group: str | None) -> bool:
    return group is None or is_below(row.group, group)
