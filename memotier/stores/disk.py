"""
The second tier on one machine: a diskcache database, and what diskcache does not promise.

Guards are compared in the transaction that stores, invalidations are on the disk when they
return, and no fault of the file gets further than a ``StoreError``. Opening happens with the
first call, not when the store is made.
"""

from __future__ import annotations

import logging
import sqlite3
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from ..clock import SYSTEM, Clock
from ..errors import StoreError
from ..types import Address, Item, Name, Reading, Seconds, Token
from .access import Access
from .board import Board
from .claims import Claims
from .connections import Connections
from .directory import Home, read_mountinfo
from .limits import check_limits
from .room import Removed, Room, room_taken
from .rows import (
    BATCH,
    clear_batch,
    count_rows,
    delete_one,
    drop_foreign,
    expire_one,
    last_row,
    moment,
    read_many,
    read_one,
    store_items,
)
from .tokens import (
    EPOCH,
    note_of,
    put_note,
    renew,
    renew_epoch,
    renew_softly,
    slot_of,
    tokens_at_once,
)

log = logging.getLogger("memotier")

MAX_RECORD: Final = 8 * 2**20  # bytes
INVALIDATION_TIMEOUT: Final = 5.0  # seconds
_ROUNDS: Final = 128  # batches in which one call makes room at most


