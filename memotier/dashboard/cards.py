"""
The recommendations of the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..analytics.advice import Recommendation
from . import shown
from .markup import Html, tag
from .sections import section
from .shown import number


def advice(found: Sequence[Recommendation]) -> Html:
    """
    What to change, with the figures that say so.
    """
    if not found:
        text = "Nothing to change, or too little is known: a function needs 100 calls."
        return section("Recommendations", "advice", tag("p", text, class_="empty"))
    return section("Recommendations", "advice", tag("div", list(map(_card, found)), class_="cards"))


def _card(one: Recommendation) -> Html:
    listed: list[tuple[str, Mapping[str, Any]]] = [("evidence", one.evidence)]
    if one.predicted is not None:
        listed.append(("predicted", one.predicted))
    return tag(
        "article",
        tag(
            "h3",
            tag("span", one.priority, class_=f"priority {one.priority}"),
            one.title,
        ),
        tag("p", one.description),
        tag("p", tag("b", "Do: "), one.action),
        tag("p", tag("b", "Effect: "), one.expected_impact) if one.expected_impact else None,
        [
            tag(
                "dl",
                [
                    tag(
                        "div",
                        tag(
                            "dt",
                            name.replace("_", " ").removesuffix(" ms").removesuffix(" seconds"),
                        ),
                        tag("dd", _evidence(name, value)),
                    )
                    for name, value in values.items()
                ],
                class_=f"facts {kind}",
            )
            for kind, values in listed
        ],
        data_kind=one.kind,
    )


def _evidence(name: str, value: Any) -> Html:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number(value if is_number else None, shown.evidence(name, value), name)


def _plain(name: str) -> str:
    """
    Without the unit, which stands with the figure.
    """
    return name.removesuffix("_ms").removesuffix("_seconds").replace("_", " ")
