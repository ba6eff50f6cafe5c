"""
The report: one page with the figures of a cache, in one file.

It holds no script and asks for nothing: whatever a name in it may be, a browser is told by a
content security policy to run and to load nothing. So it can be sent around, and opened anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Final

from ..analytics import figures
from ..analytics.advice import Recommendation
from ..analytics.reported import advised
from . import cards, sections, shown
from .arguments import arguments
from .markup import Html, tag

_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


def report(
    snapshot: figures.Snapshot, recommendations: Sequence[Recommendation] | None = None
) -> str:
    """
    The page, as HTML, of what ``memotier.analytics.snapshot()`` or ``merge()`` returned.

    Args:
        recommendations: What ``advise()`` returned; None: what *snapshot* recommends.
    """
    advice = advised(snapshot) if recommendations is None else recommendations
    style = Html(files(__package__).joinpath("report.css").read_text(encoding="utf-8"))
    title = f"memotier: {snapshot['cache']}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", style),
    )
    main = tag(
        "main",
        _top(snapshot),
        sections.summary(snapshot),
        sections.time(snapshot),
        cards.advice(advice),
        sections.functions(snapshot),
        arguments(snapshot),
        sections.latency(snapshot),
        sections.room(snapshot),
        sections.tiers(snapshot),
        sections.hot(snapshot),
        sections.tags(snapshot),
        sections.scopes(snapshot),
    )
    foot = tag(
        "footer", "Made by memotier. This page loads nothing and shows no values of arguments."
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', main, foot), lang='en')}\n"


def _top(snapshot: figures.Snapshot) -> Html:
    processes, begun = snapshot["processes"], snapshot["since"]
    facts = [
        tag(
            "span",
            shown.plural(len(processes), "process", "processes"),
            title=", ".join(processes),
            data_name="processes",
            data_value=len(processes),
        ),
        tag("span", "over ", shown.duration(max(0.0, snapshot["taken"] - begun))),
        tag("span", "until ", shown.moment(snapshot["taken"])),
        tag("span", snapshot["write_policy"].replace("_", "-")),
    ]
    return tag(
        "header",
        tag("h1", "Cache ", tag("b", snapshot["cache"], data_name="cache")),
        tag("p", facts, class_="facts"),
    )
