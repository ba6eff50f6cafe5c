"""
``memotier.warm``: choose from the history, resolve, replay, report.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, overload

from ..cache import MultiLevelCache
from ..durations import short
from ..errors import ConfigError
from ..keyed import Keyed
from ..recording.opening import history_of, warming_of
from ..recording.records import Recorded
from ..registry import cache_named, opened
from .background import BackgroundWarming, interval
from .choice import Choice, choose, wanted
from .pace import Pace
from .replay import in_thread, replay
from .report import Tally, WarmingReport
from .resolve import Functions, Job, Unfit
from .strategies import rank


@overload
def warm(
    *modules: str | ModuleType,
    cache: MultiLevelCache | str = ...,
    on_progress: Callable[[WarmingReport], None] | None = ...,
    dry_run: bool = ...,
    on_start: Literal[False] = ...,
    every: None = ...,
    **options: Any,
) -> WarmingReport: ...


@overload
def warm(
    *modules: str | ModuleType,
    cache: MultiLevelCache | str = ...,
    on_progress: Callable[[WarmingReport], None] | None = ...,
    dry_run: bool = ...,
    on_start: Literal[True],
    every: float | timedelta | str | None = ...,
    **options: Any,
) -> BackgroundWarming: ...


def warm(
    *modules: str | ModuleType,
    cache: MultiLevelCache | str = "default",
    on_progress: Callable[[WarmingReport], None] | None = None,
    dry_run: bool = False,
    on_start: bool = False,
    every: float | timedelta | str | None = None,
    **options: Any,
) -> WarmingReport | BackgroundWarming:
    """
    Make recorded calls again, the best first, so that their results are there when they are
    asked for.

    Args:
        modules: Whose functions may be called, as names (imported) or modules; besides those of
            the settings (``[tool.memotier.warming] modules``) and those imported already.

        cache: A ``MultiLevelCache``, or the name of a configured one.

        on_progress: Told after each call.

        dry_run: Only tell what would be done.

        on_start: Return at once, and warm in a thread of its own; the answer is what stops it
            and has its report. An error of warming is logged, not raised.

        every: With *on_start*: seconds, ``timedelta`` or text between two rounds. None: one only.

        options: ``strategy="hybrid"``, ``top=100`` calls, ``namespace=None`` (and those below it),
            ``user=None``, ``hour=None`` (0 to 23), ``recency_weight=0.5``, ``concurrency=8``,
            ``limit=None`` (calls per second, or ``"50/s"``), ``deadline=None`` and
            ``budget=None`` (durations; of everything, and of computing).

    Raises:
        ConfigError: If an argument cannot be used.
        RuntimeError: In a running event loop, without *on_start*: it would be blocked. There
            ``await memotier.awarm(...)``.
    """
    choice = choose(**options)
    if on_start:
        return _background(modules, cache, on_progress, dry_run, choice, every).start()
    if every is not None:
        raise ConfigError(f"every={short(every)} cannot be used without on_start=True")
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


def lifespan(
    *modules: str | ModuleType,
    cache: MultiLevelCache | str = "default",
    on_progress: Callable[[WarmingReport], None] | None = None,
    every: float | timedelta | str | None = None,
    **options: Any,
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """
    A lifespan for ASGI applications: ``FastAPI(lifespan=memotier.lifespan("app.tools"))`` warms in
    a task while the application serves, and stops with it. Arguments are those of ``warm``.
    """
    choice = choose(**options)
    interval(every)

    @asynccontextmanager
    async def alive(app: Any) -> AsyncIterator[None]:
        warming = _background(modules, cache, on_progress, False, choice, every).start_task()
        try:
            yield
        finally:
            await warming.astop()

    return alive


def _background(
    modules: Iterable[str | ModuleType],
    cache: MultiLevelCache | str,
    on_progress: Callable[[WarmingReport], None] | None,
    dry_run: bool,
    choice: Choice,
    every: Any,
) -> BackgroundWarming:
    keyed = (cache_named(cache) if isinstance(cache, str) else cache)._keyed

    def in_use() -> MultiLevelCache | None:
        return opened(cache) if isinstance(cache, str) else cache

    def once() -> Coroutine[Any, Any, WarmingReport]:
        # One that was closed meanwhile is not opened again.
        return _warm(modules, in_use() or cache, on_progress, dry_run, choice)

    def now() -> Keyed | None:
        found = in_use()
        return None if found is None else found._keyed

    return BackgroundWarming(keyed, once, interval(every), now)


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


def _import(name: str) -> None:
    try:
        import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"module {short(name)} cannot be imported ({error}): warming calls only functions "
            "of modules that are named; is the working directory right?"
        ) from error
