"""
``f.explain(...)``: from what is known of a call to one reason, with the facts that belong to it.

Asked in this order: is there a cache for it at all; would a tier, or somebody who computes it
right now, answer; and if not, what became of its entry, the last thing that happened first; was it
made by other code; was it ever called at all, and what call comes nearest.
"""

from __future__ import annotations

from typing import Any

from .engine import evidence, quotas, verdicts, worlds
from .engine import names as naming
from .engine.calls import Call
from .engine.drive import Plan
from .engine.engine import Engine
from .engine.evidence import Happened
from .engine.inquiry import Inquiry, inquire
from .engine.modes import is_disabled
from .engine.verdicts import FALLBACK, FRESH, STALE, Verdict, bumped_at
from .errors import UnkeyableArgument
from .explanation import Explanation, Reason
from .formerly import changed_code
from .memo import Memo
from .recording.signature import names_secret
from .shown import HIDDEN, called, is_hidden, scrubbed, shown
from .types import Seconds

Facts = dict[str, Any]

#: What a thing that happened says of the entry that is not there.
_HAPPENED = {
    evidence.EVICTED: Reason.EVICTED,
    evidence.EXPIRED: Reason.EXPIRED,
    evidence.INVALIDATED: Reason.INVALIDATED,
    evidence.REPLACED: Reason.REPLACED,
    evidence.MOVED: Reason.DEPENDENCY_CHANGED,
    evidence.DOUBTED: Reason.SECOND_TIER_AWAY,
    evidence.UNCOPIED: Reason.UNSTORED,
    evidence.REFUSED: Reason.REFUSED,
    evidence.ERROR: Reason.IS_ERROR,
    evidence.SKIPPED: Reason.SKIPPED,
    evidence.UNSTORED: Reason.UNSTORED,
    evidence.OVERTAKEN: Reason.OVERTAKEN,
    evidence.FAILED: Reason.FAILED,
    evidence.OVER_QUOTA: Reason.QUOTA,
}
#: Those that tell of a result which was never kept.
_UNKEPT = frozenset(
    (
        *(evidence.REFUSED, evidence.ERROR, evidence.SKIPPED, evidence.UNSTORED),
        *(evidence.OVERTAKEN, evidence.FAILED, evidence.OVER_QUOTA),
    )
)
_VERDICTS = {
    verdicts.EXPIRED: Reason.EXPIRED,
    verdicts.FALLBACK: Reason.EXPIRED,
    verdicts.INVALIDATED: Reason.INVALIDATED,
    verdicts.MOVED: Reason.DEPENDENCY_CHANGED,
    verdicts.NEEDS: Reason.CODE_CHANGED,
    verdicts.DOUBTED: Reason.SECOND_TIER_AWAY,
    verdicts.UNREADABLE: Reason.UNREADABLE,
}


def explain(memo: Memo, values: tuple[Any, ...]) -> Plan:
    """
    The ``Explanation`` of a call with these values.
    """
    engine = memo.ready()
    at_work = engine or memo.engine
    assert at_work is not None
    facts: Facts = {
        "function": memo.label,
        "namespace": memo.options.namespace,
        "call": call_text(memo, values),
        "now": at_work.clock.wall(),
        "version": memo.version,
    }
    if engine is None:
        return Explanation(reason=Reason.OFF if memo.off else Reason.CLOSED, **facts)
    if is_disabled() or engine.is_inside():
        return Explanation(reason=Reason.DISABLED, **facts)
    try:
        call = memo.equip(memo.look_up(values), values)
    except UnkeyableArgument as error:
        return Explanation(reason=Reason.UNKEYABLE, detail=str(error), **facts)
    facts["key"] = memo.key_text(values)
    known = call.shelf.known
    facts["known_calls"] = len(known)
    found = yield from inquire(engine, call, joins=memo.options.single_flight is not None)
    answer = would_answer(engine, found)
    if answer is None:
        answer = yield from why_not(memo, engine, call, values, found)
        answer["notes"] = (*answer.get("notes", ()), *_over_quota(engine, call))
    return Explanation(**facts, **answer)


def _over_quota(engine: Engine, call: Call) -> tuple[str, ...]:
    """
    That the call would be refused, if so.
    """
    wait = quotas.due_in(engine, call)
    again = quotas.shown_wait(wait)
    return (f"It would raise QuotaExceeded: try again in {again}.",) if wait else ()


def call_text(memo: Memo, values: tuple[Any, ...]) -> str:
    """
    The call as people write it, with short texts for its arguments.
    """
    first = 1 if memo.keys.is_method else 0
    texts = []
    for name, value in [*zip(memo.parameters.names, values, strict=True)][first:]:
        hides = name in memo.options.redact or name in memo.scopes or is_hidden(name, value)
        texts.append(f"{name}={HIDDEN if hides else scrubbed(shown(name, value))}")
    return f"{called(memo.label)}({', '.join(texts)})"


