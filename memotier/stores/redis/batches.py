"""
Many records in several steps, none of which keeps a server from others for long.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

from ...types import MISS, Item, Seconds
from ..board import slot_on_board
from .layout import BIRTH, LONGEST, pack, slot_of

#: Addresses of one step.
BATCH: Final = 500
#: Bytes that one step stores at most, unless it is one record.
_BATCH_BYTES: Final = 4 * 2**20

T = TypeVar("T")


def stored_as(item: Item, now: Seconds) -> list[Any]:
    """
    The arguments of ``scripts.STORE`` for one record.
    """
    guard = item.guard
    assert guard.epoch is not None
    live = LONGEST if item.expire is None else min(item.expire, LONGEST)
    until = now + live
    mark = b"*" if guard.mark is MISS else guard.mark or b""
    cell, old = b"", b""
    if guard.instead_of is not None:
        cell, old = slot_on_board(item.address).to_bytes(2, "big"), guard.instead_of
    arguments: list[Any] = [
        item.address,
        pack(guard.epoch[:BIRTH], until, item.group, item.record),
        max(1, math.ceil(live * 1000)),
        repr(until),
        guard.epoch,
        slot_of(item.address),
        mark,
        cell,
        old,
        len(guard.names),
    ]
    for name, token in zip(guard.names, guard.tokens, strict=True):
        arguments += (name, token or b"")
    return arguments


def pieces(some: Sequence[T]) -> Iterator[Sequence[T]]:
    """
    *some* in pieces of ``BATCH``.
    """
    return (some[start : start + BATCH] for start in range(0, len(some), BATCH))


def batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    """
    *items* in pieces that a server can store in one step without keeping others waiting.
    """
    batch: list[Item] = []
    size = 0
    for item in items:
        if batch and (len(batch) >= BATCH or size + len(item.record) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item.record)
    if batch:
        yield batch
