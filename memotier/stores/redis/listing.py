"""
All records of a cache: counting and clearing them.

The index names the addresses, so nothing looks through the keys of other caches. It may name a
record that the server has evicted; whoever meets one while clearing takes it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ...clock import Clock
from ...types import Address, Lying
from . import scripts
from .batches import BATCH, pieces
from .layout import EPOCH, LONGEST_HEAD, Head, Keys, head_of, record_of
from .server import Server

_SAMPLE: Final = 32  # records whose size is looked at


class Listing:
    """
    The records of the cache with these *keys*.
    """

    def __init__(self, server: Server, keys: Keys, clock: Clock) -> None:
        self._server = server
        self._keys = keys
        self._clock = clock

    def count(self, birth: bytes, group: str | None) -> int:
        """
        Number of unexpired records of *group* and below it; None: of all.
        """
        if group is None:
            now = repr(self._clock.wall())
            return int(self._server.ask("counting", "ZCOUNT", self._keys.index, f"({now}", "+inf"))
        return sum(
            head is not None and head.is_in(group) and is_alive
            for found in self._pages(birth)
            for _, head, is_alive in found
        )

    def clear(self, birth: bytes, group: str | None) -> int:
        """
        Remove the records of *group* and below it (None: all); how many were unexpired.
        """
        removed = 0
        for found in self._pages(birth):
            leaving = [one for one in found if one[1] is None or one[1].is_in(group)]
            if not leaving:
                continue
            removed += sum(is_alive for _, _, is_alive in leaving)
            addresses = [address for address, _, _ in leaving]
            keys = [self._keys.index, *map(self._keys.record, addresses)]
            self._server.run(scripts.DISCARD, keys, addresses)
        return removed

    def lying(self, birth: bytes, group: str | None, most: int) -> Iterator[Lying]:
        """
        The unexpired records of *group* and below it (None: all), of up to *most* bytes each.
        """
        for found in self._pages(birth):
            there = [
                (address, head)
                for address, head, is_alive in found
                if is_alive and head is not None and head.is_in(group)
            ]
            if not there:
                continue
            keys = [self._keys.tokens, *(self._keys.record(address) for address, _ in there)]
            texts = self._server.run(scripts.READ, keys, [most + LONGEST_HEAD, EPOCH])[2:]
            for (address, _), data in zip(there, texts, strict=True):
                head = head_of(data)
                if head is not None:
                    record = record_of(data, head)
                    yield Lying(address, head.group, record, head.until, head.expired)

    def room(self, size: int) -> int:
        """
        Bytes that *size* records take, by a sample of them.
        """
        some = self._server.ask("counting", "ZRANDMEMBER", self._keys.index, _SAMPLE)
        keys = [self._keys.record(address) for address in some]
        sizes: list[int] = self._server.run(scripts.HEADS, keys, [1])[::2]
        return round(size * sum(sizes) / max(1, len(sizes)))

    def _pages(self, birth: bytes) -> Iterator[list[tuple[Address, Head | None, bool]]]:
        """
        All records in pieces: address, head, and whether it is unexpired.
        """
        cursor: Any = 0
        seen: set[Address] = set()
        while True:
            cursor, found = self._server.ask(
                "looking through", "ZSCAN", self._keys.index, cursor, "COUNT", BATCH
            )
            # A server may name one twice.
            for part in pieces([one for one in members(found) if one not in seen]):
                seen.update(part)
                keys = [self._keys.record(address) for address in part]
                heads = self._server.run(scripts.HEADS, keys, [LONGEST_HEAD])[1::2]
                now = self._clock.wall()
                yield [
                    (address, head, head is not None and head.is_alive(birth, now))
                    for address, head in zip(part, map(head_of, heads), strict=True)
                ]
            if int(cursor) == 0:
                return


def members(found: Any) -> list[Address]:
    """
    The members of a sorted set in the answer to ZSCAN, of which some clients make pairs.
    """
    if found and isinstance(found[0], (tuple, list)):
        return [member for member, _ in found]
    return list(found[::2])
