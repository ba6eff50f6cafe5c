"""
What ``f.explain(...)`` returns: why a call would be answered from the cache, or why not.

Nothing here decides anything: explaining.py gathers the facts, wording.py says them to people.
An explanation holds no argument, only short texts of arguments in which secrets are ``***``.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from .types import Seconds


class Reason(StrEnum):
    """
    The reason of an ``Explanation``; equal to its text, as in ``reason == "never_seen"``.
    """

    # What answers in place of the function.
    IN_MEMORY = "in_memory"
    SECOND_TIER = "second_tier"
    JOINS = "joins"
    STALE = "stale"
    REMEMBERED_ERROR = "remembered_error"
    # Why the function would be called.
    NEVER_SEEN = "never_seen"
    ARGUMENT_DIFFERS = "argument_differs"
    SCOPE_DIFFERS = "scope_differs"
    EXPIRED = "expired"
    EVICTED = "evicted"
    INVALIDATED = "invalidated"
    REPLACED = "replaced"
    CODE_CHANGED = "code_changed"
    DEPENDENCY_CHANGED = "dependency_changed"
    REFUSED = "refused"
    IS_ERROR = "is_error"
    SKIPPED = "skipped"
    UNSTORED = "unstored"
    OVERTAKEN = "overtaken"
    FAILED = "failed"
    QUOTA = "quota"
    SECOND_TIER_AWAY = "second_tier_away"
    UNREADABLE = "unreadable"
    GONE = "gone"
    # Why there is no cache for it.
    UNKEYABLE = "unkeyable"
    DISABLED = "disabled"
    OFF = "off"
    CLOSED = "closed"


#: The reasons for which the function is not called.
HITS: Final = frozenset(
    (
        *(Reason.IN_MEMORY, Reason.SECOND_TIER, Reason.JOINS, Reason.STALE),
        Reason.REMEMBERED_ERROR,
    )
)


@dataclass(frozen=True, slots=True)
class Difference:
    """
    One argument in which two calls differ: short texts, ``***`` where it is a secret. *how* is
    ``"case"``, ``"space"``, ``"type"``, or empty.
    """

    name: str
    here: str
    there: str
    how: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """
    Why a call would hit or miss, at the moment *now*; ``str()`` of it is for people.

    Moments are wall seconds since 1970, the others durations in seconds. What does not apply or
    is not known is None, or empty.
    """

    function: str
    namespace: str
    #: The call, with short texts for the arguments.
    call: str
    reason: Reason
    now: Seconds
    #: As of ``cache_key()``; empty for a call that has none.
    key: str = ""
    #: ``"l1"`` or ``"l2"``: where the result is that would be used.
    tier: str | None = None
    age: Seconds | None = None
    #: Negative for a stale result, infinite for one that never expires.
    ttl_left: Seconds | None = None
    #: Seconds that the computation took which would be saved.
    compute_seconds: Seconds | None = None
    #: Whether a caller gets the result while it is computed anew in the background.
    refreshes: bool = False
    #: When it happened that the result is not there.
    at: Seconds | None = None
    #: What was invalidated or has changed: ``"key"``, ``"tag"``, ``"namespace"``, ``"function"``,
    #: ``"everything"``, ``"epoch"``, ``"file"``, ``"env"``, ``"code"``; and which. With the reason
    #: ``"quota"``, which bound of it was reached.
    what: str = ""
    which: str = ""
    #: Whether it was invalidated softly: stale, not gone.
    soft: bool = False
    #: ``"this process"`` or ``"another process"``.
    by: str = ""
    #: More about the reason, in words; never an argument or a value.
    detail: str = ""
    #: In what the nearest known call differs, and when that was made.
    differences: tuple[Difference, ...] = ()
    arguments: int = 0
    nearest_at: Seconds | None = None
    #: How many calls of the function this process knows; a bounded number.
    known_calls: int = 0
    #: The version of the function's code; and the one that other results were computed by.
    version: str = ""
    old_version: str = ""
    #: What else was found out, in sentences.
    notes: tuple[str, ...] = ()

    @property
    def would_hit(self) -> bool:
        """
        Whether the caller gets a result without a call of the function in front of him.
        """
        return self.reason in HITS

    def as_dict(self) -> dict[str, Any]:
        """
        The facts for programs: only what JSON can hold (a ttl that never ends is None).
        """
        facts = dataclasses.asdict(self)
        facts["reason"] = self.reason.value
        facts["would_hit"] = self.would_hit
        facts["text"] = str(self)
        if facts["ttl_left"] == math.inf:
            facts["ttl_left"] = None
        return facts

    def __str__(self) -> str:
        from .wording import sentences

        return "\n".join(sentences(self))
