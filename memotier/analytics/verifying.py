"""
What ``verify=`` has found, as recommendations: for how long results of a function are what it
would return.

They do not follow from a snapshot, because that has no ages: they are of this process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from ..durations import show_seconds
from ..engine.checks import MINUTE, Checks
from ..engine.engine import Engine
from ..engine.histogram import bounds_of
from ..types import Seconds
from .advice import Recommendation
from .counters import in_use

#: Checks below which nothing is said, of all and of those that a ttl is proposed by.
ENOUGH: Final = 50
ENOUGH_YOUNG: Final = 20
#: Of the results that are served, those that may differ from a fresh one.
TOLERATED: Final = 0.01
#: Above this it is urgent.
MUCH: Final = 0.1
#: What people write as a ttl, in seconds.
_ROUND: Final = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 6 * 3600, 12 * 3600),
    *(days * 86400 for days in (1, 2, 7, 14, 30, 60)),
)


class Young(NamedTuple):
    """
    Results up to some age: how old, how many were checked, and how many of these differed.
    """

    most: Seconds
    checked: float
    differed: float


def verify_advice(engine: Engine) -> Iterator[Recommendation]:
    """
    A shorter ttl for each function of which more than ``TOLERATED`` of the checked hits differed.
    """
    with engine.lock:
        shelves = [shelf for shelf in in_use(engine) if shelf.checks is not None]
    for shelf in shelves:
        checks: Checks = shelf.checks
        checked, differed = checks.verified, checks.differs
        if checked < ENOUGH or differed <= TOLERATED * checked:
            continue
        young = good_until(checks)
        yield Recommendation(
            priority="high" if differed > MUCH * checked else "medium",
            kind="serves_old_results",
            title=f"{shelf.label}: {differed / checked:.1%} of {checked:,} hits that were checked "
            "differed from a fresh result",
            description=(
                f"They were {_time(checks.differing.quantile(0.5) * MINUTE)} old in the middle, "
                f"and all that were checked {_time(checks.ages.quantile(0.5) * MINUTE)}."
            ),
            expected_impact=_impact(young),
            action=_action(young),
            namespace=shelf.namespace,
            function=shelf.identity,
            evidence={
                "verified": checked,
                "verified_differs": differed,
                "differing_share": differed / checked,
                **({} if young is None else {"ttl_seconds": young.most}),
            },
        )


def good_until(checks: Checks) -> Young | None:
    """
    The longest ttl with which no more than ``TOLERATED`` of the checked hits would have differed;
    None if there is none, or too few were as young.
    """
    ages, differing = checks.ages.counts.copy(), checks.differing.counts.copy()
    found, checked, differed = None, 0.0, 0.0
    for bucket in sorted(ages):
        checked += ages[bucket]
        differed += differing.get(bucket, 0)
        if checked >= ENOUGH_YOUNG and differed <= TOLERATED * checked:
            found = Young(bounds_of(bucket)[1] * MINUTE, checked, differed)
    if found is None:
        return None
    most = max((one for one in _ROUND if one <= found.most), default=None)
    return None if most is None else found._replace(most=most)


def _impact(young: Young | None) -> str:
    if young is None:
        return "How old they were does not tell which would differ"
    share = young.differed / young.checked
    return f"Of {young.checked:,.0f} that were at most about that old, {share:.1%} differed"


def _action(young: Young | None) -> str:
    what = "invalidate results when their source changes (tags=, depends_on=)"
    if young is None:
        return f"Young results differ, too: {what}, or do not cache this function."
    return f"Set ttl to at most {_time(young.most)}, or {what}."


def _time(seconds: Seconds) -> str:
    return show_seconds(round(seconds) if seconds >= 10 else round(seconds, 3))
