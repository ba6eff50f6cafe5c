"""
The words that all layers share: protocols, aliases and the one sentinel.

Nothing of ours is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, final, runtime_checkable

if TYPE_CHECKING:
    from .entry import Resident

Seconds: TypeAlias = float
#: 16 bytes that say where an entry lies in the second tier (xxh3-128 of the call).
Address: TypeAlias = bytes
#: 16 bytes that stand for a namespace, a function, a tag or everything; see engine/names.py.
Name: TypeAlias = bytes
#: 8 random bytes, or None for a name that was never invalidated.
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


class Reading:
    """
    What a store answered: the record or None, and the store's epoch at that moment.

    The epoch is one token for the whole store that changes with every bump and delete, so
    that a reader whose copy of the versions was made under the same epoch may trust it.
    Record and epoch come from one consistent state of the store.
    """

    __slots__ = ("epoch", "record")

    def __init__(self, record: bytes | None, epoch: Token) -> None:
        self.record = record
        self.epoch = epoch


class Guard:
    """
    The condition of a write: the names must still have the tokens noted before the computation.
    """

    __slots__ = ("epoch", "names", "tokens")

    def __init__(self, names: Sequence[Name], tokens: Sequence[Token], epoch: Token) -> None:
        self.names = names
        self.tokens = tokens
        #: The epoch under which the tokens were noted. If it has not moved, neither have they.
        self.epoch = epoch


@runtime_checkable
class Store(Protocol):
    """
    Bytes under addresses and tokens under names, shared by every process that opens the store.

    All methods are synchronous and safe between threads. They raise ``StoreError`` (and
    nothing else) when the store fails; they never raise for a missing address. Records are
    opaque: a store neither decodes nor checks them.
    """

    kind: str

    def get(self, address: Address) -> Reading:
        """The record at *address* with the epoch. Expired records count as missing."""

    def get_many(self, addresses: Sequence[Address]) -> list[Reading]:
        """As ``get``, in one round trip, in the order of *addresses*."""

    def set(
        self, address: Address, record: bytes, *, group: str, expire: Seconds | None, guard: Guard
    ) -> bool:
        """
        Store *record* if *guard* still holds, in one atomic step; True if it was stored.

        Args:
            group: The namespace, for ``clear_group`` and ``count``.

            expire: Seconds from now after which the record may be dropped; None for never.
        """

    def set_many(
        self, items: Sequence[tuple[Address, bytes, str, Seconds | None, Guard]]
    ) -> list[bool]:
        """As ``set``, in one transaction."""

    def delete(self, addresses: Sequence[Address], names: Sequence[Name]) -> int:
        """
        Remove records and bump *names* (the key slots of a race), durably and in one step.

        Returns:
            How many records were there.
        """

    def discard(self, address: Address) -> None:
        """Drop a damaged or outdated record; no epoch changes."""

    def versions(self, names: Sequence[Name]) -> tuple[list[Token], Token]:
        """The tokens of *names*, None for a name never bumped, and the epoch, consistently."""

    def bump(self, names: Sequence[Name]) -> None:
        """Give each name and the epoch a fresh random token; durable when it returns."""

    def clear_group(self, group: str) -> int:
        """Remove the records of namespace *group* and those below it; how many there were."""

    def clear(self) -> int:
        """Remove every record, keep the versions; how many records there were."""

    def count(self, group: str | None = None) -> int:
        """Number of records, of one namespace and those below it or of all."""

    def usage(self) -> Mapping[str, int]:
        """``size`` (records), ``bytes`` on disk, ``evictions`` by this process so far."""

    def close(self) -> None:
        """Release everything; later calls raise ``StoreUnavailable``. May be called twice."""


@runtime_checkable
class Codec(Protocol):
    """
    Values to bytes and back. ``name`` stands in the record; see codecs/values.py.
    """

    name: str

    def encode(self, value: Any) -> bytes:
        """The payload of *value*; ``SerializationError`` if it would not come back the same."""

    def decode(self, payload: bytes | memoryview) -> Any:
        """The value; ``DecodeRefused`` for anything this codec did not write."""


class Policy(Protocol):
    """
    Chooses which resident leaves when there is no room. Called under the store's lock.

    ``mark`` is what a hit must do, as one line of source over the name ``entry``, or "";
    names it needs come from ``globals``. It is pasted into the generated hit path, so it
    must be correct without a lock.
    """

    mark: str
    globals: Mapping[str, Any]

    def add(self, entry: Resident) -> None:
        """Take a new resident in."""

    def remove(self, entry: Resident) -> None:
        """Forget a resident that left for another reason than ``victim``."""

    def victim(self) -> Resident:
        """Choose a resident, forget it, and return it. There is at least one."""

    def clear(self) -> None:
        """Forget all residents."""


class Listener(Protocol):
    """
    Hears what the engine did; see engine/events.py.
    """

    def __call__(self, event: str, detail: Mapping[str, Any]) -> None: ...
