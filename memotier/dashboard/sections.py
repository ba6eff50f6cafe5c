"""
The parts of the report, each a function of one snapshot.

Every number stands there as text, and exactly in ``data-`` attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..analytics import figures
from . import charts, shown
from .markup import Html, tag
from .shown import number

#: Rows of a table; a page is to be read.
MOST_FUNCTIONS: Final = 50
MOST_KEYS: Final = 25

_CAUSES: Final = (
    ("evictions", "evicted", "no room"),
    ("expirations", "expired", "too old"),
    ("invalidations", "invalidated", "asked for"),
    ("replacements", "replaced", "newer value"),
)
#: What the operations are called, in the order in which they are told.
_OPERATIONS: Final = {
    "l1.get": ("memory", "look-up"),
    "l2.get": ("second tier", "look-up"),
    "l2.set": ("second tier", "store"),
    "l2.delete": ("second tier", "delete"),
    "l2.bump": ("second tier", "invalidate"),
    "l2.versions": ("second tier", "ask what holds"),
    "call.compute": ("function", "compute"),
    "call.refresh": ("function", "refresh"),
    "call.wait": ("call", "wait for another"),
    "call.slow": ("call", "all that memory could not answer"),
}


def section(title: str, name: str, *content: Any, note: str = "") -> Html:
    head = tag("h2", title, id=name)
    return tag("section", head, tag("p", note, class_="note") if note else None, *content)


def table(heads: Sequence[str], rows: Iterable[Html], *, label: str) -> Html:
    """
    Columns whose head begins with ``>`` are of numbers.
    """
    head = [
        tag("th", one.removeprefix(">"), scope="col", class_="r" if one[:1] == ">" else None)
        for one in heads
    ]
    body = tag("tbody", list(rows))
    whole = tag("table", tag("thead", tag("tr", head)), body, aria_label=label)
    return tag("div", whole, class_="wide", tabindex="0", role="region", aria_label=label)


def cell(value: float | None, text: str, name: str | None = None) -> Html:
    return tag("td", number(value, text, name), class_="r")


def summary(taken: figures.Snapshot) -> Html:
    """
    The few figures that say whether the cache is worth it.
    """
    counters = figures.total(taken)
    accesses, rate = figures.accesses(counters), figures.hit_rate(counters)
    failures = counters["failed"] + sum(taken["failures"].values())
    tiles = [
        ("hit_rate", rate, shown.percent(rate) if accesses else "no calls", "hit rate"),
        ("accesses", accesses, shown.count(accesses), "calls"),
        (
            "seconds_saved",
            counters["seconds_saved"],
            shown.duration(counters["seconds_saved"]),
            "computing saved",
        ),
        ("computed", counters["computed"], shown.count(counters["computed"]), "computed"),
        ("failures", failures, shown.count(failures), "failures"),
    ]
    if counters["cost_saved"]:
        saved = counters["cost_saved"]
        tiles[3] = ("cost_saved", saved, shown.amount(saved), "cost saved")
    return tag(
        "dl",
        [
            tag("div", tag("dt", what), tag("dd", number(value, text, name)))
            for name, value, text, what in tiles
        ],
        class_="tiles",
    )


def time(taken: figures.Snapshot) -> Html:
    """
    The last hour.
    """
    history = [point for point in taken["history"] if point["seconds"] > 0]
    if not any(map(figures.accesses, history)):
        empty = tag("p", "No calls in the last hour that this could show.", class_="empty")
        return section("Hit rate over time", "time", empty)
    rows = [
        tag(
            "tr",
            tag("td", f"{shown.clock(point['at'])} UTC"),
            cell(
                figures.hit_rate(point),
                shown.percent(figures.hit_rate(point)) if figures.accesses(point) else "",
            ),
            cell(point["hits"], shown.count(point["hits"])),
            cell(point["misses"], shown.count(point["misses"])),
            cell(point["seconds_saved"], shown.duration(point["seconds_saved"])),
        )
        for point in history
    ]
    heads = ("until", ">hit rate", ">hits", ">misses", ">saved")
    numbers = tag(
        "details",
        tag("summary", "as numbers"),
        table(heads, rows, label="Hit rate over time"),
    )
    key = tag(
        "p",
        [tag("span", tag("i", class_=kind), kind, class_="key") for kind in ("hits", "misses")],
        class_="keys",
    )
    return section(
        "Hit rate over time",
        "time",
        charts.over_time(history),
        key,
        numbers,
        note="Of all calls those that were answered without running the function; below, the "
        "calls. All times are UTC.",
    )


def latency(taken: figures.Snapshot) -> Html:
    rows = []
    for operation in sorted(figures.operations(taken), key=_rank):
        histogram = figures.latency(taken, operation)
        if not histogram.count:
            continue
        p50, p95, p99 = histogram.quantiles((0.5, 0.95, 0.99))
        who, what = _OPERATIONS.get(operation, operation.split(".", 1))
        rows.append(
            tag(
                "tr",
                tag("th", who, tag("small", what), scope="row"),
                cell(histogram.count, shown.count(histogram.count), "count"),
                cell(p50, shown.duration(p50), "p50"),
                cell(p95, shown.duration(p95), "p95"),
                cell(p99, shown.duration(p99), "p99"),
                tag("td", charts.latencies(p50, p95, p99), class_="picture"),
                data_operation=operation,
            )
        )
    heads = ("tier", ">count", ">p50", ">p95", ">p99", "100 ns … 100 s, logarithmic")
    return section(
        "Latency by tier",
        "latency",
        table(heads, rows, label="Latency by tier") if rows else _nothing(),
        note="The bar reaches from the median to the 95th percentile, its tail to the 99th. Looks "
        "into memory were tried just now; everything else is measured.",
    )


def _rank(operation: str) -> int:
    known = list(_OPERATIONS)
    return known.index(operation) if operation in known else len(known)


def functions(taken: figures.Snapshot) -> Html:
    """
    What each saves, the most first.
    """
    ranked = sorted(taken["functions"], key=lambda one: -one["counters"]["seconds_saved"])
    most = max((one["counters"]["seconds_saved"] for one in ranked), default=0.0)
    rows = []
    for one in ranked[:MOST_FUNCTIONS]:
        counters, balance = one["counters"], figures.balance_seconds(one)
        accesses, rate = figures.accesses(counters), figures.hit_rate(counters)
        saved = counters["seconds_saved"]
        rows.append(
            tag(
                "tr",
                tag("th", _named(one), scope="row"),
                tag(
                    "td",
                    number(saved, shown.duration(saved), "seconds_saved"),
                    charts.bar(figures.share(saved, most), "saved"),
                    class_="r bars",
                ),
                cell(balance, shown.duration(balance), "balance_seconds"),
                cell(rate, shown.percent(rate) if accesses else "", "hit_rate"),
                cell(accesses, shown.count(accesses), "accesses"),
                cell(counters["computed"], shown.count(counters["computed"]), "computed"),
                cell(counters["failed"], shown.count(counters["failed"]), "failed"),
                data_namespace=one["namespace"],
                data_function=one["function"],
            )
        )
    heads = ("function", ">saved", ">balance", ">hit rate", ">calls", ">computed", ">raised")
    return section(
        "What each function saves",
        "functions",
        table(heads, rows, label="What each function saves") if rows else _nothing(),
        _more(len(ranked), MOST_FUNCTIONS, "functions"),
        note="Saved is computing that hits did not take. The balance has subtracted what looking "
        "and storing took: below zero, the cache costs more than it saves.",
    )


def room(taken: figures.Snapshot) -> Html:
    """
    Who takes the room in memory, and whose entries go, and why.
    """
    held = sum(one["bytes"] for one in taken["functions"])
    ranked = sorted(
        taken["functions"], key=lambda one: (-one["counters"]["evictions"], -one["bytes"])
    )
    rows = []
    for one in ranked[:MOST_FUNCTIONS]:
        counters = one["counters"]
        left = sum(counters[name] for name, _, _ in _CAUSES)
        shares = [(name, figures.share(counters[name], left)) for name, _, _ in _CAUSES]
        rows.append(
            tag(
                "tr",
                tag("th", _named(one), scope="row"),
                tag(
                    "td",
                    number(one["bytes"], shown.size(one["bytes"]), "bytes"),
                    charts.bar(figures.share(one["bytes"], held), "held"),
                    class_="r bars",
                ),
                cell(one["entries"], shown.count(one["entries"]), "entries"),
                *(
                    cell(counters[name], shown.count(counters[name]), name)
                    for name, _, _ in _CAUSES
                ),
                tag("td", charts.parts(shares) if left else None, class_="picture"),
                data_namespace=one["namespace"],
                data_function=one["function"],
            )
        )
    heads = (
        "function",
        ">room now",
        ">entries",
        *(f">{what}" for _, what, _ in _CAUSES),
        "of these",
    )
    key = tag(
        "p",
        [
            tag("span", tag("i", class_=name), f"{what}: {why}", class_="key")
            for name, what, why in _CAUSES
        ],
        class_="keys",
    )
    return section(
        "What evicts what",
        "room",
        table(heads, rows, label="What evicts what") if rows else _nothing(),
        key,
        note="Functions share the room in memory: those with much of it push out the entries of "
        "those that are evicted.",
    )


def tiers(taken: figures.Snapshot) -> Html:
    rows = []
    for name, title in (("l1", "memory"), ("l2", "second tier")):
        tier = taken["tiers"][name]
        if tier is None:
            continue
        kind = tier.get("kind")
        used = figures.utilization(tier)
        rows.append(
            tag(
                "tr",
                tag("th", title, tag("small", kind) if kind else None, scope="row"),
                cell(tier["size"], shown.count(tier["size"]), "size"),
                cell(tier["max_size"], _bound(tier["max_size"]), "max_size"),
                cell(tier["bytes"], shown.size(tier["bytes"]), "bytes"),
                cell(tier["max_bytes"], shown.size(tier["max_bytes"]), "max_bytes"),
                tag(
                    "td",
                    number(used, shown.percent(used), "utilization"),
                    charts.bar(used, "held"),
                    class_="r bars",
                ),
                cell(tier["evictions"], shown.count(tier["evictions"]), "evictions"),
                data_tier=name,
            )
        )
    heads = ("tier", ">entries", ">bound", ">size", ">bound", ">used", ">evicted")
    owed = taken["pending_writes"]
    pending = tag("p", number(owed, shown.plural(owed, "entry", "entries"), "pending_writes"))
    return section(
        "Size",
        "size",
        table(heads, rows, label="Size"),
        tag("div", pending, " owed to the second tier.", class_="note inline") if owed else None,
    )


def hot(taken: figures.Snapshot) -> Html:
    rows = [
        tag(
            "tr",
            tag("th", tag("code", one["key"]), tag("small", one["namespace"]), scope="row"),
            cell(one["accesses"], shown.count(one["accesses"]), "accesses"),
            cell(one["hits"], shown.count(one["hits"]), "hits"),
            cell(one["misses"], shown.count(one["misses"]), "misses"),
            data_key=one["key"],
        )
        for one in taken["hot_keys"][:MOST_KEYS]
    ]
    heads = ("key", ">accesses", ">hits", ">misses")
    empty = tag(
        "p",
        "Not tracked. Where ",
        tag("code", "memotier.CacheAnalytics(cache)"),
        " was made, it is counted which keys are asked for.",
        class_="empty",
    )
    return section(
        "Hot keys",
        "keys",
        table(heads, rows, label="Hot keys") if rows else empty,
        note="Arguments are not shown: a key is its function and the first digits of its address."
        if rows
        else "",
    )


def tags(taken: figures.Snapshot) -> Html | None:
    rows = [
        tag(
            "tr",
            tag("th", tag("code", one["tag"]), scope="row"),
            cell(one["entries"], shown.count(one["entries"]), "entries"),
            cell(one["bytes"], shown.size(one["bytes"]), "bytes"),
            cell(one["hits"], shown.count(one["hits"]), "hits"),
            cell(one["seconds_saved"], shown.duration(one["seconds_saved"]), "seconds_saved"),
            data_tag=one["tag"],
        )
        for one in taken["tags"][:MOST_KEYS]
    ]
    heads = ("tag", ">entries", ">size", ">hits", ">saved")
    return section("Tags", "tags", table(heads, rows, label="Tags")) if rows else None


def scopes(taken: figures.Snapshot) -> Html | None:
    names = ("entries", "hits", "misses", "refused", "evictions")
    rows = [
        tag(
            "tr",
            tag("th", tag("code", one["scope"]), scope="row"),
            *(cell(one[name], shown.count(one[name]), name) for name in names),
            cell(one["seconds_saved"], shown.duration(one["seconds_saved"]), "seconds_saved"),
            data_scope=one["scope"],
        )
        for one in [*taken.get("scopes", ())][:MOST_KEYS]
    ]
    heads = ("scope", ">entries", ">hits", ">misses", ">refused", ">gone by quota", ">saved")
    return section("Scopes", "scopes", table(heads, rows, label="Scopes")) if rows else None


def _named(one: figures.Function) -> list[Html]:
    label = one["label"] if one["kind"] == "function" else "keys"
    where = f"{one['namespace']} · {one['function']}" if one["function"] else one["namespace"]
    return [tag("span", label), tag("small", where)]


def _bound(most: int | None) -> str:
    return "no bound" if most is None else shown.count(most)


def _more(there: int, most: int, what: str) -> Html | None:
    return tag("p", f"{there - most} more {what}.", class_="note") if there > most else None


def _nothing() -> Html:
    return tag("p", "Nothing was asked of this cache yet.", class_="empty")
