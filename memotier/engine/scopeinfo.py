"""
``ScopeInfo``: what is shown of a scope, from its accounts (ledger.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from ..quota import Quota
from ..types import Name, Seconds
from .engine import Engine
from .ledger import Account, Ledger
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
