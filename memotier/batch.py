"""
``f.map(calls)``: the results of many calls of one function.

Memory first, then one question to the second tier; what is missing is computed by the plan of a
single call, each once, several at once if that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from .durations import short
from .engine.calls import Call
from .engine.drive import Plan
from .engine.engine import Engine
from .engine.flights import Failed
from .engine.labels import labels_before
from .engine.looking import NOTHING, Looked, let_go, look_many
from .engine.places import Held
from .engine.tier2 import keep
from .engine.together import NOT_BEGUN, Together
from .errors import ConfigError, UnkeyableArgument
from .memo import Memo
from .types import MISS, Name

#: Coroutines that are computed at once. A source that is far away answers 32 in little more than
#: the time of one; thousands at once would only wait there for each other, or be refused.
MOST_AT_ONCE: Final = 32


def map_calls(
    memo: Memo,
    first: tuple[Any, ...],
    items: Iterable[Any],
    *,
    limit: int | None = None,
    return_exceptions: bool = False,
) -> Plan:
    """
    The results of the calls in *items*, in their order.

    Args:
        first: What is put in front of their arguments: the instance, or nothing.

        items: For each call a tuple of its arguments, a dict of them by name, or its only
            argument. A tuple or a dict that is the only argument itself: ``((1, 2),)``.

        limit: How many are computed at once, sync ones in threads. None: 1, and 32 of a coroutine
            function.

        return_exceptions: Whether an error is an item of the answer. Else the first one is raised
            when everything that was begun has ended, and nothing more is begun.

    Raises:
        ConfigError: If *limit* or *return_exceptions* cannot be used.
    """
    if limit is not None and (type(limit) is not int or limit < 1):
        raise ConfigError(
            f"{memo.label}.map(): limit={short(limit)} cannot be used: give a whole number from 1 "
            "of calls that run at once, or None"
        )
    if type(return_exceptions) is not bool:
        raise ConfigError(
            f"{memo.label}.map(): return_exceptions={short(return_exceptions)} cannot be used: "
            "give True or False"
        )
    if memo.no_map:
        raise ConfigError(f"{memo.label} {memo.no_map}")
    most = limit or (MOST_AT_ONCE if memo.is_async else 1)
    return _Map(memo, keeps_errors=return_exceptions).plan(first, items, most)


def arguments_of(item: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """
    What one of *items* stands for: a tuple of arguments, a dict of them by name, or one argument.
    """
    if type(item) is tuple:
        return item, {}
    if type(item) is dict:
        return (), item
    return (item,), {}


class _Map:
    """
    One ``map``: what is known of its positions, and what is still to be computed.
    """

    __slots__ = ("engine", "keeps_errors", "memo", "missing", "others", "results")

    def __init__(self, memo: Memo, *, keeps_errors: bool) -> None:
        self.memo = memo
        self.keeps_errors = keeps_errors
        engine = memo.usable()
        self.engine = None if engine is None or engine.is_inside() else engine
        self.results: list[Any] = []
        #: Calls that memory could not answer, by key, with their positions; and plans of others.
        self.missing: dict[Any, tuple[Call, list[int]]] = {}
        self.others: list[tuple[Plan, list[int]]] = []

    def plan(self, first: tuple[Any, ...], items: Iterable[Any], most: int) -> Plan:
        for at, item in enumerate(items):
            self.results.append(NOTHING)
            args, kwargs = arguments_of(item)
            try:
                self._begin(at, self.memo.bind(*first, *args, **kwargs))
            except Exception as error:
                if not self.keeps_errors:
                    raise
                self.results[at] = error
        return self._bring(most)

    def _begin(self, at: int, values: tuple[Any, ...]) -> None:
        memo, engine = self.memo, self.engine
        if engine is None or memo.shelf is None:
            self.others.append((memo.invoke_one(values), [at]))
            return
        try:
            call = memo.look_up(values)
            found = memo.peek(engine, call)
            if found is not MISS:
                self.results[at] = found
                return
            known = self.missing.get(call.flight_key)
            if known is not None:
                known[1].append(at)
                return
            memo.equip(call, values)
            memo.note(engine, call, values)
        except UnkeyableArgument as error:
            memo.pass_by(engine, memo.shelf, error)
            self.others.append((memo.invoke_one(values), [at]))
            return
        self.missing[call.flight_key] = call, [at]

    def _bring(self, most: int) -> Plan:
        engine, memo = self.engine, self.memo
        if engine is None:
            return (yield from self._compute([], most))
        # What depends on files or variables is looked at by the plan of each call.
        calls = [one for one in self.missing.values() if one[0].watch is not None]
        rest = [one for one in self.missing.values() if one[0].watch is None]
        looks = [Looked(call) for call, _ in rest]
        try:
            names = dict.fromkeys(name for look in looks for name in _names_of(engine, look.call))
            shelf = memo.shelf
            takes = shelf is not None and shelf.windows is None and not memo.sees_hits
            yield from look_many(engine, looks, names, takes=takes)
            for look, (call, places) in zip(looks, rest, strict=True):
                if look.value is NOTHING:
                    calls.append((call, places))
                else:
                    self._put(look.value, call, places)
            failed = yield from self._compute(calls, most)
            let_go(engine, looks)
        except BaseException:
            let_go(engine, looks)
            raise
        return failed

    def _compute(self, calls: list[tuple[Call, list[int]]], most: int) -> Plan:
        plans = [(self._fetch(call, places), places) for call, places in calls] + self.others
        if plans:
            together = Together(
                [plan for plan, _ in plans], limit=most, stops=not self.keeps_errors
            )
            outcomes = yield together
            if together.first is not None and not self.keeps_errors:
                return together.first
            for (_, places), outcome in zip(plans, outcomes, strict=True):
                for at in places:
                    if outcome.__class__ is Failed:
                        self.results[at] = outcome.error
                    elif outcome is not NOT_BEGUN and self.results[at] is NOTHING:
                        self.results[at] = outcome
        return self.results

    def _fetch(self, call: Call, places: list[int]) -> Plan:
        engine = self.engine
        assert engine is not None
        value = yield from self.memo.fetch(engine, call)
        if value.__class__ is not Failed:
            self._put(value, call, places)
        return value

    def _put(self, value: Any, call: Call, places: list[int]) -> None:
        engine = self.engine
        assert engine is not None
        for at, one in zip(places, copies(engine, call, value, len(places)), strict=True):
            self.results[at] = one


def _names_of(engine: Engine, call: Call) -> tuple[Name, ...]:
    """
    What an entry of *call* will depend on; its tags are asked for here, and not again.
    """
    labels = labels_before(engine, call)
    if labels is None:
        return ()
    if call.tags_of is not None:
        call.tags_of = lambda: labels.tags
    return labels.names


def copies(engine: Engine, call: Call, value: Any, count: int) -> list[Any]:
    """
    *value*, and for every place but the first a copy of it, if it is of a kind that is copied.
    """
    if count == 1:
        return [value]
    kept = keep(engine, call, value)
    if kept is None:
        return [value] * count  # of a kind that cannot be: the caller has one object at them all
    held = Held(kept.value, kept.thaw)
    try:
        return [value, *(held.hand_out() for _ in range(count - 1))]
    except Exception:
        return [value] * count
