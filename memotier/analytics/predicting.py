"""
Recommendations that are tried before they are given: on the trace that was recorded last.

A trace is thinned to ``MOST`` accesses first, by key, so that all of this takes about a second.
What does not reproduce what was measured when it was recorded predicts nothing: then something
happened that no trace has, such as invalidations.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from ..policies import POLICIES
from .advice import ENOUGH, Priority, Recommendation, _time
from .cardinality import mixed
from .parameters import Argument, ArgumentReport, sentence
from .simulation import Outcome, recorded_setup, simulate
from .traces import ELSEWHERE, MISS, Trace

MOST: Final = 30_000
#: How far what is simulated may be from what was measured.
TRUSTED: Final = 0.05
#: How much higher a hit rate has to be for a change to be worth its words.
WORTH: Final = 0.03

_ALL: Final = 1 << 64
_FACTORS: Final = (2, 4, 8)
#: Of its bound what memory uses, if that is what it lacks.
_FULL: Final = 0.9
#: Expirations per access from which a longer ttl is tried, and how much longer.
_EXPIRES: Final = 0.05
_LONGER: Final = 4.0


def thinned(trace: Trace, most: int = MOST) -> Trace:
    """
    *trace* with only so many of its keys that some *most* accesses are left.
    """
    if len(trace.keys) <= most:
        return trace
    share = most / len(trace.keys)
    below = round(share * _ALL)
    kept = [at for at in range(len(trace.sizes)) if mixed(at) < below]
    number = {at: new for new, at in enumerate(kept)}
    events = [at for at, key in enumerate(trace.keys) if key in number]
    return replace(
        trace,
        rate=trace.rate * below / _ALL,
        function_of=array("H", [trace.function_of[at] for at in kept]),
        sizes=array("I", [trace.sizes[at] for at in kept]),
        seconds=array("f", [trace.seconds[at] for at in kept]),
        ttls=array("f", [trace.ttls[at] for at in kept]),
        times=array("d", [trace.times[at] for at in events]),
        keys=array("I", [number[trace.keys[at]] for at in events]),
        kinds=bytes([trace.kinds[at] for at in events]) if trace.kinds else b"",
    )


class Predictor:
    """
    What one trace says of changes.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._thin = thinned(trace)
        self._base = recorded_setup(trace)
        self._now = simulate(self._thin, self._base)
        measured = trace.measured_hit_rate
        #: Whether there is enough in it, and it is what was measured.
        self.is_trusted = (
            len(trace.keys) >= ENOUGH
            and bool(trace.l1)
            and measured is not None
            and abs(measured - self._now.hit_rate) <= TRUSTED
        )
        missed = trace.kinds.count(MISS)
        elsewhere = trace.kinds.count(ELSEWHERE)
        #: Of what memory does not have, the part that is computed.
        self._computed = missed / (missed + elsewhere) if missed + elsewhere else 1.0
        self._advice: list[Recommendation] | None = None

    def __call__(self, recommendation: Recommendation) -> Mapping[str, Any] | None:
        """
        What the change of memory in *recommendation* would bring; None if it is none.
        """
        change = dict((recommendation.change or {}).get("l1", {}))
        if not (self.is_trusted and change and change.keys() <= {"max_size", "max_bytes"}):
            return None
        return self._predicted(self._tried(**change))

    def advice(self) -> list[Recommendation]:
        """
        What the trace itself recommends.
        """
        if self._advice is None:
            self._advice = [*self._all()] if self.is_trusted else []
        return self._advice

    def _all(self) -> Iterator[Recommendation]:
        yield from self._more_room()
        yield from self._another_policy()
        yield from self._longer_ttl()

    def _tried(self, **change: Any) -> Outcome:
        return simulate(self._thin, replace(self._base, **change))

    def _predicted(self, then: Outcome) -> dict[str, Any]:
        now = self._now
        more = then.seconds_saved_per_hour - now.seconds_saved_per_hour
        return {
            "hit_rate_now": now.hit_rate,
            "hit_rate": then.hit_rate,
            "seconds_saved_per_hour": more * self._computed,
            "bytes": then.bytes - now.bytes,
        }

    def _more_room(self) -> Iterator[Recommendation]:
        base, now = self._base, self._now
        used = {
            "max_size": now.entries / base.max_size if base.max_size else 0.0,
            "max_bytes": now.bytes / base.max_bytes if base.max_bytes else 0.0,
        }
        name = max(used, key=lambda one: used[one])
        bound = getattr(base, name)
        if used[name] < _FULL:
            return
        tried = [(bound * factor, self._tried(**{name: bound * factor})) for factor in _FACTORS]
        most = tried[-1][1].hit_rate - now.hit_rate
        if most < WORTH:
            return
        # The smallest that brings nearly all of what there is to gain.
        wanted, then = next(one for one in tried if one[1].hit_rate - now.hit_rate >= 0.8 * most)
        yield self._recommended(
            "more_room",
            f"l1 {name} {bound:,} → {wanted:,}",
            then,
            description="Memory is full, and keys come back after they have left.",
            action=f"Give memory more room: l1 {name}={wanted}.",
            change={"l1": {name: wanted}},
        )

    def _another_policy(self) -> Iterator[Recommendation]:
        base = self._base
        if not self._now.evictions:
            return
        others = [name for name in POLICIES if name not in (base.policy, "ttl")]
        then = max((self._tried(policy=name) for name in others), key=lambda one: one.hit_rate)
        if then.hit_rate - self._now.hit_rate < WORTH:
            return
        name = then.setup.policy
        yield self._recommended(
            "policy",
            f"l1 policy {base.policy} → {name}",
            then,
            description="Which entries leave when memory is full decides what is found again.",
            action=f"Set the eviction policy of memory to {name!r}.",
            change={"l1": {"policy": name}},
        )

    def _longer_ttl(self) -> Iterator[Recommendation]:
        now = self._now
        if now.expirations < _EXPIRES * now.accesses:
            return
        then = self._tried(ttl_factor=_LONGER)
        if then.hit_rate - now.hit_rate < WORTH:
            return
        yield self._recommended(
            "ttl",
            f"ttl {_LONGER:.0f} times as long",
            then,
            description=f"{now.expirations:,} entries expired and were asked for again.",
            action=(
                "Lengthen ttl if results stay true for so long, or serve old results while they "
                "are refreshed (stale_while_revalidate)."
            ),
            change=None,
        )

    def _recommended(
        self, kind: str, what: str, then: Outcome, *, description: str, action: str, change: Any
    ) -> Recommendation:
        predicted = self._predicted(then)
        gain = then.hit_rate - self._now.hit_rate
        saved, room = predicted["seconds_saved_per_hour"], predicted["bytes"]
        impact = f"about {_time(saved)} of computing saved per hour"
        if room > 0:
            impact += f", {_bytes(room)} more"
        return Recommendation(
            priority="medium" if gain >= 0.1 else "low",
            kind=kind,
            title=f"{what}: hit rate of memory {self._now.hit_rate:.0%} → {then.hit_rate:.0%}",
            description=description,
            expected_impact=impact,
            action=action,
            evidence={
                "accesses": self.trace.accesses,
                "seconds": self.trace.lasted,
                "measured_hit_rate": self.trace.measured_hit_rate or 0.0,
            },
            change=change,
            predicted=predicted,
        )


