"""
What ``CacheAnalytics`` and its ``sync`` twin tell without waiting for anything but the second
tier's size: the figures of one cache, from one snapshot per question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..durations import short
from ..engine.histogram import Histogram
from ..engine.meter import L1_GET
from ..errors import ConfigError
from ..keyed import DEFAULT_NAMESPACE
from . import figures
from .advice import Predict, Recommendation
from .exposition import Exposition, exposition
from .hotkeys import HotKey
from .monitoring import Callback
from .parameters import ArgumentReport
from .probing import probe
from .state import State
from .taking import hot_keys, snapshot
from .windows import SPANS

_MOST_WINDOW: Final = 1_000_000


class Readings:
    """
    The figures of one cache.
    """

    _state: State

    def snapshot(self, *, asks_store: bool = True) -> dict[str, Any]:
        """
        Everything that is known, in the form that ``memotier.analytics`` describes.

        Args:
            asks_store: Whether the second tier is asked for its size, which is I/O.
        """
        state = self._state
        state.tracker()
        return snapshot(state.cache, asks_store=asks_store, in_full=state.show_keys)

    def _total(self, window: str | None, namespace: str | None) -> dict[str, float]:
        if window is not None and window not in SPANS:
            known = ", ".join(map(repr, SPANS))
            raise ConfigError(f"window={short(window)} cannot be used: one of {known}, or None")
        return figures.total(self.snapshot(asks_store=False), namespace, window)

    # -- rates ---------------------------------------------------------------------------

    def get_hit_rate(self, window: str | None = None, *, namespace: str | None = None) -> float:
        """
        Of all accesses those that were answered without running a function, from 0 to 1; 0 if
        there were none.

        Args:
            window: ``"1m"``, ``"1h"`` or ``"1d"``; None: since the cache was opened.

            namespace: Only of this one and those below it.

        Raises:
            ConfigError: If *window* is none of these.
        """
        return figures.hit_rate(self._total(window, namespace))

    def get_miss_rate(self, window: str | None = None, *, namespace: str | None = None) -> float:
        """
        Of all accesses those that nobody could answer. Arguments as for ``get_hit_rate``.
        """
        return figures.miss_rate(self._total(window, namespace))

    def get_eviction_rate(
        self, window: str | None = None, *, namespace: str | None = None
    ) -> float:
        """
        Entries that left memory for lack of room, for each access. Arguments as for
        ``get_hit_rate``.
        """
        return figures.eviction_rate(self._total(window, namespace))

    def get_error_rate(self, window: str | None = None, *, namespace: str | None = None) -> float:
        """
        Of the runs of cached functions those that raised. Arguments as for ``get_hit_rate``.
        """
        return figures.error_rate(self._total(window, namespace))

    def get_latency_stats(self, *, namespace: str | None = None) -> dict[str, Any]:
        """
        How long accesses took, in milliseconds: ``avg_ms``, ``p50_ms``, ``p95_ms``, ``p99_ms`` and
        ``count`` of look-ups in both tiers (hits in memory by looks that were tried just now), and
        the same for each operation in ``operations[tier][operation]``, such as
        ``["l2"]["set"]``, ``["call"]["compute"]``; ``["call"]["slow"]`` are whole calls that
        memory could not answer. Quantiles are within 1 %.

        Args:
            namespace: Only of this one and those below it.
        """
        return self._latency(self.snapshot(asks_store=False), namespace)

    def _latency(self, taken: figures.Snapshot, namespace: str | None = None) -> dict[str, Any]:
        chosen = None if namespace is None else figures.functions(taken, namespace)
        operations: dict[str, dict[str, Any]] = {}
        for operation in figures.operations(taken):
            histogram = figures.latency(taken, operation, chosen)
            if histogram.count:
                tier, _, name = operation.partition(".")
                operations.setdefault(tier, {})[name] = figures.summary(histogram)
        looked = figures.summary(figures.access_latency(taken, namespace))
        return {**looked, "operations": operations}

    # -- what is in it -------------------------------------------------------------------

    def record_access(self, key: Any, namespace: str = DEFAULT_NAMESPACE, hit: bool = True) -> None:
        """
        Count one use of *key*, of something that this cache does not see, among the hot keys.

        Raises:
            ConfigError: If *namespace* cannot be one.

            UnkeyableArgument: If *key* has no stable key.
        """
        state = self._state
        state.tracker().asked(state.keyed.call(key, namespace), found=hit)

    def get_hot_keys(self, top_n: int = 100) -> list[HotKey]:
        """
        The keys that were asked for most, first the most used; empty unless ``track_hot_keys``.

        Hits of what is in memory are exact; the rest is counted from when this object was made,
        in bounded memory, and may miss ``error`` accesses of a key.
        """
        if type(top_n) is not int or top_n < 0:
            raise ConfigError(f"top_n={short(top_n)} cannot be used: give a number of keys")
        state = self._state
        if state.hot_key_window is None:
            return []
        engine, tracker = state.keyed.engine, state.tracker()
        with engine.lock:
            residents = engine.local_residents(None)
        return self._hot(hot_keys(tracker.hot, residents, top_n, in_full=state.show_keys))

    def _hot(self, rows: list[dict[str, Any]]) -> list[HotKey]:
        engine = self._state.keyed.engine
        probe(engine)
        mean = engine.meter.latencies.get(L1_GET, Histogram()).mean
        return [
            HotKey(
                key=row["key"],
                namespace=row["namespace"],
                function=row["function"],
                access_count=row["accesses"],
                hit_count=row["hits"],
                miss_count=row["misses"],
                avg_latency_ms=figures.share(
                    row["seconds"] + row["l1_hits"] * mean, row["accesses"]
                )
                * 1e3,
                error=row["error"],
            )
            for row in rows
        ]

    def get_size_utilization(self) -> dict[str, Any]:
        """
        Of their room what the tiers use, from 0 to 1: ``l1_utilization``, ``l2_utilization`` (of
        entries or bytes, whichever is nearer to its bound; 0 without a bound or a tier), and
        ``l1_size, l1_max_size, l1_bytes, l1_max_bytes``, the same for ``l2``.
        """
        return self._sizes(self.snapshot())

    def _sizes(self, taken: figures.Snapshot) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in ("l1", "l2"):
            tier: Mapping[str, Any] | None = taken["tiers"][name]
            found[f"{name}_utilization"] = figures.utilization(tier)
            for field in ("size", "max_size", "bytes", "max_bytes"):
                found[f"{name}_{field}"] = 0 if tier is None else tier[field]
        return found

    def get_saved(self, window: str | None = None, *, namespace: str | None = None) -> Any:
        """
        What hits saved: ``seconds`` of computing, less the look-ups in the second tier, and
        ``cost`` by ``cost=``, in its unit. Arguments as for ``get_hit_rate``.
        """
        counters = self._total(window, namespace)
        return {"seconds": counters["seconds_saved"], "cost": counters["cost_saved"]}

    # -- what to do ------------------------------------------------------------------------

    def get_recommendations(self, predict: Predict | None = None) -> list[Recommendation]:
        """
        What to change, the most urgent first, with the figures that say so; empty if all is well
        or too little is known. If a trace was recorded (``record_trace``), what a change brings is
        *predicted*: ``hit_rate_now`` and ``hit_rate`` of memory, ``seconds_saved_per_hour`` and
        ``bytes``, both more than now.

        Args:
            predict: Is given each recommendation that is a change of settings, and returns what
                that would bring, or None; in place of the trace.
        """
        return self._state.advice(self.snapshot(), predict)

    def get_argument_reports(self) -> list[ArgumentReport]:
        """
        Of each function that was called which arguments ruin its hit rate, the most called first;
        empty unless ``track_arguments``.
        """
        return self._state.arguments()

    def get_comprehensive_stats(self) -> dict[str, Any]:
        """
        Everything at once: ``hit_rate, miss_rate, eviction_rate, error_rate``, ``windows`` with
        these for ``"1m"``, ``"1h"``, ``"1d"``; ``latency`` and ``size_utilization`` as the methods
        say; ``saved``; ``functions``, ``namespaces``, ``tags`` and ``scopes`` one by one;
        ``hot_keys``, ``arguments``, ``recommendations``; ``cache_stats`` is ``cache.get_stats()``.
        """
        taken = self.snapshot()
        counters = figures.total(taken)
        return {
            **_rates(counters),
            "total_accesses": int(figures.accesses(counters)),
            "windows": {
                name: {**_rates(passed), "seconds": passed["seconds"]}
                for name in SPANS
                for passed in (figures.total(taken, window=name),)
            },
            "latency": self._latency(taken),
            "size_utilization": self._sizes(taken),
            "saved": {"seconds": counters["seconds_saved"], "cost": counters["cost_saved"]},
            "functions": [_function(one) for one in taken["functions"]],
            "namespaces": {
                name: {**_rates(one), "hits": one["hits"], "misses": one["misses"]}
                for name, one in figures.by_namespace(taken).items()
            },
            "tags": taken["tags"],
            "scopes": taken["scopes"],
            "hot_keys": self._hot(taken["hot_keys"]),
            "arguments": self._state.arguments(),
            "recommendations": self._state.advice(taken, None),
            "cache_stats": self._state.keyed.stats(),
        }

    def _exposition(self) -> Exposition:
        taken = self.snapshot()
        counters, latency, sizes = figures.total(taken), self._latency(taken), self._sizes(taken)
        return Exposition.of(
            exposition(taken),
            {
                **{f"cache_{name}": value for name, value in _rates(counters).items()},
                **{
                    f"cache_latency_{name}": latency[name]
                    for name in ("avg_ms", "p50_ms", "p95_ms", "p99_ms")
                },
                "cache_l1_utilization": sizes["l1_utilization"],
                "cache_l2_utilization": sizes["l2_utilization"],
                "cache_total_accesses": int(figures.accesses(counters)),
                "cache_hot_keys": len(taken["hot_keys"]),
            },
        )

    # -- alerts ----------------------------------------------------------------------------

    def register_alert_callback(self, callback: Callback, *, resolved: bool = False) -> None:
        """
        While monitoring runs, call *callback* with an alert's name and its data when a figure of
        the last minute leaves its bounds: ``low_hit_rate``, ``high_latency``,
        ``high_eviction_rate``. Once, and once more if it gets worse.

        Args:
            callback: A function, or a coroutine function, of a name and a dict with ``severity``
                (``"warning"``, ``"critical"``), ``message``, ``value``, ``threshold``, ``figure``,
                ``accesses`` and ``seconds``.

            resolved: Whether it is called when all is well again, too, with severity ``"ok"``.

        Raises:
            ConfigError: If it cannot be called.
        """
        if not callable(callback):
            raise ConfigError(
                f"register_alert_callback({short(callback)}) cannot be used: give a function of "
                "an alert's name and its data"
            )
        self._state.callbacks.append((callback, resolved))

    @property
    def monitoring(self) -> bool:
        """
        Whether monitoring runs.
        """
        return self._state.monitor is not None and self._state.monitor.running

    @property
    def _access_log(self) -> list[tuple[str, str, bool, float]]:
        """
        The last accesses, oldest first, as ``(function, namespace, hit, seconds since 1970)``: at
        most ``hot_key_window``. Calls are counted, not logged, so each has the time at which
        figures were next taken.
        """
        state = self._state
        most = min(state.hot_key_window or 1000, _MOST_WINDOW)
        tracker, engine = state.tracker(), state.keyed.engine
        log: list[tuple[str, str, bool, float]] = []
        for passed in reversed(tracker.history(tracker.look(engine))):
            for (namespace, function), counters in passed.functions.items():
                for name in ("misses", "hits"):
                    count = min(int(counters[name]), most - len(log))
                    log += [(function, namespace, name == "hits", passed.at)] * max(0, count)
        return log[::-1]


def _rates(counters: figures.Counters) -> dict[str, float]:
    return {
        "hit_rate": figures.hit_rate(counters),
        "miss_rate": figures.miss_rate(counters),
        "eviction_rate": figures.eviction_rate(counters),
        "error_rate": figures.error_rate(counters),
    }


def _function(one: figures.Function) -> dict[str, Any]:
    counters = one["counters"]
    return {
        **{name: one[name] for name in ("namespace", "function", "label", "entries", "bytes")},
        **_rates(counters),
        **{name: counters[name] for name in ("hits", "misses", "computed", "evictions")},
        "seconds_saved": counters["seconds_saved"],
        "seconds_spent": figures.spent_seconds(one),
        "balance_seconds": figures.balance_seconds(one),
        "cost_saved": counters["cost_saved"],
    }
