"""
Threads and handles at once. No test here looks at a clock: what is asserted holds in whatever
order things happened, and is broken by a store that compares in one step and stores in another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from ...types import Guard, Item, Store, Token
from ..items import NAME, address, item, noted, put, read, token
from .base import Base

ROUNDS = 40
#: Seconds after which somebody who waits for another thread gives up.
PATIENCE = 60.0


def at_once(*functions: Callable[[], Any]) -> list[Any]:
    """
    Run all of *functions*, each in a thread, beginning together; what they returned.
    """
    barrier = threading.Barrier(len(functions))

    def run(function: Callable[[], Any]) -> Any:
        barrier.wait(PATIENCE)
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result(PATIENCE) for future in [pool.submit(run, one) for one in functions]]


class RaceTests(Base):
    """
    Each operation happens at one moment.
    """

    def test_threads(self, store: Store) -> None:
        """
        Eight threads read and write at once; every record that was stored is there.
        """

        def work(thread: int) -> None:
            for n in range(20):
                record = b"%d.%d" % (thread, n)
                assert [True] == put(store, f"{thread}.{n}", record=record)
                assert [record] == read(store, f"{thread}.{n}")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))

        assert 160 == store.count()

    def test_a_delete_and_a_late_writer(self, pair: tuple[Store, Store]) -> None:
        """
        Whoever comes first, the record is not there afterwards: it was removed, or refused.
        """
        one, two = pair
        for n in range(ROUNDS):
            late = item(one, f"{n}")
            stored, found = at_once(
                partial(one.set, [late]), partial(two.delete, [address(f"{n}")])
            )

            assert [None] == read(one, f"{n}")
            assert list(stored) == list(found)

    def test_a_bump_and_a_late_writer(self, pair: tuple[Store, Store]) -> None:
        """
        What was computed after an invalidation is never replaced by what was computed before it.
        """
        one, two = pair

        def renew(text: str) -> list[bool]:
            two.bump([NAME])
            return put(two, text, record=b"new")

        for n in range(ROUNDS):
            late = item(one, f"{n}", record=b"old")
            _, stored = at_once(partial(one.set, [late]), partial(renew, f"{n}"))

            assert [True] == stored
            assert [b"new"] == read(one, f"{n}")

    def test_one_of_many_relabels(self, pair: tuple[Store, Store]) -> None:
        """
        Of several that want to take the place of one record, one does.
        """
        for n in range(ROUNDS // 2):
            put(pair[0], f"{n}", record=b"old")
            guard = noted(pair[0], f"{n}")._replace(instead_of=b"old")
            items = [Item(address(f"{n}"), b"new %d" % who, "ns", None, guard) for who in range(4)]
            answers = at_once(*(partial(pair[who % 2].set, [one]) for who, one in enumerate(items)))
            stored = [who for who, answer in enumerate(answers) if list(answer) == [True]]

            assert 1 == len(stored)
            assert [b"new %d" % stored[0]] == read(pair[0], f"{n}")

    def test_no_soft_bump_is_lost(self, pair: tuple[Store, Store]) -> None:
        """
        A token is made of the one that is there: four at once leave four moments.
        """
        for n in range(10):
            name = n.to_bytes(16, "big")
            at_once(*(partial(handle.bump, [name], True) for handle in (*pair, *pair)))

            found = token(pair[0], name)
            assert found is not None
            assert 8 + 4 * 8 + 8 == len(found)

    def test_a_reading_is_of_one_moment(self, pair: tuple[Store, Store]) -> None:
        """
        Whoever sees the epoch of an invalidation sees what was stored before it.
        """
        one, two = pair
        done = threading.Event()
        epochs: dict[Token, int] = {one.versions([])[1]: 0}
        put(one, "a", record=b"0", names=())

        def write() -> None:
            try:
                for n in range(1, ROUNDS + 1):
                    guard = one.get([address("a")])
                    own = Guard(guard.epoch, (), (), guard.marks[0])
                    put(one, "a", record=b"%d" % n, guard=own)
                    one.bump([NAME])
                    epochs[one.versions([])[1]] = n
            finally:
                done.set()

        def look() -> list[tuple[Token, bytes | None]]:
            seen: list[tuple[Token, bytes | None]] = []
            while not done.is_set() and len(seen) < 100_000:
                reading = two.get([address("a")])
                seen.append((reading.epoch, reading.records[0]))
            return seen

        _, seen = at_once(write, look)
        for epoch, record in seen:
            assert record is not None
            assert epochs[epoch] <= int(record) <= epochs[epoch] + 1

    def test_tokens_are_of_the_moment_of_their_epoch(self, pair: tuple[Store, Store]) -> None:
        """
        Whoever looks while somebody invalidates finds tokens that were there under that epoch.
        """
        one, two = pair
        done = threading.Event()
        there: dict[Token, Token] = {}

        def note() -> None:
            tokens, epoch = one.versions([NAME])
            there[epoch] = tokens[0]

        def write() -> None:
            try:
                for _ in range(ROUNDS):
                    note()
                    one.bump([NAME])
                note()
            finally:
                done.set()

        def look() -> list[tuple[Token, Token]]:
            seen: list[tuple[Token, Token]] = []
            while not done.is_set() and len(seen) < 100_000:
                tokens, epoch = two.versions([NAME])
                seen.append((epoch, tokens[0]))
            return seen

        _, seen = at_once(write, look)
        assert all(there[epoch] == found for epoch, found in seen)
