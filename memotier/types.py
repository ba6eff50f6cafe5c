"""
The words that all layers share: protocols, aliases and the one sentinel.

Nothing of ours is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    NamedTuple,
    Protocol,
    TypeAlias,
    final,
    runtime_checkable,
)

if TYPE_CHECKING:
    from .entry import Resident

Seconds: TypeAlias = float
#: 16 bytes that say where an entry lies in the second tier (xxh3-128 of the call).
Address: TypeAlias = bytes
#: 16 bytes that stand for a namespace, a function, a tag or everything; see engine/names.py.
Name: TypeAlias = bytes
#: What changes when a name is invalidated, or None if it never was; see tokens.py.
Token: TypeAlias = bytes | None


@final
class Miss:
    """
    The type of ``MISS``: nothing was found. Falsy, one instance, prints itself.
    """

    __slots__ = ()
    _only: Miss | None = None

    def __new__(cls) -> Miss:
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISS"

    def __reduce__(self) -> str:
        return "MISS"


MISS: Final = Miss()


class Reading(NamedTuple):
    """
    What a store answered, from one consistent state of the store.

    *epoch* is one token for the whole store that changes with every ``bump``, so that a
    reader whose copy of the versions was made under the same epoch may trust it. *marks* are
    the tokens of the addresses' slots (see ``Store.delete``), in the same order. *expired* is
    when each record was expired (``Store.expire``), in wall seconds, None if it was not; empty
    if none was. *heads* tell one record from another at the same address, whether it answers or
    not; only a store whose claims compare them has any.
    """

    records: Sequence[bytes | None]
    epoch: Token
    marks: Sequence[Token]
    expired: Sequence[Seconds | None] = ()
    heads: Sequence[bytes] | None = None


class Guard(NamedTuple):
    """
    The condition of a write: nothing that can invalidate the entry happened since these
    tokens were noted, before the computation.

    The write holds if the store's epoch is still *epoch*, or else if the tokens of *names*
    are still *tokens*; in both cases the token of the address's slot must still be *mark*,
    unless *mark* is MISS (a value that the user sets is not refused by a concurrent delete).

    With *instead_of* it is the same entry, labelled anew: the write holds only if that very
    record is still there, is durable, and is told to other processes like an invalidation.
    """

    epoch: Token
    names: Sequence[Name]
    tokens: Sequence[Token]
    mark: Token | Miss
    instead_of: bytes | None = None


class Item(NamedTuple):
    """
    One record on its way into a store. *expire* is in seconds from now, None for never;
    *group* is the namespace. *made_by* is a name and a short text to be noted of it with the
    record, the last of several first, by a store that keeps notes (``recall``).
    """

    address: Address
    record: bytes
    group: str
    expire: Seconds | None
    guard: Guard
    made_by: tuple[Name, str] | None = None


@runtime_checkable
class Store(Protocol):
    """
    Bytes under addresses and tokens under names, shared by every process that opens the store.

    All methods are synchronous and safe between threads. They raise ``StoreError`` (and
    nothing else) when the store fails; they never raise for a missing address. Records are
    opaque: a store neither decodes nor checks them.

    Tasks have threads call them. A store that can do better has an attribute ``has_twins`` that is
    True, and for each method but ``close`` a coroutine function with an "a" in front of its name
    (``aget``), which promises the same in any event loop. Whoever awaits one may be cancelled: what
    was begun may still happen then, and leaves nothing behind that a later call could take for its
    own.
    """

    kind: str

    def get(self, addresses: Sequence[Address]) -> Reading:
        """The records at *addresses* in their order, None where there is none or it expired."""

    def set(self, items: Sequence[Item]) -> list[bool]:
        """
        Store each item whose guard still holds, comparing and storing in one atomic step.

        Returns:
            For each item whether it was stored.
        """

    def delete(self, addresses: Sequence[Address]) -> list[bool]:
        """
        Remove records and give their slots fresh tokens, durably, in one step.

        A slot is one of a few thousand tokens that addresses share. It only stops writers
        that are on their way (``Guard.mark``): sharing refuses a store too many now and
        then, and the epoch does not change.

        Returns:
            For each address whether an unexpired record was there.
        """

    def expire(self, addresses: Sequence[Address]) -> list[bool]:
        """
        Note of records that they are not fresh from now on and give their slots fresh tokens,
        durably, in one step. A record that was expired before keeps its first moment, and a
        record that is stored in its place is not expired.

        Returns:
            For each address whether an unexpired record was there.
        """

    def discard(self, address: Address) -> None:
        """Drop one damaged or outdated record; no token changes."""

    def versions(self, names: Sequence[Name]) -> tuple[list[Token], Token]:
        """The tokens of *names*, None for a name never bumped, and the epoch, consistently."""

    def bump(self, names: Sequence[Name], soft: bool = False) -> None:
        """
        Give each name and the epoch a fresh token; durable when it returns.

        Args:
            soft: Only the soft halves of the names' tokens are new (``tokens.soft_token``).
        """

    def clear_group(self, group: str) -> int:
        """Remove the records of namespace *group* and those below it; how many were unexpired."""

    def clear(self) -> int:
        """Remove every record, keep the versions; how many unexpired records there were."""

    def count(self, group: str | None = None) -> int:
        """Number of unexpired records, of one namespace and those below it or of all."""

    def usage(self) -> Mapping[str, Any]:
        """
        ``size`` (records), ``bytes`` (room they take), and what this process has removed so
        far for lack of room or age: ``evictions``, ``expirations``. A store whose server makes
        room itself adds what that says as ``server``, a mapping.
        """

    def close(self) -> None:
        """Release everything; later calls raise ``StoreUnavailable``. May be called twice."""


#: The methods of a ``Store``.
STORE_METHODS: Final = (
    *("get", "set", "delete", "expire", "discard", "versions", "bump"),
    *("clear_group", "clear", "count", "usage", "close"),
)


@runtime_checkable
class Codec(Protocol):
    """
    Values to bytes and back. ``name`` stands in every record; see codecs/values.py.
    """

    name: str

    def encode(self, value: Any) -> bytes:
        """The payload of *value*; ``SerializationError`` if it would not come back the same."""

    def decode(self, payload: bytes | memoryview) -> Any:
        """The value; ``DecodeRefused`` for anything that this codec did not write."""


class Policy(Protocol):
    """
    Chooses which resident leaves when there is no room. Called under the memory tier's lock.

    A hit takes no lock and calls no policy. It adds one to ``resident.hits`` and, if
    ``needs_time`` is true, puts the monotonic time into ``resident.used``; the policy looks
    at these two when it has to choose. ``resident.node`` belongs to the policy.
    """

    needs_time: bool

    def add(self, resident: Resident) -> None:
        """Take a newcomer in."""

    def remove(self, resident: Resident) -> None:
        """Forget a resident that leaves for another reason than ``victim``."""

    def victim(self) -> Resident:
        """Choose a resident, forget it, return it. Only called while there is one."""

    def clear(self) -> None:
        """Forget all residents, and everything remembered of earlier ones."""


#: Hears what the engine did: the event's name and its details; see engine/events.py.
Listener: TypeAlias = Callable[[str, Mapping[str, Any]], None]
