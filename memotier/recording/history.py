"""
The bounded memory of calls, shared by the processes that record and those that replay.

What is saved is what was counted since the last save; it is added to what is there. When there
are more calls, bytes or days than allowed, the oldest and the least used go.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from ..clock import SYSTEM, Clock
from ..errors import MemotierError
from ..types import Seconds
from .database import Database
from .pattern import DAY, HALF_LIFE
from .protected import EncryptedRows, Rows, SignedRows
from .records import LARGEST_ROW, Recorded

T = TypeVar("T")

#: What stays when room is made, so that it is not made at every save.
_KEPT: Final = 0.9
#: Seconds after which what is too old is looked for and removed.
_CLEAN_EVERY: Final[Seconds] = 3600.0
#: Rows read by one statement.
_AT_ONCE: Final = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    How much is remembered: calls, bytes of their rows, seconds since the last use; and the
    seconds after which a use counts half.
    """

    calls: int = 10_000
    bytes: int = 16 * 2**20
    age: Seconds = 7 * DAY
    half_life: Seconds = HALF_LIFE


class Remembered(NamedTuple):
    """
    The calls of a history, and how many rows were not believed.
    """

    calls: list[Recorded]
    refused: int


class History:
    """
    The calls recorded in *folder*.

    Args:
        keys: To authenticate rows; the first signs, all verify.

        encrypt: Whether rows are encrypted with them, too.
    """

    def __init__(
        self,
        folder: Path,
        keys: tuple[bytes, ...],
        limits: Limits | None = None,
        clock: Clock = SYSTEM,
        *,
        encrypt: bool = False,
    ) -> None:
        self.limits = limits or Limits()
        self.folder = folder
        self._database = Database(folder)
        self._keys = keys
        self._form: Rows = EncryptedRows(keys) if encrypt else SignedRows(keys)
        self._clock = clock
        self._cleaned: Seconds = 0.0

    def __repr__(self) -> str:
        return f"<History {str(self.folder)!r}>"

    @property
    def key(self) -> bytes:
        """
        With which fingerprints and rows are made.
        """
        return self._keys[0]

    @property
    def now(self) -> Seconds:
        """
        Wall seconds.
        """
        return self._clock.wall()

    def add(self, calls: Iterable[Recorded]) -> None:
        """
        Add what was counted to what is remembered.

        Raises:
            StoreUnavailable: If it cannot be written; nothing was added then.
        """
        calls = list(calls)
        if calls:
            self._run(lambda db: self._add(db, calls))

    def read(self) -> Remembered:
        """
        All calls that are remembered, those of other keys and damaged ones left out.

        Raises:
            StoreUnavailable: If the file cannot be read.
        """
        if not self._database.exists:
            return Remembered([], 0)
        return self._run(self._read)

    def forget(self, wanted: Callable[[Recorded], bool] | None = None) -> int:
        """
        Forget the calls for which *wanted* holds (None: all, also what cannot be read); how many.
        """
        if wanted is None:
            self._database.forget_aside()
        if not self._database.exists:
            return 0

        def forget(db: sqlite3.Connection) -> int:
            if wanted is None:
                return db.execute("DELETE FROM calls").rowcount
            gone = [one for one in self._read(db).calls if wanted(one)]
            self._remove(db, gone)
            return len(gone)

        return self._run(forget)

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return self._database.run(work, self._clock.wall())

    def _read(self, db: sqlite3.Connection, *, old: bool = False) -> Remembered:
        """
        What is remembered; or, if *old*, what is there and should be no longer.
        """
        calls, refused = [], 0
        now = self.now
        since = now - self.limits.age
        # Longer rows are not ours: they are not even brought into memory.
        query = "SELECT id, CASE WHEN length(row) <= ? THEN row END FROM calls LIMIT ?"
        for identity, row in db.execute(query, (LARGEST_ROW, 2 * self.limits.calls)):
            try:
                recorded = self._form.read(identity, row)
            except (MemotierError, TypeError):
                refused += 1
            else:
                recorded.pattern.believe(now)
                if (recorded.pattern.last < since) is old:
                    calls.append(recorded)
        return Remembered(calls, refused)

    def _add(self, db: sqlite3.Connection, calls: list[Recorded]) -> None:
        for batch in _batches(calls):
            places = [self._form.places(one.signature) for one in batch]
            before = dict(self._rows(db, [place for some in places for place in some]))
            rows, former = [], []
            for (signature, pattern), (place, *others) in zip(batch, places, strict=True):
                identity = signature.identity
                if identity in before:
                    before[identity].pattern.merge(pattern, self.limits.half_life)
                    pattern = before[identity].pattern
                rows.append((place, self._form.write(Recorded(signature, pattern))))
                former += [(other,) for other in others]
            db.executemany("DELETE FROM calls WHERE id = ?", former)
            db.executemany("INSERT OR REPLACE INTO calls VALUES (?, ?)", rows)
        self._make_room(db)

    def _rows(
        self, db: sqlite3.Connection, places: list[bytes]
    ) -> Iterator[tuple[bytes, Recorded]]:
        marks = ",".join("?" * len(places))
        query = f"SELECT id, row FROM calls WHERE id IN ({marks}) AND length(row) <= {LARGEST_ROW}"  # noqa: S608
        for place, row in db.execute(query, places).fetchall():
            try:
                recorded = self._form.read(place, row)
            except (MemotierError, TypeError):
                continue  # replaced by what is added now
            recorded.pattern.believe(self.now)
            yield recorded.signature.identity, recorded

    def _make_room(self, db: sqlite3.Connection) -> None:
        count, size = db.execute("SELECT count(*), total(length(row)) FROM calls").fetchone()
        limits, now = self.limits, self.now
        fits = count <= limits.calls and size <= limits.bytes
        if fits and abs(now - self._cleaned) < _CLEAN_EVERY:
            return
        self._cleaned = now
        found = self._read(db, old=fits)
        if fits:
            # What cannot be read stays: it may be of a process with another key.
            self._remove(db, found.calls)
            return
        best = sorted(found.calls, key=lambda one: -one.pattern.weight_at(now, limits.half_life))
        kept = _that_fit(best, int(limits.calls * _KEPT), int(limits.bytes * _KEPT))
        db.execute("CREATE TEMP TABLE kept (id BLOB PRIMARY KEY)")
        db.executemany("INSERT OR IGNORE INTO kept VALUES (?)", self._all_places(kept))
        db.execute("DELETE FROM calls WHERE id NOT IN (SELECT id FROM temp.kept)")
        db.execute("DROP TABLE temp.kept")

    def _remove(self, db: sqlite3.Connection, calls: Iterable[Recorded]) -> None:
        db.executemany("DELETE FROM calls WHERE id = ?", self._all_places(calls))

    def _all_places(self, calls: Iterable[Recorded]) -> Iterator[tuple[bytes]]:
        return ((place,) for one in calls for place in self._form.places(one.signature))


def _that_fit(calls: list[Recorded], most: int, room: int) -> list[Recorded]:
    kept = []
    for one in calls[:most]:
        # What a row has beside its arguments is about this much.
        room -= len(one.signature.payload) + 512
        if room < 0:
            break
        kept.append(one)
    return kept


def _batches(calls: list[Recorded]) -> Iterator[list[Recorded]]:
    for start in range(0, len(calls), _AT_ONCE):
        yield calls[start : start + _AT_ONCE]