# -- what answers ----------------------------------------------------------------------


def would_answer(engine: Engine, found: Inquiry) -> Facts | None:
    """
    What would answer the call in place of the function; None: nothing.
    """
    here, below = found.here, found.below
    if here is not None and here.state in (FRESH, STALE):
        return {**_of_entry(engine, here, "l1"), **_replaced(engine, found)}
    if found.joins:
        return {"reason": Reason.JOINS}
    if below is not None and below.state in (FRESH, STALE):
        return _of_entry(engine, below, "l2")
    if found.failure is None:
        return None
    for verdict, tier in ((here, "l1"), (below, "l2")):
        if verdict is not None and verdict.state == FALLBACK:
            return {**_of_entry(engine, verdict, tier), "reason": Reason.STALE}
    left = found.failure.until - found.now
    kind = type(found.failure.error).__qualname__
    return {"reason": Reason.REMEMBERED_ERROR, "detail": kind, "ttl_left": left}


def _of_entry(engine: Engine, verdict: Verdict, tier: str) -> Facts:
    reason = Reason.IN_MEMORY if tier == "l1" else Reason.SECOND_TIER
    return {
        "reason": Reason.STALE if verdict.state == STALE else reason,
        "tier": tier,
        "age": verdict.age,
        "ttl_left": verdict.left,
        "compute_seconds": verdict.cost,
        "refreshes": verdict.refreshes,
        "soft": verdict.soft,
        "by": _writer(engine, verdict),
    }


def _writer(engine: Engine, verdict: Verdict) -> str:
    mine = verdict.writer is None or verdict.writer == engine.writer
    return "this process" if mine else "another process"


def _replaced(engine: Engine, found: Inquiry) -> Facts:
    last = next(iter(found.happened), None)
    if last is None or last.what != evidence.REPLACED:
        return {}
    return {"at": wall(engine, last.when, found.now)}


# -- why nothing does ------------------------------------------------------------------


def why_not(
    memo: Memo, engine: Engine, call: Call, values: tuple[Any, ...], found: Inquiry
) -> Plan:
    """
    Why nothing answers the call.
    """
    last = next(iter(found.happened), None)
    verdict = _worse(found.here, found.below)
    facts: Facts | None = None
    if found.error is not None and call.address is not None:
        facts = {"reason": Reason.SECOND_TIER_AWAY, "detail": str(found.error)}
        if last is not None:
            facts["notes"] = (_note(last),)
        return facts
    if verdict is not None and not _is_later(last, verdict):
        facts = yield from of_verdict(memo, engine, call, values, verdict, found)
        return facts
    if last is not None:
        facts = of_happened(memo, engine, call, values, last, found)
        if last.what == evidence.EVICTED and len(found.happened) > 1:
            before = found.happened[1]
            if before.what == evidence.UNSTORED:
                facts["notes"] = (f"The second tier does not have it: {before.text}.",)
        return facts
    facts = yield from changed_code(memo, engine, call)
    if facts is not None:
        return facts
    known = call.shelf.known
    before = known.get(call)
    if before is not None:
        return of_known(memo, engine, call, values, before.when, found)
    return of_unknown(memo, engine, call, found)


def _worse(here: Verdict | None, below: Verdict | None) -> Verdict | None:
    """
    The verdict that decides: of the second tier, if there is one that says at least as much.
    """
    if here is None or below is None:
        return below or here
    same = here.state == below.state
    return here if same and below.when is None and here.when is not None else below


def _is_later(last: Happened | None, verdict: Verdict) -> bool:
    """
    Whether *last* tells of a result that came after the entry of *verdict* was no good any more.
    """
    if last is None or last.what not in _UNKEPT:
        return False
    return verdict.when is None or last.when > verdict.when


def of_verdict(
    memo: Memo,
    engine: Engine,
    call: Call,
    values: tuple[Any, ...],
    verdict: Verdict,
    found: Inquiry,
) -> Plan:
    """
    What is said of an entry that is there and no good.
    """
    facts: Facts = {
        "reason": _VERDICTS[verdict.state],
        "age": verdict.age,
        "compute_seconds": verdict.cost or None,
        "at": None if verdict.when is None else wall(engine, verdict.when, found.now),
        "soft": verdict.soft,
        "detail": verdict.text if verdict.state == verdicts.UNREADABLE else "",
    }
    if verdict.state == verdicts.INVALIDATED:
        facts |= _named(memo, call, values, verdict.name, verdict.text, verdict.here)
    elif verdict.state == verdicts.MOVED:
        world = yield from worlds.look(engine, call, verdict.prior) if call.watch else _nothing()
        assert memo.dependent is not None or call.watch is None
        if memo.dependent is not None:
            facts["what"], facts["which"] = memo.dependent.moved(call, verdict.prior, world)
    elif verdict.state == verdicts.NEEDS:
        facts["what"], facts["which"] = _missing(memo, verdict)
    elif verdict.state == FALLBACK:
        facts["notes"] = ("If the function fails, the old result is served.",)
    return facts


