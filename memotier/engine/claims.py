"""
Single-flight between processes: the leader of a flight claims its key in the store.

Who does not get the claim asks again from time to time, and when the store says that somebody gave
it back; what was stored meanwhile is looked at. So of all who wait, one follows a leader that died
or whose result was not stored, then the next: they compute in turn, not at once.

What must never happen:
- two processes wait for each other: a computation inside another one does not wait, it computes;
- a process that stopped keeps all others waiting: its claim ends (a server's), or nobody waits
  longer than the ``patience`` of the store's claims (the kernel's);
- a claim outlives its computation: it is given back in every way out, whatever came of asking.

There is nothing to wait for where results do not reach the second tier at once (write-back), or
not at all (the function's results could not be stored before).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Final

from ..errors import StoreError
from ..stores.claims import NONE, Taking
from ..types import Seconds
from .calls import Call
from .drive import Plan
from .effects import Now, Pause, operation
from .engine import Engine
from .flights import leading
from .tier2 import Found
from .writes import Noted

#: How often in a row a claim is not taken because something was stored since the look before.
_MOST_LOOKS: Final = 2


def can_claim(engine: Engine, call: Call, noted: Noted) -> bool:
    """
    Whether this call's computation should be the only one of all processes.
    """
    return (
        call.claims is not None
        and engine.claims is not None
        and noted.tokens is not None
        and call.address is not None
        and not call.shelf.unshared
        and engine.options.write_policy != "write_back"
    )


def wait_for_claim(engine: Engine, call: Call, look: Callable[[], Plan]) -> Plan:
    """
    Until ``call.claim`` is ours, or there is no point in waiting: what *look* answered last, None
    if nobody was ahead of us. If it raises, the claim may be ours all the same.

    Args:
        look: Makes the plan that looks below: ``Found``, or what was noted.
    """
    waiting, answer, looks = Waiting(engine), None, 0
    tells = engine.claims.is_remote
    try:
        while True:
            (taking,) = yield from take(engine, [call], compares=looks < _MOST_LOOKS)
            # (With the kernel's, a result may have come from somebody who had no claim.)
            if taking.has_moved or (waiting.waited and not tells):
                # Under the claim, if it is ours: what its last holder stored is there now.
                answer = yield from look()
                if answer.__class__ is Found:
                    return answer
                with engine.lock:
                    call.shelf.l2_misses -= 1  # it was counted before
                if answer.tokens is None:
                    return answer
            if taking.has_moved and tells:
                looks += 1
                continue  # it was not taken: what is there was to be seen first
            looks = 0
            if taking.is_ours is not False or not waiting.may_wait:
                return answer
            yield from waiting.wait([call], taking.left)
    finally:
        waiting.end()


def take(engine: Engine, calls: Sequence[Call], *, compares: bool = True) -> Plan:
    """
    Ask once for the claim of each of *calls*: a ``Taking`` each. No claim is not a fault.

    Args:
        compares: Whether what was stored since the last look is to be seen first.
    """
    if not engine.claims.is_remote:
        return (yield Now(_take_here, engine, calls))
    asked = [(call.claim, call.mark if compares else None) for call in calls]
    return (yield from _ask(engine, asked))


def take_claim(engine: Engine, claim: Any) -> Plan:
    """
    Ask once for *claim*, which is no call's: whether it is ours, None if there are none to be had.
    """
    if not engine.claims.is_remote:
        return (yield Now(engine.claims.take, claim))
    (taking,) = yield from _ask(engine, [(claim, None)])
    return taking.is_ours


def give_back_claims(engine: Engine, claims: Sequence[Any]) -> Plan:
    """
    Give back those of *claims* that are still ours before going on, so that our next call finds
    them free. Who is interrupted releases them without that.
    """
    if engine.claims is None or not engine.claims.is_remote:
        return
    ours = engine.claims.ours_of(claims)
    if ours:
        answer = yield operation(engine, "give_back", ours)
        if isinstance(answer, StoreError):
            engine.fault(answer)


def _ask(engine: Engine, asked: Sequence[tuple[Any, bytes | None]]) -> Plan:
    answer = yield operation(engine, "take", asked)
    if isinstance(answer, StoreError):
        engine.fault(answer)
        return [NONE] * len(asked)
    return answer


def _take_here(engine: Engine, calls: Sequence[Call]) -> list[Taking]:
    """
    The kernel's claims: first all of them, then whether somebody had them before.
    """
    claims = engine.claims
    answers = [claims.take(call.claim) for call in calls]
    return [
        NONE if is_ours is None else Taking(is_ours, _has_moved(claims, call))
        for call, is_ours in zip(calls, answers, strict=True)
    ]


def _has_moved(claims: Any, call: Call) -> bool:
    return call.mark is None or bool(claims.mark(call.claim) != call.mark)


class Waiting:
    """
    One plan that waits for claims of others.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._bell: Any = None
        self._pause: Seconds = 0.0
        #: Seconds that it has waited.
        self.waited: Seconds = 0.0

    @property
    def may_wait(self) -> bool:
        """
        Whether to wait is right: not inside a computation, which somebody may be waiting for.
        """
        return self.waited < self._engine.claims.patience and leading.get() is None

    def wait(self, calls: Iterable[Call], left: Seconds | None = None) -> Plan:
        """
        Let some time pass, or until one of the claims of *calls* may be free.

        Args:
            left: Seconds after which one of them may be free although nobody says so.
        """
        first, last = self._engine.claims.pauses
        pause = min(max(first, 2 * self._pause), last)
        if not self._engine.claims.is_remote:
            self._pause = pause
            yield Pause(pause)
            self.waited += pause
            return
        if self._bell is None:
            self._bell = self._engine.claims.bell()
        if self._bell.listen([call.claim.place for call in calls]):
            return  # it may have become free before we listened: ask again
        self._pause = pause
        pause *= random.uniform(0.75, 1.25)  # noqa: S311, not all at once
        began = self._engine.clock.monotonic()
        yield Hear(self._bell, pause if left is None else min(pause, left))
        self.waited += self._engine.clock.monotonic() - began
        self._bell.again()

    def end(self) -> None:
        """
        It does not wait any more.
        """
        if self._bell is not None:
            self._bell.close()


class Hear:
    """
    Effect: wait until *bell* rings, or *seconds* at most.
    """

    __slots__ = ("_future", "_seconds")

    def __init__(self, bell: Any, seconds: Seconds) -> None:
        self._future = bell.future
        self._seconds = seconds

    def now(self) -> None:
        try:
            self._future.result(self._seconds)
        except FutureTimeout:
            pass

    async def later(self) -> None:
        mine = asyncio.wrap_future(self._future)
        try:
            await asyncio.wait((mine,), timeout=self._seconds)
        finally:
            mine.cancel()
