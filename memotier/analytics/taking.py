"""
``snapshot``: everything that is known of one cache in this process, as plain JSON.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Mapping
from typing import Any, Final, NamedTuple

from ..cache import MultiLevelCache
from ..durations import short
from ..engine.engine import Engine
from ..engine.places import Shelf
from ..entry import Resident
from ..errors import ConfigError
from ..keyed import Keyed
from ..registry import cache_named
from .byscope import scopes_of
from .counters import added, counters_of, in_use, whose
from .hotkeys import HotKeys, Known, digits_of, identity, shown
from .probing import probe
from .reported import rows_of
from .tagged import Counted, tags_of
from .tracker import tracker_of
from .windows import Passed

#: The version of the form that ``analytics/__init__.py`` describes.
FORMAT: Final = 1

MOST_TAGS: Final = 100
MOST_SCOPES: Final = 100
MOST_KEYS: Final = 100
#: Keys and tags whose counts at a fork are kept.
MOST_BEFORE: Final = 10_000

_SHARED: Final = ("hits", "misses", "evictions", "expirations")


def snapshot(
    cache: MultiLevelCache | str = "default", *, asks_store: bool = True, in_full: bool = False
) -> dict[str, Any]:
    """
    The figures of *cache* as ``memotier.analytics`` describes them.

    Args:
        cache: A ``MultiLevelCache``, or the name of a configured one.

        asks_store: Whether the second tier is asked for its size, which is I/O.

        in_full: Whether keys and tags are shown as they are. They may be arguments.

    Raises:
        ConfigError: If *cache* is none.
    """
    return taken(keyed_of(cache), asks_store=asks_store, in_full=in_full)


class Before(NamedTuple):
    """
    What tags and keys had been used; of keys accesses, misses and seconds, by their identity. Of
    too many the most used, so that what is left out is little.
    """

    tags: Counted
    keys: Mapping[Hashable, tuple[float, float, float]]


def before_now(keyed: Keyed) -> Before:
    """
    What has been counted of tags and keys so far.
    """
    engine = keyed.engine
    tracker = tracker_of(engine)
    with engine.lock:
        residents = engine.local_residents(None)
    tags = tags_of(residents, tracker.tagged, most=MOST_BEFORE)
    keys = {}
    if tracker.hot is not None:
        known, here = _known(tracker.hot, residents)
        for at in _most_used(known, here, MOST_BEFORE):
            one = known.get(at)
            missed = (0, 0.0) if one is None else (one.misses, one.seconds)
            keys[at] = (_used(known, here, at), *missed)
    return Before({row["tag"]: (row["hits"], row["seconds_saved"]) for row in tags}, keys)


def taken(
    keyed: Keyed,
    *,
    asks_store: bool = False,
    in_full: bool = False,
    before: Before | None = None,
) -> dict[str, Any]:
    """
    ``snapshot`` of the cache that *keyed* is of; tags and keys without what they had been used
    *before*.
    """
    engine = keyed.engine
    tracker = tracker_of(engine)
    probe(engine)
    stats = keyed.stats(asks_store=asks_store)
    now = tracker.look(engine)
    passed = tracker.all_passed(now)
    with engine.lock:
        functions = functions_of(engine, passed)
        residents = engine.local_residents(None)
    return {
        "format": FORMAT,
        "cache": engine.options.name,
        "processes": [engine.writer],
        "taken": now.wall,
        "since": tracker.began,
        "write_policy": engine.options.write_policy,
        "tiers": tiers_of(keyed, stats),
        "pending_writes": stats["pending_writes"],
        "functions": functions,
        "latency": {name: one.to_json() for name, one in list(engine.meter.latencies.items())},
        "failures": dict(engine.meter.errors),
        "tags": tags_of(
            residents,
            tracker.tagged,
            most=MOST_TAGS,
            in_full=in_full,
            before=None if before is None else before.tags,
        ),
        "scopes": scopes_of(engine, most=MOST_SCOPES),
        "hot_keys": hot_keys(
            tracker.hot, residents, MOST_KEYS, in_full=in_full, before=before and before.keys
        ),
        "arguments": rows_of(tracker.arguments, engine, functions),
        "history": [
            {"at": one.at, "seconds": one.seconds, **one.total()} for one in tracker.history(now)
        ],
    }


def keyed_of(cache: Any) -> Keyed:
    if isinstance(cache, str) and cache:
        cache = cache_named(cache)
    cache = getattr(cache, "cache", cache)  # where a SemanticCache keeps its entries
    if not isinstance(cache, MultiLevelCache):
        raise ConfigError(
            f"cache={short(cache)} cannot be used: give a MultiLevelCache, or the name of one"
        )
    return cache._keyed


def functions_of(engine: Engine, passed: Mapping[str, Passed]) -> list[dict[str, Any]]:
    """
    One per function; two that are the same, because it was decorated anew, are one. Under the
    engine's lock.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    latencies: dict[tuple[str, str], dict[str, Any]] = {}
    for shelf in in_use(engine):
        at = whose(shelf)
        one = found.setdefault(at, _described(shelf, passed))
        one["counters"] = added(one["counters"], counters_of(shelf))
        residents = shelf.residents()
        one["entries"] += len(residents)
        one["bytes"] += sum(resident.size for resident in residents)
        for operation, histogram in list(shelf.latencies.items()):
            known = latencies.setdefault(at, {}).setdefault(operation, type(histogram)())
            known.merge(histogram)
    for at, by_operation in latencies.items():
        found[at]["latency"] = {name: one.to_json() for name, one in by_operation.items()}
    return sorted(found.values(), key=lambda one: (one["namespace"], one["function"]))


