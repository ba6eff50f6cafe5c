"""
Which tokens a server has: those of before, others, or those of before and less of them.

    first ── same ──┬─ others: emptied, restarted without its data, evicted
                    └─ less: a replica that lagged has taken over, an old snapshot was loaded

The first half of the epoch, the *birth*, stays while the tokens are there. After others came,
what was stored under the old ones is a miss by itself, and memory has to go. With less, there are
invalidations that the server had acknowledged and does not know of: what they named lies there as
if it were valid. So the tokens get another birth (``renew``), and a birth that was left is never
believed again, whoever has it.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from ...errors import StoreError
from . import scripts
from .board import LocalBoard
from .layout import BIRTH, LIFE_MS, SERIAL, Keys
from .requests import Steps, run
from .server import Server
from .watch import ALL

log = logging.getLogger("memotier")

_GONE: Final = b""  # instead of a birth that is no longer believed
_LEFT: Final = 64  # births that are remembered for never coming back


class Births:
    """
    Compares what the server has with what it had.

    Args:
        sender: Who tells others of a renewal.

        reads_only: Nothing is ever written.

        on_event: Hears ``store_replaced`` and, when *last_number* was answered,
            ``store_reachable``; no lock is held.
    """

    def __init__(
        self,
        server: Server,
        keys: Keys,
        board: LocalBoard,
        sender: bytes,
        on_event: Callable[[str, Mapping[str, Any]], None] | None,
        *,
        reads_only: bool = False,
    ) -> None:
        self._server = server
        self._keys = keys
        self._board = board
        self._on_event = on_event
        self._reads_only = reads_only
        self._birth: bytes | None = None
        self._left: tuple[bytes, ...] = ()
        self.forget(sender)

    def forget(self, sender: bytes) -> None:
        """
        Also in a forked child: whoever held the lock stayed in the parent.
        """
        self._sender = sender
        self._lock = threading.Lock()

    def noticed(self, epoch: Any) -> bytes | None:
        """
        The epoch that the server answered, None if it has none that is believed. If it is none of
        the tokens that were there before, whatever is known of them is worth nothing.
        """
        if epoch is None:
            return None  # perhaps said before another thread made one: who goes on makes one
        if len(epoch) != 8:
            raise StoreError(f"what {self._server.place} has for an epoch is none of ours")
        birth = epoch[:BIRTH]
        if birth == self._birth:
            return epoch  # type: ignore[no-any-return]
        with self._lock:
            if birth in self._left:
                return None  # an answer from before, or the server is older than it was
            before = self._birth
            is_first = before is not None and before not in (_GONE, *self._left)
            if before is not None and is_first:
                self._leave(before)
        if before is not None:
            # Whoever gets the new tokens first has told of it, though another thread may be about
            # to: else he would compare what he read before with them.
            self._lost("its data", says_so=is_first)
        with self._lock:
            if birth not in self._left:
                self._birth = birth
        return epoch  # type: ignore[no-any-return]

    def renew(self, birth: bytes) -> None:
        """
        The server has tokens of *birth*, and less of them than it had acknowledged. From now on
        nothing that depends on them is believed: here at once, also if this raises, and by all
        others when the server has taken it in.

        Raises:
            StoreError: If the server does not take it in; it is a replica, say.
        """
        with self._lock:
            is_new = birth not in self._left
            if is_new:
                self._leave(birth)
                self._birth = _GONE
        if is_new:
            self._lost("invalidations that it had acknowledged")
        if self._reads_only:
            raise StoreError(f"{self._server.place} lost invalidations, and may not be told so")
        keys = [self._keys.tokens, self._keys.index]
        arguments = [self._keys.channel, LIFE_MS, secrets.token_bytes(8), self._sender + ALL]
        self._server.run(scripts.REBIRTH, keys, [*arguments, birth])

    def last_number(self) -> tuple[bytes | None, int]:
        """
        The birth of the tokens, None if there are none, and the number of the last message; for
        the thread that listens.
        """
        birth, number = self._news()
        if birth in self._left:
            self.renew(birth)
            birth, number = self._news()
        self._tell("store_reachable", {})
        return birth, number

    def _news(self) -> tuple[Any, int]:
        epoch, number = self._server.run(scripts.VERSIONS, [self._keys.tokens], [SERIAL])
        if epoch is None and self._birth is not None and not self._reads_only:
            # It was emptied: begin anew before anybody computes.
            epoch = self._server.drive(begin(self._keys, self._sender))
        self.noticed(epoch)
        return epoch and epoch[:BIRTH], int(number or 0)

    def _leave(self, birth: bytes) -> None:
        self._left = (*self._left[1 - _LEFT :], birth)

    def _lost(self, what: str, says_so: bool = True) -> None:
        self._board.mark_all()
        if says_so:
            log.warning(
                "memotier: %s was emptied, restarted or failed over, and lost %s; what was stored "
                "there before counts as invalidated",
                self._server.place,
                what,
            )
        self._tell("store_replaced", {"place": self._server.place})

    def _tell(self, event: str, details: Mapping[str, Any]) -> None:
        if self._on_event is not None:
            self._on_event(event, details)


def begin(keys: Keys, sender: bytes) -> Steps[Any]:
    """
    The epoch; one is made, and told, if there is none.
    """
    arguments: list[Any] = [keys.channel, LIFE_MS, secrets.token_bytes(8), sender + ALL]
    return (yield from run(scripts.BEGIN, [keys.tokens], arguments))
