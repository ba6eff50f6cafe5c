"""
The second tier of several machines: the ``Store`` protocol on a Redis or Valkey server.

Guards are compared in the script that stores, and an invalidation is made and told in one script.
How much room there is, and who leaves when it is full, is for the server to say (``maxmemory``):
what it evicts is a miss, and if it evicts the tokens, or loses them in a restart, everything older
is.

Nothing happens before the first call. That subscribes first (``watch.py``), then reads, so that
what is read and kept in memory cannot be invalidated unheard.
"""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from ...clock import SYSTEM, Clock
from ...errors import StoreError, StoreUnavailable
from ...tokens import hard_token, soft_token
from ...types import Address, Item, Lying, Name, Reading, Seconds, Token
from .. import forks
from ..board import slot_on_board
from ..faults import StoreBusy
from . import scripts
from .batches import BATCH, batches, pieces, stored_as
from .board import LocalBoard
from .layout import (
    BIRTH,
    EPOCH,
    LIFE,
    LONGEST_HEAD,
    SERIAL,
    Keys,
    head_of,
    moment_bytes,
    record_of,
    slot_of,
)
from .listing import Listing
from .notices import RedisNotices
from .server import TIMEOUT, Server
from .watch import ALL, SENDER, Watch

#: Seconds for which memory is believed when no message can arrive.
MAX_L1_AGE: Final[Seconds] = 30.0
MAX_RECORD: Final = 8 * 2**20  # bytes
_LIFE_MS: Final = int(LIFE * 1000)
_ROUNDS: Final = 20  # tries of a soft bump that others interrupt


