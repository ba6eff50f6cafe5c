"""
Which keys depend on which resources, as far as this process was told.

A resource is a text: a path, a table, or the key of another entry, by which dependencies go on
from entry to entry. It is never looked at as anything but a text: nothing is opened.

A dependency is said of a *key*, and holds for what is set under it later, too. It is also
written on the entry that is there, as a tag, so that one invalidation reaches it in all
processes, those as well that were told nothing.

All methods but ``resource_name`` are called under the engine's lock. Bounded: the oldest
dependencies give way, and whoever adds takes away what depended on them.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from hashlib import blake2b
from typing import Any, Final

from ..durations import short
from ..engine.calls import Call
from ..errors import ConfigError

#: What stands before a resource in the tag of an entry that depends on it.
PREFIX: Final = "dep:"
#: Pairs of key and resource that are remembered.
MOST: Final = 100_000
#: Characters of a resource that are kept as they are.
_LONGEST: Final = 200


def resource_name(resource: Any) -> str:
    """
    The text that stands for *resource*, of bounded length.

    Raises:
        ConfigError: If it is neither a text nor a path.
    """
    try:
        text = os.fspath(resource)
    except TypeError:
        text = None
    if not isinstance(text, str) or not text:
        raise ConfigError(
            f"a resource is {short(resource)}: give a text that is not empty, or a pathlib.Path"
        )
    return bounded(text)


def bounded(text: str) -> str:
    if len(text) <= _LONGEST and (text.isascii() or _has_bytes(text)):
        return text
    return "blake2b:" + blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _has_bytes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character, as in names of files that are not UTF-8
        return False
    return True


Dependents = dict[Hashable, tuple[Call, str | None]]


class Dependencies:
    """
    Keys by the resources they depend on.
    """

    def __init__(self, most: int = MOST) -> None:
        self._of: dict[str, Dependents] = {}
        self._most = most
        self._size = 0

    def add(self, call: Call, key: Any, resource: str) -> list[Call]:
        """
        *call*, of *key*, depends on *resource*; those whose dependency had to give way.
        """
        dependents = self._of.setdefault(resource, {})
        if call.flight_key in dependents:
            return []
        # Only a text can be named as a resource by others.
        dependents[call.flight_key] = call, bounded(key) if type(key) is str and key else None
        self._size += 1
        left = []
        while self._size > self._most:
            first = next(iter(self._of))
            oldest = self._of[first]
            gone, _ = oldest.pop(next(iter(oldest)))
            left.append(gone)
            self._size -= 1
            if not oldest:
                del self._of[first]
        return left

    def reach(self, resource: str) -> tuple[list[str], list[Call]]:
        """
        The resources that change with *resource*, itself first, and the keys that depend on any
        of them. Each once, also where they depend on each other in a circle.
        """
        resources = {resource: None}
        calls: dict[Hashable, Call] = {}
        ahead = [resource]
        while ahead:
            for at, (call, name) in self._of.get(ahead.pop(), {}).items():
                calls[at] = call
                if name is not None and name not in resources:
                    resources[name] = None
                    ahead.append(name)
        return list(resources), list(calls.values())

    def figures(self) -> tuple[int, int]:
        """
        Resources, and keys that depend on any.
        """
        return len(self._of), len({at for dependents in self._of.values() for at in dependents})
