"""
Why entries are not there: the last removals and refusals of one engine, for ``explain()``.

A ring of bounded length; what is in it has no key, no argument and no value, only a *mark* (a
hash that tells one call from another in this process), what happened, when, and the name that was
invalidated or a few words. Written where an entry leaves memory or is not kept, never on a hit:
some 700 ns for each that is evicted (``benchmarks/insight.py``).

What is noted here decides nothing. All methods but ``about`` and ``asked`` are called under the
engine's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from marshal import dumps
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..clock import Clock
from ..entry import NEVER, Resident
from ..types import Name, Seconds, Token
from . import names as naming
from .departed import Departed

if TYPE_CHECKING:
    from .calls import Call
    from .engine import Engine
    from .places import Place, Shelf
    from .versions import Versions

#: Removals and refusals that are remembered: some 150 bytes each.
MOST: Final = 1_000
#: Names whose last invalidation is remembered, and letters of a tag or of a few words.
MOST_NAMES: Final = 1_000
LONGEST: Final = 80

# What can have happened to an entry, or instead of one.
EVICTED: Final = "evicted"
EXPIRED: Final = "expired"
INVALIDATED: Final = "invalidated"
REPLACED: Final = "replaced"
MOVED: Final = "moved"  # the files or variables it depends on
DOUBTED: Final = "doubted"  # nobody could say whether it was valid still
UNCOPIED: Final = "uncopied"  # it could not be copied for its caller
REFUSED: Final = "refused"
ERROR: Final = "error"  # it is one, by ``is_error=``
SKIPPED: Final = "skipped"
UNSTORED: Final = "unstored"
OVERTAKEN: Final = "overtaken"
FAILED: Final = "failed"
OVER_QUOTA: Final = "quota"  # its scope has as much as it may

#: Causes that are no name: the key itself; nobody can say.
BY_KEY: Final = b"key"
UNKNOWN: Final = b""
#: What is said of a key that was invalidated softly.
SOFTLY: Final = "softly"


class Happened(NamedTuple):
    """
    What happened to the entry of one call. *when* is in monotonic seconds, *name* what was
    invalidated, *text* the tag of that name, or a few words.
    """

    mark: int
    what: str
    when: Seconds
    name: bytes = UNKNOWN
    text: str = ""
    #: Whether this process did it.
    here: bool = True


class Bumped(NamedTuple):
    """
    The last time this process invalidated a name; *when* is in monotonic seconds.
    """

    when: Seconds
    soft: bool


def mark_of(place: Place, table: Any, key: Any) -> int:
    """
    A number for one call of this process, from which nobody can tell its arguments.
    """
    if key.__class__ is int or (key.__class__ is tuple and int in map(type, key)):
        key = dumps(key, 0)  # hash(-1) == hash(-2)
    return hash((place.number, id(table), key))


class Evidence:
    """
    What one engine remembers of entries that are not there.
    """

    __slots__ = ("_ring", "bumps", "departed")

    def __init__(
        self, versions: Versions, lock: AbstractContextManager[bool], clock: Clock
    ) -> None:
        self.departed = Departed(versions, lock, clock)
        self._ring: deque[tuple[Any, ...]] = deque(maxlen=MOST)
        self.bumps: dict[Name, Bumped] = {}

    def __len__(self) -> int:
        return len(self._ring)

    def about(self, mark: int) -> list[Happened]:
        """
        What happened to the entry of one call, the last first.
        """
        found = [Happened(*one) for one in list(self._ring) if one[0] == mark]
        found.reverse()
        return found

    # -- what the memory tier tells ----------------------------------------------------

    def left(self, resident: Resident, table: Any, what: str, when: Seconds) -> None:
        """
        *resident* leaves *table* because its time is over, replaced, or for its scope's quota.
        """
        self._ring.append((mark_of(resident.place, table, resident.key), what, when))

    def evicted(self, resident: Resident, table: Any, when: Seconds, entries: int) -> None:
        """
        *resident*, one of so many *entries*, is about to leave *table* for lack of room.
        """
        mark = mark_of(resident.place, table, resident.key)
        self._ring.append((mark, EVICTED, when))
        self.departed.add(mark, resident, entries)

    # -- what the engine tells ----------------------------------------------------------

    def bumped(self, names: Iterable[Name], when: Seconds, soft: bool = False) -> None:
        """
        This process invalidates *names*.
        """
        bumps = self.bumps
        for name in names:
            bumps.pop(name, None)
            bumps[name] = Bumped(when, soft)
        while len(bumps) > MOST_NAMES:
            del bumps[next(iter(bumps))]

    def removed(self, engine: Engine, residents: Sequence[Resident], why: str | bytes) -> None:
        """
        *residents* are about to be taken out of memory.

        Args:
            why: What happened, or the name that was invalidated; UNKNOWN: it is to be found out.
        """
        now = engine.clock.monotonic()
        for resident in residents[-MOST:]:
            table = resident.table
            if table is None:
                continue
            what, name, text, here = INVALIDATED, UNKNOWN, "", True
            if isinstance(why, str):
                what = why
            elif why:
                name, text = why, tag_of(resident, why)
            else:
                name, here = culprit(engine, resident)
                text = tag_of(resident, name)
            mark = mark_of(resident.place, table, resident.key)
            self._ring.append((mark, what, now, name, text, here))

    def happened(
        self, engine: Engine, call: Call, what: str, text: str = "", name: bytes = UNKNOWN
    ) -> None:
        """
        Something happened to *call*, of which memory may have no entry.
        """
        mark = mark_of(call.place, call.table, call.key)
        self._ring.append((mark, what, engine.clock.monotonic(), name, text[:LONGEST]))

    def forget(self, call: Call) -> None:
        """
        The key of *call* is invalidated: what memory had of it would not be there anyway.
        """
        if self.departed:
            self.departed.forget(mark_of(call.place, call.table, call.key))

    def asked(self, call: Call, *, computed: bool) -> None:
        """
        Memory could not answer *call*; *computed*: nor could anybody else.
        """
        if self.departed:
            mark = mark_of(call.place, call.table, call.key)
            self.departed.asked(call, mark, computed=computed)


def culprit(engine: Engine, resident: Resident) -> tuple[bytes, bool]:
    """
    Which name was invalidated since *resident* was last found valid, as far as this process
    knows, and whether it did so itself; BY_KEY if another process has removed it by its key.
    Under the lock.
    """
    versions, stamp = engine.versions, resident.stamp
    names: Sequence[Name] = resident.place.shelf.names if stamp is None else stamp.names
    epoch = resident.epoch
    if epoch == versions.epoch:
        return UNKNOWN, False
    if versions.bumped_since(epoch, ()) or versions.softened_since(epoch, ()) != NEVER:
        return UNKNOWN, True  # which names they were is not remembered any more
    for name in reversed(names):  # the narrowest first: tags, then the function, then namespaces
        if versions.bumped_since(epoch, (name,)):
            return name, True
    for name in reversed(names):
        if versions.softened_since(epoch, (name,)) != NEVER:
            return name, True
    if stamp is None:
        return UNKNOWN, False
    if stamp.tokens is not None:
        noted: list[tuple[Name, Token]] = [*zip(names, stamp.tokens, strict=False)]
        for name, token in reversed(noted):
            if name in versions.known and versions.known[name] != token:
                return name, False
    if stamp.told_at is not None and versions.moved_since(epoch, (stamp.told_at,)):
        return BY_KEY, False
    return UNKNOWN, False


def tag_of(resident: Resident, name: bytes) -> str:
    """
    The tag of *resident* whose name that is; empty if it is none of its tags.
    """
    shelf = resident.place.shelf
    tags = shelf.tags if resident.stamp is None else resident.stamp.tags
    return next((tag[:LONGEST] for tag in tags if naming.tag(tag) == name), "")


def meaning(shelf: Shelf, name: bytes, tags: Iterable[str] = ()) -> tuple[str, str]:
    """
    What *name* stands for among the names of *shelf*: its kind, and which one.
    """
    if name == BY_KEY:
        return "key", ""
    if name == naming.EVERYTHING:
        return "everything", ""
    if name == shelf.function_name:
        return ("function", shelf.label) if shelf.identity else ("namespace", shelf.namespace)
    parts = shelf.namespace.split(".")
    for count in range(len(parts), 0, -1):
        space = ".".join(parts[:count])
        if naming.space(space) == name:
            return "namespace", space
    for tag in tags:
        if naming.tag(tag) == name:
            return "tag", tag[:LONGEST]
    return "", ""
