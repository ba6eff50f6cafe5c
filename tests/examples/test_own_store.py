"""
The store of the example keeps the whole contract; test_own_store_broken.py breaks it.
"""

from __future__ import annotations

import contextlib
import sqlite3

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
