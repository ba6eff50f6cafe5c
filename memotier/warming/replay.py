"""
Making recorded calls again: in tasks for coroutine functions, in threads for the others.

Of each call it is looked first whether its result is there. What is fresh is only brought into
memory; what is about to expire is refreshed; what is missing is computed, in the way of any
other call, so that one that comes meanwhile joins. Nothing of the present context is passed on:
a replayed call is nobody's request.

What must never happen: an error of one call ends the others; a stuck function holds up the end
beyond the deadline; a cancelled warming leaves tasks behind. (A thread cannot be stopped. It is
a daemon, and what it brings is kept.)
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from .. import asked
from ..engine.drive import adrive, drive
from ..engine.flights import Failed
from ..memo import Memo
from ..recording.recorder import replaying
from ..types import Seconds
from .pace import Pace
from .report import Tally, WarmingReport
from .resolve import Job

T = TypeVar("T")

#: The share of its ttl that a result may have left and be refreshed.
SOON: Final = 0.2


@dataclass(slots=True)
class Outcome:
    """
    What became of one call: "fresh", "replayed", "refreshed" or the kind of an error.
    """

    kind: str
    spent: Seconds = 0.0
    failed: bool = False


async def replay(
    jobs: Iterable[Job],
    report: WarmingReport,
    pace: Pace,
    *,
    concurrency: int,
    soon: float = SOON,
    on_progress: Callable[[WarmingReport], None] | None = None,
) -> None:
    """
    Make the calls of *jobs*, in this order, at most *concurrency* at once; count in *report*.
    """
    waiting = deque(jobs)
    # One waits for its turn at a time, and knows that there is something left to do.
    gate = asyncio.Lock()
    running: set[asyncio.Task[None]] = set()
    try:
        async with asyncio.timeout(None if pace.left == float("inf") else pace.left):
            workers = [
                _work(waiting, gate, report, pace, soon, on_progress) for _ in range(concurrency)
            ]
            running = {asyncio.create_task(one, context=_nobodys()) for one in workers}
            await asyncio.gather(*running)
    except TimeoutError:
        pace.over = "deadline"
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        report.stopped = report.stopped or pace.over
        for job in waiting:
            _tally(report, job).left += 1
            report.left += 1


def _nobodys() -> Context:
    """
    A context without anything of the present one.
    """
    context = Context()
    context.run(replaying.set, True)
    return context


async def _next(waiting: deque[Job], gate: asyncio.Lock, pace: Pace) -> Job | None:
    async with gate:
        if not (waiting and await pace.turn()):
            return None
        engine = waiting[0].memo.engine
        if engine is not None and engine.closed:
            pace.over = "closed"  # there is nothing that would keep what is computed
            return None
        return waiting.popleft()


async def _work(
    waiting: deque[Job],
    gate: asyncio.Lock,
    report: WarmingReport,
    pace: Pace,
    soon: float,
    on_progress: Callable[[WarmingReport], None] | None,
) -> None:
    while (job := await _next(waiting, gate, pace)) is not None:
        try:
            outcome = await _make(job, soon)
        except asyncio.CancelledError as error:
            if not is_cancelled():
                outcome = Outcome(type(error).__qualname__, failed=True)  # the function's own
            else:
                _tally(report, job).left += 1
                report.left += 1
                raise
        pace.spent += outcome.spent
        for tally in (report, _tally(report, job)):
            _count(tally, outcome, job)
        if outcome.failed:
            report.errors[outcome.kind] = report.errors.get(outcome.kind, 0) + 1
        if on_progress is not None:
            on_progress(report)


def is_cancelled() -> bool:
    """
    Whether somebody has cancelled this task: else a CancelledError is of the function itself.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _tally(report: WarmingReport, job: Job) -> Tally:
    return report.functions.setdefault(job.memo.label, Tally())


def _count(tally: Tally, outcome: Outcome, job: Job) -> None:
    tally.spent += outcome.spent
    if outcome.failed:
        tally.failed += 1
    elif outcome.kind == "fresh":
        tally.fresh += 1
    else:
        tally.replayed += 1
        tally.refreshed += outcome.kind == "refreshed"
        tally.saved += outcome.spent


async def _make(job: Job, soon: float) -> Outcome:
    if job.memo.is_async:
        return await adrive(_plan(job, soon))  # type: ignore[no-any-return]
    return await in_thread(lambda: drive(_plan(job, soon)))


def _plan(job: Job, soon: float) -> Any:
    """
    A plan, so that it is the same for functions of both kinds.
    """
    memo, values = job.memo, job.values
    monotonic = _clock(job)
    began = monotonic()
    kind = "replayed"
    try:
        entry = yield from asked.known(memo, values)
        if entry is not None:
            life = entry.age + entry.ttl_left
            about_to_expire = entry.ttl_left < soon * life
            kind = "refreshed" if about_to_expire else "fresh"
        began = monotonic()
        # (Nobody is given it, so nobody need be asked whether he may have it.)
        if kind == "fresh" and (entry.tier == "l1" or memo.gate is not None):
            return Outcome(kind)
        if kind == "refreshed" or (entry is None and _may_be_stale(memo)):
            answer = yield from asked.refresh(memo, values)
        else:
            value, plan = memo.begin(values)
            answer = value if plan is None else (yield from plan)
    except (Exception, SystemExit) as error:
        # (What a function says of the process that called it does not hold for this one.)
        return Outcome(type(error).__qualname__, monotonic() - began, failed=True)
    if answer.__class__ is Failed:
        return Outcome(type(answer.error).__qualname__, monotonic() - began, failed=True)
    return Outcome(kind, 0.0 if kind == "fresh" else _cost(job, monotonic() - began))


def _may_be_stale(memo: Memo) -> bool:
    """
    Whether a caller may be given an old result while a new one is computed behind it, which
    nobody would wait for here: a process that only warms ends before.
    """
    windows = memo.options.windows
    return windows is not None and windows.revalidate > 0


def _clock(job: Job) -> Callable[[], Seconds]:
    engine = job.memo.engine
    assert engine is not None
    return engine.clock.monotonic


def _cost(job: Job, lasted: Seconds) -> Seconds:
    """
    What computing took; with the way to the second tier and back if nobody knows better.
    """
    resident = job.memo.locate(job.values).resident()
    return lasted if resident is None else min(lasted, resident.cost)


async def in_thread(work: Callable[[], T]) -> T:
    """
    What *work* returns, done in a daemon thread in an empty context.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def done(value: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    def run() -> None:
        value: Any = None
        failed: BaseException | None = None
        try:
            value = _nobodys().run(work)
        except BaseException as error:
            failed = error
        try:
            loop.call_soon_threadsafe(done, value, failed)
        except RuntimeError:
            pass  # the loop has ended: nobody waits any more

    threading.Thread(target=run, name="memotier-warm", daemon=True).start()
    return await future
