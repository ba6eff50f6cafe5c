"""
Access by key: what ``MultiLevelCache`` and its ``sync`` twin have in common.

Every method returns a plan, except ``call`` and ``peek``, which do no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from .codecs.values import SafeCodec
from .durations import check_namespace, seconds
from .engine import direct, lifecycle, plan, removal, stats, writes
from .engine import names as naming
from .engine.calls import Call
from .engine.drive import Plan
from .engine.effects import Invoke
from .engine.engine import Engine
from .engine.flights import Flight
from .engine.modes import is_disabled
from .engine.places import Shelf
from .errors import ConfigError
from .keys.canonical import encode_call
from .types import MISS, Seconds
from .wiring import Wiring

#: float, timedelta, "10m", math.inf or None; checked at run time.
Ttl: TypeAlias = Any

DEFAULT_NAMESPACE = "default"

#: Characters of a key that memory keeps as it is; longer ones are kept as a digest.
LONGEST_KEY = 4096


class Keyed:
    """
    The namespaces of one cache.
    """

    def __init__(self, wiring: Wiring, engine: Engine) -> None:
        self.wiring = wiring
        self.engine = engine
        self._shelves: dict[str, Shelf] = {}
        self._codec = SafeCodec()

    def __str__(self) -> str:
        engine = self.engine
        size, most = engine.memory.size, engine.options.l1_max_size
        room = str(size) if most is None else f"{size}/{most}"
        below = "none" if engine.store is None else engine.store.kind
        return f"{engine.options.name!r} l1={room} l2={below}" + " closed" * engine.closed

    def call(self, key: Any, namespace: str) -> Call:
        """
        The look-up of *key*, which may be anything that has a stable key.
        """
        shelf = self._shelves.get(namespace) or self._shelf(namespace)
        place = shelf.place
        if key.__class__ is str and len(key) <= LONGEST_KEY:
            table = place.shapes.get(str)
            if table is None:
                table = place.shapes.setdefault(str, {})
            return Call(place, table, key, lambda: encode_call("cache", ("key",), (key,)))
        canonical = encode_call("cache", ("key",), (key,))
        return Call(place, place.exact, canonical, lambda: canonical, canonical)

    def peek(self, call: Call) -> Any:
        """
        The value if memory has it and nothing needs to be asked, else MISS.
        """
        return self.engine.peek(call.table, call.key)

    def get(self, call: Call, default: Any) -> Plan:
        if self._is_off():
            return default
        return (yield from direct.get_many(self.engine, [call], default))[0]

    def get_many(self, keys: Iterable[Any], namespace: str) -> Plan:
        keys = list(dict.fromkeys(keys))
        if self._is_off():
            return {}
        calls = [self.call(key, namespace) for key in keys]
        values = yield from direct.get_many(self.engine, calls, MISS)
        return {key: value for key, value in zip(keys, values, strict=True) if value is not MISS}

    def set(
        self, mapping: Mapping[Any, Any], namespace: str, ttl: Ttl, tags: Iterable[str]
    ) -> Plan:
        fresh, own = check_ttl(ttl), check_tags(tags)
        pairs = [(self.call(key, namespace), value) for key, value in mapping.items()]
        if not self._is_off():
            if fresh is None:
                fresh = self.wiring.namespace(namespace).ttl
            yield from direct.set_many(self.engine, pairs, ttl=fresh, tags=own)

    def fetch(
        self,
        key: Any,
        function: Callable[[], Any],
        namespace: str,
        ttl: Ttl,
        tags: Iterable[str],
        *,
        in_task: bool,
    ) -> Plan:
        call = self.call(key, namespace)
        call.function = function
        call.ttl, own = check_ttl(ttl), check_tags(tags)
        if own:
            call.tags_of = lambda: own
        if self._is_off():
            return (yield Invoke(Flight(call.flight_key, 0), function, (), {}))
        return (yield from plan.fetch(self.engine, call, in_task=in_task))

    def forget(self, keys: Iterable[Any], namespace: str) -> Plan:
        keys = list(dict.fromkeys(keys))
        if self.engine.closed:
            return dict.fromkeys(keys, False)
        calls = [self.call(key, namespace) for key in keys]
        return dict(zip(keys, (yield from removal.forget(self.engine, calls)), strict=True))

    def clear(self, namespace: str | None) -> Plan:
        if self.engine.closed:
            return 0
        return (yield from removal.clear_namespace(self.engine, namespace))

    def invalidate_tags(self, tags: Iterable[str]) -> Plan:
        names = [naming.tag(tag) for tag in check_tags(tags)]
        if names and not self.engine.closed:
            yield from removal.bump(self.engine, names)

    def flush(self) -> Plan:
        return (yield from writes.flush(self.engine))

    def close(self) -> Plan:
        return lifecycle.close(self.engine)

    def stats(self) -> dict[str, Any]:
        return stats.collect(self.engine, self.wiring.l2_max_size)

    def _is_off(self) -> bool:
        return self.wiring.off or self.engine.closed or is_disabled()

    def _shelf(self, namespace: str) -> Shelf:
        shelf = self._shelves.get(namespace)
        if shelf is not None:
            return shelf
        check_namespace(namespace)
        settings = self.wiring.namespace(namespace)
        shelf = Shelf(
            namespace=namespace,
            identity="",
            label=f"namespace {namespace!r}",
            codec=self._codec,
            ttl=settings.ttl,
            tags=settings.tags,
        )
        shelf.digester, *shelf.former = self.wiring.digesters(namespace, "", "")
        with self.engine.lock:
            shelf = self._shelves.setdefault(namespace, shelf)
            self.engine.shelves.add(shelf)
        return shelf


def check_ttl(ttl: Ttl) -> Seconds | None:
    return None if ttl is None else seconds(ttl, what="ttl")


def check_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """
    *tags* as a tuple; one string is refused, because it would be a tag per letter.
    """
    if isinstance(tags, str):
        raise ConfigError(f"tags={tags!r} is one string; write tags=[{tags!r}]")
    tags = tuple(tags)
    for tag in tags:
        if type(tag) is not str or not tag:
            raise ConfigError(f"tag {tag!r} is not a text; tags are non-empty strings")
    return tags
