"""
What lies in the second tier of a cache: each record's header, looked at one after the other.

A record does not say in words which function it is of, but carries the digest of its name; the
names themselves are known from what processes leave of their figures. No value is decoded, except
by who asks for one (``value_of``), and only by the codec that runs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from ..analytics import collect
from ..cache import MultiLevelCache
from ..codecs.records import Record, unseal
from ..codecs.values import SafeCodec
from ..engine import names as naming
from ..errors import ConfigError, DecodeRefused, StoreError
from ..tokens import NOT_EXPIRED, expired_at
from ..types import Lying, Name, Seconds, Token
from .opening import asked

#: Records whose versions are asked for at once.
_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One entry of the second tier.

    *state* is ``fresh``, ``stale`` (its time is over, or it was invalidated softly),
    ``invalidated`` (it is only not removed yet) or ``unreadable`` (damaged, or signed with another
    key); of an unreadable one only *key*, *namespace* and *size* are known.
    """

    key: str
    namespace: str
    state: str
    size: int
    function: str | None = None
    tags: tuple[str, ...] = ()
    age: Seconds = 0.0
    ttl_left: Seconds | None = None
    cost: Seconds = 0.0
    writer: str = ""
    codec: str = ""
    record: Record | None = None


class Looker:
    """
    Looks through the second tier of *cache*.
    """

    def __init__(self, cache: MultiLevelCache) -> None:
        self._engine = engine = cache._keyed.engine
        store: Any = engine.store
        self._store = store
        self._lying: Any = getattr(getattr(store, "store", store), "lying", None)
        if self._lying is None:
            raise ConfigError(f"a store of kind {store.kind!r} cannot be looked through")
        self._functions = _functions_of(cache)

    def named(self, function: str) -> list[tuple[str, str]]:
        """
        Namespace and identity of the functions that *function* may mean: as it is imported, or
        its last part.
        """
        found = [
            (namespace, identity)
            for namespace, identity in self._functions.values()
            if identity == function or identity.rpartition(".")[2] == function
        ]
        return sorted(set(found))

    def entries(
        self,
        namespace: str | None = None,
        tags: Iterable[str] = (),
        functions: Iterable[tuple[str, str]] = (),
        key: str = "",
    ) -> Iterator[Entry]:
        """
        Those to which all of it applies: any of *tags*, any of *functions*, a *key* that begins
        so.
        """
        wanted_tags = {naming.tag(one) for one in tags}
        wanted = {naming.function(*one) for one in functions}
        found = iter(self._lying(namespace))
        while page := self._next(found):
            records = [(one, self._opened(one)) for one in page]
            tokens = self._tokens(record for _, record in records if record is not None)
            for lying, record in records:
                names = set() if record is None else set(record.names)
                if not lying.address.hex().startswith(key):
                    continue
                if wanted_tags and not wanted_tags & names:
                    continue
                if wanted and not wanted & names:
                    continue
                yield self._entry(lying, record, tokens)

    def _next(self, found: Iterator[Lying]) -> list[Lying]:
        page: list[Lying] = asked(self._engine, lambda: list(islice(found, _AT_ONCE)))
        return page

    def _opened(self, one: Lying) -> Record | None:
        if one.record is None:
            return None
        keys = self._engine.options.keys
        try:
            return unseal(one.record, address=one.address, group=one.group, keys=keys)
        except DecodeRefused:
            return None

    def _tokens(self, records: Iterable[Record]) -> dict[Name, Token]:
        names = list({name for record in records for name in record.names})
        if not names:
            return {}
        tokens, _ = asked(self._engine, self._store.versions, names)
        return dict(zip(names, tokens, strict=True))

    def _entry(self, one: Lying, record: Record | None, tokens: dict[Name, Token]) -> Entry:
        key, size = one.address.hex(), len(one.record or b"")
        if record is None:
            return Entry(key, one.group, "unreadable", size)
        now = self._engine.clock.wall()
        at = expired_at(record.tokens, tuple(map(tokens.get, record.names)), record.created)
        left = math.inf if record.fresh is None else record.created + record.fresh - now
        state = "fresh"
        if at is None:
            state = "invalidated"
        elif at != NOT_EXPIRED or one.expired is not None or left <= 0:
            state = "stale"
        found = [self._functions[name] for name in record.names if name in self._functions]
        return Entry(
            key,
            one.group,
            state,
            size,
            function=found[0][1] if found else None,
            tags=record.tags,
            age=max(0.0, now - record.created),
            ttl_left=None if left == math.inf else left,
            cost=record.cost,
            writer=record.writer,
            codec=record.codec,
            record=record,
        )


def value_of(entry: Entry) -> Any:
    """
    The value of *entry*.

    Raises:
        ConfigError: If its codec is not the one that runs nothing when it reads.

        DecodeRefused: If it cannot be read, or is of a class of your program.
    """
    record = entry.record
    if record is None:
        raise DecodeRefused(f"entry {entry.key} cannot be read: damaged, or of another key")
    if record.codec != SafeCodec.name:
        raise ConfigError(
            f"the value of {entry.key} was written by codec {record.codec!r}; only values of the "
            "codec 'safe' are shown, as reading another may run code"
        )
    return SafeCodec().decode(record.payload)


def _functions_of(cache: MultiLevelCache) -> dict[Name, tuple[str, str]]:
    """
    The functions that processes say they use, by the digest of their name.
    """
    try:
        snapshots = collect(cache)
    except StoreError:
        return {}
    return {
        naming.function(one["namespace"], one["function"]): (one["namespace"], one["function"])
        for snapshot in snapshots
        for one in snapshot["functions"]
        if one["function"]
    }
