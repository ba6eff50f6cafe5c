"""
Which entries there are, written down in the second tier, so that another process finds them.

The vectors lie with their entries; the catalogue is one more entry, a list of keys. It is read at
the first search and once a minute, and written after fifty new entries and at the end. Several
processes write it without asking each other, so one may lose what another has just added: that
costs a near hit until the next writing, and nothing else, because a key in it is a hint. Whether
there is an entry under a key, valid and in time, the engine says.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ..engine.drive import Plan
from ..engine.soft import judge
from ..engine.tier2 import read
from ..errors import StoreError
from ..keyed import Keyed
from ..types import Seconds

READ_EVERY: Seconds = 60.0
WRITE_AFTER = 50
#: Entries that are read in one round trip.
AT_ONCE = 200

#: Keys for which the list has room at least, 32 kB.
LEAST_LISTED = 1000

_KEY = "catalogue"
_DIGEST = 32


class Catalogue:
    """
    The list of the keys of one namespace.

    Args:
        index: Where the vectors are; it says which keys this process knows.

        take: Is given the key and the record of an entry, and takes it into the index if it can.
    """

    def __init__(self, index: Any, namespace: str, take: Callable[[str, Any], bool]) -> None:
        self._index = index
        self._namespace = namespace
        self._take = take
        self._lock = threading.Lock()
        self._busy = False
        self._next_read: Seconds = -math.inf
        self._unwritten = 0
        #: Keys under which there was nothing.
        self._gone: set[str] = set()

    def note(self, keys: list[str]) -> None:
        """
        There are new entries.
        """
        with self._lock:
            self._unwritten += len(keys)
            self._gone.difference_update(keys)

    def note_gone(self, key: str) -> None:
        """
        There is no entry under *key* any more.
        """
        with self._lock:
            if len(self._gone) > 4 * self._index.max_size:
                self._gone.clear()
            self._gone.add(key)

    def forget(self) -> None:
        """
        All entries are gone, and the catalogue with them.
        """
        with self._lock:
            self._gone.clear()
            self._unwritten = 0

    def catch_up(self, keyed: Keyed, *, at_end: bool = False) -> Plan:
        """
        Take in what others have added, and write down what is new here; if it is time for it.

        Args:
            at_end: Only write, and now.
        """
        now = keyed.engine.clock.monotonic()
        with self._lock:
            has_time = at_end or now >= self._next_read
            is_due = self._unwritten >= WRITE_AFTER or (has_time and self._unwritten > 0)
            if self._busy or not (is_due or (now >= self._next_read and not at_end)):
                return
            self._busy, self._next_read = True, now + READ_EVERY
        try:
            listed = yield from self._read(keyed)
            if listed is None:
                return  # what others have added must not be written over
            if not at_end:
                yield from self._take_new(keyed, listed)
            if is_due:
                yield from self._write(keyed, listed)
        finally:
            with self._lock:
                self._busy = False

    def _read(self, keyed: Keyed) -> Plan:
        """
        The keys that are written down; None if nobody can say.
        """
        engine, call = keyed.engine, keyed.call(_KEY, self._namespace)
        # Not what memory has: nobody tells it that another process has written a longer list.
        answer = yield from read(engine, [call])
        if isinstance(answer, StoreError):
            return None
        if not answer[0].is_hit:
            return []
        if not (yield from judge(engine, call.shelf, answer[0])):
            return []
        data = answer[0].value
        if type(data) is not bytes or len(data) % _DIGEST:
            return []
        return [data[at : at + _DIGEST].hex() for at in range(0, len(data), _DIGEST)]

    def _take_new(self, keyed: Keyed, listed: list[str]) -> Plan:
        room = self._index.max_size - len(self._index)
        new = [key for key in listed if key not in self._index and key not in self._gone]
        for keys in _chunks(new[-room:] if room else []):
            records = yield from keyed.get_many(keys, self._namespace)
            for key in keys:
                if not (key in records and self._take(key, records[key])):
                    self.note_gone(key)

    def _write(self, keyed: Keyed, listed: list[str]) -> Plan:
        with self._lock:
            written, self._unwritten = self._unwritten, 0
            gone = set(self._gone)
        mine = self._index.keys()
        others = set(listed) - gone - set(mine)
        keys = [key for key in listed if key in others] + mine
        # A process with a small index does not shorten the list of the others.
        most = max(self._index.max_size, len(listed), LEAST_LISTED)
        data = b"".join(map(bytes.fromhex, keys[-most:]))
        try:
            yield from keyed.set([(_KEY, data)], self._namespace, math.inf, ())
        except BaseException:
            with self._lock:
                self._unwritten += written
            raise


def _chunks(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), AT_ONCE):
        yield keys[start : start + AT_ONCE]