def argument_advice(reports: list[ArgumentReport]) -> Iterator[Recommendation]:
    """
    Which arguments should be no part of the key.
    """
    for report in reports:
        worst = report.worst
        if worst is not None and report.calls >= ENOUGH:
            yield _without(report, worst)


def _without(report: ArgumentReport, worst: Argument) -> Recommendation:
    names = tuple(worst.name.split(", "))
    gain = worst.hit_rate_without - report.hit_rate
    priority: Priority = "high" if gain >= 0.3 else "medium"
    if names == ("self",):
        action = "Give the class a __cache_key__(), or share with ignore=('self',)"
    else:
        action = f"ignore={names!r}"
    return Recommendation(
        priority=priority,
        kind="argument",
        title=f"{report.label}: {' and '.join(names)} makes nearly every call another one",
        description=sentence(worst, report.calls, report.hit_rate) + ".",
        expected_impact=(
            f"Hits would rise from {report.hit_rate:.0%} to {worst.hit_rate_without:.0%}"
        ),
        action=f"{action}, if the result does not depend on it.",
        namespace=report.namespace,
        function=report.function,
        evidence={"calls": report.calls, "hit_rate": report.hit_rate, "values": worst.values},
        predicted={"hit_rate_now": report.hit_rate, "hit_rate": worst.hit_rate_without},
    )


def _bytes(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.3g} {unit}"
    return f"{count:.0f} bytes"