class RedisStore:
    """
    The ``Store`` protocol on a server; see types.py for what each method promises.

    Args:
        target: A ``RedisUrl``, or a client of redis-py or valkey-py.

        name: The name of the cache: those of one name in one database share their records.

        max_record_bytes: A larger record is not stored (``set`` says False), and not read.

        max_l1_age: Seconds for which memory is believed while no message can arrive.

        on_event: Hears ``store_replaced``, ``record_too_large`` and, from the thread that listens,
            ``store_reachable``; no lock is held.
    """

    kind = "redis"
    #: Other processes may invalidate, and are heard of on ``board``.
    watches = True

    def __init__(
        self,
        target: Any,
        *,
        name: str,
        clock: Clock = SYSTEM,
        max_record_bytes: int = MAX_RECORD,
        max_l1_age: Seconds = MAX_L1_AGE,
        timeout: Seconds = TIMEOUT,
        on_event: Callable[[str, Mapping[str, Any]], None] | None = None,
    ) -> None:
        self._server = Server(target, timeout)
        self._keys = Keys(name, self._server.database)
        self._listing = Listing(self._server, self._keys, clock)
        #: What the processes that use it tell of themselves.
        self.notices = RedisNotices(self._server, self._keys, clock)
        #: What the server says of itself.
        self.about = self._server.about
        self._clock = clock
        self._most = max_record_bytes
        self._on_event = on_event
        self._sender = secrets.token_bytes(SENDER)
        self._birth: bytes | None = None
        self._closed = False
        self._watching = False
        #: Where the engine sees what other processes invalidated.
        self.board = LocalBoard()
        self.watch = Watch(
            self.board,
            channel=self._keys.channel,
            sender=self._sender,
            # Not through this object, which the thread must not keep alive.
            subscription=self._server.subscription,
            last_number=_Number(weakref.ref(self)),
            max_age=max_l1_age,
            place=self._server.place,
        )
        forks.register(self)
        # Of a store that nobody closed; redis-py closes its own connections.
        weakref.finalize(self, self.watch.stop, waits=False)

    def __repr__(self) -> str:
        return f"<RedisStore {self._server.place}>"

    # -- records ---------------------------------------------------------------------

    def get(self, addresses: Sequence[Address]) -> Reading:
        """The records at *addresses* in their order, None where there is none or it expired."""
        if len(addresses) <= BATCH:
            return self._read(addresses)
        # Of several moments: the epoch is the first one's, so nothing passes for newer.
        parts = [self._read(part) for part in pieces(addresses)]
        return Reading(
            [record for part in parts for record in part.records],
            parts[0].epoch,
            [mark for part in parts for mark in part.marks],
            [moment for part in parts for moment in part.expired],
        )

    def _read(self, addresses: Sequence[Address]) -> Reading:
        self._begin()
        keys = [self._keys.tokens, *map(self._keys.record, addresses)]
        slots = [slot_of(address) for address in addresses]
        found, epoch = self._in_an_epoch(
            lambda: self._server.run(scripts.READ, keys, [self._most + LONGEST_HEAD, *slots])
        )
        number = len(addresses)
        now, birth = self._clock.wall(), epoch[:BIRTH]
        records: list[bytes | None] = []
        expired: list[Seconds | None] = []
        for data in found[1 + number :]:
            head = head_of(data)
            if head is None or not head.is_alive(birth, now):
                records.append(None)
                expired.append(None)
            else:
                records.append(record_of(data, head))
                expired.append(head.expired)
        return Reading(records, epoch, found[1 : 1 + number], expired)

    def set(self, items: Sequence[Item]) -> list[bool]:
        """
        Store each item whose guard still holds, comparing and storing in one atomic step.

        Returns:
            For each item whether it was stored; False also for a record that is too large.
        """
        self._check_open()
        stored: list[bool] = []
        for batch in batches(items):
            stored += self._store(batch)
        return stored

    def _store(self, items: Sequence[Item]) -> list[bool]:
        small = []
        for item in items:
            if len(item.record) > self._most:
                self._tell("record_too_large", size=len(item.record), limit=self._most)
            elif item.guard.epoch is not None:
                small.append(item)
        if not small:
            return [False] * len(items)
        self._begin()
        now = self._clock.wall()
        keys = [self._keys.tokens, self._keys.index]
        arguments: list[Any] = [self._keys.channel, _LIFE_MS, self._sender, repr(now)]
        for item in small:
            keys.append(self._keys.record(item.address))
            arguments += stored_as(item, now)
        answers = iter(self._server.run(scripts.STORE, keys, arguments))
        wanted = {id(item) for item in small}
        return [id(item) in wanted and next(answers) == 1 for item in items]

    def delete(self, addresses: Sequence[Address]) -> list[bool]:
        """
        Remove records and give their slots fresh tokens, in one step.

        Returns:
            For each address whether an unexpired record was there.
        """
        return self._invalidate(addresses, b"")

    def expire(self, addresses: Sequence[Address]) -> list[bool]:
        """
        Note of records that they are not fresh from now on and give their slots fresh tokens,
        in one step. A record that was expired before keeps its first moment.

        Returns:
            For each address whether an unexpired record was there.
        """
        return self._invalidate(addresses, moment_bytes(self._clock.wall()))

    def _invalidate(self, addresses: Sequence[Address], moment: bytes) -> list[bool]:
        self._check_open()
        there = []
        for part in pieces(addresses):
            self._begin()
            keys = [self._keys.tokens, self._keys.index, *map(self._keys.record, part)]
            arguments: list[Any] = [self._keys.channel, _LIFE_MS, self._message(part), moment]
            for address in part:
                arguments += (slot_of(address), hard_token(), address)
            found = self._server.run(scripts.INVALIDATE, keys, arguments)
            epoch, now = self._noticed(found[0]), self._clock.wall()
            birth = None if epoch is None else epoch[:BIRTH]
            heads = [head_of(data) for data in found[1:]]
            there += [head is not None and head.is_alive(birth, now) for head in heads]
        return there

    def discard(self, address: Address) -> None:
        """Drop one damaged or outdated record; no token changes."""
        self._begin()
        keys = [self._keys.index, self._keys.record(address)]
        self._server.run(scripts.DISCARD, keys, [address])

    # -- tokens ----------------------------------------------------------------------

    def versions(self, names: Sequence[Name]) -> tuple[list[Token], Token]:
        """The tokens of *names*, None for a name never bumped, and the epoch, consistently."""
        self._begin()
        found, epoch = self._in_an_epoch(
            lambda: self._server.ask("versions", "HMGET", self._keys.tokens, EPOCH, *names)
        )
        return found[1:], epoch

    def _in_an_epoch(self, read: Callable[[], Any]) -> tuple[Any, bytes]:
        """
        What *read* finds, with the epoch; one is made if there is none.
        """
        for _ in range(3):
            found = read()
            epoch = self._noticed(found[0])
            if epoch is not None:
                return found, epoch
            self._make_epoch()
        raise StoreError(f"{self._server.place} forgets at once what it is told")

    def bump(self, names: Sequence[Name], soft: bool = False) -> None:
        """Give each name and the epoch a fresh token, in one step."""
        names = list(dict.fromkeys(names))
        self._begin()
        for _ in range(_ROUNDS):
            if self._bumped(names, soft):
                return
        raise StoreBusy(f"others invalidated the same at {self._server.place} again and again")

    def _bumped(self, names: Sequence[Name], soft: bool) -> bool:
        arguments: list[Any] = [self._keys.channel, _LIFE_MS, secrets.token_bytes(8)]
        arguments += (self._message(names), int(soft))
        if soft:
            before, now = self.versions(names)[0], self._clock.wall()
            for name, old in zip(names, before, strict=True):
                arguments += (name, old or b"", soft_token(old, now))
        else:
            for name in names:
                arguments += (name, b"", hard_token())
        keys = [self._keys.tokens, self._keys.ages]
        return bool(self._server.run(scripts.BUMP, keys, arguments) == 1)

    # -- all of them -----------------------------------------------------------------

    def clear_group(self, group: str) -> int:
        """Remove the records of namespace *group* and those below it; how many were unexpired."""
        return self._listing.clear(self._birth_now(), group)

    def clear(self) -> int:
        """Remove every record, keep the versions; how many unexpired records there were."""
        return self._listing.clear(self._birth_now(), None)

    def count(self, group: str | None = None) -> int:
        """Number of unexpired records, of one namespace and those below it or of all."""
        return self._listing.count(self._birth_now(), group)

    def lying(self, group: str | None = None) -> Iterator[Lying]:
        """All unexpired records, of one namespace and those below it or of all, in no order."""
        return self._listing.lying(self._birth_now(), group, self._most)

    def usage(self) -> Mapping[str, int]:
        """
        ``size`` (records that were stored and have not ended; the server may have evicted some),
        ``bytes`` (the room that they take, from a sample). The server makes room, so ``evictions``
        and ``expirations`` are none of ours.
        """
        size = self.count()
        room = self._listing.room(size) if size else 0
        return {"size": size, "bytes": room, "evictions": 0, "expirations": 0}

    def _birth_now(self) -> bytes:
        epoch = self.versions(())[1]
        assert epoch is not None
        return epoch[:BIRTH]

    # -- beginning and ending --------------------------------------------------------

    def close(self) -> None:
        """Release everything; later calls raise ``StoreUnavailable``. May be called twice."""
        if not self._closed:
            self._closed = True
            self.watch.stop()
            self._server.close()

    def before_fork(self) -> None:
        """Nothing to take: the child begins anew."""

    def after_fork(self, in_child: bool) -> None:
        """A child has no thread, no connection, and does not know what it misses."""
        if in_child:
            self._watching = False
            self._sender = secrets.token_bytes(SENDER)
            self._server.forget()
            self.board.forget_lock()
            self.board.mark_all()
            self.watch.forget(self._sender)

    def _begin(self) -> None:
        """
        Before anything is read: hear of what is invalidated from now on.
        """
        self._check_open()
        if self._watching:
            return
        _ = self._server.client  # imports redis-py, which takes longer than a server may
        self.watch.start(self._server.timeout)
        self._watching = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the Redis store is closed")

    def _make_epoch(self) -> None:
        arguments = [self._keys.channel, _LIFE_MS, secrets.token_bytes(8), self._sender + ALL]
        self._server.run(scripts.BEGIN, [self._keys.tokens], arguments)

    def _message(self, names: Sequence[bytes]) -> bytes:
        slots = sorted(set(map(slot_on_board, names)))
        return self._sender + b"".join(slot.to_bytes(2, "big") for slot in slots)

    def _noticed(self, epoch: Any) -> bytes | None:
        """
        The epoch that the server answered, None if it has none. If it is none of the tokens that
        were there before, whatever is known of them is worth nothing.
        """
        if epoch is None:
            return None  # perhaps said before another thread made one: who goes on makes one
        if len(epoch) != 8:
            raise StoreError(f"what {self._server.place} has for an epoch is none of ours")
        birth = epoch[:BIRTH]
        if birth != self._birth:
            before, self._birth = self._birth, birth
            if before is not None:
                self.board.mark_all()
                self._tell("store_replaced", place=self._server.place)
        return epoch  # type: ignore[no-any-return]

    def last_number(self) -> int:
        """
        The number of the last message; for the thread that listens.
        """
        epoch, number = self._server.ask(
            "looking for news", "HMGET", self._keys.tokens, EPOCH, SERIAL
        )
        self._noticed(epoch)
        self._tell("store_reachable")
        return int(number or 0)

    def _tell(self, event: str, **details: Any) -> None:
        if self._on_event is not None:
            self._on_event(event, details)


class _Number:
    """
    ``last_number`` of a store that may be gone.
    """

    def __init__(self, store: weakref.ref[RedisStore]) -> None:
        self._store = store

    def __call__(self) -> int:
        store = self._store()
        if store is None:
            raise StoreUnavailable("the Redis store is gone")
        return store.last_number()
