"""
Access by key: what ``MultiLevelCache`` and its ``sync`` twin have in common.

Every method returns a plan, except ``call`` and ``peek``, which do no I/O.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from . import scopes
from .codecs.values import SafeCodec
from .durations import check_namespace, seconds
from .engine import direct, lifecycle, plan, removal, retag, stats, tracing, writes
from .engine import names as naming
from .engine.calls import Call
from .engine.drive import Plan
from .engine.effects import Invoke
from .engine.engine import Engine
from .engine.flights import Flight
from .engine.modes import is_disabled
from .engine.places import Shelf
from .errors import ConfigError, UnkeyableArgument
from .keys.canonical import encode_call
from .locate import LONGEST_ATOM, exact
from .types import MISS, Seconds
from .wiring import Wiring

if TYPE_CHECKING:
    from .engine.scopeinfo import ScopeInfo

#: float, timedelta, "10m", math.inf or None; checked at run time.
Ttl: TypeAlias = Any

DEFAULT_NAMESPACE = "default"


class Keyed:
    """
    The namespaces of one cache.
    """

    #: Those of all caches of this process.
    live: ClassVar[weakref.WeakSet[Keyed]] = weakref.WeakSet()

    def __init__(self, wiring: Wiring, engine: Engine) -> None:
        self.wiring = wiring
        self.engine = engine
        self._shelves: dict[str, Shelf] = {}
        self._codec = SafeCodec()
        #: Who records its calls, if anybody does; see recording/.
        self.recorder: Any = None
        #: When it was first used (monotonic and wall seconds), if its figures are left in the
        #: second tier; see snapshots.py.
        self.left_since: tuple[Seconds, Seconds] | None = None
        self.live.add(self)

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
        try:
            place = self._shelves[namespace].place
        except (KeyError, TypeError):
            place = self._shelf(namespace).place
        if key.__class__ is str and len(key) <= LONGEST_ATOM:
            table = place.shapes.get(str)
            if table is None:
                table = place.shapes.setdefault(str, {})
            return Call(place, table, key, lambda: encode_call("cache", ("key",), (key,)))
        return exact(place, "cache", ("key",), (key,))

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
        calls = self._calls("get_many", keys, namespace)
        if self._is_off():
            return {}
        values = yield from direct.get_many(self.engine, list(calls.values()), MISS)
        return {key: value for key, value in zip(calls, values, strict=True) if value is not MISS}

    def set(
        self, items: Iterable[tuple[Any, Any]], namespace: str, ttl: Ttl, tags: Iterable[str]
    ) -> Plan:
        fresh, own = check_ttl(ttl), check_tags(tags)
        pairs = [(self.call(key, namespace), value) for key, value in items]
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
        call.claims = "cluster"
        call.ttl, own = check_ttl(ttl), check_tags(tags)
        if own:
            call.tags_of = lambda: own
        if self._is_off():
            return (yield Invoke(Flight(call.flight_key, 0), function, (), {}))
        bring = plan.fetch(self.engine, call, in_task=in_task)
        if tracing.open_traces:
            said = f"{call.shelf.label}: get_or_compute(…)", ""
            call.traced = tracing.begin(self.engine, call.shelf.label, namespace, lambda: said)
            if call.traced is not None:
                bring = tracing.ending(self.engine, call.traced, bring)
        return (yield from bring)

    def delete(self, key: Any, namespace: str, *, soft: bool) -> Plan:
        check_soft(soft)
        return (yield from self._forget([self.call(key, namespace)], soft))[0]

    def delete_many(self, keys: Iterable[Any], namespace: str) -> Plan:
        calls = self._calls("delete_many", keys, namespace)
        found = yield from self._forget(list(calls.values()))
        return dict(zip(calls, found, strict=True))

    def _forget(self, calls: list[Call], soft: bool = False) -> Plan:
        if self.engine.closed:
            return [False] * len(calls)
        return (yield from removal.forget(self.engine, calls, soft))

    def _calls(self, method: str, keys: Iterable[Any], namespace: str) -> dict[Any, Call]:
        """
        The look-ups of *keys*, each once, for an answer that is a dict.

        Raises:
            UnkeyableArgument: If one of *keys* cannot be a key of a dict.

            ConfigError: If two of *keys* are one to a dict, but two entries: 1 and 1.0.
        """
        calls: dict[Any, tuple[int, Any, Call]] = {}
        for number, key in enumerate(keys):
            call = self.call(key, namespace)
            try:
                first, other, known = calls.setdefault(key, (number, key, call))
            except Exception as error:
                raise UnkeyableArgument(
                    f"{method}() returns a dict, which cannot have a {type(key).__qualname__} "
                    f"(key {number}) as a key; ask for it alone"
                ) from error
            if known.flight_key != call.flight_key:
                raise ConfigError(
                    f"{method}(): keys {first} and {number}, of types "
                    f"{type(other).__qualname__} and {type(key).__qualname__}, are two entries "
                    "but equal for a dict, which is what is returned; ask for one of them alone"
                )
        return {key: call for key, (_, _, call) in calls.items()}

    def clear(self, namespace: str | None, *, soft: bool) -> Plan:
        check_soft(soft)
        if self.engine.closed:
            return 0
        if soft:
            return (yield from removal.expire_namespace(self.engine, namespace))
        return (yield from removal.clear_namespace(self.engine, namespace))

    def invalidate_tags(self, tags: Iterable[str], *, soft: bool) -> Plan:
        check_soft(soft)
        names = [naming.tag(tag) for tag in check_tags(tags)]
        if names and not self.engine.closed:
            yield from removal.bump(self.engine, names, soft)

    def forget(self, scope: Any) -> Plan:
        return (yield from scopes.forget(self.engine, scope))

    def scope_info(self, scope: Any) -> ScopeInfo:
        return scopes.info(self.engine, scope)

    def add_tags(self, key: Any, namespace: str, tags: Iterable[str]) -> Plan:
        call, own = self.call(key, namespace), check_tags(tags)
        # Also while ``disabled()`` holds: an invalidation in that time has to find the entry.
        if self.wiring.off or self.engine.closed:
            return False
        return (yield from retag.add_tags(self.engine, call, own))

    def flush(self) -> Plan:
        return (yield from writes.flush(self.engine))

    def close(self) -> Plan:
        return lifecycle.close(self.engine)

    def stats(self, *, asks_store: bool = True) -> dict[str, Any]:
        return stats.collect(self.engine, self.wiring.l2_max_size, asks_store=asks_store)

    def _is_off(self) -> bool:
        return self.wiring.off or self.engine.closed or is_disabled()

    def _shelf(self, namespace: str) -> Shelf:
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


def check_soft(soft: Any) -> None:
    if soft is not True and soft is not False:
        raise ConfigError(f"soft= is a {type(soft).__qualname__}; it is True or False")


def check_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """
    *tags* as a tuple; one string is refused, because it would be a tag per letter.
    """
    if isinstance(tags, str):
        raise ConfigError("tags= is one string; write tags=[...]")
    try:
        tags = tuple(tags)
    except TypeError:
        raise ConfigError(f"tags= is a {type(tags).__qualname__}, not a list of texts") from None
    for tag in tags:
        if type(tag) is not str:
            raise ConfigError(f"a tag is a {type(tag).__qualname__}; tags are non-empty strings")
        if not tag:
            raise ConfigError("a tag is empty; tags are non-empty strings")
    return tags
