"""
Single-flight between processes: the leader of a flight claims its key in the store.

Who does not get the claim looks from time to time whether the result has come, and claims again.
So of all who wait, one follows a leader that died or whose result was not stored, then the next:
they compute in turn, not at once.

What must never happen:
- two processes wait for each other: a computation inside another one does not wait, it computes;
- a process that stopped keeps all others waiting: nobody waits longer than ``MOST``;
- a claim outlives its computation: it is given back in every way out, by the kernel if need be.

There is nothing to wait for where results do not reach the second tier at once (write-back), or
not at all (the function's results could not be stored before).
"""

from __future__ import annotations

from collections.abc import Callable

from ..types import Seconds
from .calls import Call
from .drive import Plan
from .effects import Now, Pause
from .engine import Engine
from .flights import leading
from .tier2 import Found
from .writes import Noted

#: Seconds between two looks, at first and at most.
FIRST, LAST = 0.001, 0.01
#: Seconds after which a waiter computes all the same.
MOST: Seconds = 60.0


def can_claim(engine: Engine, call: Call, noted: Noted) -> bool:
    """
    Whether this call's computation should be the only one of this machine.
    """
    return (
        call.claims
        and engine.claims is not None
        and noted.tokens is not None
        and call.address is not None
        and not call.shelf.unshared
        and engine.options.write_policy != "write_back"
    )


def wait_for_claim(engine: Engine, call: Call, look: Callable[[], Plan]) -> Plan:
    """
    Until the claim is ours, or there is no point in waiting: what *look* answered last, None if
    nobody was ahead of us. If it raises, the claim may be ours all the same.

    Args:
        look: Makes the plan that looks below: ``Found``, or what was noted.
    """
    pause, waited = FIRST, 0.0
    while True:
        taken = yield Now(engine.claims.take, call.address)
        if not (waited or (taken and has_moved(engine, call))):
            answer = None
        else:
            # Under the claim, if it is ours: what its last holder stored is there now.
            answer = yield from look()
            if answer.__class__ is Found:
                return answer
            with engine.lock:
                call.shelf.l2_misses -= 1  # it was counted before
            if answer.tokens is None:
                return answer
        if taken or taken is None or waited >= MOST or leading.get() is not None:
            return answer
        yield Pause(pause)
        waited += pause
        pause = min(2 * pause, LAST)


def has_moved(engine: Engine, call: Call) -> bool:
    """
    Whether somebody may have computed *call* between our look below and our claim.
    """
    return call.mark is None or bool(engine.claims.mark(call.address) != call.mark)
