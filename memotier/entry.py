"""
One result, as it is kept in memory and as it is shown to people.

``Resident`` is what the hit path touches: few fields, no behaviour. ``Entry`` is the
frozen picture that ``lookup()`` returns. The three clocks of an entry all start when it
was computed; until stale serving exists, an entry dies when its freshness ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .types import Address, Name, Seconds, Token

if TYPE_CHECKING:
    from collections.abc import Hashable

NEVER: Seconds = float("inf")


class Resident:
    """
    An entry in memory. Written under the lock of the memory tier, except ``hits``, ``tick``
    and ``epoch``, which the hit path writes without one (a lost update costs nothing but
    accuracy of a counter).
    """

    __slots__ = (
        "value",  # what is kept: a private snapshot if the value is mutable
        "thaw",  # makes what a caller gets from it; None: share the value itself
        "hits",  # how often it answered; also the frequency that policies see
        "tick",  # when it was last used, as a running number (LRU only)
        "epoch",  # the epoch at which its versions were last found unchanged
        "fresh_until",  # monotonic seconds
        "table",  # the dict that holds it; None once it has left
        "key",  # its key in that dict
        "shelf",  # the function or namespace it belongs to
        "size",  # bytes, estimated
        "born",  # wall seconds
        "cost",  # seconds the computation took
        "names",  # what can invalidate it: everything, namespaces, function, tags
        "versions",  # the tokens of these names, noted before it was computed
        "tags",
        "node",  # the policy's own note
        "address",  # where it lies in the second tier; None: memory only
        "dirty",  # write-back: the record that the second tier does not have yet
    )

    value: Any
    thaw: Callable[[Any], Any] | None
    hits: int
    tick: int
    epoch: int
    fresh_until: Seconds
    table: dict[Hashable, Resident] | None
    key: Hashable
    shelf: Any
    size: int
    born: Seconds
    cost: Seconds
    names: tuple[Name, ...]
    versions: tuple[Token, ...]
    tags: tuple[str, ...]
    node: Any
    address: Address | None
    dirty: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    What is known about one stored result.

    Times are seconds: *created* since 1970, the others durations. *ttl_left* is infinite for
    an entry that never expires. *tier* is ``"l1"`` or ``"l2"``.
    """

    value: Any = field(repr=False)
    created: Seconds
    age: Seconds
    ttl_left: Seconds
    compute_seconds: Seconds
    tier: str
    tags: tuple[str, ...]
    hits: int
    size: int
    namespace: str
    key: str
    writer: str
