"""
What one ``CacheAnalytics`` holds: its cache, its alerts, and who notes things for it.
"""

from __future__ import annotations

from typing import Any, Final

from ..cache import MultiLevelCache
from ..engine.histogram import Histogram
from ..engine.meter import L1_GET
from ..keyed import Keyed
from . import figures
from .advice import Predict, Recommendation, advise
from .alerts import Alerts
from .monitoring import Callback, Monitor
from .parameters import ArgumentReport
from .predicting import argument_advice
from .probing import probe
from .taking import keyed_of
from .tracker import Tracker, tracker_of
from .verifying import verify_advice

_MOST_WINDOW: Final = 1_000_000


class State:
    """
    What the two twins share.
    """

    def __init__(
        self,
        cache: MultiLevelCache | str,
        *,
        hot_key_window: int | None,
        show_keys: bool,
        track_arguments: bool,
    ) -> None:
        self.cache = cache
        self.hot_key_window = hot_key_window
        self.show_keys = show_keys
        self.track_arguments = track_arguments
        self.alerts = Alerts()
        self.callbacks: list[tuple[Callback, bool]] = []
        self.monitor: Monitor | None = None

    @property
    def keyed(self) -> Keyed:
        """
        The cache as it is now: ``configure()`` opens another one of its name.
        """
        return keyed_of(self.cache)

    def tracker(self) -> Tracker:
        tracker = tracker_of(self.keyed.engine)
        if self.hot_key_window is not None:
            tracker.track_hot_keys(self.hot_key_window)
        if self.track_arguments:
            tracker.track_arguments(self.keyed.engine)
        return tracker

    def arguments(self) -> list[ArgumentReport]:
        engine, tracker = self.keyed.engine, self.tracker()
        return [] if tracker.arguments is None else tracker.arguments.reports(engine)

    def advice(self, taken: figures.Snapshot, predict: Predict | None) -> list[Recommendation]:
        """
        What *taken*, the arguments, the last trace and ``verify=`` recommend.
        """
        predictor = self.tracker().predictor()
        more = [*argument_advice(self.arguments()), *verify_advice(self.keyed.engine)]
        if predictor is not None:
            more += predictor.advice()
        return advise(taken, predictor if predict is None else predict, more)

    def check(self) -> list[tuple[str, dict[str, Any]]]:
        """
        Take a picture; the alerts that begin or end with it.
        """
        engine, tracker = self.keyed.engine, self.tracker()
        probe(engine)
        passed = tracker.passed("1m", tracker.look(engine))
        counters = passed.total()
        looks = engine.meter.latencies.get(L1_GET, Histogram())
        looked = counters["l1_hits"] + counters["lookups"]
        took = counters["l1_hits"] * looks.mean + counters["lookup_seconds"]
        found = {
            "hit_rate": figures.hit_rate(counters),
            "eviction_rate": figures.eviction_rate(counters),
            "latency_avg_ms": figures.share(took, looked) * 1e3,
        }
        return list(self.alerts.judge(found, figures.accesses(counters), passed.seconds))

    def new_monitor(self, interval_seconds: Any) -> Monitor:
        return Monitor(self, interval_seconds)