def _nothing() -> Plan:
    yield from ()


def of_happened(
    memo: Memo,
    engine: Engine,
    call: Call,
    values: tuple[Any, ...],
    last: Happened,
    found: Inquiry,
) -> Facts:
    """
    What is said of an entry that has left, or was never kept.
    """
    facts: Facts = {
        "reason": _HAPPENED[last.what],
        "at": wall(engine, last.when, found.now),
        "detail": last.text if last.what in _UNKEPT else "",
    }
    if last.what == evidence.INVALIDATED:
        facts |= _named(memo, call, values, last.name, last.text, last.here)
        bumped = bumped_at(engine, last.name)
        if last.here and bumped is not None and bumped <= last.when:
            facts["at"] = wall(engine, bumped, found.now)
        facts["soft"] = last.text == evidence.SOFTLY and last.name == evidence.BY_KEY
    if last.what == evidence.OVER_QUOTA:
        facts |= {"what": "quota", "which": last.text or "entries or bytes", "detail": ""}
    if last.what == evidence.UNCOPIED:
        facts["detail"] = "it could not be copied for its caller"
    return facts


def of_known(
    memo: Memo,
    engine: Engine,
    call: Call,
    values: tuple[Any, ...],
    when: Seconds,
    found: Inquiry,
) -> Facts:
    """
    What is said of a call that was made before, of whose entry there is no trace.
    """
    tags = _tags(memo, call)
    names = (*call.names, *(naming.tag(tag) for tag in tags))
    bumps = [
        (bumped.when, name)
        for name in names
        if (bumped := engine.evidence.bumps.get(name)) is not None and bumped.when > when
    ]
    if not bumps:
        return {"reason": Reason.GONE, "nearest_at": wall(engine, when, found.now)}
    at, name = max(bumps)
    facts = _named(memo, call, values, name, "", True)
    return {"reason": Reason.INVALIDATED, "at": wall(engine, at, found.now), **facts}


def of_unknown(memo: Memo, engine: Engine, call: Call, found: Inquiry) -> Facts:
    """
    What is said of a call that was never made, as far as this process knows.
    """
    nearest = call.shelf.known.nearest(call)
    if nearest is None:
        return {"reason": Reason.NEVER_SEEN}
    reason = Reason.ARGUMENT_DIFFERS if nearest.is_near else Reason.NEVER_SEEN
    scopes = memo.scopes
    if nearest.is_near and all(one.name in scopes for one in nearest.differences):
        reason = Reason.SCOPE_DIFFERS
    return {
        "reason": reason,
        "differences": nearest.differences,
        "arguments": len(nearest.known.names),
        "nearest_at": wall(engine, nearest.known.when, found.now),
    }


# -- names -----------------------------------------------------------------------------


def _named(
    memo: Memo, call: Call, values: tuple[Any, ...], name: bytes, text: str, here: bool
) -> Facts:
    """
    What was invalidated, and by whom.
    """
    by = "this process" if here else "another process"
    tags = (text,) if text else _tags(memo, call)
    what, which = evidence.meaning(call.shelf, name, tags)
    if not what and memo.dependent is not None:
        what, which = memo.dependent.meaning(name, call, values)
    if what == "tag" and _is_of_secret(memo, which):
        which = HIDDEN
    return {"what": what, "which": scrubbed(which), "by": by}


def _is_of_secret(memo: Memo, tag: str) -> bool:
    """
    Whether a tag may be made of an argument that is a secret.
    """
    if tag in memo.options.static_tags:
        return False
    names = {*memo.options.redact, *filter(names_secret, memo.parameters.names)}
    return any(f"{{{name}}}" in one for one in memo.options.templates for name in names)


def _tags(memo: Memo, call: Call) -> tuple[str, ...]:
    """
    The tags of *call* that can be told without calling anything of the user's.
    """
    if memo.options.tags_function is not None or call.tags_of is None:
        return call.shelf.tags
    return (*call.shelf.tags, *call.tags_of())


def _missing(memo: Memo, verdict: Verdict) -> tuple[str, str]:
    """
    The function by whose present code an entry was not made.
    """
    needs = memo.options.needs
    for other in () if needs is None else needs.functions:
        name = naming.code(other.options.namespace, other.identity.name, other.version)
        if name not in verdict.names:
            return "code", other.label
    return "depends_on", ""


def _note(last: Happened) -> str:
    said = {
        evidence.EVICTED: "It left memory for lack of room",
        evidence.EXPIRED: "Its time in memory was over",
        evidence.INVALIDATED: "What memory had was invalidated",
    }
    return said.get(last.what, "Memory does not have it") + "."


def wall(engine: Engine, when: Seconds, now: Seconds) -> Seconds:
    """
    A moment in monotonic seconds as wall seconds, *now* being the present one.
    """
    return engine.clock.wall() - (now - when)
