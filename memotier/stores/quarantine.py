"""
A damaged or foreign database is set aside, not repaired and not removed: renamed beside the
new one, so that someone can look at it. Only the newest is kept.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ..types import Seconds

_MARK = ".corrupt-"


class Identity(NamedTuple):
    """
    Which file it is, whatever its name.
    """

    device: int
    inode: int

    def as_bytes(self) -> bytes:
        return b"%d:%d" % self


def identity_of(path: Path) -> Identity | None:
    """
    Of the file that has the name *path* now; None if there is none.
    """
    try:
        found = os.stat(path)
    except OSError:
        return None
    return Identity(found.st_dev, found.st_ino)


def set_aside(database: Path, bad: Identity | None, now: Seconds) -> Path | None:
    """
    Rename *database* and SQLite's files beside it, if it is still the file *bad*.

    To be called under the lock file: of eight processes that see the damage, the first
    renames; the others find another file and leave it alone.

    Returns:
        The new name, or None if there was nothing left to do.
    """
    if bad is None or identity_of(database) != bad:
        return None

    old = list(database.parent.glob(database.name + _MARK + "*"))
    target = database.with_name(f"{database.name}{_MARK}{int(now * 1000)}-{os.getpid()}")
    os.replace(database, target)
    for suffix in ("-wal", "-shm"):
        beside = Path(str(database) + suffix)
        if beside.exists():
            os.replace(beside, Path(str(target) + suffix))
    for path in old:
        path.unlink(missing_ok=True)
    return target
