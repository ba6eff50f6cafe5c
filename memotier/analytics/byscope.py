"""
Which scopes use a cache, without showing whose they are.

A scope is shown by the first digits of its digest, which stands in its entries anyway; whoever has
its text can compute that (``digits_of_scope``). Made of the accounts that functions with a scope
keep (engine/ledger.py): so a hit costs nothing, and figures are known from the beginning. Of many
scopes those that are used most are shown, the others as one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from .. import scopes
from ..engine.engine import Engine
from ..engine.ledger import Account
from ..types import Name
from .counters import added

#: What the row is called that stands for all that are not shown one by one.
OTHERS: Final = "others"
#: Digits of the digest: enough to tell apart all that a cache may have.
_DIGITS: Final = 16

#: What is told as it is now.
_NOW: Final = frozenset({"scope", "entries", "bytes"})

NUMBERS: Final = (
    *("entries", "bytes", "hits", "misses", "computed", "refused", "evictions"),
    "seconds_saved",
)


def digits_of(name: Name) -> str:
    return name.hex()[:_DIGITS]


def digits_of_scope(engine: Engine, scope: Any) -> str:
    """
    How *scope*, its value, is shown.

    Raises:
        ConfigError: If it is none.
    """
    return digits_of(scopes.name_of(engine, scope))


def scopes_of(engine: Engine, *, most: int) -> list[dict[str, Any]]:
    """
    The *most* used scopes, and the sum of the others. Not under the lock: there may be many.
    """
    with engine.lock:
        ledgers = [shelf.ledger for shelf in list(engine.shelves) if shelf.ledger is not None]
        accounts = [account for ledger in ledgers for account in ledger.accounts()]
        forgotten = [ledger.others for ledger in ledgers]
    rows = [{"scope": digits_of(account.name), **_numbers(account)} for account in accounts]
    rows += [{"scope": OTHERS, **_numbers(account)} for account in forgotten if account.computed]
    return folded(rows, most)


def folded(rows: Iterable[Mapping[str, Any]], most: int) -> list[dict[str, Any]]:
    """
    *rows* with one for each scope, the most used first, and all beyond *most* as one.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        numbers = {name: row[name] for name in NUMBERS}
        found[row["scope"]] = added(found.get(row["scope"], {}), numbers)
    others = found.pop(OTHERS, {})
    ranked = sorted(found.items(), key=lambda item: (-_calls(item[1]), item[0]))
    for _, numbers in ranked[most:]:
        others = added(others, numbers)
    return [
        *({"scope": scope, **numbers} for scope, numbers in ranked[:most]),
        *([{"scope": OTHERS, **others}] if others else []),
    ]


def less(rows: Iterable[Mapping[str, Any]], before: Iterable[Mapping[str, Any]]) -> list[Any]:
    """
    *rows* without what had been counted *before*; what is there now is there.
    """
    rows = list(rows)
    shown = {row["scope"] for row in rows}
    hidden = [row if row["scope"] in shown else {**row, "scope": OTHERS} for row in before]
    counted = {row["scope"]: row for row in folded(hidden, len(hidden))}
    return [
        {
            name: value if name in _NOW else max(0, value - counted[row["scope"]][name])
            for name, value in row.items()
        }
        if row["scope"] in counted
        else dict(row)
        for row in rows
    ]


def _calls(numbers: Mapping[str, Any]) -> float:
    return float(numbers["hits"] + numbers["misses"] + numbers["refused"])


def _numbers(account: Account) -> dict[str, Any]:
    l1_hits, saved = account.hits()
    return {
        "entries": account.entries,
        "bytes": account.bytes,
        "hits": l1_hits + account.l2_hits + account.joined,
        "misses": account.misses,
        "computed": account.computed,
        "refused": account.refused,
        "evictions": account.evicted,
        "seconds_saved": saved,
    }
