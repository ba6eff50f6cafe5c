"""
``CacheWarmer``: warming for the cache object, whose keys say nothing of how to compute a value.

Who uses it tells it of accesses (``record_access``) and how a value is loaded (``value_loader``);
recorded calls of decorated functions need neither. Both are ranked together.

What must never happen: a value that somebody has set is replaced by one that was loaded before.
A loader runs in the way of ``get_or_compute``, so whoever asks meanwhile waits for it, and an
invalidation wins.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..cache import MultiLevelCache
from ..durations import seconds, short
from ..engine import direct
from ..engine.drive import adrive
from ..engine.events import kind_and_place
from ..errors import ConfigError, StoreUnavailable
from ..keyed import DEFAULT_NAMESPACE, Ttl
from ..recording.opening import history_of
from ..recording.records import Recorded
from ..recording.signature import Signature
from .accesses import Accesses
from .background import BackgroundWarming
from .choice import Choice, choose, wanted
from .pace import Pace
from .replay import in_thread, is_cancelled, replay
from .report import WarmingReport
from .resolve import Functions, Job
from .strategies import WarmingStrategy, rank
from .syncwarmer import SyncWarmer

#: From a key and its namespace to the value; may be a coroutine function.
ValueLoader = Callable[[Any, str], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmingConfig:
    """
    How a ``CacheWarmer`` warms.

    *preload_count* calls are warmed where no number is given; *warm_interval* are the seconds (or
    ``timedelta``, or ``"5m"``) between two rounds in the background; *recency_weight*, from 0 to
    1, is for HYBRID. *enable_time_based* and *enable_user_specific* say whether hours and users
    of accesses are kept.
    """

    strategy: WarmingStrategy = WarmingStrategy.HYBRID
    preload_count: int = 100
    warm_interval: Ttl = 300
    recency_weight: float = 0.5
    enable_time_based: bool = True
    enable_user_specific: bool = True


@dataclass(slots=True)
class _Counts:
    warmed: int = 0
    fresh: int = 0
    failed: int = 0
    without_loader: int = 0
    errors: dict[str, int] = field(default_factory=dict)


class CacheWarmer:
    """
    Fills a cache with what is likely to be asked for.

    Args:
        cache: A ``MultiLevelCache``.

        value_loader: Is given a key and its namespace and returns the value, for keys that are
            not there. Without it only calls of decorated functions are warmed.

        config: In place of the other arguments.

        history: The directory where patterns are kept; None: with the cache's files, else in the
            user's own directory for such things.

    Raises:
        ConfigError: If an argument cannot be used.
    """

    def __init__(
        self,
        cache: MultiLevelCache,
        strategy: WarmingStrategy | str = WarmingStrategy.HYBRID,
        preload_count: int = 100,
        warm_interval: Ttl = 300,
        recency_weight: float = 0.5,
        value_loader: ValueLoader | None = None,
        config: WarmingConfig | None = None,
        *,
        enable_time_based: bool = True,
        enable_user_specific: bool = True,
        history: Path | str | None = None,
    ) -> None:
        if not isinstance(cache, MultiLevelCache):
            raise ConfigError(f"cache={short(cache)} cannot be used: give a MultiLevelCache")
        if value_loader is not None and not callable(value_loader):
            raise ConfigError(
                f"value_loader={short(value_loader)} cannot be used: give a function of a key "
                "and a namespace"
            )
        if config is None:
            config = WarmingConfig(
                strategy=strategy,  # type: ignore[arg-type]  # checked below
                preload_count=preload_count,
                warm_interval=warm_interval,
                recency_weight=recency_weight,
                enable_time_based=enable_time_based,
                enable_user_specific=enable_user_specific,
            )
        self._choose(config, config.preload_count, None, None, None)
        self.config = config
        self._interval = max(1.0, seconds(config.warm_interval, what="warm_interval"))
        self._cache = cache
        self._keyed = cache._keyed
        self._loader = value_loader
        self.accesses = Accesses(
            history_of(cache._keyed, None if history is None else Path(history)),
            cache._keyed.engine.clock,
            by_hour=config.enable_time_based,
            by_user=config.enable_user_specific,
        )
        self._counts = _Counts()
        self._background: BackgroundWarming | None = None
        self.sync = SyncWarmer(self)

    def __repr__(self) -> str:
        return f"<CacheWarmer {self.config.strategy} patterns={len(self.accesses.patterns)}>"

    def _choose(
        self,
        config: WarmingConfig,
        n: int,
        namespace: str | None,
        user: str | None,
        hour: int | None,
    ) -> Choice:
        strategy = config.strategy
        if strategy == WarmingStrategy.USER_SPECIFIC and user is None:
            strategy = WarmingStrategy.FREQUENCY  # of everybody
        return choose(
            strategy=strategy,
            top=n,
            namespace=namespace,
            user=user,
            hour=hour,
            recency_weight=config.recency_weight,
        )

    # -- accesses -----------------------------------------------------------------------

    async def record_access(
        self,
        key: Any,
        namespace: str = DEFAULT_NAMESPACE,
        hit: bool = True,
        user_id: str | None = None,
    ) -> None:
        """
        Note that *key* was asked for. No I/O.
        """
        self.accesses.record(key, namespace, hit, user_id)

    async def save_patterns_to_history(self) -> int:
        """
        Add what was recorded since the last time to the history on disk; how many patterns.

        Raises:
            StoreUnavailable: If it cannot be written; it is kept for the next time.
        """
        return await in_thread(self.accesses.save)

    async def load_patterns_from_history(self) -> int:
        """
        Know what the history on disk has, besides what was not saved yet; how many patterns.

        Raises:
            StoreUnavailable: If it cannot be read.
        """
        return await in_thread(self.accesses.load)

    # -- warming ------------------------------------------------------------------------

    async def warm_item(
        self, key: Any, value: Any, namespace: str = DEFAULT_NAMESPACE, ttl: Ttl = None
    ) -> None:
        """
        Store *value*, as ``cache.set`` does.
        """
        await self._cache.set(key, value, namespace=namespace, ttl=ttl)
        self._counts.warmed += 1

    async def warm_top_items(
        self,
        n: int | None = None,
        namespace: str | None = None,
        user_id: str | None = None,
        hour: int | None = None,
    ) -> int:
        """
        Load the most promising entries that are not there.

        Args:
            n: At most so many; None: ``preload_count``.

            namespace: Only those of this one and below it.

            user_id: Only those of one user.

            hour: For TIME_BASED, 0 to 23; None: the present hour.

        Returns:
            How many were loaded. One that fails is counted in ``get_stats`` and stops nothing.
        """
        count = self.config.preload_count if n is None else n
        choice = self._choose(self.config, count, namespace, user_id, hour)
        engine = self._keyed.engine
        ranked = rank(
            wanted(self.accesses.all(), choice, keys=True),
            choice.strategy,
            engine.clock.wall(),
            half_life=self.accesses.half_life,
            recency_weight=choice.recency_weight,
            hour=choice.hour,
        )
        before = self._counts.warmed
        functions = Functions(engine)
        report = WarmingReport(strategy=choice.strategy.value)
        jobs: list[Job] = []
        keys: list[Recorded] = []
        for one in ranked:
            if len(jobs) + len(keys) >= choice.top:
                break
            if not one.signature.function:
                if not one.signature.redacted:
                    keys.append(one)
            elif isinstance(job := functions.job(one), Job):
                jobs.append(job)
        await self._load(keys, choice.concurrency)
        await replay(jobs, report, Pace(engine.clock.monotonic), concurrency=choice.concurrency)
        self._take(report)
        return self._counts.warmed - before

    async def _load(self, keys: list[Recorded], concurrency: int) -> None:
        if self._loader is None:
            self._counts.without_loader += len(keys)
            return
        turn = asyncio.Semaphore(concurrency)

        async def load(one: Recorded) -> None:
            async with turn:
                try:
                    await self._load_key(one.signature)
                except asyncio.CancelledError as error:
                    if is_cancelled():
                        raise
                    self._failed(error)
                except (Exception, SystemExit) as error:
                    self._failed(error)

        await asyncio.gather(*(load(one) for one in keys))

    async def _load_key(self, signature: Signature) -> None:
        key, namespace = signature.arguments()["key"], signature.namespace
        call = self._keyed.call(key, namespace)
        if await adrive(direct.look(self._keyed.engine, call)) is not None:
            self._counts.fresh += 1
            return
        loader = self._loader
        assert loader is not None

        async def value() -> Any:
            if inspect.iscoroutinefunction(loader):
                return await loader(key, namespace)
            found = await in_thread(lambda: loader(key, namespace))
            return await found if inspect.isawaitable(found) else found

        await self._cache.get_or_compute(key, value, namespace=namespace)
        self._counts.warmed += 1

    def _take(self, report: WarmingReport) -> None:
        self._counts.warmed += report.replayed
        self._counts.fresh += report.fresh
        self._counts.failed += report.failed
        for kind, count in report.errors.items():
            self._counts.errors[kind] = self._counts.errors.get(kind, 0) + count

    def _failed(self, error: BaseException) -> None:
        self._counts.failed += 1
        kind = type(error).__qualname__
        self._counts.errors[kind] = self._counts.errors.get(kind, 0) + 1
        self._keyed.engine.events.say_once(
            "CacheWarmer",
            kind,
            f"a value could not be loaded for warming: {kind_and_place(error)}",
        )

    # -- in the background ----------------------------------------------------------------

    async def start_background_warming(self) -> None:
        """
        From now on warm every ``warm_interval`` seconds, in a task of this event loop; patterns
        are saved after each round.
        """
        if not self.background_running:
            self._background = self._new_background().start_task()

    async def stop_background_warming(self) -> None:
        """
        Warm no longer.
        """
        if self._background is not None:
            await self._background.astop()
        await self.save_patterns_to_history()

    @property
    def background_running(self) -> bool:
        return self._background is not None and self._background.running

    def _new_background(self) -> BackgroundWarming:
        async def once() -> WarmingReport:
            report = WarmingReport(strategy=self.config.strategy)
            try:
                await self.save_patterns_to_history()
                await self.load_patterns_from_history()
            except StoreUnavailable as error:
                # What is known here is as good as it was.
                self._keyed.engine.events.say_once("CacheWarmer", "history", str(error))
            report.replayed = await self.warm_top_items()
            return report

        return BackgroundWarming(self._keyed, once, self._interval)

    def get_stats(self) -> dict[str, Any]:
        """
        What is known and what was done: ``strategy``, ``total_patterns``, ``unique_keys``,
        ``users_tracked``, ``recorded_calls`` (of functions), ``background_running``, ``warmed``,
        ``fresh`` (were there already), ``failed``, ``errors`` by kind, ``without_loader`` and
        ``unrecordable``.
        """
        counts, patterns = self._counts, self.accesses.patterns
        return {
            "strategy": WarmingStrategy(self.config.strategy).value,
            "total_patterns": len(patterns),
            "unique_keys": len({(one.namespace, one.payload) for one in patterns}),
            "users_tracked": len({one.user for one in patterns if one.user}),
            "recorded_calls": len(self.accesses.calls),
            "background_running": self.background_running,
            "warmed": counts.warmed,
            "fresh": counts.fresh,
            "failed": counts.failed,
            "errors": dict(counts.errors),
            "without_loader": counts.without_loader,
            "unrecordable": self.accesses.unrecordable,
        }
