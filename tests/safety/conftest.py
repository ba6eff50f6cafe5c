"""
A second tier that somebody else writes to, past memotier.
"""

from __future__ import annotations

import base64
import sqlite3
import uuid
from contextlib import closing

import pytest

KEY, OTHER = bytes(range(32)), bytes(range(100, 148))


def text(*keys: bytes) -> str:
    """*keys* as ``MEMOTIER_KEY`` takes them."""
    return ",".join(base64.b64encode(key).decode() for key in keys)


class Rows:
    """
    The records of a cache directory, as anybody with ``sqlite3`` sees them.
    """

    def __init__(self, directory) -> None:
        self._path = directory / "v1" / "cache.db"

    def _run(self, statement, *values):
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=5)) as connection:
            return connection.execute(statement, values).fetchall()

    def all(self) -> dict[bytes, bytes]:
        return dict(self._run("SELECT key, value FROM Cache"))

    def put(self, address: bytes, value: bytes) -> None:
        if not self._run("SELECT 1 FROM Cache WHERE key = ?", address):
            columns = ", ".join(self._kept)
            marks = ", ".join("?" * len(self._kept))
            row = [self._kept[one] for one in self._kept]
            self._run(f"INSERT INTO Cache ({columns}) VALUES ({marks})", *row)
        self._run("UPDATE Cache SET value = ?, mode = 1 WHERE key = ?", value, address)

    def keep(self, address: bytes) -> None:
        """Remember the whole row, to put it back."""
        with closing(sqlite3.connect(self._path)) as connection:
            connection.row_factory = sqlite3.Row
            [row] = connection.execute("SELECT * FROM Cache WHERE key = ?", (address,))
            self._kept = {one: value for one, value in dict(row).items() if one != "rowid"}

    def let_live(self, address: bytes) -> None:
        """Say beside the record that it lives for ever."""
        self._run("UPDATE Cache SET expire_time = 1e12 WHERE key = ?", address)


class Values:
    """
    The records of a cache at a Redis, as any client sees them.
    """

    def __init__(self, server, name) -> None:
        self._server = server
        self._prefix = f"mt1:{{{name}}}:"

    def key(self, address: bytes) -> str:
        return self._prefix + address.hex()

    def all(self) -> dict[bytes, bytes]:
        found = self._server.run("KEYS", self._prefix + "*")
        ends = [key.decode().removeprefix(self._prefix) for key in found]
        return {
            bytes.fromhex(end): self._server.run("GET", self._prefix + end)
            for end in ends
            if len(end) == 32
        }

    def put(self, address: bytes, value: bytes) -> None:
        self._server.run("SET", self.key(address), value)

    def keep(self, address: bytes) -> None:
        """A value is all there is."""

    def let_live(self, address: bytes) -> None:
        from memotier.stores.redis.layout import head_of, pack, record_of

        value = self._server.run("GET", self.key(address))
        head = head_of(value)
        self.put(address, pack(head.birth, 1e12, head.group, record_of(value, head)))


@pytest.fixture(params=["disk", pytest.param("redis", marks=pytest.mark.extras)])
def tier(request):
    """
    Both kinds of second tier that others may write to.
    """
    return request.param


@pytest.fixture(params=["signed", pytest.param("encrypted", marks=pytest.mark.extras)])
def protection(request, monkeypatch):
    """
    The arguments of a cache whose records are signed, and of one whose are encrypted.
    """
    monkeypatch.setenv("MEMOTIER_KEY", text(KEY))
    return {"encrypt": True} if request.param == "encrypted" else {}


@pytest.fixture
def name():
    """
    The name of a cache that nobody else uses.
    """
    return f"safe-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def planted(tier, tmp_path, request, name):
    """
    What lies in the second tier, past memotier, once there is a cache.
    """
    if tier == "disk":
        return lambda: Rows(tmp_path / "cache")
    server = request.getfixturevalue("redis_server")
    return lambda: Values(server, name)


@pytest.fixture
def open_cache(tier, make_cache, name):
    """
    A function that makes caches of one name in this tier, each as another process would.
    """
    return lambda **options: make_cache(tier, name=name, **options)


@pytest.fixture
def heard():
    """
    ``heard(cache)``: what its listeners are told from now on, as a list.
    """

    def listen(cache):
        events = []
        cache._keyed.engine.events.listeners.append(lambda *event: events.append(event))
        return events

    return listen


def refused(cache) -> int:
    return cache.get_stats()["l2"]["refused"]
