"""
What this process knows of the tokens that invalidations change.

Two ways of being right:
- *alone* (memory only): the truth is here. A token is the number of the epoch in which its
  name was bumped, so "was it bumped since epoch n" can be answered for any name.
- *shared*: the second tier holds the truth; ``known`` is a copy that is good for as long as
  the store's epoch is ``seen``. Every reading brings the epoch along; when it has moved the
  copy is forgotten and every resident is checked again before it is served.

``cells[0]`` is the epoch that the hit path compares: it moves whenever a resident may have
become invalid. It moves *after* the tokens changed and before the invalidation returns, so
a hit that still sees the old epoch began before the invalidation was over.

Where there is a board (stores/board.py), a hit also compares its epoch, ``cells[2][0]``,
with the one that was last looked at, ``cells[1]``. If it moved, ``look`` finds which slots did:
tokens of names in them have to be read again, and entries at addresses in them count as gone.

*pending* names and addresses were invalidated here but could not be written to the second
tier. Until they are, nothing that carries them is read from it or written to it. Those that were
invalidated *softly* and not hard do not keep a stale resident from being served.

All methods are called under the engine's lock; none does I/O.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from ..entry import NEVER
from ..stores.board import Cells, moved_cells, slot_on_board
from ..tokens import expired_at
from ..types import Address, Name, Seconds, Token
from . import names as naming

#: Tokens that are looked through when slots moved; beyond that all are read again.
MOST_SORTED = 2_000
#: Tokens kept before all of them are folded into one: bounds memory whoever chooses the tags.
MOST_TOKENS = 100_000
#: Soft invalidations of one name whose moments are remembered.
MOST_MOMENTS = 8
#: Keys whose removal could not be written, before everything is distrusted instead.
MOST_PENDING = 10_000
#: The epoch that no resident has: every hit takes the slow way and finds out why.
PARKED = -1
#: Seconds between two attempts to write what is pending.
RETRY_AFTER: Seconds = 1.0


class Versions:
    """
    Tokens by name, the epoch, and what could not be made durable yet.
    """

    def __init__(self, *, shared: bool) -> None:
        self.shared = shared
        #: Epoch; the board's epoch as last looked at; the board's cells. Without a board the
        #: third is a list that never moves.
        self.cells: list[Any] = [0, 0, [0]]
        self._board: Cells | None = None
        self._picture = b""
        self._moved: dict[int, int] = {}  # slots, and the epoch in which that was noticed
        self._all_moved = 0
        self.epoch = 0
        #: How often this process itself has invalidated something, or forgotten what it knew.
        self.acts = 0
        self.known: dict[Name, Token] = {}
        self.seen: Token = None
        #: With the serial of the invalidation that could not be written.
        self.pending: dict[Name, int] = {}
        self.pending_keys: dict[Address, int] = {}
        #: Names and addresses among them for which a soft invalidation is enough.
        self.pending_softly: set[bytes] = set()
        self.serial = 0
        #: Serials of those that are being told right now: nobody else need try.
        self.on_way: set[int] = set()
        self.retry_at: Seconds = 0.0
        self._floor = 0  # alone: everything counts as bumped at this epoch
        self._bumped: dict[Name, int] = {}
        self._soft_floor = (0, 0.0)
        #: The epochs and moments in which a name was invalidated softly, the last ones.
        self._softened: dict[Name, tuple[tuple[int, Seconds], ...]] = {}
        self._parked = False
        self.closed = False

    # -- the epoch ---------------------------------------------------------------

    def advance(self) -> None:
        """
        Make every resident be checked before it is served again.
        """
        self.epoch += 1
        if not (self._parked or self.closed):
            self.cells[0] = self.epoch

    def park(self, parked: bool) -> None:
        """
        Send every hit the slow way, or no longer.
        """
        self._parked = parked
        self.cells[0] = PARKED if parked or self.closed else self.epoch

    def close(self) -> None:
        """
        For good: no hit is answered any more.
        """
        self.closed = True
        self.cells[0] = PARKED

    # -- alone -------------------------------------------------------------------

    def bump_softly(self, names: Iterable[Name], now: Seconds) -> None:
        """
        The same as ``bump``, only softly, at *now* in monotonic seconds.
        """
        number, softened = self.epoch + 1, self._softened
        for name in names:
            softened[name] = (*softened.get(name, ())[1 - MOST_MOMENTS :], (number, now))
        if len(softened) > MOST_TOKENS:
            softened.clear()
            self._soft_floor = number, now
        self.acts += 1
        self.advance()

    def bump(self, names: Iterable[Name]) -> None:
        """
        These names changed now (memory only, or noticed here first).
        """
        number = self.epoch + 1
        self._bumped.update(dict.fromkeys(names, number))
        if len(self._bumped) > MOST_TOKENS:
            # What is folded away counts as changed, never as untouched.
            self._bumped.clear()
            self._floor = number
        self.acts += 1
        self.advance()

    def bumped_since(self, epoch: int, names: Iterable[Name]) -> bool:
        """
        Whether this process bumped one of *names* after *epoch*, and not only softly.
        """
        if epoch == self.epoch:
            return False
        if self._floor > epoch:
            return True

        get = self._bumped.get
        return any(get(name, 0) > epoch for name in names)

    def softened_since(self, epoch: int, names: Iterable[Name]) -> Seconds:
        """
        When this process first bumped one of *names* softly after *epoch*, ``NEVER`` if it did
        not; in monotonic seconds.
        """
        if epoch == self.epoch or not (self._softened or self._soft_floor[0] > epoch):
            return NEVER
        get = self._softened.get
        moments = [when for name in names for number, when in get(name, ()) if number > epoch]
        if self._soft_floor[0] > epoch:
            moments.append(self._soft_floor[1])
        return min(moments, default=NEVER)

    # -- shared ------------------------------------------------------------------

    def unknown(self, names: Iterable[Name]) -> list[Name]:
        """
        What has to be read from the second tier first: nothing, or all of *names*. Those that are
        known are forgotten by an answer of another epoch, and would have to be read after it: while
        others invalidate, both in turn and for ever.
        """
        known, names = self.known, list(names)
        return [] if all(name in known for name in names) else names

    def tokens(self, names: Sequence[Name]) -> tuple[Token, ...]:
        """
        The tokens of *names*; none of them may be unknown.
        """
        known = self.known
        return tuple([known[name] for name in names])

    def expired_at(
        self, names: Sequence[Name], noted: tuple[Token, ...] | None, created: Seconds
    ) -> Seconds | None:
        """
        When an entry with *names* expired that was computed under the tokens *noted*: see
        ``tokens.expired_at``. None of the names may be unknown.
        """
        return expired_at(noted, self.tokens(names), created)

    def observe(self, epoch: Token) -> None:
        """
        Take note of the store's epoch: if it moved, what was known is worth nothing.
        """
        if epoch != self.seen:
            self.known.clear()
            self.seen = epoch
            self.advance()

    def learn(self, names: Sequence[Name], tokens: Sequence[Token]) -> None:
        """
        What the second tier said of *names*, in the epoch that was observed last.
        """
        if len(self.known) > MOST_TOKENS:
            self.known.clear()
        self.known.update(zip(names, tokens, strict=True))

    def forget(self) -> None:
        """
        The copy is known to be outdated: read the tokens again before trusting a resident.
        """
        self.known.clear()
        self.seen = None
        self.acts += 1
        self.advance()

    # -- the board -----------------------------------------------------------------

    def adopt(self, board: Cells | None) -> None:
        """
        The store has opened *board*: it tells of everything since it was opened.
        """
        if board is self._board:
            return
        replaces = self._board is not None
        self._board = board
        self._moved.clear()
        if replaces:
            self.forget()
            self._all_moved = self.epoch
        if board is None:
            self.cells[2], self.cells[1] = [0], 0
            return
        self._picture = board.first
        self.cells[2] = board.cells
        self.cells[1] = int.from_bytes(board.first[:8], sys.byteorder)

    def look(self) -> None:
        """
        Take note of what any process has invalidated since the last look.
        """
        cells = self.cells
        now = cells[2][0]
        if now == cells[1]:
            return
        picture = bytes(cells[2])
        moved = set(moved_cells(self._picture, picture))
        self._picture = picture
        if moved:
            if len(self.known) > MOST_SORTED:
                self.known.clear()
            for name in [name for name in self.known if slot_on_board(name) in moved]:
                del self.known[name]
            self.advance()
            self._moved.update(dict.fromkeys(moved, self.epoch))
        # Last: from here on a hit is answered again. What moves later moves the epoch again.
        cells[1] = now

    def moved_since(self, epoch: int, names: Iterable[bytes]) -> bool:
        """
        Whether the slot of one of *names* (or addresses) moved after *epoch*.
        """
        if epoch == self.epoch or self._board is None:
            return False
        if self._all_moved > epoch:
            return True
        get = self._moved.get
        return any(get(slot_on_board(name), 0) > epoch for name in names)

    # -- what could not be written -------------------------------------------------

    def trusts(
        self, address: Address | None, names: Iterable[Name], *, stale: bool = False
    ) -> bool:
        """
        Whether the second tier may be believed about the entry at *address* with these names.

        Args:
            stale: Whether it is to be no more than a stale one.
        """
        if stale and self.pending_softly:
            at = (*names, address)
            return not any(
                (one in self.pending or one in self.pending_keys) and one not in self.pending_softly
                for one in at
            )
        if address in self.pending_keys:
            return False
        return not self.pending or self.pending.keys().isdisjoint(names)

    def postpone(
        self,
        names: Iterable[Name],
        addresses: Iterable[Address],
        now: Seconds,
        *,
        soft: bool = False,
        on_way: bool = False,
    ) -> int:
        """
        Remember an invalidation that the second tier has not taken yet; its serial.

        Args:
            on_way: It is being told; whoever does that says when it is over (``arrived``).
        """
        self.serial = serial = self.serial + 1
        if on_way:
            self.on_way.add(serial)
        else:
            self.retry_at = now + RETRY_AFTER
        if soft:
            # Where a hard one is on its way already, that is what will be tried again.
            new = {*names} - self.pending.keys() | {*addresses} - self.pending_keys.keys()
            self.pending_softly |= new
        elif self.pending_softly:
            self.pending_softly -= {*names, *addresses}
        self.pending.update(dict.fromkeys(names, serial))
        self.pending_keys.update(dict.fromkeys(addresses, serial))
        if len(self.pending_keys) > MOST_PENDING:
            self.pending_softly -= self.pending_keys.keys() | {naming.EVERYTHING}
            self.pending_keys.clear()
            self.pending[naming.EVERYTHING] = serial
        if len(self.pending) > MOST_PENDING:
            self.pending_softly &= self.pending_keys.keys()
            self.pending = {naming.EVERYTHING: serial}
        return serial

    def distrust(self, address: Address, now: Seconds) -> None:
        """
        What lies at *address* is to be removed as soon as somebody goes there.
        """
        if not self.is_behind:
            self.retry_at = now
        self.serial += 1
        self.pending_keys[address] = self.serial
        self.pending_softly.discard(address)

    @property
    def is_behind(self) -> bool:
        """
        Whether the second tier has not been told of everything yet.
        """
        return bool(self.pending or self.pending_keys)

    def overdue(self, now: Seconds) -> bool:
        """
        Whether something is pending and it is time to try again.
        """
        return self.is_behind and now >= self.retry_at

    def arrived(self, serial: int) -> None:
        """
        What was on its way is told, or must be tried again.
        """
        self.on_way.discard(serial)

    def left_behind(self) -> tuple[list[Name], list[Address]]:
        """
        The names and addresses that nobody is telling the second tier of.
        """
        on_way = self.on_way
        return (
            [name for name, serial in self.pending.items() if serial not in on_way],
            [key for key, serial in self.pending_keys.items() if serial not in on_way],
        )

    def settle(self, names: Iterable[Name], addresses: Iterable[Address], serial: int) -> None:
        """
        The second tier has taken what was postponed up to *serial*.
        """
        for name in names:
            if self.pending.get(name, serial + 1) <= serial:
                del self.pending[name]
                self.pending_softly.discard(name)
        for address in addresses:
            if self.pending_keys.get(address, serial + 1) <= serial:
                del self.pending_keys[address]
                self.pending_softly.discard(address)
