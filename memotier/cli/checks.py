"""
The single checks of ``memotier doctor``: each says what it found and what to do.

None of them makes a directory, a database or a key; what is not there yet is no fault.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ..cache import MultiLevelCache
from ..engine.engine import SKEW
from ..errors import MemotierError
from ..stores.directory import Home, network_type
from ..types import Seconds
from .lying import Looker
from .opening import asked
from .view import duration, size

#: Records that are looked at.
_SOME: Final = 500
#: Bytes that should be free on a disk, whatever is configured.
_ROOM: Final = 100 * 10**6
#: Where two connections that write at one moment no longer damage the log of a database
#: (sqlite.org/wal.html#walresetbug).
_SQLITE_FIXED: Final = (3, 51, 3)
_REDIS_LEAST: Final = (6, 2)
#: Seconds after which a server is far away: every miss in memory waits for it.
_SLOW: Final[Seconds] = 0.01


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What one check found. *ok* is None for what is only good to know; *advice* may be empty.
    """

    check: str
    ok: bool | None
    found: str
    advice: str = ""


# -- a directory -------------------------------------------------------------------------------


def at_directory(cache: MultiLevelCache) -> Iterator[Finding]:
    """
    Whether a database can be in its directory.
    """
    wiring = cache._keyed.wiring
    root = wiring.directory
    assert root is not None
    there = next(path for path in (root, *root.parents) if path.exists())
    yield _permissions(root, there)
    yield _file_system(there)
    yield _sqlite()
    yield _room(there, wiring.l2_max_bytes)
    if root.exists():
        yield _opens(cache)


def _permissions(root: Path, there: Path) -> Finding:
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            "directory", False, f"{there} cannot be written", "make it writable, or set directory"
        )
    home = Home(root)
    if not home.folder.exists():
        return Finding("directory", True, f"{root} will be made at the first use")
    try:
        home.prepare()
    except MemotierError as error:
        return Finding("directory", False, str(error))
    return Finding("directory", True, f"{root} is yours alone, and can be written")


def _file_system(there: Path) -> Finding:
    kind = network_type(there)
    if kind is None:
        return Finding("file system", True, "of this machine")
    return Finding(
        "file system",
        False,
        f"{there} lies on a network file system ({kind}), where SQLite's locks do not hold",
        "set directory to a local disk; for several machines set redis_url instead",
    )


def _sqlite() -> Finding:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info >= _SQLITE_FIXED:
        return Finding("SQLite", True, version)
    return Finding(
        "SQLite",
        None,
        f"{version}, with a rare fault that 3.51.3 and later do not have: two processes that "
        "write at one moment may damage the database, which is then set aside and begun anew",
        "a newer Python may bring a newer SQLite",
    )


def _room(there: Path, most: int) -> Finding:
    free = shutil.disk_usage(there).free
    if free < _ROOM:
        return Finding(
            "room",
            False,
            f"only {size(free)} are free on the disk of {there}",
            "make room; until then new results may stay in memory only",
        )
    if free < most:
        return Finding(
            "room",
            None,
            f"{size(free)} are free, less than the {size(most)} that the cache may take",
            "lower l2.max_bytes, or make room",
        )
    return Finding("room", True, f"{size(free)} are free")


def _opens(cache: MultiLevelCache) -> Finding:
    engine = cache._keyed.engine
    try:
        store: Any = engine.store
        usage = asked(engine, store.usage)
    except MemotierError as error:
        return Finding("database", False, str(error))
    return Finding("database", True, f"{usage['size']:,} entries, {size(usage['bytes'])}")


# -- a server ----------------------------------------------------------------------------------


def at_server(cache: MultiLevelCache) -> Iterator[Finding]:
    """
    Whether a Redis or Valkey is as it should be.
    """
    engine = cache._keyed.engine
    store: Any = getattr(engine.store, "store", engine.store)
    began = time.perf_counter()
    try:
        about = store.about()
    except MemotierError as error:
        yield Finding(
            "server", False, str(error), "is it running, and is redis_url right? memotier config"
        )
        return
    took = time.perf_counter() - began
    yield _version(about)
    yield _distance(took / about["questions"])
    yield _eviction(about)
    yield _server_clock(about, engine.clock.wall())
    if engine.options.keys:
        yield Finding("signature", True, "records are signed with MEMOTIER_KEY")
    else:
        yield Finding(
            "signature",
            False,
            "records are not signed: whoever can write to the server can forge results",
            "set MEMOTIER_KEY to one secret in all your processes; docs/guide/redis.md",
        )


def _version(about: Mapping[str, Any]) -> Finding:
    version, name = about["version"], about["name"]
    if about["numbers"] >= _REDIS_LEAST:
        return Finding("server", True, f"{name} {version}")
    return Finding("server", False, f"{name} {version} is too old", "use Redis 6.2 or Valkey 7.2")


def _distance(took: Seconds) -> Finding:
    if took < _SLOW:
        return Finding("latency", True, f"{duration(took)} for a question")
    return Finding(
        "latency",
        None,
        f"{duration(took)} for a question, for which every miss in memory waits",
        "use a server that is nearer; cache only what takes longer than that",
    )


def _eviction(about: Mapping[str, Any]) -> Finding:
    most, policy = about["maxmemory"], about["policy"]
    if policy is None:
        return Finding("room", None, "the server does not say how much there is")
    if most == 0:
        return Finding(
            "room",
            None,
            "the server has no maxmemory: it takes what the machine has",
            "set maxmemory, and maxmemory-policy allkeys-lru or volatile-lru",
        )
    if policy == "noeviction":
        return Finding(
            "room",
            False,
            f"{size(most)}, and when they are full nothing more is stored (noeviction)",
            "set maxmemory-policy allkeys-lru or volatile-lru",
        )
    return Finding("room", True, f"{size(most)}, {policy}")


def _server_clock(about: Mapping[str, Any], now: Seconds) -> Finding:
    apart = abs(about["time"] - now)
    if apart <= SKEW:
        return Finding("clock", True, f"{duration(apart)} from the server's")
    return Finding(
        "clock",
        False,
        f"this machine and the server are {duration(apart)} apart",
        "synchronise the clocks of all machines (NTP): ages of results are taken from them",
    )


# -- what is stored ----------------------------------------------------------------------------


def of_records(cache: MultiLevelCache) -> Iterator[Finding]:
    """
    Whether what lies there can be read here, and was not made in the future.
    """
    root = cache._keyed.wiring.directory
    if root is not None and not Home(root).database.exists():
        return
    try:
        some = list(islice(Looker(cache).entries(), _SOME))
    except MemotierError as error:
        yield Finding("records", False, str(error))
        return
    now = cache._keyed.engine.clock.wall()
    made = [one.record.created for one in some if one.record is not None]
    ahead = max((one - now for one in made), default=0.0)
    if ahead > SKEW:
        yield Finding(
            "records",
            False,
            f"some were made {duration(ahead)} in the future, and are not used until then",
            "a clock was wrong: synchronise it (NTP); memotier clear removes them",
        )
    unread = sum(one.state == "unreadable" for one in some)
    if unread:
        yield Finding(
            "records",
            False,
            f"{unread} of {len(some)} cannot be read: damaged, or signed with another MEMOTIER_KEY",
            "give all processes the same MEMOTIER_KEY; an old one may stay in it, after the new",
        )
    elif ahead <= SKEW:
        yield Finding("records", True, f"{len(some)} looked at, all whole" if some else "none yet")
