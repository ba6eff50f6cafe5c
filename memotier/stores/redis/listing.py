"""
All records of a cache: counting and clearing them.

The index names the addresses, so nothing looks through the keys of other caches. It may name a
record that the server has evicted; whoever meets one while clearing takes it out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ...clock import Clock
from ...errors import StoreError
from ...types import Address
from . import scripts
from .batches import BATCH, pieces
from .layout import LONGEST_HEAD, Head, Keys, head_of
from .server import Server

_SAMPLE: Final = 32  # records whose size is looked at
#: What of ``INFO`` says how much room there is, and who left for others.
_SERVER: Final = ("maxmemory", "maxmemory_policy", "used_memory", "evicted_keys", "expired_keys")


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

    def room(self, size: int) -> int:
        """
        Bytes that *size* records take, by a sample of them.
        """
        some = self._server.ask("counting", "ZRANDMEMBER", self._keys.index, _SAMPLE)
        keys = [self._keys.record(address) for address in some]
        sizes: list[int] = self._server.run(scripts.HEADS, keys, [1])[::2]
        return round(size * sum(sizes) / max(1, len(sizes)))

    def server(self) -> Mapping[str, int | str]:
        """
        How much room the server has and how it makes some, for all who use it; nothing if its user
        may not ask.
        """
        try:
            found = self._server.ask("asking for its room", "INFO")
        except StoreError:
            return {}
        return figures(found)

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


def figures(found: Any) -> dict[str, int | str]:
    """
    What is wanted of the answer to INFO, of which some clients make a dict.
    """
    if isinstance(found, bytes):
        lines = found.decode("utf-8", "replace").splitlines()
        found = dict(line.split(":", 1) for line in lines if ":" in line)
    if not isinstance(found, Mapping):
        return {}
    wanted = {name: str(found[name]) for name in _SERVER if name in found}
    return {name: int(value) if value.isdecimal() else value for name, value in wanted.items()}


def members(found: Any) -> list[Address]:
    """
    The members of a sorted set in the answer to ZSCAN, of which some clients make pairs.
    """
    if found and isinstance(found[0], (tuple, list)):
        return [member for member, _ in found]
    return list(found[::2])