class DiskStore:
    """
    The ``Store`` protocol on a directory; see types.py for what each method promises.

    Args:
        directory: Made with mode 0700 if it is missing; refused if others could write to it,
            if it is a symbolic link, or on a network file system.

        max_size: Number of records, None for no limit.

        max_bytes: Room in the file; a write-ahead log of some 4 MiB comes on top.

        eviction: ``"ttl"`` (soonest to expire first), ``"fifo"`` (least recently stored),
            ``"lru"`` or ``"lfu"``.

        timeout: Seconds to wait for another writer before a record is given up;
            invalidations wait for 5 s.

        max_record_bytes: A larger record is not stored (``set`` says False), because room for
            it would cost many others; by default the 64th part of *max_bytes*, at most 8 MiB.

        allow_shared_dir: Do not insist on being the only user who can read and write it.

        allow_network_fs: Accept a network file system, without the write-ahead log.

        on_event: Hears ``store_quarantined``, ``store_replaced``, ``foreign_rows`` and
            ``record_too_large``, with details; no lock is held.

        mounts: The text of /proc/self/mountinfo.

        everything: Names that all records depend on. They are bumped in a database that is put
            in the place of the open one, because that may be an older copy.
    """

    kind = "disk"
    #: Other processes may invalidate, and tell it on ``board``.
    watches = True

    def __init__(
        self,
        directory: Path,
        *,
        max_size: int | None,
        max_bytes: int,
        eviction: str = "ttl",
        timeout: Seconds = 1.0,
        clock: Clock = SYSTEM,
        max_record_bytes: int | None = None,
        allow_shared_dir: bool = False,
        allow_network_fs: bool = False,
        on_event: Callable[[str, Mapping[str, Any]], None] | None = None,
        mounts: Callable[[], str] = read_mountinfo,
        everything: Sequence[Name] = (),
    ) -> None:
        check_limits(max_size, max_bytes, eviction)
        self.directory = Path(directory).absolute()
        self._clock = clock
        self._max_record = max_record_bytes or min(MAX_RECORD, max(1, max_bytes // 64))
        self._room = Room(max_size, max_bytes, eviction)
        self._evictions = 0
        self._expirations = 0
        connections = Connections(
            Home(self.directory, shared=allow_shared_dir),
            eviction=eviction,
            limit=max_bytes,
            timeout=timeout,
            clock=clock,
            allow_network_fs=allow_network_fs,
            mounts=mounts,
            everything=everything,
        )
        self._access = Access(connections, clock.monotonic, on_event)
        #: Who computes a key, among the processes of this machine.
        self.claims = Claims(connections.home.claims, connections.home.file_mode)
        # For stores that nobody closed: at exit, or when the last reference goes. Not for
        # good, so that a queue which is flushed later at exit still finds the store.
        weakref.finalize(self, connections.close, 1.0, for_good=False)

    def __repr__(self) -> str:
        return f"<DiskStore {str(self.directory)!r}>"

    def get(self, addresses: Sequence[Address]) -> Reading:
        """The records at *addresses* in their order, None where there is none or it expired."""
        now, most = self._clock.wall(), self._max_record
        if len(addresses) == 1:
            # The common case without the detours: 9 us against 18.
            epoch, mark, record, row, at = self._access.read(read_one, addresses[0], now, most)
            reading = Reading([record], epoch, [mark], (moment(at),) if at != 0 else ())
            if record is None and row is not None:
                self._discard_foreign([row])
        else:
            reading, foreign = self._access.read(read_many, addresses, now, most)
            if foreign:
                self._discard_foreign(foreign)
        if reading.epoch is None:
            self._access.connections.lost_versions()
            return reading._replace(records=[None] * len(addresses))

        if self._room.wants_notes:
            for address, record in zip(addresses, reading.records, strict=True):
                if record is not None:
                    self._room.note(address, now)
        return reading

    def look(self, addresses: Sequence[Address]) -> Reading:
        """The same for who only wants to know: nothing becomes more used, nothing is removed."""
        reading, _ = self._access.read(read_many, addresses, self._clock.wall(), self._max_record)
        return reading

    def recall(self, name: Name) -> list[str]:
        """What was noted of *name* with its records (``Item.made_by``), the last first."""
        if self._access.connections.has_nothing():
            return []
        noted = self._access.read(note_of, name)
        return [] if noted is None else noted.decode("utf-8", "replace").split("\n")

    def set(self, items: Sequence[Item]) -> list[bool]:
        """
        Store each item whose guard still holds, comparing and storing in one atomic step.

        Returns:
            For each item whether it was stored; False also for a record that is too large.
        """
        if not items:
            return []
        for item in items:
            if len(item.record) > self._max_record:
                self._access.tell("record_too_large", size=len(item.record), limit=self._max_record)

        relabels = any(item.guard.instead_of is not None for item in items)
        stored, removed = self._access.write(
            lambda writer: self._store(writer, items), "storing", self._access.timeout, relabels
        )
        told = [
            item.address
            for item, is_in in zip(items, stored, strict=True)
            if is_in and item.guard.instead_of is not None
        ]
        if told:
            # What other processes hold in memory does not have the labels.
            self._announce(told)
        self._count_removed(removed)
        if removed.more:
            self._make_more_room()
        return stored

    def _store(
        self, writer: sqlite3.Connection, items: Sequence[Item]
    ) -> tuple[list[bool], Removed]:
        now = self._clock.wall()
        stored = store_items(writer, items, now, self._max_record)
        new = {
            item.address: len(item.record)
            for item, is_in in zip(items, stored, strict=True)
            if is_in
        }
        if not new:
            return stored, Removed()
        for item in items:
            if item.made_by is not None and item.address in new:
                put_note(writer, *item.made_by)
        return stored, self._room.after_write(writer, now, sum(new.values()), new)

    def delete(self, addresses: Sequence[Address]) -> list[bool]:
        """
        Remove records and give their slots fresh tokens, durably, in one step.

        Returns:
            For each address whether an unexpired record was there.
        """

        return self._at_each(addresses, delete_one)

    def expire(self, addresses: Sequence[Address]) -> list[bool]:
        """
        Note of records that they are not fresh from now on and give their slots fresh tokens,
        durably, in one step. A record that was expired before keeps its first moment.

        Returns:
            For each address whether an unexpired record was there.
        """

        return self._at_each(addresses, expire_one)

    def _at_each(
        self,
        addresses: Sequence[Address],
        change: Callable[[sqlite3.Connection, Address, Seconds], bool],
    ) -> list[bool]:
        def work(writer: sqlite3.Connection) -> list[bool]:
            renew(writer, {slot_of(address) for address in addresses})
            now = self._clock.wall()
            return [change(writer, address, now) for address in addresses]

        found = self._access.write(work, "invalidating", INVALIDATION_TIMEOUT, durable=True)
        self._announce(addresses)
        return found

    def discard(self, address: Address) -> None:
        """Drop one damaged or outdated record; no token changes."""
        self._access.write(
            lambda writer: delete_one(writer, address, 0.0),
            "dropping a record",
            self._access.timeout,
        )

    def _discard_foreign(self, rows: Sequence[int]) -> None:
        """Whatever file a row names stays where it is: only the row goes."""

        def drop(writer: sqlite3.Connection) -> None:
            for row in rows:
                drop_foreign(writer, row, self._max_record)

        self._access.tell("foreign_rows", count=len(rows))
        try:
            self._access.write(drop, "dropping foreign rows", self._access.timeout)
        except StoreError:
            pass  # They are misses all the same, and come up again with the next reading.

    def versions(self, names: Sequence[Name]) -> tuple[list[Token], Token]:
        """The tokens of *names*, None for a name never bumped, and the epoch, consistently."""

        found = self._access.read(tokens_at_once, [EPOCH, *names])
        if EPOCH not in found:
            self._access.connections.lost_versions()
            found = self._access.read(tokens_at_once, [EPOCH, *names])
        return [found.get(name) for name in names], found.get(EPOCH)

    def bump(self, names: Sequence[Name], soft: bool = False) -> None:
        """Give each name and the epoch a fresh token; durable when it returns."""

        def bump(writer: sqlite3.Connection) -> None:
            if soft:
                renew_softly(writer, names, self._clock.wall())
            else:
                renew(writer, names)
            renew_epoch(writer)

        self._access.write(bump, "invalidating", INVALIDATION_TIMEOUT, durable=True)
        self._announce(names)

    @property
    def board(self) -> Board | None:
        """Where the running processes of this machine see what was invalidated."""
        return self._access.connections.board

    def _announce(self, names: Sequence[bytes]) -> None:
        board = self.board
        if board is None:
            return
        try:
            board.mark(names)
        except OSError as error:
            raise StoreError(f"other processes could not be told ({error})") from error

    def clear_group(self, group: str) -> int:
        """Remove the records of namespace *group* and those below it; how many were unexpired."""
        return self._clear(group)

    def clear(self) -> int:
        """Remove every record, keep the versions; how many unexpired records there were."""
        return self._clear(None)

    def _clear(self, group: str | None) -> int:
        """In bounded batches, so that others get in between."""
        last = self._access.read(last_row)
        after, removed = 0, 0
        while True:
            rows = self._access.write(
                partial(clear_batch, group=group, now=self._clock.wall(), after=after, last=last),
                "clearing",
                INVALIDATION_TIMEOUT,
            )
            removed += sum(alive for _, alive in rows)
            if len(rows) < BATCH:
                return removed
            after = rows[-1][0]

    def count(self, group: str | None = None) -> int:
        """Number of unexpired records, of one namespace and those below it or of all."""
        if self._access.connections.has_nothing():
            return 0  # Nothing is made just to be asked.
        return self._access.read(count_rows, group, self._clock.wall())

    def usage(self) -> Mapping[str, int]:
        """
        ``size`` (records), ``bytes`` (room they take in the file), and what this process has
        removed so far: ``evictions``, ``expirations``.
        """
        has_nothing = self._access.connections.has_nothing()
        return {
            "size": self.count(),
            "bytes": 0 if has_nothing else self._access.read(room_taken),
            "evictions": self._evictions,
            "expirations": self._expirations,
        }

    def sweep(self) -> None:
        """
        Remove all that has expired or does not fit, in as many batches as it takes.
        """
        while self._sweep_once().more:
            pass

    def close(self) -> None:
        """Release everything; later calls raise ``StoreUnavailable``. May be called twice."""
        self._access.connections.close()
        self.claims.close()

    def _sweep_once(self) -> Removed:
        removed = self._access.write(
            lambda writer: self._room.sweep(writer, self._clock.wall()),
            "making room",
            self._access.timeout,
        )
        self._count_removed(removed)
        return removed

    def _make_more_room(self) -> None:
        try:
            for _ in range(_ROUNDS):
                if not self._sweep_once().more:
                    return
        except StoreError as error:
            # The record is stored; the next write goes on with it.
            log.debug("memotier: making room in %s: %s", self.directory, error)

    def _count_removed(self, removed: Removed) -> None:
        self._evictions += removed.evicted
        self._expirations += removed.expired
