"""
Insight: what a cache does, what it saves, and what to change.

``snapshot(cache)`` is everything that is known of one cache in this process, as plain JSON;
``merge(snapshots)`` adds up those of several processes into one of the same form; figures.py
derives rates, latencies and savings from either. Whatever shows figures (command line, exports,
report) reads these three and nothing of the engine::

    from memotier.analytics import collect, figures, merge, snapshot

    taken = snapshot(cache)                       # cache: a MultiLevelCache, or its name
    taken = merge(collect(cache))                 # of all processes that use its second tier
    figures.hit_rate(figures.total(taken))        # 0.93
    for one in taken["functions"]:
        figures.hit_rate(one["counters"]), figures.balance_seconds(one)
    figures.latency(taken, "l2.get").quantile(0.99)     # seconds

The form of a snapshot (``format`` 1; whoever reads another one leaves it aside)::

    {
      "format": 1,
      "cache": "default",                 # the cache's name
      "processes": ["host:123"],          # whose figures are in it
      "taken": 1.7e9, "since": 1.7e9,     # seconds since 1970: now, and when counting began
      "write_policy": "write_through",
      "tiers": {
        "l1": {"size", "max_size", "bytes", "max_bytes", "hits", "misses", "evictions",
               "expirations", "invalidations", "replacements"},
        "l2": {"kind", "size", "max_size", "bytes", "max_bytes", "hits", "misses", "evictions",
               "expirations", "errors", "refused"}        # or None: there is none
      },
      "pending_writes": 0,                # entries that the second tier is owed
      "functions": [                      # one per decorated function; one per namespace of keys
        {"namespace": "tool.search", "function": "app.search", "kind": "function" | "keys",
         "label": "search",
         "entries": 10, "bytes": 4000,    # in memory, now
         "counters": {...},               # COUNTERS below, since counting began
         "latency": {"call.compute": HISTOGRAM, ...},     # OPERATIONS of engine/meter.py
         "windows": {"1m": {"seconds": 58.0, ...}, "1h": ..., "1d": ...}},   # WINDOWED below
      ],
      "latency": {"l2.bump": HISTOGRAM, ...},   # what belongs to no function; "l1.get" was tried
      "failures": {"l2.get": 1},          # operations of the second tier that failed
      "tags": [{"tag", "entries", "bytes", "hits", "seconds_saved"}],    # most used first
      "scopes": [{"scope", "entries", "bytes", "hits", "misses", "computed", "refused",
                  "evictions", "seconds_saved"}],       # most used first, then "others"
      "hot_keys": [{"key", "namespace", "function", "accesses", "hits", "misses", "seconds",
                    "error"}],            # most used first; empty unless they are tracked
      "arguments": [{"namespace", "function", "label", "calls", "hit_rate", "keys", "left_out",
                     "arguments": [{"name", "values", "hit_rate_without"}], "together": None}],
                                          # most called first; empty unless they are counted
      "history": [{"at", "seconds", **WINDOWED}]     # the last hour by minutes, all functions
    }

HISTOGRAM is ``{"count", "total_seconds", "buckets": [[number, count], ...]}``; see
engine/histogram.py. Sizes are in bytes, times in seconds, ``max_*`` may be None (no bound).
A bound of None in one process is one of None in the sum.

COUNTERS: ``hits`` (all calls answered without running the function: ``l1_hits``, ``l2_hits``,
``joined``), ``misses`` (calls that nobody could answer), ``l1_misses``, ``l2_misses``,
``computed`` (runs of the function, also refreshes), ``failed`` (of them those that raised),
``bypassed``, ``unstored`` (results that stay in memory), ``evictions``, ``expirations``,
``invalidations``, ``replacements`` (why entries left memory), ``evicted_asked`` (misses of memory
that twice its room would have answered: their entry had been evicted no more evictions ago than
memory has entries), ``evicted_computed`` (of them those that nobody could answer),
``stale_served``, ``stale_on_error``, ``stale_on_timeout``, ``timeouts``, ``errors_served``,
``errors_returned`` (results that are errors, by ``is_error=``), ``undeclared_effects`` (runs that
did more than the function declares, while somebody audits), ``seconds_saved``
(computing that hits did not take, less the look-ups in the second tier; a look-up in memory, some
0.2 µs, is neglected; a hit that took longer than computing saves nothing), ``found_seconds`` (what
was subtracted for look-ups), ``cost_saved`` and ``cost_paid`` (by
``cost=``, in its unit; 0 without), ``denied`` (results that were found and that ``authorize=`` did
not let out), ``verified`` (hits that ``verify=`` has compared with a fresh result) and
``verified_differs`` (those that were not the same).

WINDOWED are those whose last minute, hour and day are known, with ``seconds``, the time they
were counted over: figures are taken when calls that are not hits come along, and when somebody
asks, so it may be longer or, in a young process, shorter than the window.

Nothing in a snapshot shows arguments: keys are ``label#digest``, and of tags that depend on
arguments the part after the first colon is left out; a scope is the first digits of its digest;
``CacheAnalytics(show_keys=True)`` shows
them, in this process only for whoever asks that object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .merging import merge
from .taking import snapshot

if TYPE_CHECKING:
    from .analytics import CacheAnalytics
    from .collecting import collect
    from .parameters import arguments
    from .simulation import Setup, simulate
    from .traces import read_trace, write_trace
    from .tracing import record_trace

__all__ = [
    "CacheAnalytics",
    "Setup",
    "arguments",
    "collect",
    "merge",
    "read_trace",
    "record_trace",
    "simulate",
    "snapshot",
    "write_trace",
]

#: Loaded when they are first asked for: a process that only leaves its figures needs none of them.
_LATER = {
    "CacheAnalytics": ".analytics",
    "Setup": ".simulation",
    "arguments": ".parameters",
    "collect": ".collecting",
    "read_trace": ".traces",
    "record_trace": ".tracing",
    "simulate": ".simulation",
    "write_trace": ".traces",
}


def __getattr__(name: str) -> Any:
    home = _LATER.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home, __name__), name)
