"""
The thread that hears of invalidations and marks the board.

    away ── subscribed ── in order ─┬─ a message: its slots are marked
      └────────── lost ─────────────┘

A message is ``NUMBER:`` and 8 bytes of the sender, then the slots, two bytes each; ``*`` after the
sender stands for all. What this store sent itself is only counted: its engine knows.

When is memory not to be trusted? Whenever a message may have been missed, all is marked, so that
everything in memory is looked up again before it is served:
- after every (re)subscription, also one that the client made by itself;
- when a number is missing, or goes back: the server's memory was emptied, or another server with
  less in it took over;
- when a beat finds that the server has sent more than arrived. A beat asks for the last number,
  then sends a ping on the subscribed connection: what was sent before comes before its answer;
- while there is no subscription, every ``max_age`` seconds, counted from the last beat that was
  in order. So nothing in memory is older than that, whatever happens to messages.

The thread is a daemon: it holds nothing that an exit would lose.
"""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from ...errors import StoreError, StoreUnavailable
from ...types import Seconds
from ..board import SLOTS
from .board import LocalBoard
from .server import kind_of

log = logging.getLogger("memotier")

#: Seconds between two beats, and how long the answer to a ping may take.
BEAT: Final[Seconds] = 5.0
PATIENCE: Final[Seconds] = 1.0
#: Seconds between two attempts to subscribe: at first, and at most.
FIRST_PAUSE, LAST_PAUSE = 0.05, 5.0
SENDER: Final = 8
ALL: Final = b"*"


class Lost(Exception):
    """
    The connection does not answer.
    """


