"""
Who computes a key, among all processes that share a server.

    new ── take ──┬── ours ── renewed ──┬── given back: deleted, and told to who waits
                  └── somebody else's   └── lost: he was silent for longer than its life

A lease is a key with a random token of its owner and a life of a few seconds. One thread renews
all that this store has, so a computation may take an hour; a process that dies or is stopped does
not, and its leases end. They are taken where the record is what it was when the owner looked for
it: what somebody stored in between is found, not computed again.

What must never happen:
- somebody gives back or renews what is not his: the server compares the token;
- one that nobody knows of is renewed for ever: the answer to a ``take`` may come after its plan was
  interrupted, or never; it is then given back by whoever hears of it, or by the keeper;
- an interrupted caller waits for the server: the keeper's thread gives his back. Others' go with
  the result, in the script that stores it (``to_store``), or where nothing is stored before they
  return, so that their next call finds them free;
- a fault costs more than one call: all that asks the server goes through the store's breaker.

A lease is no lock. Its owner may be stopped for so long that it ends, and go on: then two compute.
Both results are right, and the store's guards decide of each whether it is kept.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from ...errors import StoreError
from ...types import Address, Item, Seconds
from ..claims import NONE, Taking
from . import scripts
from .batches import pieces
from .bells import Bell, Bells
from .layout import SHORTEST_HEAD, Keys
from .lease import Lease, State, on_this_machine
from .requests import Steps, run
from .server import Server

#: The share of its life after which a lease is renewed.
_SHARE: Final = 0.3
#: Leases that are remembered while the server cannot be told that they are free.
_MOST_OWED: Final = 10_000
_ANY: Final = b"*"


class Leases:
    """
    The leases of one store. Only ``take``, ``give_back``, their twins and ``close`` ask the server.
    """

    #: To take one is I/O.
    is_remote = True
    #: Seconds that a lease lives without being renewed.
    life: Seconds = 10.0
    #: Seconds between two questions of who waits, at first and at most, if no message comes.
    pauses: tuple[Seconds, Seconds] = (0.25, 1.0)
    #: Seconds after which a waiter computes all the same. The owner lives, so it may be long.
    patience: Seconds = 3600.0

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server = server
        self._keys = keys
        self._guard: Callable[..., Any] = _directly
        self._aguard: Callable[..., Awaitable[Any]] = _directly
        self.bells = Bells()
        self._closed = False
        #: How many ended although their owner lived.
        self.lost = 0
        self.forget()
        _all.add(self)

    def forget(self) -> None:
        """
        There are none yet; in a forked child, because they are the parent's.
        """
        # A finalizer, which may run anywhere, may call a cached function.
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._ours: dict[bytes, Lease] = {}
        self._owed: list[Lease] = []
        self.bells.forget()

    def behind(self, guard: Callable[..., Any], aguard: Callable[..., Awaitable[Any]]) -> Leases:
        """
        Ask the server through *guard*, which calls a function or raises ``StoreError``; in tasks
        through *aguard*, which awaits one.
        """
        self._guard, self._aguard = guard, aguard
        return self

    # -- for plans -------------------------------------------------------------------

    def claim(self, address: Address, reach: str) -> Lease:
        """
        A new lease for *address*, that nobody has asked for yet.

        Args:
            reach: ``"cluster"``, or ``"machine"``: then other machines have leases of their own.
        """
        return Lease(address, on_this_machine(address) if reach == "machine" else address)

    def take(self, asked: Sequence[tuple[Lease, bytes | None]]) -> list[Taking]:
        """
        Ask for leases, each with the head of the record that was seen, None if that does not
        matter. What another computation of this store has is had by this one, too: who computes
        beside another one does not wait for it.

        Raises:
            StoreError: If the server does not say. Whatever it did is undone later.
        """
        answers: list[Taking] | None = self._answers(asked)
        if answers is None:
            answers = self._guard(self._server.drive, self._taken(asked))
        return answers

    async def atake(self, asked: Sequence[tuple[Lease, bytes | None]]) -> list[Taking]:
        """The same in a task."""
        answers: list[Taking] | None = self._answers(asked)
        if answers is None:
            answers = await self._aguard(self._server.adrive, self._taken(asked))
        return answers

    def ours_of(self, leases: Sequence[Lease]) -> list[Lease]:
        """
        Those of *leases* that are ours. Asks nobody.
        """
        with self._lock:
            return [lease for lease in leases if self._ours.get(lease.place) is lease]

    def give_back(self, leases: Sequence[Lease]) -> None:
        """
        Somebody else may have them.

        Raises:
            StoreError: If the server cannot be told; they are ours still.
        """
        self._guard(self._server.drive, self._giving_back(leases))
        self._forget(leases)

    async def agive_back(self, leases: Sequence[Lease]) -> None:
        """The same in a task."""
        await self._aguard(self._server.adrive, self._giving_back(leases))
        self._forget(leases)

    def release(self, lease: Lease) -> None:
        """
        Somebody else may have it, whatever came of asking for it. Asks nobody: the keeper tells
        the server.
        """
        with self._lock:
            lease.state = State.OVER
            if self._ours.get(lease.place) is lease:
                del self._ours[lease.place]
                self._owe([lease])

    def bell(self) -> Bell:
        """
        One that rings when somebody gives back what it listens for.
        """
        return Bell(self.bells)

    # -- for the store ---------------------------------------------------------------

    def to_store(self, items: Sequence[Item]) -> tuple[list[str], list[Any], list[Lease]]:
        """
        What ``scripts.STORE`` needs to give back the leases of *items* with them: keys, arguments,
        and the leases, to be given to ``stored``.
        """
        keys: list[str] = []
        arguments: list[Any] = []
        leases = []
        with self._lock:
            for number, item in enumerate(items, 1):
                lease = self._ours.get(item.address)
                if lease is not None:
                    keys.append(self._keys.lease(lease.place))
                    arguments += (number, lease.token, lease.place)
                    leases.append(lease)
        return keys, [self._keys.free, *arguments] if keys else [], leases

    def stored(self, leases: Sequence[Lease], items: Sequence[Item], answers: list[int]) -> None:
        """
        Those of them whose item was stored are given back.
        """
        there = {item.address for item, answer in zip(items, answers, strict=True) if answer == 1}
        self._forget([lease for lease in leases if lease.address in there])

    def close(self) -> None:
        """
        Give everything back, and let nobody wait any more. May be called twice.
        """
        self.abandon()
        with self._lock:
            leases = [*self._owed, *self._ours.values()]
            for lease in leases:
                lease.state = State.OVER
            self._ours.clear()
            self._owed.clear()
        self.bells.ring_all()
        if not leases:
            return
        try:
            self._guard(self._server.drive, self._giving_back(leases))
        except StoreError:
            pass  # they end by themselves

    def abandon(self) -> None:
        """
        The same for a store that nobody has any more: the keeper does it. For finalizers, which may
        run anywhere.
        """
        self._closed = True
        self._wake.set()

    # -- asking ----------------------------------------------------------------------

    def _answers(self, asked: Sequence[tuple[Lease, bytes | None]]) -> list[Taking] | None:
        """
        What is known without the server, None if it has to be asked. Not behind the guard: a
        breaker would take it for an answer of the server.
        """
        if self._closed:
            return [NONE] * len(asked)
        with self._lock:
            if all(lease.place in self._ours for lease, _ in asked):
                return [Taking(True, False)] * len(asked)
        return None

    def _taken(self, asked: Sequence[tuple[Lease, bytes | None]]) -> Steps[list[Taking]]:
        with self._lock:
            new = [one for one in asked if one[0].place not in self._ours]
        answers: list[Taking] = []
        for part in pieces(new):
            answers += yield from self._taking(part)
        if len(new) == len(asked):
            return answers
        answer_of = {one[0]: answer for one, answer in zip(new, answers, strict=True)}
        return [answer_of.get(lease, Taking(True, False)) for lease, _ in asked]

    def _taking(self, asked: Sequence[tuple[Lease, bytes | None]]) -> Steps[list[Taking]]:
        keys: list[str] = []
        arguments: list[Any] = [self._milliseconds, SHORTEST_HEAD]
        for lease, seen in asked:
            keys += (self._keys.lease(lease.place), self._keys.record(lease.address))
            arguments += (lease.token, _ANY if seen is None else seen)
        leases = [lease for lease, _ in asked]
        try:
            numbers = yield from run(scripts.TAKE, keys, arguments)
        except BaseException:
            with self._lock:
                self._owe(leases)  # nobody knows
            raise
        self._note([lease for lease, one in zip(leases, numbers, strict=True) if one == -1])
        return [_taking(number) for number in numbers]

    def _note(self, taken: Sequence[Lease]) -> None:
        """
        These are ours now; those that are not wanted any more go at once.
        """
        with self._lock:
            for lease in taken:
                if lease.state is State.OVER or self._closed:
                    self._owe([lease])
                else:
                    lease.state = State.OURS
                    self._ours[lease.place] = lease
                    self._start()

    def _forget(self, leases: Sequence[Lease]) -> int:
        """
        They are not ours any more; of how many nobody knew that yet.
        """
        known = 0
        with self._lock:
            for lease in leases:
                lease.state = State.OVER
                if self._ours.get(lease.place) is lease:
                    del self._ours[lease.place]
                    known += 1
        return known

    def _giving_back(self, leases: Sequence[Lease]) -> Steps[None]:
        for part in pieces(leases):
            keys = [self._keys.lease(lease.place) for lease in part]
            arguments: list[Any] = [self._keys.free]
            for lease in part:
                arguments += (lease.token, lease.place)
            yield from run(scripts.GIVE_BACK, keys, arguments)

    def _renew(self) -> None:
        with self._lock:
            leases = list(self._ours.values())
        for part in pieces(leases):
            keys = [self._keys.lease(lease.place) for lease in part]
            arguments: list[Any] = [self._milliseconds, *(lease.token for lease in part)]
            answers = self._guard(self._server.run, scripts.RENEW, keys, arguments)
            lost = [lease for lease, answer in zip(part, answers, strict=True) if answer != 1]
            self.lost += self._forget(lost)

    @property
    def _milliseconds(self) -> int:
        return max(1, int(self.life * 1000))

    # -- the keeper ------------------------------------------------------------------

    def _owe(self, leases: Sequence[Lease]) -> None:
        """
        Have the keeper give *leases* back. Called under the lock.
        """
        self._owed += leases[: _MOST_OWED - len(self._owed)]
        self._start()
        self._wake.set()

    def _start(self) -> None:
        """
        Have a keeper. Called under the lock.
        """
        if self._thread is not None:
            return
        # A daemon: at exit ``_close_all`` gives back what it did not.
        thread = threading.Thread(target=self._keep, name="memotier-leases", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return  # no more threads: what we have ends by itself
        self._thread = thread

    def _keep(self) -> None:
        """
        Renew and give back, as long as there is anything.
        """
        beat = self.life * _SHARE
        due = time.monotonic() + beat
        while True:
            rang = self._wake.wait(max(0.0, due - time.monotonic()))
            self._wake.clear()
            if self._closed:
                self.close()
                return
            is_due = time.monotonic() >= due
            if is_due:
                due = time.monotonic() + beat
            try:
                self._pay()
                if is_due:
                    self._renew()
            except StoreError:
                pass  # the breaker has said it; with the next beat it is tried again
            with self._lock:
                if not (rang or self._ours or self._owed):
                    self._thread = None
                    return

    def _pay(self) -> None:
        with self._lock:
            leases, self._owed = self._owed, []
        if not leases:
            return  # a breaker would take it for an answer of the server
        try:
            self._guard(self._server.drive, self._giving_back(leases))
        except StoreError:
            with self._lock:
                self._owed = [*leases, *self._owed][:_MOST_OWED]
            raise


def _taking(number: int) -> Taking:
    """
    What the server's answer says.
    """
    if number == -1:
        return Taking(True, False)
    if number == -2:
        return Taking(False, True)
    return Taking(False, False, number / 1000)


def _directly(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


_all: weakref.WeakSet[Leases] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for leases in list(_all):
        leases.close()
