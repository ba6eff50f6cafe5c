"""
An ``Explanation`` in words: what would happen, why, and what can be done about it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from .durations import show_seconds
from .explanation import Difference, Explanation, Reason
from .types import Seconds

_TIERS = {"l1": "memory", "l2": "the second tier"}
#: In what way arguments differ that mean the same to people.
HOW = {
    "case": "they differ in upper and lower case only",
    "space": "they differ in spaces only",
    "type": "they are equal, but of different types",
}
#: Differences that are shown.
_MOST = 4

_ADVICE = {
    Reason.NEVER_SEEN: "Nothing to do: the first call of its kind computes.",
    Reason.EXPIRED: "What to do: a longer ttl=, or stale_while_revalidate= to serve it meanwhile.",
    Reason.EVICTED: "What to do: a larger l1.max_size or l1.max_bytes, or a second tier.",
    Reason.CODE_CHANGED: "What to do: nothing, or version= if the change does not matter.",
    Reason.REFUSED: "What to do: look at the function's cache_if=, ttl= and tags=.",
    Reason.IS_ERROR: "What to do: is_error= says what is one, stale_if_error= serves the last "
    "result.",
    Reason.SKIPPED: "What to do: look where the function says memotier.current().skip().",
    Reason.QUOTA: "What to do: a larger quota=, if the scope is to have more.",
    Reason.OVERTAKEN: "Nothing to do: the next call computes and keeps it.",
    Reason.FAILED: "What to do: cache_exceptions= remembers errors, stale_if_error= serves the "
    "last result.",
    Reason.SECOND_TIER_AWAY: "What to do: see why it cannot be reached; it is tried again by "
    "itself.",
    Reason.UNREADABLE: "Nothing to do: it is computed anew and written over.",
    Reason.DISABLED: "What to do: call it outside of memotier.disabled().",
    Reason.OFF: 'What to do: mode = "on" in the settings, or MEMOTIER_MODE.',
    Reason.CLOSED: "What to do: use a cache that is open.",
}


def sentences(told: Explanation) -> Iterator[str]:
    """
    The lines of ``str(told)``: two to six.
    """
    if told.would_hit:
        yield f"{told.call} would hit: {_hit(told)}."
        saved = told.compute_seconds
        if saved is not None and told.reason is not Reason.JOINS:
            yield f"Its computation took {_long(saved)}, which is saved."
    elif told.reason in (Reason.UNKEYABLE, Reason.DISABLED, Reason.OFF, Reason.CLOSED):
        yield f"{told.call} would not be cached: {_uncached(told)}."
    else:
        yield f"{told.call} would miss: {_miss(told)}."
    yield from _differences(told)
    yield from told.notes
    advice = _advice(told)
    if advice:
        yield advice


def _hit(told: Explanation) -> str:
    where = _TIERS.get(told.tier or "", "")
    age = "" if told.age is None else f", computed {_long(told.age)} ago"
    other = f" by {told.by}" if told.by == "another process" else ""
    if told.reason is Reason.JOINS:
        return "it is being computed right now, and the caller would wait for that"
    if told.reason is Reason.REMEMBERED_ERROR:
        return (
            f"the {told.detail} that the function raised lately is raised again, for another "
            f"{_long(told.ttl_left or 0.0)}"
        )
    if told.reason is Reason.STALE:
        why = (
            "invalidated softly" if told.soft else f"{_long(-(told.ttl_left or 0.0))} over its ttl"
        )
        then = ", while it is computed anew in the background" if told.refreshes else ""
        return f"{where} has a stale result ({why}), which is served{then}"
    left = told.ttl_left or 0.0
    good = "for ever" if left == math.inf else f"for another {_long(left)}"
    replaced = "" if told.at is None else f"; it replaced an older one at {_clock(told.at)}"
    refresh = "; the call starts a refresh in the background" if told.refreshes else ""
    return f"{where} has the result{age}{other}, fresh {good}{replaced}{refresh}"


def _miss(told: Explanation) -> str:
    reason, at = told.reason, _at(told)
    if reason is Reason.EXPIRED:
        return f"its result expired{at}"
    if reason is Reason.EVICTED:
        return f"its result was evicted from memory{at}, because there was no room"
    if reason is Reason.INVALIDATED:
        softly = "softly " if told.soft else ""
        by = f" by {told.by}" if told.by else ""
        return f"its result was invalidated {softly}{_by_what(told)}{at}{by}"
    if reason is Reason.REPLACED:
        return f"its result was replaced{at} by a newer one, which could not be kept"
    if reason is Reason.CODE_CHANGED:
        if told.which and told.which != told.function:
            return f"the code of {told.which}, on which it depends, has changed since its result"
        return (
            f"its result was computed by other code{at}: {told.function} has changed from version "
            f"{told.old_version} to {told.version}"
        )
    if reason is Reason.DEPENDENCY_CHANGED:
        which = told.which or "a file or variable"
        return f"{which}, on which it depends, has changed since its result was computed"
    if reason is Reason.SECOND_TIER_AWAY:
        return "memory does not have it, and the second tier cannot be asked"
    if reason is Reason.UNREADABLE:
        return "the second tier has a record that is not used"
    if reason is Reason.GONE:
        when = "" if told.nearest_at is None else f" {_ago(told, told.nearest_at)}"
        return f"it was called{when}, but its result is in no tier, and why is not remembered"
    if reason is Reason.FAILED:
        return f"the function raised{at}, and errors are not kept"
    if reason is Reason.OVERTAKEN:
        return f"something was invalidated while its result was computed{at}, so it was not kept"
    if reason is Reason.QUOTA and told.which == "computations_per_second":
        return f"the function was not called{at}, because of the quota of its scope"
    if reason is Reason.QUOTA and told.which == "bytes":
        return f"its result was not stored{at}: it takes more than the quota of its scope"
    if reason is Reason.QUOTA:
        return f"its result made room{at} for others of its scope, which has what its quota allows"
    if reason is Reason.SKIPPED:
        return f"the function said that its result is not to be stored{at}"
    if reason is Reason.REFUSED:
        return f"its result was refused{at}"
    if reason is Reason.IS_ERROR:
        return f"its result is an error{at}, by its is_error=, and errors are not kept"
    if reason is Reason.UNSTORED:
        return f"its result could not be kept{at}"
    if reason is Reason.SCOPE_DIFFERS:
        return "the call is known for another scope only"
    return _unknown(told)


def _unknown(told: Explanation) -> str:
    if not told.known_calls:
        return "no call of this function is known to this process, and no tier has its result"
    which = "the only call" if told.known_calls == 1 else f"none of the {told.known_calls:,} calls"
    if told.known_calls == 1:
        return "the only call that is known has other arguments"
    return f"{which} that are known has these arguments"


def _by_what(told: Explanation) -> str:
    said = {
        "key": "by its key",
        "tag": f"by tag {told.which!r}",
        "namespace": f"with namespace {told.which!r}",
        "function": "with all results of the function",
        "everything": "with everything in the cache",
        "epoch": f"by epoch({told.which!r})",
        "code": f"with all results of {told.which}, on which it depends",
    }
    return said.get(told.what, "by something it depends on")


def _uncached(told: Explanation) -> str:
    if told.reason is Reason.UNKEYABLE:
        return "it has no key"
    if told.reason is Reason.DISABLED:
        return "caching is disabled here"
    if told.reason is Reason.OFF:
        return "the cache is off by its settings"
    return "its cache is closed"


def _differences(told: Explanation) -> Iterator[str]:
    if told.detail and told.reason is not Reason.REMEMBERED_ERROR:
        yield f"Why: {told.detail}" + "." * (not told.detail.endswith("."))
    if not told.differences:
        return
    count, total = len(told.differences), told.arguments
    when = "" if told.nearest_at is None else f", made {_ago(told, told.nearest_at)},"
    yield f"The nearest call{when} differs in {count} of {total} argument{'s' * (total != 1)}:"
    shown = told.differences[:_MOST]
    texts = [f"{one.name}: {one.there} then, {one.here} now" for one in shown]
    more = "" if count <= _MOST else f", and {count - _MOST} more"
    yield "  " + "; ".join(texts) + more


def _advice(told: Explanation) -> str:
    if told.reason is Reason.ARGUMENT_DIFFERS:
        return _about_arguments(told.differences)
    if told.reason is Reason.UNSTORED:
        return "What to do: give it a codec= or a type that can be stored, or leave it uncached."
    return _ADVICE.get(told.reason, "")


def _about_arguments(differences: tuple[Difference, ...]) -> str:
    names = " and ".join(one.name for one in differences[:_MOST])
    hows = {one.how for one in differences}
    if len(hows) == 1 and hows != {""}:
        return (
            f"What to do: {HOW[hows.pop()]}; make {names} uniform before the call, or say with "
            "key= what counts."
        )
    return (
        f"What to do: nothing, if {names} matters; if not, leave it out of the key with "
        f"ignore=({', '.join(repr(one.name) for one in differences[:_MOST])},)."
    )


# -- moments and durations -------------------------------------------------------------


def _at(told: Explanation) -> str:
    return "" if told.at is None else f" {_ago(told, told.at)} (at {_clock(told.at)})"


def _ago(told: Explanation, when: Seconds) -> str:
    return f"{_long(told.now - when)} ago"


def _clock(when: Seconds) -> str:
    return time.strftime("%H:%M:%S", time.localtime(when))


def _long(seconds: Seconds) -> str:
    """
    A duration, as exactly as people want it.
    """
    seconds = max(0.0, seconds)
    if seconds >= 100:
        seconds = float(round(seconds))
    elif seconds >= 1:
        seconds = round(seconds, 1)
    elif seconds >= 0.001:
        seconds = round(seconds, 3)
    else:
        return "less than 1ms"
    return show_seconds(seconds)
