"""
``CacheAnalytics``: the figures of one cache for people, alerts, and text for Prometheus.

Nothing is measured for it that is not counted anyway, except which keys are asked for; a hit in
memory costs the same with it and without it.
"""

from __future__ import annotations

from typing import Any

from ..cache import MultiLevelCache
from ..durations import short
from ..errors import ConfigError
from .exposition import Exposition
from .readings import Readings
from .state import State


class CacheAnalytics(Readings):
    """
    What a cache does, what it saves, and what to change.

    Args:
        cache: A ``MultiLevelCache``, or the name of a configured one.

        track_hot_keys: Whether it is counted which keys are asked for.

        hot_key_window: About how many keys are known at once; twice as many at most.

        track_arguments: Whether it is counted how many values arguments have, for
            ``get_argument_reports()``.

        show_keys: Whether keys and tags are shown as they are; otherwise as digests and by what
            stands before the first colon, because they may be arguments.

    Raises:
        ConfigError: If an argument cannot be used.
    """

    def __init__(
        self,
        cache: MultiLevelCache | str = "default",
        track_hot_keys: bool = True,
        hot_key_window: int = 1000,
        *,
        track_arguments: bool = True,
        show_keys: bool = False,
    ) -> None:
        for name, flag in (
            ("track_hot_keys", track_hot_keys),
            ("track_arguments", track_arguments),
            ("show_keys", show_keys),
        ):
            if type(flag) is not bool:
                raise ConfigError(f"{name}={short(flag)} cannot be used: True or False")
        if type(hot_key_window) is not int or hot_key_window < 1:
            raise ConfigError(
                f"hot_key_window={short(hot_key_window)} cannot be used: give a number of keys"
            )
        self._state = State(
            cache,
            hot_key_window=hot_key_window if track_hot_keys else None,
            track_arguments=track_arguments,
            show_keys=show_keys,
        )
        self._state.tracker()
        self.sync = SyncAnalytics(self._state)

    def __repr__(self) -> str:
        return f"<CacheAnalytics of {self._state.keyed}{' monitoring' * self.monitoring}>"

    async def export_to_prometheus(self) -> Exposition:
        """
        The figures in Prometheus' text format: a ``str``, whose ``items()`` are the main ones by
        name (``cache_hit_rate``, ``cache_latency_p95_ms``, ...).
        """
        exported: Exposition = await self._state.keyed.engine.offload.run(self._exposition)
        return exported

    async def start_monitoring(self, interval_seconds: Any = 60) -> None:
        """
        From now on look at the cache every *interval_seconds*, in a task of this event loop, and
        tell callbacks of alerts. Does nothing if it does so already.

        Raises:
            ConfigError: If that is no duration, or shorter than 0.1 s.
        """
        if not self.monitoring:
            self._state.monitor = self._state.new_monitor(interval_seconds).start_task()

    async def stop_monitoring(self) -> None:
        """
        Look no longer.
        """
        if self._state.monitor is not None:
            await self._state.monitor.astop()


class SyncAnalytics(Readings):
    """
    The methods of a ``CacheAnalytics`` for threads: the same names, without ``await``.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def __repr__(self) -> str:
        return f"<CacheAnalytics.sync of {self._state.keyed}{' monitoring' * self.monitoring}>"

    def export_to_prometheus(self) -> Exposition:
        """See ``CacheAnalytics.export_to_prometheus``."""
        return self._exposition()

    def start_monitoring(self, interval_seconds: Any = 60) -> None:
        """See ``CacheAnalytics.start_monitoring``; in a daemon thread."""
        if not self.monitoring:
            self._state.monitor = self._state.new_monitor(interval_seconds).start()

    def stop_monitoring(self) -> None:
        """See ``CacheAnalytics.stop_monitoring``."""
        if self._state.monitor is not None:
            self._state.monitor.stop()
