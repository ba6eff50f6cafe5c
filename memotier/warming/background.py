"""
Warming that goes on by itself: at the start of a service, and then at intervals.

States: *waiting* for its turn, *warming* (one round), *stopped*. One process warms a cache at a
time, of all that share its second tier: it holds a claim, which is free again when it dies; the
others try again at their next turn. It runs in a daemon thread with an event loop of its own, or,
in async code, in a task, so that coroutine functions find the loop their connections belong to.

What must never happen: a service that does not start, or does not stop, because of warming. What
goes wrong is logged and counted, and the next round is made.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any, Final

from ..durations import seconds
from ..engine.claims import take_claim
from ..engine.drive import adrive
from ..engine.events import kind_and_place, logger
from ..errors import ConfigError, MemotierError
from ..keyed import Keyed
from ..types import Address, Seconds
from .report import WarmingReport

#: The share by which an interval is longer or shorter, so that machines do not warm in step.
JITTER: Final = 0.1
#: Seconds that ``stop()`` waits for the round that runs.
PATIENCE: Final[Seconds] = 5.0

#: What the warmer of a cache claims; the same in every process that uses its second tier.
_PLACE: Final[Address] = blake2b(b"warming", digest_size=16, person=b"memotier-claim").digest()

#: Makes one round.
Round = Callable[[], Awaitable[WarmingReport]]


class BackgroundWarming:
    """
    Rounds of warming that nobody waits for.

    Args:
        warm_once: A coroutine function that makes one round and returns its report.

        every: Seconds between two rounds; None: one round only.

        now: The cache as it is now, for one that is known by its name; None: it is not in use.
    """

    def __init__(
        self,
        keyed: Keyed,
        warm_once: Round,
        every: Seconds | None,
        now: Callable[[], Keyed | None] | None = None,
    ) -> None:
        self._keyed = keyed
        self._now = now
        self._warm_once = warm_once
        self._every = every
        self._stop = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        #: Of the last round; None before the first is over.
        self.report: WarmingReport | None = None
        #: Rounds that were made, that others made, and that went wrong.
        self.rounds = self.left_to_others = self.failures = 0

    def __repr__(self) -> str:
        state = "running" if self.running else "stopped"
        return f"<BackgroundWarming {state} rounds={self.rounds}>"

    @property
    def running(self) -> bool:
        """
        Whether a round runs, or will.
        """
        return (self._thread is not None or self._task is not None) and not self._over.is_set()

    # -- in a thread ----------------------------------------------------------------------

    def start(self) -> BackgroundWarming:
        """
        Go on in a thread.
        """
        self._thread = threading.Thread(target=self._run, name="memotier-warming", daemon=True)
        self._thread.start()
        return self

    def stop(self, timeout: Seconds = PATIENCE) -> None:
        """
        Begin no further round, cancel the one that runs, and wait for that *timeout* seconds.
        """
        self._stop.set()
        loop, task = self._loop, self._task
        if loop is not None and task is not None:
            try:
                loop.call_soon_threadsafe(task.cancel)
            except RuntimeError:
                pass  # it has ended meanwhile
        self.wait(timeout)

    def wait(self, timeout: Seconds | None = None) -> bool:
        """
        Until everything is over, at most *timeout* seconds; whether it is.
        """
        if self._thread is None or self._thread is threading.current_thread():
            return self._over.is_set()
        return self._over.wait(timeout)

    def _run(self) -> None:
        try:
            asyncio.run(self._begin())
        except asyncio.CancelledError:
            pass
        finally:
            self._over.set()

    async def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._rounds())
        if self._stop.is_set():
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    # -- in a task ------------------------------------------------------------------------

    def start_task(self) -> BackgroundWarming:
        """
        Go on in a task of the running event loop.
        """
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._rounds(), name="memotier-warming")
        self._task.add_done_callback(lambda _: self._over.set())
        return self

    async def astop(self) -> None:
        """
        ``stop`` for async code.
        """
        self._stop.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # -- rounds ---------------------------------------------------------------------------

    async def _rounds(self) -> None:
        in_use = True
        while not (self._stop.is_set() or (in_use and self._keyed.engine.closed)):
            if in_use:
                await self._round()
            if self._every is None:
                return
            share = 1 + random.uniform(-JITTER, JITTER)  # noqa: S311
            await asyncio.sleep(self._every * share)
            in_use = self._look()

    def _look(self) -> bool:
        """
        Whether the cache is in use; ``configure()`` closes one and opens another of its name.
        """
        found = self._keyed if self._now is None else self._now()
        self._keyed = found or self._keyed
        return found is not None

    async def _round(self) -> None:
        engine = self._keyed.engine
        claims = engine.claims
        claim = None if claims is None else claims.claim(_PLACE, "cluster")
        try:
            if claims is not None and (await adrive(take_claim(engine, claim))) is False:
                claims = None  # nothing of ours to give back
                self.left_to_others += 1
                return
            self.report = await self._warm_once()
            self.rounds += 1
        except Exception as error:
            self.failures += 1
            why = str(error) if isinstance(error, MemotierError) else kind_and_place(error)
            logger.warning("warming %r failed: %s", self._keyed.engine.options.name, why)
        finally:
            if claims is not None:
                claims.release(claim)


def interval(every: Any) -> Seconds | None:
    """
    Raises:
        ConfigError: If *every* is no duration, or so short that it would never rest.
    """
    if every is None:
        return None
    found = seconds(every, what="every")
    if found < 1:
        raise ConfigError(f"every={every!r} cannot be used: give a second or more")
    return found
