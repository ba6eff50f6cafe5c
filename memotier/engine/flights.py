"""
One computation per key, and everyone who waits for it.

A *flight* is a computation in progress. It ends with a ``Landing`` (a value or an error for
everyone), or with AGAIN (its leader was cancelled or killed: whoever waits starts over, one
of them leads), or with ALONE (the value cannot be shared: everyone computes his own).
Threads wait on its future, tasks on a future of their own loop.

What must never happen:
- a cancelled waiter takes the flight away from the others: the future is set running;
- a wait for oneself: a call made from inside a computation joins no flight that waits,
  directly or through others, for a flight its own context or its own thread leads; neither
  does a thread block an event loop for a flight that a loop leads. Such a call computes *beside*;
- a flight that nobody lands: leaders land in every way out, also when their generator is
  closed; and a waiter looks now and then whether the leader still exists;
- a result kept although something newer happened to its key: an invalidation, a refresh or a
  set makes every flight of the key unwanted, also those that nobody can join.

The tables share the engine's lock; no I/O ever happens under it. A flight nobody waits for
never makes a future (that would cost more than the rest of a miss in memory).
"""

from __future__ import annotations

import threading
import weakref
from asyncio import AbstractEventLoop, events
from collections.abc import Callable, Hashable, Iterable
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

    __slots__ = ("__weakref__", "_text")

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


AGAIN: Final = Signal("AGAIN")
ALONE: Final = Signal("ALONE")
LATE: Final = Signal("LATE")


class _Life(threading.local):
    """
    Something in every thread that dies with it. The numbers of threads are used again.
    """

    def __init__(self) -> None:
        self._held = Signal("alive")
        self.ref = weakref.ref(self._held)


_life = _Life()


def life_here() -> weakref.ref[Signal]:
    """
    What tells whether the present thread is alive.
    """
    return _life.ref


class Flight:
    """
    One computation in progress, which is also the entry in the making (``memotier.current``).
    """

    __slots__ = (
        "added_tags",
        "brought",
        "epoch",
        "future",
        "is_error",
        "key",
        "life",
        "loop",
        "price",
        "renews",
        "skipped",
        "softened",
        "ttl",
        "waits",
        "wanted",
        "worked",
        "world",
    )

    def __init__(self, key: Hashable, epoch: int) -> None:
        self.key = key
        #: The epoch in which it began: an invalidation since then concerns it.
        self.epoch = epoch
        #: The event loop the leader runs in, if any, and whether its thread is alive.
        self.loop: AbstractEventLoop | None = events._get_running_loop()
        self.life: Callable[[], Any] = _life.ref
        #: False once its key was invalidated or set: serve those who wait, keep nothing.
        self.wanted = True
        #: Whether its key was expired since it began: what it brings is stale.
        self.softened = False
        #: Whether it replaces what may be there (a refresh, a set): if it is not kept, that
        #: must go all the same.
        self.renews = False
        #: The flights that code inside this computation is waiting for right now.
        self.waits: list[Flight] | None = None
        self.future: Future[Any] | None = None
        self.added_tags: list[str] | None = None
        self.ttl: Seconds | None = None
        self.skipped = False
        #: Whether what it brings is an error, by ``is_error=``; None: that raised.
        self.is_error: bool | None = False
        #: The world in which it is computed; see worlds.py.
        self.world: bytes | None = None
        #: Seconds that the function took, if not all the time was its own (streams).
        self.worked: Seconds | None = None
        #: What its result cost, if the function says so (``cost=``).
        self.price: float | None = None
        #: What its result was taken from (a ``Found``, an ``Old``); or the stamp of what was
        #: computed, if that was to be kept.
        self.brought: Any = None

    def abandoned(self) -> bool:
        """
        Whether the leader can never land, because its event loop or its thread has ended.
        """
        loop = self.loop
        if loop is not None and (loop.is_closed() or loop.is_running()):
            return loop.is_closed()
        return self.life() is None


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
        #: Those that can be joined.
        self.table: dict[Hashable, Flight] = {}
        #: Those that cannot: computed beside, refreshes, values being set.
        self.beside: dict[Hashable, list[Flight]] = {}

    def start_beside(self, flight: Flight) -> None:
        """
        Have *flight* hear of what happens to its key, without anyone joining it.
        """
        self.beside[flight.key] = [*self.beside.get(flight.key, ()), flight]

    def follow(self, flight: Flight, *, in_task: bool) -> bool:
        """
        Prepare to wait for *flight*; False if waiting would never end. ``leave`` it afterwards.
        """
        if self.would_wait_for_itself(flight):
            return False
        here = events._get_running_loop()
        if flight.life is _life.ref and (flight.loop is None or flight.loop is not here):
            # Led in this thread: further down, by a call that does not share our context, or by
            # a loop that does not run while we wait.
            return False
        if flight.loop is not None and not in_task and here is not None:
            return False

        self.wait_for(flight)
        return True

    def would_wait_for_itself(self, flight: Flight) -> bool:
        """
        Whether the present context leads *flight*, or something that it waits for.
        """
        led = leading.get()
        return led is not None and _would_wait_for_itself(flight, led)

    def wait_for(self, flight: Flight) -> None:
        """
        The same for one's own flight, that somebody else is about to bring.
        """
        led = leading.get()
        self.expect(flight)
        while led is not None:
            if led.flight.waits is None:
                led.flight.waits = []
            led.flight.waits.append(flight)
            led = led.outer

    def expect(self, flight: Flight) -> Flight:
        """
        Have *flight* tell how it landed, also somebody who comes to ``follow`` it later.
        """
        if flight.future is None:
            flight.future = Future()
            flight.future.set_running_or_notify_cancel()
        return flight

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
        if self.beside:
            others = self.beside.get(flight.key)
            if others == [flight]:
                del self.beside[flight.key]
            elif others is not None and flight in others:
                others.remove(flight)
        future = flight.future
        if future is not None and not future.done():
            future.set_result(outcome)

    def detach(self, flight: Flight) -> None:
        """
        Who comes from now on must not be given what *flight* brings.
        """
        if self.table.get(flight.key) is flight:
            del self.table[flight.key]

    def set_aside(self, flight: Flight) -> None:
        """
        The same, and its result may be kept: whatever happens next to the key must reach it.
        """
        self.detach(flight)
        if not flight.abandoned():
            self.start_beside(flight)

    def unwanted(self, keys: Iterable[Hashable]) -> None:
        """
        The results in progress for these keys must not be kept.
        """
        for key in keys:
            joinable = self.table.pop(key, None)
            if joinable is not None:
                joinable.wanted = False
            for flight in self.beside.get(key, ()):
                flight.wanted = False

    def soften(self, key: Hashable) -> None:
        """
        The results in progress for *key* are stale already; who comes from now on waits for none.
        """
        joinable = self.table.get(key)
        if joinable is not None:
            joinable.softened = True
            self.set_aside(joinable)
        for flight in self.beside.get(key, ()):
            flight.softened = True

    def unwanted_all(self) -> None:
        self.unwanted([*self.table, *self.beside])

    def forget(self) -> None:
        """
        A forked child: the leaders stayed in the parent.
        """
        self.table.clear()
        self.beside.clear()


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
