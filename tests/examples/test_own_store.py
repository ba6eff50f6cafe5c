"""
The store of the example keeps the whole contract; test_own_store_broken.py breaks it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from examples.own_store.store import SqliteStore
from memotier.testing import StoreContract


class TestSqliteStore(StoreContract):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path):
        self.path = tmp_path / "cache.db"

    def open_store(self, clock):
        return SqliteStore(self.path, timeout=30, clock=clock)

    def spoil(self):
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            connection.executescript("DROP TABLE tokens; CREATE TABLE tokens (x)")


def test_two_may_begin_at_once(tmp_path):
    """
    The first question of two processes to a new file is answered for both, in 200 new files.
    """

    def ask(store):
        meet.wait(10)
        return store.versions([b"name".ljust(16)])

    meet = threading.Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        for number in range(200):
            stores = [SqliteStore(tmp_path / f"{number}.db", timeout=30) for _ in range(2)]
            first, second = threads.map(ask, stores)
            assert first == second
            for store in stores:
                store.close()
