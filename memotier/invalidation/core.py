"""
What an invalidator does, as plans: ``CacheInvalidator`` awaits them, its ``sync`` drives them.

Every invalidation is the cache's own, by key or by name, and takes as many steps as it has keys
and names. What it returns is counted afterwards: by what the cache knows of the entries that
this process stored, read or tagged (engine/index.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..cache import MultiLevelCache
from ..durations import check_namespace, short
from ..engine import names as naming
from ..engine import removal
from ..engine.calls import Call
from ..engine.drive import Plan, drive
from ..engine.effects import Io
from ..engine.index import Index, Listed
from ..engine.predict import predict
from ..errors import ConfigError, InvalidationNotDurable
from ..keyed import check_tags
from ..types import Name
from .config import InvalidationConfig
from .dependencies import PREFIX, Dependencies, resource_name
from .handlers import Handlers

#: Entries that are counted at once in an event loop; more are counted in a thread.
MOST_AT_ONCE = 1000


class Core:
    """
    The state of one invalidator. What changes is under the engine's lock.
    """

    def __init__(self, cache: Any, config: InvalidationConfig) -> None:
        if not isinstance(cache, MultiLevelCache):
            raise ConfigError(
                f"CacheInvalidator: cache is a {type(cache).__qualname__}: give a MultiLevelCache, "
                "such as memotier.get_cache()"
            )
        self.config = config
        self.keyed = cache._keyed
        self.engine = engine = cache._keyed.engine
        self.dependencies = Dependencies()
        self.handlers = Handlers(self._count_handler)
        self.invalidations = self.by_tag = self.by_dependency = 0
        self.entries = self.events = self.failures = 0
        self._has_ended = False
        with engine.lock:
            if engine.index is None:
                engine.index = Index()
            self.index = engine.index
            self._before = engine.options
            if config.default_ttl is not None:
                engine.options = self._with_ttl(config.default_ttl)
            self._options = engine.options
            self._others = self.index.invalidators
            self._others.add(self)
        if config.least_hits is not None:
            predict(engine, config.least_hits)

    def _with_ttl(self, ttl: float) -> Any:
        options = self._before
        # With a second tier, memory looks there again after as long as before.
        in_memory = ttl if self.engine.store is None else min(ttl, options.l1_ttl)
        return replace(options, l1_ttl=in_memory, l2_ttl=ttl)

    def close(self) -> None:
        """
        Let the cache be as it was.
        """
        engine, config = self.engine, self.config
        with engine.lock:
            if engine.options is self._options:
                engine.options = self._before
            for other in self._others:
                # Made when ours held: that one does not bring them back.
                if other is not self and other._before is self._options:
                    other._before = self._before
            has_ended, self._has_ended = self._has_ended, True
        if config.least_hits is not None and not has_ended:
            predict(engine, config.least_hits, ends=True)

    # -- what entries are about ---------------------------------------------------------

    def tag(self, key: Any, namespace: str, tags: Any) -> bool:
        self.check_enabled("tagging", "tag()")
        return bool(drive(self.keyed.add_tags(key, namespace, check_tags(tags))))

    def add_dependency(self, key: Any, namespace: str, resource: Any) -> bool:
        self.check_enabled("dependencies", "add_dependency()")
        name = resource_name(resource)
        call = self.keyed.call(key, namespace)
        with self.engine.lock:
            left = self.dependencies.add(call, key, name)
        if left and not self.engine.closed:
            self.engine.events.say_once(
                "invalidator",
                "dependencies",
                "an invalidator has more dependencies than it can remember; the entries of the "
                "oldest are invalidated now, because a change would not reach them",
            )
            drive(removal.forget(self.engine, left))
        return bool(drive(self.keyed.add_tags(key, namespace, (PREFIX + name,))))

    # -- forgetting -----------------------------------------------------------------------

    def invalidate(self, key: Any, namespace: str) -> Plan:
        if self.engine.closed:
            return False
        found = yield from self._forget([self.keyed.call(key, namespace)])
        self._count(found)
        return found > 0

    def invalidate_tag(self, tag: Any) -> Plan:
        self.check_enabled("tagging", "invalidate_tag()")
        return (yield from self.invalidate_tags((tag,)))

    def invalidate_tags(self, tags: Sequence[str]) -> Plan:
        """
        Several at once: one invalidation.
        """
        names = [naming.tag(one) for one in check_tags(tags)]
        if self.engine.closed or not names:
            return 0
        found = yield from self._bump(names)
        self._count(found, by_tag=1)
        return found

    def invalidate_dependents(self, resource: Any) -> Plan:
        self.check_enabled("dependencies", "invalidate_dependents()")
        name = resource_name(resource)
        if self.engine.closed:
            return 0
        with self.engine.lock:
            resources, calls = self.dependencies.reach(name)
        found, failed = 0, None
        try:
            found = (yield from self._forget(calls)) if calls else 0
        except InvalidationNotDurable as error:
            failed = error  # the others are to be told all the same
        found += yield from self._bump([naming.tag(PREFIX + one) for one in resources])
        if failed is not None:
            raise failed
        self._count(found, by_dependency=1)
        return found

    def invalidate_namespace(self, namespace: Any) -> Plan:
        return (yield from self._clear(check_namespace(namespace)))

    def invalidate_all(self) -> Plan:
        return (yield from self._clear(None))

    def _clear(self, namespace: str | None) -> Plan:
        """
        Remove *namespace*, or everything; how many entries could be reached before.
        """
        engine = self.engine
        with engine.lock:
            # What is invalid already takes room, and is removed; it does not count.
            engine.look()
            for resident in engine.local_residents(namespace):
                if resident.table is not None:
                    engine.examine(resident.table, resident.key, stale=True)
            name = naming.EVERYTHING if namespace is None else naming.space(namespace)
            remains = self.index.count_remains(engine, name)
        found = max(0, (yield from self.keyed.clear(namespace, soft=False)) - remains)
        self._count(found)
        return found

    def _forget(self, calls: Sequence[Call]) -> Plan:
        """
        Remove *calls*; how many could be reached before.
        """
        engine, index = self.engine, self.index
        with engine.lock:
            engine.look()
            known = [index.by_key.get(call.flight_key) for call in calls]
            gone = [
                one is not None and not index.is_reachable(engine, call.flight_key, one)
                for call, one in zip(calls, known, strict=True)
            ]
        found = yield from removal.forget(engine, calls)
        # What a tag has made unreachable may lie in the second tier still.
        return sum(there and not past for there, past in zip(found, gone, strict=True))

    def _bump(self, names: list[Name]) -> Plan:
        """
        Invalidate *names*; how many entries could be reached before.
        """
        with self.engine.lock:
            self.engine.look()
        taken: list[Listed] | None = yield from removal.bump(self.engine, names)
        if taken is None:
            return 0
        if sum(map(len, taken)) <= MOST_AT_ONCE:
            return self.index.count(self.engine, taken, names)
        return (yield Io(self.engine.offload, self.index.count, self.engine, taken, names))

    # -- counting ---------------------------------------------------------------------------

    def _count(self, found: int, *, by_tag: int = 0, by_dependency: int = 0) -> None:
        with self.engine.lock:
            self.invalidations += 1
            self.entries += found
            self.by_tag += by_tag
            self.by_dependency += by_dependency

    def _count_handler(self, returned: bool) -> None:
        with self.engine.lock:
            self.failures += not returned

    def count_event(self, name: Any) -> None:
        """
        *name* is triggered.
        """
        self.check_events("trigger_event()")
        if type(name) is not str:
            raise ConfigError(f"the name of an event is {short(name)}: give a text")
        with self.engine.lock:
            self.events += 1

    def check_enabled(self, what: str, method: str) -> None:
        if not getattr(self.config, f"enable_{what}"):
            raise ConfigError(
                f"{method} cannot be used: this invalidator was made with enable_{what}=False"
            )

    def check_events(self, method: str) -> None:
        strategy = self.config.strategy
        if not strategy.has_events:
            raise ConfigError(
                f"{method} cannot be used with strategy=InvalidationStrategy.{strategy.name}; "
                "give EVENT_BASED or HYBRID"
            )

    def stats(self) -> dict[str, Any]:
        config, engine = self.config, self.engine
        with engine.lock:
            tags, entries = self.index.figures()
            resources, dependents = self.dependencies.figures()
            stats: dict[str, Any] = {
                "strategy": config.strategy.value,
                "invalidations": self.invalidations,
                "tag_invalidations": self.by_tag,
                "dependency_invalidations": self.by_dependency,
                "entries_invalidated": self.entries,
                "events": {
                    "triggered": self.events,
                    "handlers": len(self.handlers),
                    "handlers_failed": self.failures,
                },
            }
            if config.enable_tagging:
                stats["tags"] = {"total_tags": tags, "tagged_entries": entries}
            if config.enable_dependencies:
                stats["dependencies"] = {
                    "resources": resources,
                    "dependent_entries": dependents,
                }
        return stats
