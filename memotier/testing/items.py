"""
Short ways to make what stores are given, and to look at what they answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from ..types import Address, Guard, Item, Name, Seconds, Store, Token

NAME: Name = b"N" * 16
OTHER: Name = b"O" * 16


def address(text: str) -> Address:
    """
    Sixteen bytes; other texts have another slot, unless you look for two that share one.
    """
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def noted(store: Store, text: str = "a", names: Sequence[Name] = (NAME,)) -> Guard:
    """
    What a computation of the call *text* notes before it begins.
    """
    tokens, _ = store.versions(names)
    reading = store.get([address(text)])
    return Guard(reading.epoch, names, tuple(tokens), reading.marks[0])


def item(
    store: Store,
    text: str = "a",
    record: bytes = b"record",
    group: str = "ns",
    expire: Seconds | None = None,
    guard: Guard | None = None,
    names: Sequence[Name] = (NAME,),
) -> Item:
    """
    A record on its way, which was computed from now on unless there is a *guard*.
    """
    return Item(address(text), record, group, expire, guard or noted(store, text, names))


def put(store: Store, *texts: str, **options: Any) -> list[bool]:
    """
    Store one record under each of *texts*.
    """
    return list(store.set([item(store, text, **options) for text in texts]))


def read(store: Store, *texts: str) -> list[bytes | None]:
    """
    What lies under each of *texts*.
    """
    return list(store.get([address(text) for text in texts]).records)


def token(store: Store, name: Name = NAME) -> Token:
    """
    What *name* has at present.
    """
    return store.versions([name])[0][0]
