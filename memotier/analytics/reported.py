"""
Argument reports in a snapshot: names of parameters and numbers, so that who looks from outside a
process is told which argument ruins a hit rate.

Of each function the few parameters without which most would be hits, of the most called functions.
Those of several processes cannot be added, because nobody knows which values they have in common;
of each function the report of the process that called it most stands for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..engine.engine import Engine
from . import figures
from .advice import Recommendation, advise
from .counters import Whose
from .parameters import Argument, ArgumentReport, Arguments
from .predicting import argument_advice

#: Functions, and parameters of one.
MOST_REPORTS: Final = 20
FEW: Final = 5


def rows_of(
    arguments: Arguments | None, engine: Engine, functions: Iterable[figures.Function]
) -> list[dict[str, Any]]:
    """
    What *arguments* tell of the most called of *functions*, those of a snapshot.
    """
    if arguments is None:
        return []
    counted: dict[Whose, tuple[float, float]] = {
        (one["namespace"], one["function"]): (one["counters"]["hits"], one["counters"]["misses"])
        for one in functions
    }
    seen = [at for at in list(arguments.seen) if at in counted]
    chosen = sorted(seen, key=lambda at: -sum(counted[at]))[:MOST_REPORTS]
    reports = [arguments.report(engine, at, counted[at]) for at in chosen]
    return ranked(map(_row, reports))


def _row(report: ArgumentReport) -> dict[str, Any]:
    kept, worst = list(report.arguments[:FEW]), report.worst
    if worst is not None and worst not in (*kept, report.together):
        kept[-1] = worst
    return {
        **{name: getattr(report, name) for name in ("namespace", "function", "label")},
        **{name: getattr(report, name) for name in ("calls", "hit_rate", "keys", "left_out")},
        "arguments": [_of_argument(one) for one in kept],
        "together": None if report.together is None else _of_argument(report.together),
    }


def _of_argument(one: Argument) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("name", "values", "hit_rate_without")}


def ranked(rows: Iterable[Mapping[str, Any]], most: int = MOST_REPORTS) -> list[dict[str, Any]]:
    """
    The *most* called, one of each function.
    """
    found: dict[Whose, dict[str, Any]] = {}
    for row in rows:
        at = row["namespace"], row["function"]
        if row["arguments"] and (at not in found or found[at]["calls"] < row["calls"]):
            found[at] = dict(row)
    return sorted(found.values(), key=lambda row: (-row["calls"], row["namespace"]))[:most]


def reports_of(snapshot: figures.Snapshot) -> list[ArgumentReport]:
    """
    The reports in *snapshot*, the most called function first.
    """
    return [
        ArgumentReport(
            **{
                **row,
                "arguments": tuple(Argument(**one) for one in row["arguments"]),
                "together": None if row["together"] is None else Argument(**row["together"]),
            }
        )
        for row in snapshot.get("arguments", ())
    ]


def advised(snapshot: figures.Snapshot) -> list[Recommendation]:
    """
    All that *snapshot* recommends, also of arguments.
    """
    return advise(snapshot, more=argument_advice(reports_of(snapshot)))
