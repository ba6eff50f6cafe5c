"""
An older copy of the database is put in the place of the running one: what was invalidated since
it was made stays invalidated.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import time as systime
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from memotier import MultiLevelCache, tiered_cache

from .test_processes import Process

DATABASE = Path("v1", "cache.db")


def backup(directory: Path, to: Path) -> None:
    """
    What a backup program that knows SQLite makes of the running database.
    """
    with (
        closing(sqlite3.connect(directory / DATABASE)) as source,
        closing(sqlite3.connect(to)) as target,
    ):
        source.backup(target)


def restore(directory: Path, copy: Path) -> None:
    """
    Put a copy of *copy* in the place of the database, as an administrator would.
    """
    shutil.copy(copy, directory / "v1" / "incoming")
    os.chmod(directory / "v1" / "incoming", 0o600)
    os.replace(directory / "v1" / "incoming", directory / DATABASE)
    for suffix in ("-wal", "-shm"):
        Path(f"{directory / DATABASE}{suffix}").unlink(missing_ok=True)


class Tool:
    """
    A function, and the data it reads, in a cache of its own on a shared directory.
    """

    def __init__(self, directory: Path, clock: Any) -> None:
        self.cache = MultiLevelCache(directory=directory, clock=clock)
        self.data = "old"
        self.runs = 0

        @tiered_cache(namespace="r.deep", cache=self.cache, name="f", version=1, tags=["t"])
        def f(x: int) -> str:
            self.runs += 1
            return self.data

        self.f = f


WAYS: dict[str, Callable[[Tool], Any]] = {
    "key": lambda tool: tool.f.invalidate(1),
    "function": lambda tool: tool.f.cache_clear(),
    "tag": lambda tool: tool.cache.sync.invalidate_tags("t"),
    "namespace": lambda tool: tool.cache.sync.clear_namespace("r"),
    "everything": lambda tool: tool.cache.sync.clear(),
}


@pytest.mark.parametrize("way", WAYS)
def test_fault_16_what_was_invalidated_does_not_come_back_with_an_older_copy(
    tmp_path: Path, clock: Any, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Neither in the process that invalidated, nor in one that did not, nor in one that starts
    afterwards; and it is said once.
    """
    one, other = Tool(tmp_path / "c", clock), Tool(tmp_path / "c", clock)
    assert "old" == one.f(1) == other.f(1)
    backup(tmp_path / "c", tmp_path / "copy")
    one.data = other.data = "new"
    WAYS[way](one)
    restore(tmp_path / "c", tmp_path / "copy")
    clock.advance(1.1)

    with caplog.at_level(logging.WARNING, "memotier"):
        assert "new" == one.f(1) == other.f(1)
    later = Tool(tmp_path / "c", clock)
    later.data = "new"
    assert "new" == later.f(1)
    # What was computed in the adopted database holds: nobody throws it away a second time.
    assert (2, 0) == (one.runs + other.runs, later.runs)
    said = [record for record in caplog.records if "older copy" in record.getMessage()]
    assert 1 == len(said)
    for tool in (one, other, later):
        tool.cache.sync.close()


def test_fault_16_the_same_copy_restored_twice(tmp_path: Path, clock: Any) -> None:
    """
    Though it may lie in a file that has the number of an earlier one, it is the same old copy.
    """
    tool, place = Tool(tmp_path / "c", clock), tmp_path / "c"
    assert "old" == tool.f(1)
    backup(place, tmp_path / "copy")
    for number in range(4):
        tool.data = f"new {number}"
        tool.f.invalidate(1)
        restore(place, tmp_path / "copy")
        # As if the file system had given it the number under which the copy was made.
        numbers = os.stat(place / DATABASE)
        with closing(sqlite3.connect(place / DATABASE)) as stranger, stranger:
            stranger.execute(
                "UPDATE memotier_version SET token = ? WHERE name = ?",
                (b"%d:%d" % (numbers.st_dev, numbers.st_ino), b"file"),
            )
        clock.advance(1.1)
        assert tool.data == tool.f(1)
    tool.cache.sync.close()


