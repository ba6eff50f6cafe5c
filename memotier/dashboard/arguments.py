"""
The part of the report about arguments: which of them make nearly every call another one.

Names of parameters and numbers; no value is in it.
"""

from __future__ import annotations

from typing import Any

from ..analytics import figures
from . import shown
from .markup import Html, tag
from .sections import MOST_KEYS, cell, section, table


def arguments(taken: figures.Snapshot) -> Html | None:
    """
    One row for each parameter, and for those that do so together; None if nothing is known.
    """
    rows = [
        _row(report, one)
        for report in taken.get("arguments", ())
        for one in (*report["arguments"], *filter(None, [report["together"]]))
    ]
    if not rows:
        return None
    heads = ("function", "without", ">values", ">calls", ">hit rate", ">without it")
    return section(
        "Arguments",
        "arguments",
        table(heads, rows[:MOST_KEYS], label="Arguments"),
        note="The hit rate if an argument were no part of the key. Where several processes count, "
        "of the one that called a function most.",
    )


def _row(report: dict[str, Any], one: dict[str, Any]) -> Html:
    now, then = report["hit_rate"], one["hit_rate_without"]
    return tag(
        "tr",
        tag("th", tag("span", report["label"]), tag("small", report["namespace"]), scope="row"),
        tag("td", tag("code", one["name"])),
        cell(one["values"], shown.count(one["values"]), "values"),
        cell(report["calls"], shown.count(report["calls"]), "calls"),
        cell(now, shown.percent(now), "hit_rate"),
        cell(then, shown.percent(then), "hit_rate_without"),
        data_argument=f"{report['function']}:{one['name']}",
    )
