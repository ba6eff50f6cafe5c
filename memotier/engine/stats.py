"""
Counting: what the tiers did, for people and for programs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..errors import StoreError
from .effects import Io
from .engine import Engine
from .instances import bury
from .places import Shelf


class CacheInfo(NamedTuple):
    """
    What one function's cache did so far. The first four fields are those of ``lru_cache``.

    *hits* are all calls that were answered without running the function: by memory
    (*l1_hits*), by the second tier (*l2_hits*), or together with another caller (*joined*).
    *misses* ran it. *maxsize* bounds the memory tier, which functions of one cache share;
    *currsize* counts the entries of this function there. *errors* are results that could not
    be stored, *bypassed* calls that had no key, *seconds_saved* the computing time that hits
    did not take. *errors_served* are calls that were given a remembered error: neither hits nor
    misses. *cost_saved* is the sum of what ``cost=`` said of the results that were served again,
    in its own unit. *errors_returned* are the misses that brought an error, by ``is_error=``.
    *denied* are results that were found and that ``authorize=`` did not let out:
    they are no hits, and are counted in *bypassed*. *verified* are hits that ``verify=`` has
    compared with a fresh result, *verified_differs* those of them that were not the same.
    """

    hits: int
    misses: int
    maxsize: int | None
    currsize: int
    l1_hits: int
    l2_hits: int
    joined: int
    errors: int
    bypassed: int
    seconds_saved: float
    errors_served: int
    cost_saved: float
    errors_returned: int
    denied: int
    verified: int
    verified_differs: int


def hits_of(shelf: Shelf) -> tuple[int, float, int]:
    """
    Hits in memory, seconds they saved, entries.
    """
    residents = shelf.residents()
    hits = shelf.hits_gone + sum(resident.hits for resident in residents)
    saved = shelf.saved + sum(resident.hits * resident.cost for resident in residents)
    return hits, saved, len(residents)


def price_saved(shelf: Shelf) -> float:
    """
    What hits did not have to pay, by what ``cost=`` says. Called under the lock.
    """
    if shelf.price_of is None:
        return 0.0
    return shelf.price_saved + sum(
        resident.hits * (resident.stamp.price or 0.0)
        for resident in shelf.residents()
        if resident.stamp is not None
    )


def info(engine: Engine, shelf: Shelf) -> CacheInfo:
    with engine.lock:
        l1_hits, saved, size = hits_of(shelf)
        return CacheInfo(
            hits=l1_hits + shelf.l2_hits + shelf.joined,
            misses=shelf.computed,
            maxsize=engine.options.l1_max_size,
            currsize=size,
            l1_hits=l1_hits,
            l2_hits=shelf.l2_hits,
            joined=shelf.joined,
            errors=shelf.errors,
            bypassed=shelf.bypassed,
            seconds_saved=saved,
            errors_served=shelf.errors_served,
            cost_saved=price_saved(shelf),
            errors_returned=shelf.errors_returned,
            denied=shelf.denied,
            verified=verified(shelf)[0],
            verified_differs=verified(shelf)[1],
        )


def verified(shelf: Shelf) -> tuple[int, int]:
    """
    Hits that were compared with a fresh result, and those that differed.
    """
    checks = shelf.checks
    return (0, 0) if checks is None else (checks.verified, checks.differs)


def rate(hits: int, misses: int) -> float:
    return hits / (hits + misses) if hits + misses else 0.0


def collect(engine: Engine, l2_max_size: int | None, *, asks_store: bool = True) -> dict[str, Any]:
    """
    The figures of both tiers, as ``MultiLevelCache.get_stats`` documents them.

    Args:
        asks_store: Whether the second tier is asked for its size, which is I/O.
    """
    with engine.lock:
        bury(engine)
        shelves = list(engine.shelves)
        l1_hits = l1_misses = l2_hits = l2_misses = 0
        saved = 0.0
        for shelf in shelves:
            hits, seconds, _ = hits_of(shelf)
            l1_hits += hits
            saved += seconds
            l1_misses += shelf.misses
            l2_hits += shelf.l2_hits
            l2_misses += shelf.l2_misses
        memory = engine.memory
        stats: dict[str, Any] = {
            "l1": {
                "hits": l1_hits,
                "misses": l1_misses,
                "hit_rate": rate(l1_hits, l1_misses),
                "size": memory.size,
                "max_size": memory.max_size,
                "bytes": memory.bytes,
                "evictions": memory.evictions,
                "expirations": memory.expirations,
                "invalidations": memory.invalidations,
                "replacements": memory.replacements,
                "errors": sum(shelf.errors for shelf in shelves),
            },
            "l2": {
                "hits": l2_hits,
                "misses": l2_misses,
                "hit_rate": rate(l2_hits, l2_misses),
                "size": 0,
                "max_size": l2_max_size,
                "bytes": 0,
                "evictions": 0,
                "expirations": 0,
                "invalidations": engine.l2_invalidations,
                "replacements": engine.l2_replacements,
                "errors": engine.l2_errors,
                "refused": engine.l2_refused,
                "key_collisions": engine.key_collisions,
            },
            "combined_hit_rate": rate(l1_hits + l2_hits, l1_misses - l2_hits),
            "write_policy": engine.options.write_policy,
            "namespaces": sorted({shelf.namespace for shelf in shelves if shelf.in_use()}),
            "pending_writes": len(engine.debts.unwritten),
            "seconds_saved": saved,
            "cost_saved": sum(map(price_saved, shelves)),
            "stale": {
                "while_revalidating": sum(shelf.stale_served for shelf in shelves),
                "if_error": sum(shelf.stale_on_error for shelf in shelves),
                "on_timeout": sum(shelf.stale_on_timeout for shelf in shelves),
            },
            "timeouts": sum(shelf.timeouts for shelf in shelves),
            "errors_served": sum(shelf.errors_served for shelf in shelves),
            "undeclared_effects": sum(shelf.undeclared for shelf in shelves),
            "errors_returned": sum(shelf.errors_returned for shelf in shelves),
            "denied": sum(shelf.denied for shelf in shelves),
            "verified": sum(verified(shelf)[0] for shelf in shelves),
            "verified_differs": sum(verified(shelf)[1] for shelf in shelves),
            "background": {
                name: getattr(engine.background, name) + getattr(engine.timed, name)
                for name in ("running", "done", "failed", "dropped")
            },
        }
    if asks_store and engine.store is not None and not engine.closed:
        usage = Io(engine.offload, engine.store.usage).now()
        if isinstance(usage, StoreError):
            engine.fault(usage)
        else:
            stats["l2"].update(usage)
    return stats