def test_fault_16_a_database_that_others_made_anew_is_believed(
    tmp_path: Path, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Of the processes that lose a database to ``rm``, one makes the next: nothing in it is old.
    """
    one, other = Tool(tmp_path / "c", clock), Tool(tmp_path / "c", clock)
    assert "old" == one.f(1) == other.f(1)
    shutil.rmtree(tmp_path / "c")
    clock.advance(1.1)
    one.data = other.data = "new"

    with caplog.at_level(logging.WARNING, "memotier"):
        assert "new" == one.f(2) == other.f(2)
        assert "new" == one.f(1) == other.f(1)
        assert "new" == one.f(2)
    assert 3 == one.runs + other.runs
    assert [] == caplog.records
    for tool in (one, other):
        tool.cache.sync.close()


def test_fault_16_nothing_is_believed_while_it_cannot_be_marked(tmp_path: Path, clock: Any) -> None:
    """
    Somebody keeps the restored database locked: it is not used until it could be adopted.
    """
    tool, place = Tool(tmp_path / "c", clock), tmp_path / "c"
    assert "old" == tool.f(1)
    backup(place, tmp_path / "copy")
    tool.data = "new"
    tool.f.invalidate(1)
    restore(place, tmp_path / "copy")
    clock.advance(1.1)

    with closing(sqlite3.connect(place / DATABASE, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        assert "new" == tool.f(1)
        stranger.execute("ROLLBACK")
    clock.advance(100)
    tool.f.invalidate(1)
    assert "new" == tool.f(1)
    tool.cache.sync.close()
    later = Tool(place, clock)
    later.data = "newer"
    assert "new" == later.f(1)
    later.cache.sync.close()


@pytest.mark.slow
@pytest.mark.parametrize("way", ["key", "tag", "clear"])
def test_fault_16_in_real_processes(tmp_path: Path, way: str) -> None:
    """
    Whoever meets the restored database first, none of three processes finds the old value.
    """
    place = tmp_path / "c"
    one, other = Process(place), Process(place)
    old = one.do("call"), one.do("acall")
    assert old == (other.do("call"), other.do("acall"))
    backup(place, tmp_path / "copy")
    one.do(way)
    restore(place, tmp_path / "copy")
    systime.sleep(1.1)  # the store looks for its file once in a second of real time
    new = other.do("call"), other.do("acall")
    assert not set(old) & set(new)
    third = Process(place)
    for process in (one, third):
        assert new == (process.do("call"), process.do("acall"))
    for process in (one, other, third):
        process.end()


@pytest.mark.parametrize("when", ["while it runs", "between two processes"])
@pytest.mark.parametrize("way", ["tag", "function", "namespace", "everything"])
def test_fault_17_a_database_without_versions_has_nothing_valid(
    tmp_path: Path, clock: Any, way: str, when: str
) -> None:
    """
    "Never invalidated" is not what a lost version says: everything older is a miss.
    """
    tool = Tool(tmp_path / "c", clock)
    assert "old" == tool.f(1)
    tool.data = "new"
    with closing(sqlite3.connect(tmp_path / "c" / DATABASE)) as stranger, stranger:
        kept = stranger.execute("SELECT * FROM Cache").fetchall()
    WAYS[way](tool)
    if when == "between two processes":
        tool.cache.sync.close()
    with closing(sqlite3.connect(tmp_path / "c" / DATABASE)) as stranger, stranger:
        stranger.execute("DELETE FROM memotier_version")
        stranger.execute("DELETE FROM Cache")
        marks = ",".join("?" * len(kept[0]))
        stranger.executemany(f"INSERT INTO Cache VALUES ({marks})", kept)  # not cleared yet
    if when == "between two processes":
        tool = Tool(tmp_path / "c", clock)
        tool.data = "new"
    assert "new" == tool.f(1)
    later = Tool(tmp_path / "c", clock)
    later.data = "new"
    assert "new" == later.f(1)
    clock.advance(31)
    tool.f.cache_clear()
    assert "new" == tool.f(1)
    tool.cache.sync.close()
    later.cache.sync.close()
