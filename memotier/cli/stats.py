"""
Print what a cache did and saved, of all processes that use its second tier.

Each process leaves its figures there every 2 seconds while it is used (setting: snapshots). One
that has ended, or was killed, is counted for 10 minutes more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import click
from rich.console import Group as Together
from rich.table import Table
from rich.text import Text

from ..analytics import collect
from ..analytics.byscope import digits_of_scope
from .explain import read_value
from .figuring import SORTS, figured
from .frame import as_command, cache_option, json_option, namespace_option, option
from .opening import with_second_tier
from .view import console, duration, number, percent, shown, size, table

#: Functions that people see, unless they ask for more.
_LINES: Final = 20

sort_option: Final = option(
    "--sort",
    type=click.Choice(SORTS),
    default="calls",
    metavar="BY",
    help=f"Which functions come first: {', '.join(SORTS)} (default: calls).",
)


@as_command("stats", "what a cache did and saved, in all processes", __doc__)
@cache_option
@namespace_option("Only functions of namespace NS and those below it.")
@sort_option
@option(
    "--limit",
    type=int,
    default=_LINES,
    metavar="N",
    help=f"At most N functions, or scopes (default: {_LINES}).",
)
@option(
    "--by",
    type=click.Choice(("function", "scope")),
    default="function",
    metavar="WHAT",
    help="One line for each function (default), or for each scope.",
)
@option(
    "--scope",
    default=None,
    metavar="VALUE",
    help="Only this scope: its value as text or a literal, such as 42 or \"(1, 'ann')\".",
)
@json_option()
def command(
    cache: str,
    namespace: str | None,
    sort: str,
    limit: int,
    by: str,
    scope: str | None,
    as_json: bool,
) -> int:
    opened = with_second_tier(cache)
    data = figured(collect(opened), namespace, sort)
    if scope is not None:
        wanted = digits_of_scope(opened._keyed.engine, read_value(scope))
        data["scopes"] = [one for one in data["scopes"] if one["scope"] == wanted]
    if as_json:
        print(json.dumps(data, indent=2))
        return 0
    out = console()
    by_scope = by == "scope" or scope is not None
    out.print(Together(*parts(data, limit, out.width, by_scope=by_scope)))
    return 0


def parts(
    data: Mapping[str, Any], limit: int, width: int, *, by_scope: bool = False
) -> Iterator[Any]:
    """
    What people see of ``figured``.

    Args:
        by_scope: Whether scopes are listed in place of functions.
    """
    yield _head(data)
    yield Text()
    if not data["functions"]:
        yield Text("Nothing was asked of this cache in the last 10 minutes.")
        return
    yield _summary(data, width)
    yield Text()
    yield _tiers(data["tiers"], width)
    yield Text()
    lines = data["scopes" if by_scope else "functions"]
    yield (_by_scope if by_scope else by_function)(lines[:limit], width)
    if by_scope and not lines:
        yield Text("Nothing is known of it: no function with a scope= was called for it lately.")
    left = len(lines) - limit
    if left > 0:
        yield shown(f"{left} more: --limit {len(lines)}", "dim")
    for operation, count in data["failures"].items():
        yield shown(f"{operation} failed {number(count)} times", "yellow")


def _head(data: Mapping[str, Any]) -> Text:
    processes = data["processes"]
    ended = sum(one["ended"] for one in processes)
    count = f"{len(processes)} process{'es' * (len(processes) != 1)}"
    text = shown(f"cache {data['cache']!r}", "bold")
    text.append(f"  {count}{f', {ended} of them ended' if ended else ''}", "dim")
    return text.append(f", counting for {duration(max(0, data['taken'] - data['since']))}", "dim")


def _summary(data: Mapping[str, Any], width: int) -> Table:
    names = {"1m": "last minute", "1h": "last hour", "1d": "last day"}
    rows = {"all": data["total"]} | {names[name]: one for name, one in data["windows"].items()}
    return table(
        ("", ">calls", ">hits", ">hit rate", ">computed", ">saved"),
        [
            (
                name,
                number(one["calls"]),
                number(one["hits"]),
                percent(one["hit_rate"]) if one["calls"] else "",
                number(one["computed"]),
                duration(one["seconds_saved"]),
            )
            for name, one in rows.items()
        ],
        width,
    )


def _tiers(tiers: Mapping[str, Any], width: int) -> Table:
    return table(
        ("tier", ">entries", ">of", ">bytes", ">of", ">hits", ">evicted", ">expired"),
        [
            (
                shown(f"{name} {'memory' if name == 'l1' else tier['kind']}"),
                number(tier["size"]),
                "" if tier["max_size"] is None else number(tier["max_size"]),
                size(tier["bytes"]),
                "" if tier["max_bytes"] is None else size(tier["max_bytes"]),
                number(tier["hits"]),
                number(tier["evictions"]),
                number(tier["expirations"]),
            )
            for name, tier in tiers.items()
            if tier is not None
        ],
        width,
    )


def _by_scope(scopes: Iterable[Mapping[str, Any]], width: int) -> Table:
    rows: list[list[str | Text]] = []
    for one in scopes:
        names = ("entries", "hits", "misses", "refused", "evictions")
        counts = [number(one[name]) for name in names]
        saved = duration(one["seconds_saved"])
        rows.append([shown(one["scope"]), *counts, size(one["bytes"]), saved])
    columns = (">entries", ">hits", ">misses", ">refused", ">evicted", ">bytes", ">saved")
    return table(("<scope", *columns), rows, width)


def by_function(functions: Iterable[Mapping[str, Any]], width: int) -> Table:
    """
    One line for each function.
    """
    rows = []
    for one in functions:
        hour, takes = one["windows"]["1h"], one["latency"].get("call.compute")
        costs = one["balance_seconds"] < 0
        rows.append(
            (
                shown(one["label"] if one["function"] else "(keys)"),
                shown(one["namespace"]),
                number(one["calls"]),
                percent(one["hit_rate"]) if one["calls"] else "",
                percent(hour["hit_rate"]) if hour["calls"] else "",
                "" if takes is None else duration(takes["avg_ms"] / 1e3),
                Text(duration(one["seconds_saved"]), style="yellow" if costs else ""),
            )
        )
    columns = ("<function", "<namespace", ">calls", ">hit rate", ">in 1h", ">takes", ">saved")
    return table(columns, rows, width)
