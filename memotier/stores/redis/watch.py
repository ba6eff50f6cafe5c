"""
The thread that hears of invalidations and marks the board.

    away ── subscribed ── in order ─┬─ a message: its slots are marked
      └────────── lost ─────────────┘

A message is ``NUMBER:`` and 8 bytes of the sender, then the slots, two bytes each; ``*`` after the
sender stands for all. What this store sent itself is only counted: its engine knows.

When is memory not to be trusted? Whenever a message may have been missed, all is marked, so that
everything in memory is looked up again before it is served:
- after every (re)subscription, also one that the client made by itself;
- when a number is missing, or goes back;
- when the server's memory was emptied, of which it tells at once if it can (``tracking.py``);
- when a beat finds that the server has sent more than arrived. A beat asks for the last number,
  then sends a ping on the subscribed connection: what was sent before comes before its answer;
- when ``max_age`` seconds have passed since the last beat that was in order (``age.py``). So
  nothing in memory is older than that, whatever happens to messages.

When is the server itself not to be trusted? When it has the same tokens as before, and a number
that is lower than one that was heard: a replica that lagged has taken over, or an old snapshot was
loaded, and an invalidation that was acknowledged is unknown there. Then all that it holds counts
as invalidated (``renew``; ``numbers.py`` compares).

The threads are daemons: they hold nothing that an exit would lose.
"""

from __future__ import annotations

import logging
import math
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from ...errors import StoreError, StoreUnavailable
from ...types import Seconds
from ..board import SLOTS
from . import tracking
from .age import Age
from .board import LocalBoard
from .numbers import IN_ORDER, LESS, Numbers
from .server import kind_of
from .tracking import Lost

log = logging.getLogger("memotier")

#: Seconds between two beats, and how long the answer to a ping may take.
BEAT: Final[Seconds] = 5.0
PATIENCE: Final[Seconds] = 1.0
#: Seconds between two attempts to subscribe: at first, and at most.
FIRST_PAUSE, LAST_PAUSE = 0.05, 5.0
#: Seconds between two questions for the last number, at least.
SPACING: Final[Seconds] = 0.1
SENDER: Final = 8
ALL: Final = b"*"