def _described(shelf: Shelf, passed: Mapping[str, Passed]) -> dict[str, Any]:
    at = whose(shelf)
    return {
        "namespace": shelf.namespace,
        "function": shelf.identity,
        "kind": "function" if shelf.identity else "keys",
        "label": shelf.label,
        "entries": 0,
        "bytes": 0,
        "counters": {},
        "latency": {},
        "windows": {
            name: {"seconds": one.seconds, **one.functions.get(at, {})}
            for name, one in passed.items()
        },
    }


def tiers_of(keyed: Keyed, stats: dict[str, Any]) -> dict[str, Any]:
    engine, wiring = keyed.engine, keyed.wiring
    l1, l2 = stats["l1"], stats["l2"]
    first = {
        **{name: l1[name] for name in ("size", "max_size", "bytes")},
        "max_bytes": engine.options.l1_max_bytes,
        **{name: l1[name] for name in (*_SHARED, "invalidations", "replacements")},
    }
    if engine.store is None:
        return {"l1": first, "l2": None}
    is_ours = wiring.l2_kind != "redis"
    return {
        "l1": first,
        "l2": {
            "kind": engine.store.kind,
            **{name: l2[name] for name in ("size", "max_size", "bytes")},
            "max_bytes": wiring.l2_max_bytes if is_ours else None,
            **{name: l2[name] for name in (*_SHARED, "errors", "refused")},
        },
    }


_Keys = dict[Hashable, Known]
_Residents = dict[Hashable, Resident]
_Before = Mapping[Hashable, tuple[float, float, float]]


def _known(hot: HotKeys, residents: list[Resident]) -> tuple[_Keys, _Residents]:
    here = {
        identity(resident.table, resident.key): resident
        for resident in residents
        if resident.table is not None and resident.hits
    }
    return hot.known.copy(), here


def _used(known: _Keys, here: _Residents, at: Hashable) -> int:
    one, resident = known.get(at), here.get(at)
    return (0 if one is None else one.accesses) + (0 if resident is None else resident.hits)


def _most_used(
    known: _Keys, here: _Residents, most: int, before: _Before | None = None
) -> list[Hashable]:
    if not before:
        return heapq.nlargest(most, {**known, **here}, key=lambda at: _used(known, here, at))
    accesses = {at: _used(known, here, at) for at in {**known, **here}}
    less = {at: count - _at(before, at, count)[0] for at, count in accesses.items()}
    return heapq.nlargest(most, (at for at, count in less.items() if count), key=less.__getitem__)


def _at(before: _Before, at: Hashable, accesses: float) -> tuple[float, float, float]:
    """
    What had been counted of one key; nothing, if it was forgotten and is counted anew.
    """
    found = before.get(at, (0, 0, 0.0))
    return found if found[0] <= accesses else (0, 0, 0.0)


def hot_keys(
    hot: HotKeys | None,
    residents: list[Resident],
    most: int,
    *,
    in_full: bool = False,
    before: _Before | None = None,
) -> list[dict[str, Any]]:
    """
    The *most* used keys: what their entries count, with what is counted beside, less what had been
    counted *before*.
    """
    if hot is None:
        return []
    known, here = _known(hot, residents)
    found = []
    for at in _most_used(known, here, most, before):
        one, resident = known.get(at), here.get(at)
        less = _at(before or {}, at, _used(known, here, at))
        accesses = _used(known, here, at) - less[0]
        misses = min(accesses, max(0, (0 if one is None else one.misses) - less[1]))
        if one is not None:
            (namespace, function, label), digits = one.owner, digits_of(at, one.address)
        else:
            assert resident is not None
            shelf, stamp = resident.place.shelf, resident.stamp
            namespace, function, label = shelf.namespace, shelf.identity, shelf.label
            digits = digits_of(at, None if stamp is None else stamp.address)
        shows = in_full and resident is not None and not resident.place.shelf.is_veiled
        text = shown(resident.key) if shows and resident is not None else None
        found.append(
            {
                "key": f"{label}#{digits}" if text is None else f"{label}({text})",
                "namespace": namespace,
                "function": function,
                "accesses": accesses,
                "hits": accesses - misses,
                "misses": misses,
                "l1_hits": min(accesses - misses, 0 if resident is None else resident.hits),
                "seconds": max(0.0, (0.0 if one is None else one.seconds) - less[2]),
                "error": hot.floor if one is None else one.error,
            }
        )
    return found
