"""
What to change, with the figures that say so.

Each rule is a function of a snapshot that yields recommendations; ``RULES`` is all there is to
extend. *expected_impact* says only what follows from the figures by arithmetic. Where the change
is one of settings, *change* has it in a form that a simulation can try, and ``advise(...,
predict=...)`` lets it: what that returns becomes *predicted*.

More memory is recommended only where keys are asked for again that it had no room for: the engine
counts how many twice the room would have answered (``evicted_asked``, ``evicted_computed``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from ..engine.meter import COMPUTE, L2_GET, SLOW
from . import figures

Priority = Literal["critical", "high", "medium", "low"]
PRIORITIES: Final[tuple[Priority, ...]] = ("critical", "high", "medium", "low")

#: Accesses below which nothing is said: so few happen by chance.
ENOUGH: Final = 100
LOW_HIT_RATE: Final = 0.3
VERY_LOW_HIT_RATE: Final = 0.1
HIGH_EVICTION_RATE: Final = 0.1
FULL: Final = 0.9
#: By how much a hit rate has to rise for more memory to be worth its words.
WORTH: Final = 0.01
#: Milliseconds.
SLOW_LOOKUP: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """
    One thing to change.

    *priority* is ``"critical"``, ``"high"``, ``"medium"`` or ``"low"``; *kind* names the rule.
    *namespace* and *function* say whom it concerns, "" for the whole cache. *evidence* are the
    figures it rests on. *change* is the change as settings, if it is one, such as ``{"l1":
    {"max_size": 2000}}``; *predicted* what a simulation says of it, if one was asked.
    """

    priority: Priority
    kind: str
    title: str
    description: str
    expected_impact: str
    action: str
    namespace: str = ""
    function: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)
    change: Mapping[str, Any] | None = None
    predicted: Mapping[str, Any] | None = None


Predict = Callable[[Recommendation], Mapping[str, Any] | None]
Rule = Callable[[figures.Snapshot], Iterable[Recommendation]]


def advise(
    snapshot: figures.Snapshot,
    predict: Predict | None = None,
    more: Iterable[Recommendation] = (),
) -> list[Recommendation]:
    """
    What *snapshot* recommends, the most urgent first; empty if all is well, or too little known.

    Args:
        predict: Is given each recommendation that has a *change*, and returns what that would
            bring, or None. One whose hit rate would rise by less than 1 point says so, or is left
            out if the change is all there is to do.

        more: Recommendations that do not follow from a snapshot.
    """
    found = [one for rule in RULES for one in rule(snapshot)]
    if predict is not None:
        found = [kept for one in found if (kept := _tried(one, predict)) is not None]
    return sorted([*found, *more], key=lambda one: PRIORITIES.index(one.priority))


def _tried(one: Recommendation, predict: Predict) -> Recommendation | None:
    predicted = None if one.change is None else predict(one)
    if predicted is None:
        return one
    one, now = replace(one, predicted=predicted), predicted.get("hit_rate_now")
    if now is None or predicted.get("hit_rate", 1.0) - now >= WORTH:
        return one
    if one.kind == "high_eviction_rate":
        return None
    return replace(
        one, expected_impact="More room would raise the hit rate by less than 1 point, as simulated"
    )


# -- rules: of one function ----------------------------------------------------------------------


def costs_more_than_it_saves(snapshot: figures.Snapshot) -> Iterator[Recommendation]:
    for one in snapshot["functions"]:
        counters = one["counters"]
        accesses = figures.accesses(counters)
        computing = figures.latency(snapshot, COMPUTE, [one])
        balance = figures.balance_seconds(one)
        if one["kind"] != "function" or accesses < ENOUGH or balance >= 0 or counters["cost_saved"]:
            continue
        spent = figures.spent_seconds(one)
        yield Recommendation(
            priority="high",
            kind="costs_more_than_it_saves",
            title=f"{one['label']}: its cache costs more than it saves",
            description=(
                f"Looking up and storing took {_time(spent)}, and hits saved "
                f"{_time(balance + spent)} of computing; a call of the function takes "
                f"{_time(computing.mean)}."
            ),
            expected_impact=f"{_time(-balance)} less for {accesses:,.0f} calls",
            action="Do not cache this function, or keep its results in memory only.",
            namespace=one["namespace"],
            function=one["function"],
            evidence={
                "accesses": accesses,
                "hit_rate": figures.hit_rate(counters),
                "spent_seconds": spent,
                "saved_seconds": balance + spent,
                "balance_seconds": balance,
                "compute_avg_ms": computing.mean * 1e3,
            },
        )


def low_hit_rate(snapshot: figures.Snapshot) -> Iterator[Recommendation]:
    for one in snapshot["functions"]:
        counters = one["counters"]
        accesses, rate = figures.accesses(counters), figures.hit_rate(counters)
        if accesses < ENOUGH or rate >= LOW_HIT_RATE:
            continue
        why, action, change = _why_so_low(counters, snapshot["tiers"])
        yield Recommendation(
            priority="high" if rate < VERY_LOW_HIT_RATE else "medium",
            kind="low_hit_rate",
            title=f"{one['label']}: {rate:.0%} of {accesses:,.0f} accesses are hits",
            description=why,
            expected_impact=(
                f"Each further hit saves {_time(_mean_compute(snapshot, one))} of computing"
            ),
            action=action,
            namespace=one["namespace"],
            function=one["function"],
            evidence={
                "accesses": accesses,
                "hit_rate": rate,
                **{name: counters[name] for name in ("expirations", "evictions", "invalidations")},
                "evicted_computed": counters.get("evicted_computed", 0),
            },
            change=change,
        )


def _why_so_low(
    counters: figures.Counters, tiers: Mapping[str, Any]
) -> tuple[str, str, Mapping[str, Any] | None]:
    """
    What became of the entries that were not there: the most frequent cause, if it is one.
    """
    misses = counters["misses"]
    gone = {name: counters[name] for name in ("expirations", "invalidations")}
    # Not all that were evicted: most may never be asked for again.
    gone["evictions"] = counters.get("evicted_computed", 0)
    cause = max(gone, key=lambda name: gone[name])
    if gone[cause] < 0.2 * misses and counters["evictions"]:
        return (
            "Most misses are of keys that were never seen before, or so long ago that twice the "
            "room in memory would not have kept them.",
            "Leave arguments that do not matter out of the key (ignore=, key=), or warm the calls "
            "that are known to come; memotier simulate tries other sizes.",
            None,
        )
    if gone[cause] < 0.2 * misses:
        return (
            "Most misses are of keys that were never seen before: nothing that is kept longer, or "
            "in more room, would be found.",
            "Leave arguments that do not matter out of the key (ignore=, key=), or warm the calls "
            "that are known to come.",
            None,
        )
    if cause == "expirations":
        return (
            f"{gone[cause]:,.0f} entries expired for {misses:,.0f} misses.",
            "Lengthen ttl, or serve old results while they are refreshed (stale_while_revalidate).",
            None,
        )
    if cause == "evictions":
        return (
            f"{gone[cause]:,.0f} of {misses:,.0f} misses were of entries that had made room for "
            "others shortly before.",
            "Give memory more room (l1 max_size, max_bytes)"
            + ("." if tiers["l2"] else ", or add a second tier."),
            {"l1": _doubled(tiers["l1"])},
        )
    return (
        f"{gone[cause]:,.0f} entries were invalidated, for {misses:,.0f} misses.",
        "Invalidate by narrower tags.",
        None,
    )


# -- rules: of the tiers ---------------------------------------------------------------------------


def evicts_much(snapshot: figures.Snapshot) -> Iterator[Recommendation]:
    counters, tier = figures.total(snapshot), snapshot["tiers"]["l1"]
    accesses, rate = figures.accesses(counters), figures.eviction_rate(counters)
    again, gain = counters["evicted_asked"], figures.share(counters["evicted_asked"], accesses)
    if accesses < ENOUGH or rate <= HIGH_EVICTION_RATE or gain < WORTH:
        return
    yield Recommendation(
        priority="medium" if snapshot["tiers"]["l2"] else "high",
        kind="high_eviction_rate",
        title=f"Memory evicts an entry in {rate:.0%} of all accesses",
        description=(
            f"{counters['evictions']:,.0f} entries made room for others in {accesses:,.0f} "
            f"accesses, and {again:,.0f} were asked for again shortly after"
            + ("; the second tier had most of them." if _had_most(snapshot, counters) else ".")
        ),
        expected_impact=(
            f"Twice the room would have answered some {again:,.0f} accesses more from memory, "
            f"{100 * gain:.0f} points"
        ),
        action=_more_room(tier),
        evidence={
            "accesses": accesses,
            "eviction_rate": rate,
            "utilization": figures.utilization(tier),
            **{name: counters[name] for name in ("evicted_asked", "evicted_computed")},
        },
        change={"l1": _doubled(tier)},
    )


def _had_most(snapshot: figures.Snapshot, counters: figures.Counters) -> bool:
    return bool(snapshot["tiers"]["l2"]) and (
        counters["evicted_computed"] < 0.5 * counters["evicted_asked"]
    )


def is_full(snapshot: figures.Snapshot) -> Iterator[Recommendation]:
    below, used = snapshot["tiers"]["l2"], figures.utilization(snapshot["tiers"]["l2"])
    if below is None or used <= FULL or not below["evictions"]:
        return
    yield Recommendation(
        priority="medium",
        kind="second_tier_full",
        title=f"The second tier is {used:.0%} full and evicts",
        description=f"{below['evictions']:,} records were removed for lack of room.",
        expected_impact=f"At most {below['evictions']:,} computations less",
        action="Give the second tier more room (l2 max_size, max_bytes).",
        evidence={"utilization": used, "evictions": below["evictions"]},
        change={"l2": _doubled(below)},
    )


def slow_lookups(snapshot: figures.Snapshot) -> Iterator[Recommendation]:
    below = figures.latency(snapshot, L2_GET)
    took = figures.summary(below)
    if below.count < ENOUGH or took["p95_ms"] <= SLOW_LOOKUP:
        return
    again = figures.total(snapshot)["evicted_asked"]
    helps = again >= WORTH * below.count
    yield Recommendation(
        priority="medium",
        kind="slow_second_tier",
        title=f"One look-up of 20 in the second tier takes more than {took['p95_ms']:.1f} ms",
        description=(
            f"{below.count:,.0f} look-ups took {took['avg_ms']:.2f} ms on average, "
            f"{_time(below.total)} together."
        ),
        expected_impact=(
            f"With twice the room in memory some {_time(again * below.mean)} less"
            if helps
            else f"{_time(below.total)} less if there were no second tier to ask"
        ),
        action=(
            "Give memory more room, keep large results out (cache_if), or use a faster disk."
            if helps
            else "Keep large results out (cache_if), or use a faster disk."
        ),
        evidence={
            **{f"l2_get_{name}": value for name, value in took.items()},
            "evicted_asked": again,
        },
        change={"l1": _doubled(snapshot["tiers"]["l1"])} if helps else None,
    )


def second_tier_fails(snapshot: figures.Snapshot) -> Iterator[Recommendation]:
    failures = sum(snapshot["failures"].values())
    asked = failures + sum(
        figures.latency(snapshot, operation).count for operation in snapshot["failures"]
    )
    rate = figures.share(failures, asked)
    if not failures or rate < 0.01:
        return
    yield Recommendation(
        priority="critical" if rate > 0.5 else "high",
        kind="second_tier_fails",
        title=f"{rate:.0%} of the operations of the second tier failed",
        description=f"{failures:,} of {asked:,.0f}; the log says why.",
        expected_impact="Results survive a restart, and are shared between processes, only then",
        action="Look at the log for the first failure, and at permissions and room on the disk.",
        evidence={"failures": failures, "failure_rate": rate},
    )


RULES: tuple[Rule, ...] = (
    second_tier_fails,
    costs_more_than_it_saves,
    low_hit_rate,
    evicts_much,
    is_full,
    slow_lookups,
)


# -- words -----------------------------------------------------------------------------------------


def _mean_compute(snapshot: figures.Snapshot, one: figures.Function) -> float:
    computing = figures.latency(snapshot, COMPUTE, [one])
    return computing.mean if computing.count else figures.latency(snapshot, SLOW, [one]).mean


def _doubled(tier: Mapping[str, Any]) -> dict[str, Any]:
    """
    Twice the bound that is nearer.
    """
    size = figures.share(tier["size"], tier["max_size"] or 0)
    used = figures.share(tier["bytes"], tier["max_bytes"] or 0)
    name = "max_size" if size >= used else "max_bytes"
    return {name: 2 * tier[name]} if tier[name] else {}


def _more_room(tier: Mapping[str, Any]) -> str:
    wanted = " and ".join(f"{name}={value:,}" for name, value in _doubled(tier).items())
    return f"Give memory more room: l1 {wanted}." if wanted else "Give memory more room."


def _time(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if abs(seconds) * factor >= 1:
            return f"{seconds * factor:,.3g} {unit}"
    return f"{seconds * 1e9:,.0f} ns"
