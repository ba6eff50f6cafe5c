"""
Holding to the quotas of scopes: asked before a function runs, and after something was stored.

``begin`` takes a computation from the accounts of those for whom it is, or says why it may not be:
that is as if the function had raised ``QuotaExceeded``, so an old result that may be served on
errors is, and everyone who waits for the same hears the same. It is not remembered as an error.
``let_go`` removes from the second tier what a scope has too much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..durations import show_seconds
from ..errors import QuotaExceeded, StoreError
from ..types import Address, Seconds
from .calls import Call
from .drive import Plan
from .effects import Ask, Asking
from .engine import Engine
from .evidence import OVER_QUOTA
from .flights import Failed
from .meter import L2_DELETE, asked_below
from .places import Shelf

if TYPE_CHECKING:  # most functions have no scope, and need none of it
    from .ledger import Ledger


def shown_wait(wait: Seconds) -> str:
    """
    For people: to the millisecond, and never too early.
    """
    return show_seconds(math.ceil(wait * 1000 - 1e-3) / 1000)


# -- before a computation ----------------------------------------------------------------


def begin(engine: Engine, calls: Sequence[Call], *, is_refresh: bool = False) -> Failed | None:
    """
    Count one run of a function that has a scope, for *calls*; ``Failed`` if a quota forbids it.

    Args:
        calls: Those whose results it brings, all of one function.

        is_refresh: Whether nobody is to be answered by it.
    """
    ledger: Ledger = calls[0].shelf.ledger
    with engine.lock:
        now = engine.clock.monotonic()
        accounts = [ledger.account(call) for call in calls]
        distinct = list(dict.fromkeys(accounts))
        wait = max(ledger.due_in(account, now) for account in distinct)
        for account in accounts:
            account.misses += not (is_refresh or wait)
            account.computed += not wait
        if not wait:
            for account in distinct:
                ledger.pay(account, now)
            return None
        for account in distinct:
            account.refused += 1
        for call in calls:
            engine.evidence.happened(engine, call, OVER_QUOTA, "computations_per_second")
    quota = ledger.quota
    assert quota is not None
    return Failed(
        QuotaExceeded(
            f"{calls[0].shelf.label}() was not called: its scope has had as many computations as "
            f"its quota= allows ({quota.computations_per_second:g} per second). Try again in "
            f"{shown_wait(wait)}",
            retry_after=wait,
        )
    )


def due_in(engine: Engine, call: Call) -> Seconds:
    """
    Seconds until the scope of *call* may have the function run; 0.0: now.
    """
    ledger: Ledger | None = call.shelf.ledger
    if ledger is None or call.scoped is None:
        return 0.0
    with engine.lock:
        account = ledger.find(call.scoped.names[0])
        return 0.0 if account is None else ledger.due_in(account, engine.clock.monotonic())


# -- after a result was stored -------------------------------------------------------------


def let_go(engine: Engine, shelf: Shelf) -> Plan:
    """
    Drop from the second tier what its scope has had to give up. That is no invalidation: nobody is
    told, and what other processes have of it in memory stays there. If the second tier cannot be
    reached, so does it.
    """
    ledger: Ledger = shelf.ledger
    with engine.lock:
        gone, ledger.gone = ledger.gone, []
        gone = [address for address in gone if address not in ledger.at]  # it has come back
    if not gone or engine.store is None or engine.closed:
        return
    answer = yield from asked_below(engine, L2_DELETE, Ask(engine, _discard, gone))
    if isinstance(answer, StoreError):
        engine.fault(answer)


def _discard(gone: Sequence[Address]) -> Asking:
    for address in gone:
        yield "discard", address
