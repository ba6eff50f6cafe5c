"""
The operations of the store as steps (``requests.py``): what each asks, and what the answers mean.

Reading
-------
One round trip, two kinds of commands: first the epoch and the tokens of the slots (``HMGET``), then
each record (``GETRANGE``). Others' commands may come in between. It is as good as one state:

Let t1 be when the tokens are read and t2, later, when a record is. Tokens are random and none comes
twice, every bump changes the epoch, and a record says under which tokens it was computed.

- *The record was there at t1.* Then this is the answer of t1, when the call had begun already. (If
  it was deleted or expired in between, it is a miss or stale: that of t2.)
- *It was stored in between.* The script that stored it compared: at that moment its tokens were the
  present ones. If a name had been bumped since t1, they are not those of the epoch of t1, and the
  engine, which compares them, finds a miss. If not, this is the answer of that moment.
- *The tokens were lost in between.* A record that was stored after that has another birth than the
  epoch of t1: a miss.
- *It is a miss, and the reader computes and stores.* The epoch, tokens and marks that the script
  compares are those of t1 or later, and he began to compute after t2. An invalidation in between
  refuses what he stores, though he may have known of it: a store too few, never one too many.

``GETRANGE`` reads no more than a record of ours can have, whatever somebody else has put there.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ...clock import Clock
from ...errors import StoreError
from ...tokens import hard_token, soft_token
from ...types import Address, Item, Lying, Name, Reading, Seconds, Token
from ..board import slot_on_board
from ..faults import StoreBusy
from . import scripts
from .batches import BATCH, batches, pieces, stored_as
from .births import Births, begin
from .layout import (
    BIRTH,
    EPOCH,
    LIFE_MS,
    LONGEST_HEAD,
    LONGEST_NOTE,
    MOST_NOTES,
    SHORTEST_HEAD,
    Keys,
    head_of,
    moment_bytes,
    record_of,
    slot_of,
)
from .leases import Leases
from .listing import Listing, Pages
from .numbers import Numbers
from .requests import Garbled, Request, Steps, is_of_another_type, run

#: Of a server that has none, where none may be made.
NO_EPOCH: Final = b""
_ROUNDS: Final = 20  # tries of a soft bump that others interrupt


class Operations:
    """
    What a store asks of the server.

    Args:
        keys: Where the cache lies.

        sender: Who we are, in the messages that others hear.

        place: How errors call the server.

        most: Bytes of the largest record.

        leases: Those that are given back with what is stored.

        births: Tells whether the tokens are those of before.

        numbers: Told of the message of each invalidation.

        reads_only: Nothing is ever written: a server that has no epoch has none of our records.

        on_event: Hears ``record_too_large`` and ``foreign_rows``.
    """

    def __init__(
        self,
        keys: Keys,
        sender: bytes,
        *,
        place: str,
        clock: Clock,
        most: int,
        leases: Leases,
        births: Births,
        numbers: Numbers,
        reads_only: bool,
        on_event: Callable[[str, Mapping[str, Any]], None] | None,
    ) -> None:
        self._keys = keys
        self._place = place
        self._clock = clock
        self._most = most
        self._leases = leases
        self._births = births
        self._numbers = numbers
        self._reads_only = reads_only
        self._on_event = on_event
        self._listing = Listing(keys, clock)
        self.forget(sender)

    def forget(self, sender: bytes) -> None:
        """
        Be somebody else, in a forked child.
        """
        self._sender = sender

    # -- records ---------------------------------------------------------------------

    def get(self, addresses: Sequence[Address], most: int | None = None) -> Steps[Reading | None]:
        """
        The reading of *addresses*.

        Args:
            most: Bytes of a record that are read; None is returned if one has more.
        """
        if len(addresses) <= BATCH:
            return (yield from self._read(addresses, most))
        # Of several moments: the epoch is the first one's, so nothing passes for newer.
        parts = []
        for piece in pieces(addresses):
            part = yield from self._read(piece, most)
            if part is None:
                return None
            parts.append(part)
        return Reading(
            [record for part in parts for record in part.records],
            parts[0].epoch,
            [mark for part in parts for mark in part.marks],
            [moment for part in parts for moment in part.expired],
            [head for part in parts for head in part.heads or ()],
        )

    def _read(self, addresses: Sequence[Address], most: int | None) -> Steps[Reading | None]:
        limit = self._most + LONGEST_HEAD if most is None else most
        keys = self._keys
        request = Request(
            "read",
            (b"HMGET", keys.tokens, EPOCH, *map(slot_of, addresses)),
            *((b"GETRANGE", keys.record(address), b"0", limit) for address in addresses),
        )
        for _ in range(3):
            tokens, *found = yield request
            if isinstance(tokens, Exception):
                raise tokens
            if type(tokens) is not list or len(tokens) != 1 + len(addresses):
                raise Garbled
            epoch = self._noticed(tokens[0])
            if epoch is None and self._reads_only:
                return self._reading(tokens[1:], NO_EPOCH, found, limit, most is None)
            if epoch is not None:
                reading = self._reading(tokens[1:], epoch, found, limit, most is None)
                if reading is not None and None in reading.records and not self._reads_only:
                    yield from self._drop_foreign(addresses, found)
                return reading
            yield from self._make_epoch()
        raise self._forgets()

    def _reading(
        self, marks: list[Token], epoch: bytes, found: list[Any], limit: int, is_whole: bool
    ) -> Reading | None:
        now, birth = self._clock.wall(), epoch[:BIRTH]
        records: list[bytes | None] = []
        expired: list[Seconds | None] = []
        heads: list[bytes] = []
        for data in found:
            record = moment = None
            heads.append(data[:SHORTEST_HEAD] if type(data) is bytes else b"")
            if type(data) is bytes:
                if len(data) > limit:
                    if not is_whole:
                        return None
                    data = b""  # none of ours is as large
                head = head_of(data)
                if head is not None and head.is_alive(birth, now):
                    record, moment = record_of(data, head), head.expired
            elif not isinstance(data, Exception):
                raise Garbled
            elif not is_of_another_type(data):
                raise data
            records.append(record)
            expired.append(moment)
        return Reading(records, epoch, marks, expired, heads)

    def _drop_foreign(self, addresses: Sequence[Address], found: Sequence[Any]) -> Steps[None]:
        foreign = [
            address
            for address, data in zip(addresses, found, strict=True)
            if type(data) is bytes and data and head_of(data) is None
        ]
        if foreign:
            self._tell("foreign_rows", count=len(foreign))
            yield from self._listing.drop(foreign)

    def set(self, items: Sequence[Item]) -> Steps[list[bool]]:
        """For each item whether it was stored."""
        stored: list[bool] = []
        for batch in batches(items):
            stored += yield from self._store(batch)
        return stored

    def _store(self, items: Sequence[Item]) -> Steps[list[bool]]:
        small = []
        for item in items:
            if len(item.record) > self._most:
                self._tell("record_too_large", size=len(item.record), limit=self._most)
            elif item.guard.epoch is not None:
                small.append(item)
        if not small:
            return [False] * len(items)
        now = self._clock.wall()
        keys = [self._keys.tokens, self._keys.index]
        notes, texts = self._notes(small)
        arguments: list[Any] = [self._keys.channel, LIFE_MS, self._sender, repr(now)]
        arguments += (len(small), len(notes))
        for item in small:
            keys.append(self._keys.record(item.address))
            arguments += stored_as(item, now)
        of_leases, more, leases = self._leases.to_store(small)
        keys, arguments = keys + of_leases + notes, arguments + more + texts
        stored = yield from run(scripts.STORE, keys, arguments)
        self._leases.stored(leases, small, stored)
        answers = iter(stored)
        wanted = {id(item) for item in small}
        return [id(item) in wanted and next(answers) == 1 for item in items]

    def _notes(self, items: Sequence[Item]) -> tuple[list[str], list[Any]]:
        """
        What ``scripts.STORE`` needs to note who made *items*. A process says that with its first
        record of a function.
        """
        keys: list[str] = []
        arguments: list[Any] = []
        for number, item in enumerate(items, 1):
            if item.made_by is not None:
                name, text = item.made_by
                keys.append(self._keys.made(name))
                arguments += (number, text.encode("utf-8", "replace")[:LONGEST_NOTE])
        return keys, arguments

    def recall(self, name: Name) -> Steps[list[str]]:
        """What was noted of *name* with its records, the last first."""
        most = MOST_NOTES * (LONGEST_NOTE + 1)
        (found,) = yield Request("recall", (b"GETRANGE", self._keys.made(name), b"0", most))
        if is_of_another_type(found):
            return []
        if isinstance(found, Exception):
            raise found
        if type(found) is not bytes:
            raise Garbled
        return found.decode("utf-8", "replace").split("\n")[:MOST_NOTES] if found else []

    def delete(self, addresses: Sequence[Address]) -> Steps[list[bool]]:
        """For each address whether an unexpired record was there."""
        return (yield from self._invalidate(addresses, b""))

    def expire(self, addresses: Sequence[Address]) -> Steps[list[bool]]:
        """For each address whether an unexpired record was there."""
        return (yield from self._invalidate(addresses, moment_bytes(self._clock.wall())))

    def _invalidate(self, addresses: Sequence[Address], moment: bytes) -> Steps[list[bool]]:
        there = []
        for part in pieces(addresses):
            keys = [self._keys.tokens, self._keys.index, *map(self._keys.record, part)]
            arguments: list[Any] = [self._keys.channel, LIFE_MS, self._message(part), moment]
            for address in part:
                arguments += (slot_of(address), hard_token(), address)
            found = yield from run(scripts.INVALIDATE, keys, arguments)
            self._numbers.promised(found[0], found.pop())
            epoch, now = self._noticed(found[0]), self._clock.wall()
            birth = None if epoch is None else epoch[:BIRTH]
            heads = [head_of(data) for data in found[1:]]
            there += [head is not None and head.is_alive(birth, now) for head in heads]
        return there

    def discard(self, address: Address) -> Steps[None]:
        """Drop one record; no token changes."""
        keys = [self._keys.index, self._keys.record(address)]
        yield from run(scripts.DISCARD, keys, [address])

    # -- tokens ----------------------------------------------------------------------

    def versions(self, names: Sequence[Name]) -> Steps[tuple[list[Token], bytes]]:
        """The tokens of *names*, and the epoch; one is made if there is none."""
        for _ in range(3):
            found = yield from run(scripts.VERSIONS, [self._keys.tokens], names)
            epoch = self._noticed(found[0])
            if epoch is None and self._reads_only:
                epoch = NO_EPOCH
            if epoch is not None:
                return found[1:], epoch
            yield from self._make_epoch()
        raise self._forgets()

    def _forgets(self) -> StoreError:
        return StoreError(f"{self._place} forgets at once what it is told")

    def bump(self, names: Sequence[Name], soft: bool = False) -> Steps[None]:
        """Give each name and the epoch a fresh token, in one step."""
        names = list(dict.fromkeys(names))
        for _ in range(_ROUNDS):
            if (yield from self._bumped(names, soft)):
                return
        raise StoreBusy(f"others invalidated the same at {self._place} again and again")

    def _bumped(self, names: Sequence[Name], soft: bool) -> Steps[bool]:
        arguments: list[Any] = [self._keys.channel, LIFE_MS, secrets.token_bytes(8)]
        arguments += (self._message(names), int(soft))
        if soft:
            before, _ = yield from self.versions(names)
            now = self._clock.wall()
            for name, old in zip(names, before, strict=True):
                arguments += (name, old or b"", soft_token(old, now))
        else:
            for name in names:
                arguments += (name, b"", hard_token())
        keys = [self._keys.tokens, self._keys.ages]
        found = yield from run(scripts.BUMP, keys, arguments)
        if found:
            self._numbers.promised(found[1], found[0])
        return bool(found)

    # -- all of them -----------------------------------------------------------------

    def clear(self, group: str | None = None) -> Steps[int]:
        """Remove the records of *group* and below it (None: all); how many were unexpired."""
        _, epoch = yield from self.versions(())
        return (yield from self._listing.clear(epoch[:BIRTH], group))

    def count(self, group: str | None = None) -> Steps[int]:
        """Number of unexpired records of *group* and below it (None: of all)."""
        _, epoch = yield from self.versions(())
        return (yield from self._listing.count(epoch[:BIRTH], group))

    def pages(self) -> Steps[Pages]:
        """All records, to be looked through in pieces."""
        _, epoch = yield from self.versions(())
        return self._listing.pages(epoch[:BIRTH])

    def lying(self, pages: Pages, group: str | None) -> Steps[list[Lying] | None]:
        """The unexpired records of *group* in the next piece; None at the end."""
        return (yield from self._listing.lying(pages, group, self._most))

    def usage(self) -> Steps[Mapping[str, Any]]:
        """Number and, from a sample, bytes of the records; and what the server says of itself."""
        size = yield from self.count()
        room = (yield from self._listing.room(size)) if size else 0
        ours: dict[str, Any] = {"size": size, "bytes": room, "evictions": 0, "expirations": 0}
        return {**ours, "server": (yield from self._listing.server())}

    def _make_epoch(self) -> Steps[None]:
        yield from begin(self._keys, self._sender)

    def _message(self, names: Sequence[bytes]) -> bytes:
        slots = sorted(set(map(slot_on_board, names)))
        return self._sender + b"".join(slot.to_bytes(2, "big") for slot in slots)

    def _noticed(self, epoch: Any) -> bytes | None:
        if epoch is not None and type(epoch) is not bytes:
            raise Garbled
        return self._births.noticed(epoch)

    def _tell(self, event: str, **details: Any) -> None:
        if self._on_event is not None:
            self._on_event(event, details)
