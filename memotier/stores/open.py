"""
Chooses the second tier from what the user asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..clock import SYSTEM, Clock
from ..types import Name, Seconds, Store


def open_store(
    directory: Path | None,
    *,
    max_size: int | None,
    max_bytes: int,
    eviction: str = "ttl",
    timeout: Seconds = 1.0,
    clock: Clock = SYSTEM,
    max_record_bytes: int | None = None,
    allow_shared_dir: bool = False,
    allow_network_fs: bool = False,
    on_event: Callable[[str, Mapping[str, Any]], None] | None = None,
    everything: Sequence[Name] = (),
) -> Store:
    """
    A ``DiskStore`` in *directory*, or a ``LocalStore`` if that is None.

    The options are those of ``DiskStore``; a local store has no use for those about files.
    """
    # Imported here, so that a cache in memory alone loads neither diskcache nor sqlite3.
    if directory is None:
        from .local import LocalStore

        return LocalStore(max_size, max_bytes=max_bytes, eviction=eviction, clock=clock)

    from .disk import DiskStore

    return DiskStore(
        directory,
        max_size=max_size,
        max_bytes=max_bytes,
        eviction=eviction,
        timeout=timeout,
        clock=clock,
        max_record_bytes=max_record_bytes,
        allow_shared_dir=allow_shared_dir,
        allow_network_fs=allow_network_fs,
        on_event=on_event,
        everything=everything,
    )


def open_reader(
    directory: Path,
    *,
    max_record_bytes: int,
    clock: Clock = SYSTEM,
    on_event: Callable[[str, Mapping[str, Any]], None] | None = None,
) -> Store:
    """
    What a ``DiskStore`` in *directory* has, for reading.
    """
    from .reader import DiskReader

    return DiskReader(directory, max_record_bytes=max_record_bytes, clock=clock, on_event=on_event)


def has_database(directory: Path) -> bool:
    """
    Whether there is, or may be, a database of a ``DiskStore`` in *directory*.
    """
    from .directory import Home

    try:
        Home(directory).database.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass  # whoever opens it finds out what is wrong
    return True


def open_redis(
    target: Any,
    *,
    name: str,
    clock: Clock = SYSTEM,
    max_record_bytes: int,
    max_l1_age: Seconds,
    on_event: Callable[[str, Mapping[str, Any]], None] | None = None,
    reads_only: bool = False,
) -> Store:
    """
    A ``RedisStore`` for the cache *name* at *target*, a ``RedisUrl`` or a client.
    """
    from .redis.store import RedisStore

    return RedisStore(
        target,
        name=name,
        clock=clock,
        max_record_bytes=max_record_bytes,
        max_l1_age=max_l1_age,
        on_event=on_event,
        reads_only=reads_only,
    )
