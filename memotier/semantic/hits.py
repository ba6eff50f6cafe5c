"""
What a semantic cache tells: hits with their provenance, near matches, figures.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..types import Seconds

#: Would-be hits that wait for the computed answer, and that are shown.
MOST_PENDING = 1000
MOST_SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticHit:
    """
    An answer and where it comes from.

    *score* is the cosine of the two texts, 1.0 for an exact hit; *matched* is the text that the
    answer was stored for; *created* is in seconds since 1970, *age* in seconds; *embedder* is what
    the vectors are of, "" for an exact hit.
    """

    value: Any = field(repr=False)
    score: float
    kind: Literal["exact", "semantic"]
    matched: str
    created: Seconds
    age: Seconds
    embedder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMatch:
    """
    Two texts that were near enough and passed all guards.

    *age* is how old the result is in seconds, *embedder* what the vectors are of; of matches of
    functions.

    *is_equal* is of shadow mode: whether the answer to *matched* is what was then computed; None:
    nothing was, or nobody could tell.
    """

    query: str
    matched: str
    score: float
    is_equal: bool | None = None
    age: Seconds | None = None
    embedder: str = ""


class Tally:
    """
    The figures of one semantic cache. Thread-safe.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self._pending: OrderedDict[Hashable, tuple[NearMatch, Any]] = OrderedDict()
        self._shown: deque[NearMatch] = deque(maxlen=MOST_SHOWN)
        self._lock = threading.Lock()

    def count(self, what: str, by: int = 1) -> None:
        with self._lock:
            self.counts[what] += by

    def refuse(self, rule: str) -> None:
        with self._lock:
            self.refusals[rule] += 1

    def would_serve(self, key: Hashable, hit: NearMatch, value: Any) -> None:
        """
        Shadow mode found *value* for what is asked under *key*.
        """
        with self._lock:
            self.counts["would_be_hits"] += 1
            self._pending.pop(key, None)
            self._pending[key] = (hit, value)
            while len(self._pending) > MOST_PENDING:
                self._show(self._pending.popitem(last=False)[1][0])

    def computed(self, key: Hashable, value: Any, equal: Callable[[Any, Any], Any]) -> None:
        """
        The answer to what was asked under *key* is *value*: was the would-be one right?
        """
        with self._lock:
            waiting = self._pending.pop(key, None)
        if waiting is None:
            return
        hit, served = waiting
        is_equal: bool | None
        try:
            is_equal = bool(equal(served, value))
        except Exception:
            is_equal = None  # not comparable: says nothing about the hit
        with self._lock:
            if is_equal is not None:
                self.counts["compared"] += 1
                self.counts["false_hits"] += not is_equal
            self._show(replace(hit, is_equal=is_equal))

    def report(self) -> list[NearMatch]:
        """
        The last would-be hits, those that wait for their answer last.
        """
        with self._lock:
            return [*self._shown, *(hit for hit, _ in self._pending.values())]

    def forget(self) -> None:
        """
        Let go of the texts and answers of others.
        """
        with self._lock:
            self._pending.clear()
            self._shown.clear()

    def stats(self) -> dict[str, Any]:
        with self._lock:
            counts, refusals = Counter(self.counts), dict(self.refusals)
        exact, semantic, misses = counts["exact_hits"], counts["semantic_hits"], counts["misses"]
        asked, compared = exact + semantic + misses, counts["compared"]
        return {
            "exact_hits": exact,
            "semantic_hits": semantic,
            "misses": misses,
            "hit_rate": (exact + semantic) / asked if asked else 0.0,
            "semantic_hit_rate": semantic / asked if asked else 0.0,
            "refused": sum(refusals.values()),
            "refused_by": refusals,
            "embedder_errors": counts["embedder_errors"],
            "would_be_hits": counts["would_be_hits"],
            "compared": compared,
            "false_hits": counts["false_hits"],
            "false_hit_rate": counts["false_hits"] / compared if compared else None,
        }

    def _show(self, hit: NearMatch) -> None:
        self._shown.append(hit)