class Watch:
    """
    Keeps *board* as others want it.

    Args:
        subscription: Makes a connection that can subscribe (redis-py's ``PubSub``).

        last_number: Asks for the number of the last message; raises ``StoreError``.

        sender: Who we are.

        max_age: Seconds for which memory is believed without a subscription.

        place: How logs call the server.

        also: Other channels of the same subscription, and who hears the data of their messages, in
            this thread. They are neither numbered nor missed.
    """

    def __init__(
        self,
        board: LocalBoard,
        *,
        channel: str,
        sender: bytes,
        subscription: Callable[[], Any],
        last_number: Callable[[], int],
        max_age: Seconds,
        place: str,
        beat: Seconds = BEAT,
        also: Mapping[str, Callable[[bytes], None]] | None = None,
    ) -> None:
        self._board = board
        self._channel = channel
        self._subscription = subscription
        self._last_number = last_number
        self._max_age = max_age
        self._place = place
        self._beat = beat
        self._also = {name.encode(): hear for name, hear in (also or {}).items()}
        self._connection: Any = None
        self.forget(sender)

    def forget(self, sender: bytes) -> None:
        """
        There is no thread yet; also in a forked child, which is another *sender*.
        """
        self._sender = sender
        if self._connection is not None:
            _inherited.append(self._connection)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._tried = threading.Event()
        self._connection = None
        self._is_new = True
        self._says_lost = False
        #: Whether messages arrive.
        self.is_subscribed = False
        #: How often all was marked.
        self.resets = 0
        self._number: int | None = None
        #: When everything was in order for the last time.
        self._in_order = time.monotonic()

    def start(self, patience: Seconds) -> None:
        """
        Subscribe, and return when that was tried once.

        Raises:
            StoreUnavailable: If the server does not answer in *patience* seconds.
        """
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                # A daemon, as it waits for messages that may never come.
                thread = threading.Thread(target=self._run, name="memotier-redis", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    self._tried.set()  # no more threads: as if nothing could be subscribed
                    return
                self._thread = thread
        if not self._tried.wait(patience):
            raise StoreUnavailable(f"{self._place} did not answer within {patience:g} s")

    def stop(self, *, waits: bool = True) -> None:
        """
        End the thread. May be called twice.

        Args:
            waits: False in a finalizer, which may run anywhere.
        """
        self._stop.set()
        self._wake()
        thread = self._thread
        if waits and thread is not None and thread is not threading.current_thread():
            thread.join(2 * PATIENCE)

    def _wake(self) -> None:
        # Not ``disconnect``: the thread may be reading from this very descriptor.
        connection = getattr(self._connection, "connection", None)
        inner = getattr(connection, "_sock", None)
        if inner is not None:
            try:
                inner.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    # -- the thread ------------------------------------------------------------------

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            problem: Exception = Lost("it was ended")
            try:
                self._listen()
            except Exception as error:
                problem = error
            was_subscribed, self.is_subscribed = self.is_subscribed, False
            self._release()
            self._tried.set()
            if self._stop.is_set():
                return
            if was_subscribed:
                pause = FIRST_PAUSE
            self._say_lost(problem, was_subscribed)
            # Not all processes at once.
            self._wait(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(2 * pause, LAST_PAUSE)

    def _listen(self) -> None:
        """
        Subscribe and take messages, until something is wrong.
        """
        connection = self._connection = self._subscription()
        connection.subscribe(self._channel, *self._also)
        until = time.monotonic() + PATIENCE
        while not self.is_subscribed:
            self._take(connection, max(0.0, until - time.monotonic()))
            if time.monotonic() > until and not self.is_subscribed:
                raise Lost("no answer to a subscription")
        self._tried.set()
        if self._says_lost:
            self._says_lost = False
            log.info("memotier: %s tells of invalidations again", self._place)
        beat = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            if now >= beat:
                self._check(connection)
                beat = now + self._beat
            self._take(connection, beat - now)

    def _check(self, connection: Any) -> None:
        """
        One beat: everything that was sent must have arrived.
        """
        before = self._number
        began = time.monotonic()
        last = self._last_number()
        connection.ping()
        while not self._take(connection, PATIENCE - (time.monotonic() - began)):
            if time.monotonic() - began > PATIENCE:
                raise Lost("no answer to a ping")
        if before is not None and last < before:
            self._missed()
            self._number = None
        elif self._number is None:
            self._number = last
        elif self._number < last:
            self._missed()
            self._number = last
        self._in_order = began

    def _take(self, connection: Any, timeout: Seconds) -> bool:
        """
        Wait for a message and obey it; whether it was the answer to a ping.
        """
        message = connection.get_message(timeout=max(0.0, timeout))
        if message is None:
            return False
        kind = message["type"]
        other = self._also.get(message.get("channel"))
        if other is not None:
            if kind == "message":
                other(message["data"])
        elif kind == "subscribe":
            self._subscribed()
        elif kind == "message":
            self._obey(message["data"])
        return bool(kind == "pong")

    def _subscribed(self) -> None:
        # Before the first reading nothing is in memory, and nobody has missed anything.
        if not self._is_new:
            self._missed()
        self._is_new = False
        self._number = None
        self._in_order = time.monotonic()
        self.is_subscribed = True

    def _obey(self, data: Any) -> None:
        number, separator, what = bytes(data).partition(b":")
        slots = what[SENDER:]
        if not separator or not number.isdigit() or len(what) < SENDER:
            self._missed()  # nothing of ours; whoever can send this can also send "*"
            return
        serial = int(number)
        if self._number is not None and serial != self._number + 1:
            self._missed()
        self._number = serial
        if what[:SENDER] == self._sender:
            return
        if len(slots) % 2:
            self._missed()
            return
        self._board.mark(slots_in(slots))

    def _missed(self) -> None:
        self.resets += 1
        self._board.mark_all()

    def _wait(self, seconds: Seconds) -> None:
        """
        Let time pass without a subscription.
        """
        self._stop.wait(seconds)
        if time.monotonic() - self._in_order >= self._max_age:
            self._missed()
            self._in_order = time.monotonic()

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                connection.close()
        except Exception as error:
            log.debug("memotier: closing a subscription: %s", type(error).__qualname__)

    def _say_lost(self, problem: Exception, was_subscribed: bool) -> None:
        if was_subscribed or self._says_lost:
            return  # one lost connection is nothing to tell, if the next one works
        self._says_lost = True
        why = str(problem) if isinstance(problem, (StoreError, Lost)) else kind_of(problem)[1]
        log.warning(
            "memotier: %s does not tell of invalidations (%s); memory is believed for %g s at most "
            "until it does",
            self._place,
            why,
            self._max_age,
        )


def slots_in(packed: bytes) -> list[int]:
    """
    The numbers of slots in a message; those that no board has are left out.
    """
    pairs = zip(packed[::2], packed[1::2], strict=True)
    return [slot for high, low in pairs if 0 < (slot := high << 8 | low) <= SLOTS]


#: Subscriptions of a parent process, kept so that the garbage collector does not close them: that
#: takes locks which other threads of the parent may have held.
_inherited: list[Any] = []
