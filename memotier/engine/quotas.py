"""
Holding to the quotas of scopes: asked before a function runs, and after something was stored.

``begin`` takes a computation from the accounts of those for whom it is, or says why it may not be:
that is as if the function had raised ``QuotaExceeded``, so an old result that may be served on
errors is, and everyone who waits for the same hears the same. It is not remembered as an error.
``let_go`` removes from the second tier what a scope has too much.

``ScopeInfo`` is what is shown of a scope.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from ..durations import show_seconds
from ..errors import QuotaExceeded, StoreError
from ..quota import Quota
from ..types import Address, Name, Seconds
from .calls import Call
from .drive import Plan
from .effects import Ask, Asking
from .engine import Engine
from .evidence import OVER_QUOTA
from .flights import Failed
from .ledger import Account, Ledger
from .meter import L2_DELETE, asked_below
from .places import Shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeInfo:
    """
    What one scope has and was given, in this process.

    *hits* are calls that were answered without running the function, by memory (*l1_hits*), by the
    second tier (*l2_hits*) or together with another caller (*joined*); *misses* ran it, and
    *refused* would have, if the quota had let them. *computed* are all its runs, also refreshes.
    *size* and *bytes* are entries in memory, *evicted* results that went because the scope had too
    many. *seconds_saved* is the computing time that hits did not take.

    *stored* and *stored_bytes* count against the *quota*: results that this process knows of in
    either tier, and the larger of what they take in each. *computations_left* may be made at once;
    None: as many as one likes.
    """

    hits: int = 0
    misses: int = 0
    l1_hits: int = 0
    l2_hits: int = 0
    joined: int = 0
    computed: int = 0
    refused: int = 0
    evicted: int = 0
    size: int = 0
    bytes: int = 0
    stored: int = 0
    stored_bytes: int = 0
    seconds_saved: Seconds = 0.0
    computations_left: int | None = None
    quota: Quota | None = None


#: What is added up over functions.
SUMMED = tuple(
    field.name for field in fields(ScopeInfo) if field.name not in ("computations_left", "quota")
)


def info_of(account: Account) -> ScopeInfo:
    """
    What *account* says, without its quota. Called under the lock.
    """
    l1_hits, saved = account.hits()
    return ScopeInfo(
        hits=l1_hits + account.l2_hits + account.joined,
        misses=account.misses,
        l1_hits=l1_hits,
        l2_hits=account.l2_hits,
        joined=account.joined,
        computed=account.computed,
        refused=account.refused,
        evicted=account.evicted,
        size=account.entries,
        bytes=account.bytes,
        stored=len(account.holdings),
        stored_bytes=max(account.bytes, account.below),
        seconds_saved=saved,
    )


def scope_info(engine: Engine, name: Name, shelf: Shelf | None) -> ScopeInfo:
    """
    What the scope with the digest *name* has of one function; of all if *shelf* is None.
    """
    with engine.lock:
        shelves: Iterable[Shelf] = list(engine.shelves) if shelf is None else [shelf]
        ledgers: list[Ledger] = [one.ledger for one in shelves if one.ledger is not None]
        accounts = [found for ledger in ledgers if (found := ledger.find(name)) is not None]
        each = [info_of(account) for account in accounts]
        total = {field: sum(getattr(one, field) for one in each) for field in SUMMED}
        if shelf is None or not ledgers:
            return ScopeInfo(**total)
        (ledger,) = ledgers
        account = accounts[0] if accounts else Account(ledger, name)
        ledger.due_in(account, now := engine.clock.monotonic())
        left = ledger.tokens(account, now)
        return ScopeInfo(**total, quota=ledger.quota, computations_left=left)


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
