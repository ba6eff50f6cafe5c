"""
The chain of a stream's items: links, and the end. See engine/streams.py.

The chain is written by one, under the engine's lock, and read by anyone without it. Nothing
refers backwards: what every reader has passed is gone, unless the stream keeps its beginning.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from .flights import Failed

#: What is stored of a stream: its items, and what its generator returned.
Pair: TypeAlias = tuple[list[Any] | None, Any]
#: The same of a stream of which there is nothing to store.
NOTHING: Final[Pair] = (None, None)


class Link:
    """
    One item: a snapshot, its ``thaw``, and a copy that the first who asks may have.
    """

    __slots__ = ("following", "own", "thaw", "value")

    def __init__(self, value: Any, thaw: Any = None, own: Any = ()) -> None:
        self.value = value
        self.thaw = thaw
        self.own = [*own]
        self.following: Link | None = None

    def take(self) -> Any:
        """
        The item, for one reader.
        """
        if self.thaw is None:
            return self.value
        try:
            return self.own.pop()  # in one step: two threads never get the same
        except IndexError:
            return self.thaw(self.value)


class End(Link):
    """
    What comes after the last item: *error*, or what the generator returned; or *again*, if there
    is no end. Who looks again begins with *found*, if he is the first.
    """

    __slots__ = ("again", "error", "found")

    def __init__(
        self,
        value: Any = None,
        thaw: Any = None,
        own: Any = (),
        *,
        error: Failed | None = None,
        again: bool = False,
        found: Iterable[Any] = (),
    ) -> None:
        super().__init__(value, thaw, own)
        self.error = error
        self.again = again
        self.found = [*found]
