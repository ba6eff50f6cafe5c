"""
Which tags are used, without showing what they were made of.

A tag such as ``user:{user_id}`` is an argument as much as a key is. So all tags with one text
before the first colon are one, ``user:*``; a tag of a function without a colon that does not
stand in its options is ``*``. Static tags, and those given with a key, are shown as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..engine.places import Shelf
from ..entry import Resident
from ..types import Seconds

#: Tags of entries that have left, of which hits are known.
MOST: Final = 1000

#: Hits and saved seconds, by tag.
Counted = Mapping[str, tuple[float, float]]


class Tagged:
    """
    Hits, and the seconds they saved, of entries that have left memory, by tag.
    """

    def __init__(self) -> None:
        self.known: dict[str, list[float]] = {}

    def left(self, resident: Resident, hits: int, *, in_full: bool = False) -> None:
        """
        Called under the engine's lock.
        """
        if resident.stamp is None or not resident.stamp.tags:
            return
        for tag in shown_tags(resident.place.shelf, resident.stamp.tags, in_full=in_full):
            counted = self.known.get(tag)
            if counted is None:
                if len(self.known) >= 2 * MOST:
                    ranked = sorted(self.known.items(), key=lambda item: item[1][0], reverse=True)
                    self.known = dict(ranked[:MOST])
                counted = self.known[tag] = [0, 0.0]
            counted[0] += hits
            counted[1] += hits * resident.cost


def shown_tags(shelf: Shelf, tags: Iterable[str], *, in_full: bool = False) -> set[str]:
    """
    *tags* of an entry as they may be shown.
    """
    if in_full:
        return set(tags)
    return {tag if tag in shelf.tags else _shown(shelf, tag) for tag in tags}


def _shown(shelf: Shelf, tag: str) -> str:
    before, colon, _ = tag.partition(":")
    if colon:
        return f"{before}:*"
    # One that comes with a key was written by whoever wrote the call; one of a function may be an
    # argument as it is.
    return "*" if shelf.identity else tag


def tags_of(
    residents: Iterable[Resident],
    gone: Tagged,
    *,
    most: int,
    in_full: bool = False,
    before: Counted | None = None,
) -> list[dict[str, Any]]:
    """
    The *most* used tags: those of *residents*, with what is known of entries that have left, less
    what had been counted *before*.
    """
    found: dict[str, list[float]] = {tag: [0, 0, *one] for tag, one in list(gone.known.items())}
    for resident in residents:
        stamp = resident.stamp
        if stamp is None or not stamp.tags:
            continue
        for tag in shown_tags(resident.place.shelf, stamp.tags, in_full=in_full):
            one = found.setdefault(tag, [0, 0, 0, 0.0])
            seconds: Seconds = resident.hits * resident.cost
            for at, more in enumerate((1, resident.size, resident.hits, seconds)):
                one[at] += more
    for tag, (hits, saved) in (before or {}).items():
        one = found.get(tag, [0, 0, 0, 0.0])
        if one[2] >= hits:  # else it was forgotten, and counted anew
            one[2:] = one[2] - hits, max(0.0, one[3] - saved)
        if not one[0] and not one[2]:
            found.pop(tag, None)
    ranked = sorted(found.items(), key=lambda item: (-item[1][2], -item[1][0], item[0]))
    return [
        {
            "tag": tag,
            "entries": int(entries),
            "bytes": int(size),
            "hits": int(hits),
            "seconds_saved": seconds,
        }
        for tag, (entries, size, hits, seconds) in ranked[:most]
    ]