class Watch:
    """
    Keeps *board* as others want it.

    Args:
        subscription: Makes a connection that can subscribe (redis-py's ``PubSub``).

        last_number: Asks for the birth of the tokens (None: there are none) and the number of the
            last message; raises ``StoreError``.

        renew: Makes everything count as invalidated that is stored with tokens of this birth;
            raises ``StoreError``.

        tracked: The key of the tokens.

        sender: Who we are.

        max_age: Seconds for which memory is believed when no message can arrive.

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
        last_number: Callable[[], tuple[bytes | None, int]],
        renew: Callable[[bytes], None],
        tracked: str,
        max_age: Seconds,
        place: str,
        beat: Seconds = BEAT,
        also: Mapping[str, Callable[[bytes], None]] | None = None,
    ) -> None:
        self._board = board
        self._channel = channel
        self._subscription = subscription
        self._last_number = last_number
        self._renew = renew
        self._tracked = tracked
        self._max_age = max_age
        self._place = place
        # Several in the time for which memory is believed: one may go wrong.
        self._beat = min(beat, max_age / 3)
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
        #: Whether messages arrive, and whether the server tells of changes of the tokens.
        self.is_subscribed = False
        self.is_tracking = False
        self._says_untracked = False
        #: How often all was marked.
        self.resets = 0
        self.numbers = Numbers()
        #: Whether a message came that explains why the tokens changed, and whether to ask soon.
        self._is_explained = False
        self._is_due = False
        self._age = Age(self._missed, self._max_age)

    def start(self, patience: Seconds) -> None:
        """
        Subscribe, and return when that was tried once.

        Raises:
            StoreUnavailable: If the server does not answer in *patience* seconds, or there can be
                no more threads.
        """
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                # A daemon, as it waits for messages that may never come.
                thread = threading.Thread(target=self._run, name="memotier-redis", daemon=True)
                try:
                    self._age.start()
                    thread.start()
                except RuntimeError:
                    # Without them nothing bounds how long memory is believed, so nothing that
                    # others may invalidate gets there; a later call tries again.
                    raise StoreUnavailable("no thread can be started to hear of others") from None
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
        self._age.stop()
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
            self.is_tracking = False
            self._release()
            self._tried.set()
            if self._stop.is_set():
                return
            if was_subscribed:
                pause = FIRST_PAUSE
            self._say_lost(problem, was_subscribed)
            # Not all processes at once.
            self._stop.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(2 * pause, LAST_PAUSE)

    def _listen(self) -> None:
        """
        Subscribe and take messages, until something is wrong.
        """
        connection = self._connection = self._subscription()
        self._track(connection)
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
        checked = -math.inf
        while not self._stop.is_set():
            now = time.monotonic()
            until = checked + (min(SPACING, self._beat) if self._is_due else self._beat)
            if now < until:
                self._take(connection, until - now)
            else:
                checked = now
                self._check(connection)

    def _track(self, connection: Any) -> None:
        why = tracking.turn_on(connection, self._tracked, PATIENCE)
        self.is_tracking = why is None
        if why is not None and not self._says_untracked:
            self._says_untracked = True
            log.debug(
                "memotier: %s does not tell when it is emptied (%s); that is seen within %g s",
                self._place,
                why,
                self._beat,
            )

    def _check(self, connection: Any) -> None:
        """
        One beat: everything that was sent must have arrived.
        """
        began = time.monotonic()
        self._is_due = False
        noted = self.numbers.noted()
        birth, last = self._last_number()
        connection.ping()
        while not self._take(connection, PATIENCE - (time.monotonic() - began)):
            if time.monotonic() - began > PATIENCE:
                raise Lost("no answer to a ping")
        found = self.numbers.compare(noted, birth, last)
        if found != IN_ORDER:
            self._missed()
        if found == LESS and birth is not None:
            self._renew(birth)
            self.numbers.renewed()
            self._is_due = True  # to know its new tokens
        self._age.renew(began)

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
        elif kind == "message" and tracking.is_change(message):
            self._changed(message["data"])
        elif kind == "message":
            self._obey(message["data"])
        return bool(kind == "pong")

    def _subscribed(self) -> None:
        # Before the first reading nothing is in memory, and nobody has missed anything.
        if not self._is_new:
            self._missed()
        self._is_new = False
        self._age.renew(time.monotonic())
        if self.is_subscribed and self.is_tracking:
            # The client has a new connection, which tracks nothing and can no longer be asked to.
            raise Lost("the client has connected anew")
        self.is_subscribed = True

    def _changed(self, keys: Any) -> None:
        """
        The tokens changed; *keys* is None if the server was emptied, of all its keys or others.
        """
        if keys is None:
            self._missed()
        elif self._is_explained:
            # Whoever changes them by a script is announced by a number, which comes first.
            self._is_explained = False
            return
        self._is_due = True

    def _obey(self, data: Any) -> None:
        number, separator, what = bytes(data).partition(b":")
        slots = what[SENDER:]
        if not separator or not number.isdigit() or len(what) < SENDER:
            self._missed()  # nothing of ours; whoever can send this can also send "*"
            return
        if not self.numbers.heard(int(number)):
            self._missed()
            self._is_due = True
        if not self.numbers.knows_tokens:
            self._is_due = True  # there are some now
        self._is_explained = True
        if what[:SENDER] == self._sender:
            return
        if len(slots) % 2:
            self._missed()
            return
        self._board.mark(slots_in(slots))

    def _missed(self) -> None:
        self._board.mark_all()
        self.resets += 1  # last: who sees it sees the marks, too

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
