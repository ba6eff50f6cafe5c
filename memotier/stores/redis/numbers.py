"""
The numbers of messages: those that were heard and promised, against what the server has.

Every invalidation has the next number, and the server says it in the message and in its answer to
whoever invalidated. So for tokens of one *birth* the server's own number never is lower than one
that somebody knows. Pure: ``watch.py`` asks, and acts.
"""

from __future__ import annotations

import threading
from typing import Final, NamedTuple

from .layout import BIRTH

#: What a comparison finds: all was heard; something may not have been; the server has lost some.
IN_ORDER: Final = "in order"
MISSED: Final = "missed"
LESS: Final = "less"


class Noted(NamedTuple):
    """
    What was known before the server was asked.
    """

    number: int | None
    goes_back: int
    promised: tuple[bytes | None, int]


class Numbers:
    """
    What one process knows. It outlives connections: who takes over is compared with it.
    """

    def __init__(self) -> None:
        #: The last message, whoever sent it, and the tokens that the server had when it was asked.
        self._number: int | None = None
        self._birth: bytes | None = None
        #: Messages with a number that was there before, which no comparison has explained yet.
        self._goes_back = 0
        self._promised: tuple[bytes | None, int] = (None, 0)
        self._lock = threading.Lock()

    def promised(self, epoch: bytes | None, number: int) -> None:
        """
        The server has acknowledged an invalidation of ours, whose message may still be on its way.
        Called by any thread.
        """
        birth = epoch and epoch[:BIRTH]
        with self._lock:
            if birth != self._promised[0] or number > self._promised[1]:
                self._promised = birth, number

    @property
    def knows_tokens(self) -> bool:
        """
        Whether the server had tokens when it was asked, with which it can be compared.
        """
        return self._birth is not None

    def heard(self, number: int) -> bool:
        """
        A message came; whether it is the next one.
        """
        last, self._number = self._number, number
        if last is None or number == last + 1:
            return True
        self._goes_back += number <= last
        return False

    def noted(self) -> Noted:
        """
        To be taken before the server is asked.
        """
        return Noted(self._number, self._goes_back, self._promised)

    def compare(self, noted: Noted, birth: bytes | None, last: int) -> str:
        """
        What it means that the server has tokens of *birth* (None: none) and *last* as its number,
        when all that it had sent by then was heard. After ``LESS`` it means so again, until
        ``renewed``.
        """
        known = noted.promised[1] if noted.promised[0] == birth else 0
        if birth == self._birth:
            known = max(known, noted.number or 0, last + 1 if noted.goes_back else 0)
        if birth is not None and last < known:
            return LESS
        self._goes_back -= noted.goes_back
        found = IN_ORDER
        if birth != self._birth:
            if self._birth is not None:
                found = MISSED
                if self._number == noted.number:
                    self._number = None  # one of the other tokens
            self._birth = birth
            # Also what came while the server was asked: it was compared with others' numbers.
            self._goes_back = 0
        if birth is None:
            self._number = None
        elif self._number is None:
            self._number = last or None
        elif self._number < last:
            self._number = last
            return MISSED
        return found

    def renewed(self) -> None:
        """
        The server has got other tokens, because it had less than before.
        """
        self._number = self._birth = None
        self._goes_back = 0
