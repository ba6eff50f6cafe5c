"""
All records of a cache: counting and clearing them.

The index names the addresses, so nothing looks through the keys of other caches. It may name a
record that the server has evicted; whoever meets one while clearing takes it out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...clock import Clock
from ...types import Address, Lying
from . import scripts
from .batches import BATCH, pieces
from .layout import LONGEST_HEAD, Head, Keys, head_of, record_of
from .requests import Request, Steps, ask, run

_Listed = tuple[Address, Head | None, bool]
_SAMPLE: Final = 32  # records whose size is looked at
#: What of ``INFO`` says how much room there is, and who left for others.
_SERVER: Final = ("maxmemory", "maxmemory_policy", "used_memory", "evicted_keys", "expired_keys")


class Listing:
    """
    The records of the cache with these *keys*.
    """

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def count(self, birth: bytes, group: str | None) -> Steps[int]:
        """
        Number of unexpired records of *group* and below it; None: of all.
        """
        if group is None:
            now = repr(self._clock.wall())
            count = yield from ask("counting", "ZCOUNT", self._keys.index, f"({now}", "+inf")
            return int(count)
        size = 0
        pages = Pages(self._keys, self._clock, birth)
        while (found := (yield from pages.next())) is not None:
            size += sum(
                head is not None and head.is_in(group) and is_alive for _, head, is_alive in found
            )
        return size

    def clear(self, birth: bytes, group: str | None) -> Steps[int]:
        """
        Remove the records of *group* and below it (None: all); how many were unexpired.
        """
        removed = 0
        pages = Pages(self._keys, self._clock, birth)
        while (found := (yield from pages.next())) is not None:
            leaving = [one for one in found if one[1] is None or one[1].is_in(group)]
            if not leaving:
                continue
            removed += sum(is_alive for _, _, is_alive in leaving)
            addresses = [address for address, _, _ in leaving]
            keys = [self._keys.index, *map(self._keys.record, addresses)]
            yield from run(scripts.DISCARD, keys, addresses)
        return removed

    def drop(self, addresses: Sequence[Address]) -> Steps[None]:
        """
        Remove what lies at *addresses* and is none of ours, so that no call fetches it again.
        """
        keys = [self._keys.index, *map(self._keys.record, addresses)]
        try:
            yield from run(scripts.DISCARD, keys, addresses)
        except Exception:  # noqa: S110, what the server answered
            pass  # They are misses all the same, and come up again with the next reading.

    def pages(self, birth: bytes) -> Pages:
        """
        All records, to be looked through in pieces.
        """
        return Pages(self._keys, self._clock, birth)

    def lying(self, pages: Pages, group: str | None, most: int) -> Steps[list[Lying] | None]:
        """
        The unexpired records of *group* and below it (None: all) in the next piece, of up to *most*
        bytes each; None at the end.
        """
        found = yield from pages.next()
        if found is None:
            return None
        there = [
            address
            for address, head, is_alive in found
            if is_alive and head is not None and head.is_in(group)
        ]
        if not there:
            return []
        limit = most + LONGEST_HEAD
        texts = yield Request(
            "looking through",
            *((b"GETRANGE", self._keys.record(address), b"0", limit) for address in there),
        )
        lying = []
        for address, data in zip(there, texts, strict=True):
            head = head_of(data) if type(data) is bytes and len(data) <= limit else None
            if head is not None:
                record = record_of(data, head)
                lying.append(Lying(address, head.group, record, head.until, head.expired))
        return lying

    def room(self, size: int) -> Steps[int]:
        """
        Bytes that *size* records take, by a sample of them.
        """
        some = yield from ask("counting", "ZRANDMEMBER", self._keys.index, _SAMPLE)
        keys = [self._keys.record(address) for address in some]
        sizes: list[int] = (yield from run(scripts.HEADS, keys, [1]))[::2]
        return round(size * sum(sizes) / max(1, len(sizes)))

    def server(self) -> Steps[Mapping[str, int | str]]:
        """
        How much room the server has and how it makes some, for all who use it; nothing if its user
        may not ask.
        """
        try:
            found = yield from ask("asking for its room", "INFO")
        except Exception:  # what the server answered
            return {}
        return figures(found)


class Pages:
    """
    All records in pieces.
    """

    def __init__(self, keys: Keys, clock: Clock, birth: bytes) -> None:
        self._keys = keys
        self._clock = clock
        self._birth = birth
        self._cursor: Any = 0
        self._seen: set[Address] = set()
        self._parts: list[Sequence[Address]] = []
        self._at_end = False

    def next(self) -> Steps[list[_Listed] | None]:
        """
        Some records: address, head, and whether it is unexpired; None at the end.
        """
        while not self._parts:
            if self._at_end:
                return None
            yield from self._look_on()
        part = self._parts.pop()
        keys = [self._keys.record(address) for address in part]
        heads = (yield from run(scripts.HEADS, keys, [LONGEST_HEAD]))[1::2]
        now = self._clock.wall()
        return [
            (address, head, head is not None and head.is_alive(self._birth, now))
            for address, head in zip(part, map(head_of, heads), strict=True)
        ]

    def _look_on(self) -> Steps[None]:
        cursor, found = yield from ask(
            "looking through", "ZSCAN", self._keys.index, self._cursor, "COUNT", BATCH
        )
        # A server may name one twice.
        new = [one for one in members(found) if one not in self._seen]
        self._seen.update(new)
        self._parts += pieces(new)
        self._cursor = cursor
        self._at_end = int(cursor) == 0


def figures(found: Any) -> dict[str, int | str]:
    """
    What is wanted of the answer to INFO.
    """
    said = info_of(found)
    wanted = {name: said[name] for name in _SERVER if name in said}
    return {name: int(value) if value.isdecimal() else value for name, value in wanted.items()}


def info_of(found: Any) -> dict[str, str]:
    """
    What the answer to INFO says, of which some clients make a dict.
    """
    if isinstance(found, bytes):
        found = found.decode("utf-8", "replace")
    if isinstance(found, str):
        found = dict(line.split(":", 1) for line in found.splitlines() if ":" in line)
    if not isinstance(found, Mapping):
        return {}
    return {str(name): str(value).strip() for name, value in found.items()}


def members(found: Any) -> list[Address]:
    """
    The members of a sorted set in the answer to ZSCAN, of which some clients make pairs.
    """
    if found and isinstance(found[0], (tuple, list)):
        return [member for member, _ in found]
    return list(found[::2])
