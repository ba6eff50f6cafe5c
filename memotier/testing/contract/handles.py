"""
Several handles of one place, restarts, and forks.
"""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Callable
from functools import partial

import pytest

from ...types import Store
from ..clock import FakeClock
from ..items import NAME, address, item, put, read, token
from .base import Base

#: Seconds that a forked child may take.
PATIENCE = 60


class HandleTests(Base):
    """
    What one process does, the others find.
    """

    def test_records_are_shared(self, store: Store, other: Store) -> None:
        """
        What one stores, replaces, expires, discards or deletes, so finds the other.
        """
        put(store, "a", record=b"old")
        assert [b"old"] == read(other, "a")
        put(other, "a", record=b"new")
        assert [b"new"] == read(store, "a")
        store.expire([address("a")])
        assert list(store.get([address("a")]).expired) == list(other.get([address("a")]).expired)
        assert other.get([address("a")]).expired[0] is not None
        other.discard(address("a"))
        assert [None] == read(store, "a")
        put(store, "b", group="g.h")
        assert 1 == other.count() == other.count("g")
        assert [True] == list(other.delete([address("b")]))
        assert [None] == read(store, "b")
        put(store, "c", group="g")
        assert 1 == other.clear_group("g")
        put(store, "d")
        assert 1 == other.clear()
        assert 0 == store.count()

    def test_tokens_are_shared(self, store: Store, other: Store) -> None:
        """
        Names, slots and the epoch are the same for all, whoever changed them.
        """
        store.bump([NAME])
        assert store.versions([NAME]) == other.versions([NAME])
        other.bump([NAME], True)
        assert store.versions([NAME]) == other.versions([NAME])
        store.delete([address("a")])
        assert list(store.get([address("a")]).marks) == list(other.get([address("a")]).marks)
        assert store.get([address("a")]).marks[0] is not None

    @pytest.mark.parametrize("how", ["bump", "soft bump", "delete", "expire"])
    def test_an_invalidation_stops_the_writers_of_others(
        self, store: Store, other: Store, how: str
    ) -> None:
        """
        Whoever began before it, in whatever process, does not store.
        """
        late = item(other)
        invalidate: dict[str, Callable[[], object]] = {
            "bump": lambda: store.bump([NAME]),
            "soft bump": lambda: store.bump([NAME], True),
            "delete": lambda: store.delete([address("a")]),
            "expire": lambda: store.expire([address("a")]),
        }
        invalidate[how]()

        assert [False] == list(other.set([late]))
        assert [True] == list(other.set([item(other)]))

    def test_everything_is_there_after_a_restart(
        self, store: Store, other: Store, opened: Callable[[], Store], clock: FakeClock
    ) -> None:
        """
        Records, when they end and whether they expired; tokens of both kinds, slots, the epoch.
        """
        put(store, "a", "b", "c", expire=10)
        store.bump([NAME], True)
        store.expire([address("a")])
        store.delete([address("b")])
        late = item(store, "late")
        store.delete([address("late")])
        known, marks = store.versions([NAME]), list(store.get([address("b")]).marks)
        store.close()
        other.close()

        again = opened()
        assert known == again.versions([NAME])
        assert token(again) is not None
        assert marks == list(again.get([address("b")]).marks)
        assert [clock.wall(), None, None] == list(
            again.get([address(text) for text in "abc"]).expired
        )
        assert [b"record", None, b"record"] == read(again, "a", "b", "c")
        assert [False] == list(again.set([late]))
        assert 2 == again.count() == again.count("ns")
        clock.advance(10)
        assert [None, None] == read(again, "a", "c")

    def test_a_handle_works_on_both_sides_of_a_fork(self, store: Store, clock: FakeClock) -> None:
        """
        While another thread uses it. The child reads and writes; what it invalidates is noticed.
        """
        if not self.is_fork_safe:
            pytest.skip("this store does not promise to survive a fork: is_fork_safe = False")
        put(store, "parent")
        stop = threading.Event()

        def use() -> None:
            n = 0
            while not stop.is_set():
                put(store, f"busy {n % 50}")
                n += 1

        busy = threading.Thread(target=use)
        busy.start()
        try:
            codes = [_forked(partial(self._in_child, store, n)) for n in range(5)]
        finally:
            stop.set()
            busy.join()

        assert [0] * 5 == codes
        if self.is_shared:
            assert [b"record"] * 6 == read(store, "parent", *(f"child {n}" for n in range(5)))
            assert token(store) is not None
        put(store, "after")
        assert [b"record", b"record"] == read(store, "parent", "after")

    def _in_child(self, store: Store, n: int) -> bool:
        late = item(store, "late")
        store.bump([NAME])
        return (
            [True] == put(store, f"child {n}")
            and [b"record", b"record"] == read(store, f"child {n}", "parent")
            and [False] == list(store.set([late]))
        )


def _forked(action: Callable[[], bool]) -> int:
    """
    The exit status of a child that does *action*: 0 if that is true.
    """
    with warnings.catch_warnings():
        # That a lock may be held by a thread which is not in the child is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE)  # a child that hangs ends, with a status that is not 0
        code = 0 if action() else 2
    finally:
        os._exit(code)
