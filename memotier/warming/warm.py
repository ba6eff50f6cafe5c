"""
``memotier.warm``: choose from the history, resolve, replay, report.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from ..cache import MultiLevelCache
from ..durations import check_namespace, short
from ..errors import ConfigError
from ..recording.opening import history_of, warming_of
from ..recording.records import Recorded
from ..registry import cache_named
from ..types import Seconds
from .pace import Pace, rate_per_second, span
from .replay import in_thread, replay
from .report import Tally, WarmingReport
from .resolve import Functions, Job, Unfit
from .strategies import WarmingStrategy, rank

#: Calls made at once where nothing is said.
CONCURRENCY = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """
    Which calls to warm, and how; checked.
    """

    strategy: WarmingStrategy
    top: int
    namespace: str | None
    user: str | None
    hour: int | None
    recency_weight: float
    concurrency: int
    rate: float | None
    deadline: Seconds | None
    budget: Seconds | None


def warm(
    *modules: str | ModuleType,
    cache: MultiLevelCache | str = "default",
    on_progress: Callable[[WarmingReport], None] | None = None,
    dry_run: bool = False,
    **options: Any,
) -> WarmingReport:
    """
    Make recorded calls again, the best first, so that their results are there when they are
    asked for.

    Args:
        modules: Whose functions may be called, as names (imported) or modules; besides those of
            the settings (``[tool.memotier.warming] modules``) and those imported already.

        cache: A ``MultiLevelCache``, or the name of a configured one.

        on_progress: Told after each call.

        dry_run: Only tell what would be done.

        options: ``strategy="hybrid"``, ``top=100`` calls, ``namespace=None`` (and those below it),
            ``user=None``, ``hour=None`` (0 to 23), ``recency_weight=0.5``, ``concurrency=8``,
            ``limit=None`` (calls per second, or ``"50/s"``), ``deadline=None`` and
            ``budget=None`` (durations; of everything, and of computing).

    Raises:
        ConfigError: If an argument cannot be used.
        RuntimeError: In a running event loop; there ``await memotier.awarm(...)``.
    """
    choice = choose(**options)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError("warm() would block this event loop: write await memotier.awarm(...)")
    return asyncio.run(_warm(modules, cache, on_progress, dry_run, choice))


async def awarm(
    *modules: str | ModuleType,
    cache: MultiLevelCache | str = "default",
    on_progress: Callable[[WarmingReport], None] | None = None,
    dry_run: bool = False,
    **options: Any,
) -> WarmingReport:
    """
    ``warm`` for async code: coroutine functions run in this event loop.
    """
    return await _warm(modules, cache, on_progress, dry_run, choose(**options))


async def _warm(
    modules: Iterable[str | ModuleType],
    cache: MultiLevelCache | str,
    on_progress: Callable[[WarmingReport], None] | None,
    dry_run: bool,
    choice: Choice,
) -> WarmingReport:
    keyed = (cache_named(cache) if isinstance(cache, str) else cache)._keyed
    for module in (*warming_of(keyed.wiring).modules, *modules):
        if isinstance(module, str):
            _import(module)
    engine = keyed.engine
    report = WarmingReport(strategy=choice.strategy.value, dry_run=dry_run)
    pace = Pace(
        engine.clock.monotonic, rate=choice.rate, deadline=choice.deadline, budget=choice.budget
    )
    history = history_of(keyed)
    if keyed.recorder is not None:
        await in_thread(keyed.recorder.save_quietly)
    remembered = await in_thread(history.read)
    report.unreadable = remembered.refused
    ranked = rank(
        wanted(remembered.calls, choice),
        choice.strategy,
        engine.clock.wall(),
        half_life=history.limits.half_life,
        recency_weight=choice.recency_weight,
        hour=choice.hour,
        has_budget=choice.budget is not None,
    )
    jobs = jobs_for(ranked, Functions(engine), choice.top, report)
    report.planned = len(jobs)
    if dry_run:
        for job in jobs:
            for tally in (report, report.functions.setdefault(job.memo.label, Tally())):
                tally.left += 1
                tally.spent += job.recorded.pattern.cost
    else:
        await replay(jobs, report, pace, concurrency=choice.concurrency, on_progress=on_progress)
    report.seconds = engine.clock.monotonic() - pace.began
    return report


def wanted(calls: Iterable[Recorded], choice: Choice) -> list[Recorded]:
    """
    The calls of functions that *choice* is about.
    """
    return [
        one
        for one in calls
        if one.signature.function
        and (choice.user is None or one.signature.user == choice.user)
        and (choice.namespace is None or _is_below(one.signature.namespace, choice.namespace))
    ]


def jobs_for(
    ranked: Iterable[Recorded], functions: Functions, top: int, report: WarmingReport
) -> list[Job]:
    """
    The first *top* calls that can be made; those that cannot are counted in *report*.
    """
    jobs: list[Job] = []
    for recorded in ranked:
        if len(jobs) >= top:
            break
        job = functions.job(recorded)
        if isinstance(job, Unfit):
            setattr(report, job.value, getattr(report, job.value) + 1)
        else:
            jobs.append(job)
    return jobs


def choose(
    *,
    strategy: WarmingStrategy | str = WarmingStrategy.HYBRID,
    top: int = 100,
    namespace: str | None = None,
    user: str | None = None,
    hour: int | None = None,
    recency_weight: float = 0.5,
    concurrency: int = CONCURRENCY,
    limit: Any = None,
    deadline: Any = None,
    budget: Any = None,
) -> Choice:
    """
    Check what was asked for.

    Raises:
        ConfigError: For the first argument that cannot be used.
    """

    def refuse(name: str, value: Any, advice: str) -> ConfigError:
        return ConfigError(f"{name}={short(value)} cannot be used: {advice}")

    try:
        strategy = WarmingStrategy(strategy)
    except ValueError:
        names = ", ".join(one.value for one in WarmingStrategy)
        raise refuse("strategy", strategy, f"there are: {names}") from None
    for name, count in (("top", top), ("concurrency", concurrency)):
        if type(count) is not int or count < 1:
            raise refuse(name, count, "give a whole number, 1 or more")
    if type(recency_weight) not in (int, float) or not 0 <= recency_weight <= 1:
        raise refuse("recency_weight", recency_weight, "give a number from 0 to 1")
    if hour is not None and (type(hour) is not int or not 0 <= hour <= 23):
        raise refuse("hour", hour, "give an hour of the day, 0 to 23")
    if user is not None and type(user) is not str:
        raise refuse("user", user, "give a text")
    if strategy is WarmingStrategy.USER_SPECIFIC and user is None:
        raise refuse("strategy", strategy.value, "say whose calls, with user=")
    return Choice(
        strategy=strategy,
        top=top,
        namespace=None if namespace is None else check_namespace(namespace),
        user=user,
        hour=hour,
        recency_weight=float(recency_weight),
        concurrency=concurrency,
        rate=None if limit is None else rate_per_second(limit),
        deadline=span("deadline", deadline),
        budget=span("budget", budget),
    )


def _import(name: str) -> None:
    try:
        import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"module {short(name)} cannot be imported ({error}): warming calls only functions "
            "of modules that are named; is the working directory right?"
        ) from error


def _is_below(namespace: str, above: str) -> bool:
    return namespace == above or namespace.startswith(above + ".")
