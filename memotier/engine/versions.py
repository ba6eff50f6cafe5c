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

*pending* names and addresses were invalidated here but could not be written to the second
tier. Until they are, nothing that carries them is read from it or written to it.

All methods are called under the engine's lock; none does I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..types import Address, Name, Seconds, Token
from . import names as naming

#: Tokens kept before all of them are folded into one: bounds memory whoever chooses the tags.
MOST_TOKENS = 100_000
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
        self.cells: list[int] = [0]
        self.epoch = 0
        self.known: dict[Name, Token] = {}
        self.seen: Token = None
        self.pending: set[Name] = set()
        self.pending_keys: set[Address] = set()
        self.retry_at: Seconds = 0.0
        self._floor = 0  # alone: everything counts as bumped at this epoch
        self._bumped: dict[Name, int] = {}
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
        self.advance()

    def bumped_since(self, epoch: int, names: Iterable[Name]) -> bool:
        """
        Whether this process bumped one of *names* after *epoch*.
        """
        if epoch == self.epoch:
            return False
        if self._floor > epoch:
            return True

        get = self._bumped.get
        return any(get(name, 0) > epoch for name in names)

    # -- shared ------------------------------------------------------------------

    def unknown(self, names: Iterable[Name]) -> list[Name]:
        """
        The names whose tokens have to be read from the second tier first.
        """
        known = self.known
        return [name for name in names if name not in known]

    def tokens(self, names: Sequence[Name]) -> tuple[Token, ...]:
        """
        The tokens of *names*; none of them may be unknown.
        """
        known = self.known
        return tuple([known[name] for name in names])

    def observe(self, epoch: Token) -> None:
        """
        Take note of the store's epoch: if it moved, what was known is worth nothing.
        """
        if epoch != self.seen:
            self.known.clear()
            self.seen = epoch
            self.advance()

    def learn(self, names: Sequence[Name], tokens: Sequence[Token], epoch: Token) -> None:
        self.observe(epoch)
        if len(self.known) > MOST_TOKENS:
            self.known.clear()
        self.known.update(zip(names, tokens, strict=True))

    def forget(self) -> None:
        """
        The copy is known to be outdated: read the tokens again before trusting a resident.
        """
        self.known.clear()
        self.seen = None
        self.advance()

    # -- what could not be written -------------------------------------------------

    def trusts(self, address: Address, names: Iterable[Name]) -> bool:
        """
        Whether the second tier may be believed about the entry at *address* with these names.
        """
        if address in self.pending_keys:
            return False
        return self.pending.isdisjoint(names)

    def postpone(self, names: Iterable[Name], addresses: Iterable[Address], now: Seconds) -> None:
        """
        Remember an invalidation that the second tier could not take.
        """
        self.pending.update(names)
        self.pending_keys.update(addresses)
        self.retry_at = now + RETRY_AFTER
        if len(self.pending_keys) > MOST_PENDING:
            self.pending_keys.clear()
            self.pending.add(naming.EVERYTHING)
        if len(self.pending) > MOST_PENDING:
            self.pending = {naming.EVERYTHING}

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

    def settle(self, names: Iterable[Name], addresses: Iterable[Address]) -> None:
        """
        The second tier has taken what was postponed.
        """
        self.pending.difference_update(names)
        self.pending_keys.difference_update(addresses)
