"""
Waiting until somebody gives a lease back, without a thread for each who waits.

A *bell* rings when one of the places it listens for is told to be free. Threads wait on its future,
tasks on a future of their own loop; who waits asks for the lease again, so a bell that rings too
often costs a question, and one that does not ring (messages can be lost) a pause.

The order in which to use it, so that nothing is missed: ``listen``, ask for the lease, wait,
``again``, ask, wait. A bell that rang before somebody waits does not let him wait.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress


class Bell:
    """
    What one who waits listens to. Used by him alone, and rung by anyone.
    """

    __slots__ = ("_bells", "_places", "future")

    def __init__(self, bells: Bells) -> None:
        self._bells = bells
        self._places: set[bytes] = set()
        self.future = _new_future()

    def listen(self, places: Iterable[bytes]) -> bool:
        """
        Ring for *places*, too; whether there was one among them that it did not listen for.
        """
        new = set(places) - self._places
        self._places |= new
        self._bells.add(self, new)
        return bool(new)

    def again(self) -> None:
        """
        Let it ring once more.
        """
        if self.future.done():
            self.future = _new_future()

    def close(self) -> None:
        """
        Nobody listens any more.
        """
        self._bells.remove(self, self._places)


class Bells:
    """
    All bells of a store, by place.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """
        There are none; also in a forked child, whose parent's threads wait in the parent.
        """
        # A finalizer, which may run anywhere, may call a cached function.
        self._lock = threading.RLock()
        self._at: dict[bytes, set[Bell]] = {}

    def add(self, bell: Bell, places: Iterable[bytes]) -> None:
        """Have *bell* ring for *places*."""
        with self._lock:
            for place in places:
                self._at.setdefault(place, set()).add(bell)

    def remove(self, bell: Bell, places: Iterable[bytes]) -> None:
        """Undo that."""
        with self._lock:
            for place in places:
                bells = self._at.get(place, set())
                bells.discard(bell)
                if not bells:
                    self._at.pop(place, None)

    def ring(self, place: bytes) -> None:
        """
        *place* is free.
        """
        with self._lock:
            bells = tuple(self._at.get(place, ()))
        futures = [bell.future for bell in bells]
        _ring(futures)

    def ring_all(self) -> None:
        """
        There is nothing to wait for any more.
        """
        with self._lock:
            bells = {bell for some in tuple(self._at.values()) for bell in tuple(some)}
        _ring([bell.future for bell in bells])


def _new_future() -> Future[None]:
    future: Future[None] = Future()
    # One that runs cannot be cancelled by a task that is tired of it.
    future.set_running_or_notify_cancel()
    return future


def _ring(futures: Iterable[Future[None]]) -> None:
    for future in futures:
        with suppress(InvalidStateError):  # it rang already
            future.set_result(None)
