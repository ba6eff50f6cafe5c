"""
One computation per key, and everyone who waits for it.

A *flight* is a computation in progress. It ends with a ``Landing`` (a value or an error for
everyone), or with AGAIN (its leader was cancelled or killed: whoever waits starts over, one
of them leads), or with ALONE (the value cannot be shared: everyone computes his own).
Threads wait on its future, tasks on a future of their own loop.

What must never happen:
- a cancelled waiter takes the flight away from the others: the future is set running;
- a wait for oneself: a call made from inside a computation joins no flight that waits,
  directly or through others, for a flight its own context leads; neither does a thread wait
  inside the event loop that the leader needs. Such a call computes beside the flight;
- a flight that nobody lands: leaders land in every way out, also when their generator is
  closed; and a waiter looks now and then whether the leader's event loop is still open.

The table shares the engine's lock; no I/O ever happens under it. A flight nobody waits for
never makes a future (that would cost more than the rest of a miss in memory).
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, events
from collections.abc import Hashable, Iterable
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from ..types import Seconds


class Failed:
    """
    The function raised. Travels as a value, because an exception that passes through a
    generator is not always the same afterwards (StopIteration becomes RuntimeError).
    """

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Landing(NamedTuple):
    """
    How a computation ended: a private snapshot with its ``thaw``, or ``Failed``.

    *current* is False if an invalidation came in between: it is then for those alone who
    began to wait before that.
    """

    value: Any
    thaw: Any
    current: bool


class Signal:
    """
    An ending without a value.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


AGAIN: Final = Signal("AGAIN")
ALONE: Final = Signal("ALONE")


class Flight:
    """
    One computation in progress, which is also the entry in the making (``memotier.current``).
    """

    __slots__ = (
        "added_tags",
        "epoch",
        "future",
        "key",
        "loop",
        "skipped",
        "ttl",
        "waits",
        "wanted",
    )

    def __init__(self, key: Hashable, epoch: int) -> None:
        self.key = key
        #: The epoch in which it began: an invalidation since then concerns it.
        self.epoch = epoch
        #: The event loop the leader runs in, if any.
        self.loop: AbstractEventLoop | None = events._get_running_loop()
        #: False once its key was invalidated: serve those who wait, keep nothing.
        self.wanted = True
        #: The flights that code inside this computation is waiting for right now.
        self.waits: list[Flight] | None = None
        self.future: Future[Any] | None = None
        self.added_tags: list[str] | None = None
        self.ttl: Seconds | None = None
        self.skipped = False

    def abandoned(self) -> bool:
        """
        Whether the leader can never land, because its event loop is closed.
        """
        return self.loop is not None and self.loop.is_closed()


class Led(NamedTuple):
    """
    The chain of flights that the current context leads, innermost first.
    """

    flight: Flight
    outer: Led | None


leading: ContextVar[Led | None] = ContextVar("memotier_leading", default=None)


class Flights:
    """
    The flights of one engine, by key. Every method is called under the engine's lock.
    """

    def __init__(self) -> None:
        self.table: dict[Hashable, Flight] = {}

    def lead(self, key: Hashable, epoch: int) -> Flight:
        flight = self.table[key] = Flight(key, epoch)
        return flight

    def follow(self, flight: Flight, *, in_task: bool) -> bool:
        """
        Prepare to wait for *flight*; False if waiting would never end. ``leave`` it afterwards.
        """
        led = leading.get()
        if led is not None and _would_wait_for_itself(flight, led):
            return False
        if not in_task and flight.loop is not None and flight.loop is events._get_running_loop():
            return False

        if flight.future is None:
            flight.future = Future()
            flight.future.set_running_or_notify_cancel()
        while led is not None:
            if led.flight.waits is None:
                led.flight.waits = []
            led.flight.waits.append(flight)
            led = led.outer
        return True

    def leave(self, flight: Flight) -> None:
        """
        The current context no longer waits for *flight*.
        """
        led = leading.get()
        while led is not None:
            if led.flight.waits and flight in led.flight.waits:
                led.flight.waits.remove(flight)
            led = led.outer

    def land(self, flight: Flight, outcome: Landing | Signal) -> None:
        """
        Give *outcome* to everyone who waits; a second landing changes nothing.
        """
        self.detach(flight)
        future = flight.future
        if future is not None and not future.done():
            future.set_result(outcome)

    def detach(self, flight: Flight) -> None:
        """
        Who comes from now on must not be given what *flight* brings.
        """
        if self.table.get(flight.key) is flight:
            del self.table[flight.key]

    def unwanted(self, keys: Iterable[Hashable]) -> None:
        """
        The results of these computations in progress must not be kept.
        """
        for key in keys:
            flight = self.table.pop(key, None)
            if flight is not None:
                flight.wanted = False

    def unwanted_all(self) -> None:
        self.unwanted(list(self.table))


def _would_wait_for_itself(flight: Flight, led: Led | None) -> bool:
    mine = set()
    while led is not None:
        mine.add(led.flight)
        led = led.outer

    seen: set[Flight] = set()
    ahead = [flight]
    while ahead:
        one = ahead.pop()
        if one in mine:
            return True
        if one not in seen:
            seen.add(one)
            ahead.extend(one.waits or ())
    return False
