"""
What the tests of the stores share: a clock that stands still, short ways to make items, and
other processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import uuid
from pathlib import Path

import memotier
from memotier.stores.disk import DiskStore
from memotier.testing import FakeClock
from memotier.testing.items import NAME, OTHER, address, item, noted, put, read
from memotier.types import MISS, Guard, Item

ROOT = Path(memotier.__file__).parent.parent


class Time(FakeClock):
    """
    A clock that only moves when told, in the words of these tests.
    """

    def __init__(self) -> None:
        super().__init__(tick=0)

    @property
    def now(self) -> float:
        return self.wall()

    @property
    def clock(self) -> FakeClock:
        return self

    def pass_(self, seconds: float) -> None:
        self.advance(seconds)


def disk(directory, **options) -> DiskStore:
    settings = {"max_size": 1000, "max_bytes": 64 * 2**20, **options}
    return DiskStore(Path(directory), **settings)


class InTasks:
    """
    *store*, of which each method is awaited in a loop of another thread.
    """

    def __init__(self, store) -> None:
        assert store.has_twins
        self.store = store
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __getattr__(self, name):
        twin = getattr(self.store, f"a{name}", None)
        if twin is None:
            return getattr(self.store, name)

        def call(*arguments):
            if not self.thread.is_alive():
                return asyncio.run(twin(*arguments))
            return asyncio.run_coroutine_threadsafe(twin(*arguments), self.loop).result(30)

        return call

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            self.stop = asyncio.Event()
            runner.run(self.stop.wait())

    def close(self) -> None:
        self.store.close()
        if self.thread.is_alive():
            # Closing a connection takes some turns of the loop.
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), self.loop).result(30)
            self.loop.call_soon_threadsafe(self.stop.set)
            self.thread.join(30)


def redis_store(server, name=None, **options):
    """
    A store of its own on *server*, unless a *name* says which.
    """
    from memotier.settings.urls import RedisUrl
    from memotier.stores.redis.store import RedisStore

    return RedisStore(RedisUrl(server.url), name=name or uuid.uuid4().hex, **options)


def database(directory) -> Path:
    return Path(directory) / "v1" / "cache.db"


@contextlib.contextmanager
def tampering(directory):
    """
    A connection of someone else to the database.
    """
    connection = sqlite3.connect(database(directory), isolation_level=None, timeout=5)
    try:
        yield connection
    finally:
        connection.close()


HEADER = """
import os, sys, time
from memotier.errors import StoreError
from tests.stores.support import *
directory = sys.argv[1]
"""


def process(script: str, directory, *arguments, **options) -> subprocess.Popen:
    """
    Another process that runs *script*; ``directory`` is defined in it.
    """
    code = HEADER + textwrap.dedent(script)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, str(directory)]
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finished(child: subprocess.Popen, seconds: float = 60) -> str:
    """
    What *child* printed, once it has ended well.
    """
    try:
        out, err = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        raise AssertionError(f"hangs; {out}{err}") from None
    assert 0 == child.returncode, err
    return out


def run(script: str, directory, *arguments, **options) -> str:
    return finished(process(script, directory, *arguments, **options))


def kill(child: subprocess.Popen) -> None:
    child.send_signal(signal.SIGKILL)
    child.communicate()


__all__ = [
    "MISS", "NAME", "OTHER", "ROOT", "Guard", "Item", "Time", "address", "database", "disk",
    "finished", "item", "kill", "noted", "process", "put", "read",
    "redis_store", "run", "tampering",
]  # fmt: skip
