"""
One function that takes many ids, decorated with ``@tiered_cache.many``: an entry for each id.

Its key is the call with that id alone in place of all of them. So everything that can be asked
about a call (``invalidate``, ``peek``, ``seed``, …) is asked with one id, and works as for any
other function; only calling it is different.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, Final, Union, get_origin

from .batch import copies
from .durations import short
from .engine.around import Batch, around
from .engine.calls import Call
from .engine.drive import Plan
from .engine.effects import Invoke
from .engine.flights import Flight, leading
from .engine.looking import NOTHING
from .engine.many import LEFT_OUT, Want, fetch_many
from .engine.modes import is_disabled
from .errors import BatchMismatch, ConfigError, UnkeyableArgument
from .keys.bind import VAR_KEYWORD, VAR_POSITIONAL
from .memo import Memo
from .options import FunctionOptions
from .sharing import result_annotation
from .tapes import callee
from .types import MISS

_AS_TEXT: Final = re.compile(r"(?:\w+\.)*(\w+)\b")
_MAPPINGS: Final = ("dict", "Dict", "Mapping", "MutableMapping")
_LISTS: Final = ("list", "List", "Sequence", "MutableSequence")


class ManyMemo(Memo):
    """
    The cached function behind ``@tiered_cache.many``.

    Args:
        items: Name of the parameter with the ids; None: the first that is part of the key.

        max_batch: The most ids of one call of the function; None: all.
    """

    no_map = "takes many itself: call it with all of them at once"

    def __init__(
        self,
        function: Callable[..., Any],
        options: FunctionOptions,
        label: str,
        *,
        is_method: bool,
        items: Any,
        max_batch: Any,
    ) -> None:
        self._items = items
        super().__init__(function, options, label, is_method=is_method)
        if max_batch is not None and (type(max_batch) is not int or max_batch < 1):
            raise ConfigError(
                f"{label}: max_batch={short(max_batch)} cannot be used: give a whole number of "
                "ids from 1, or None for no bound"
            )
        self.max_batch = max_batch
        self.items = _check_items(self, items)
        self.gives_list = _gives_list(label, function)

    @property
    def at(self) -> int:
        """
        The position of the ids among the values of a call.
        """
        return self.parameters.names.index(self.items)

    def found_in_class(self) -> None:
        super().found_in_class()
        self.items = _check_items(self, self._items)

    # -- calling ----------------------------------------------------------------------

    def _hit_path(self, engine: Any, shelf: Any) -> Callable[..., Any]:
        return self.entrance()

    def begin(self, values: tuple[Any, ...]) -> tuple[Any, Plan | None]:
        """
        The results if memory has all of them, else the plan that brings them.
        """
        engine, shelf, at = self.ready(), self.shelf, self.at
        if engine is None or shelf is None or is_disabled():
            return None, self.invoke(*self.spread(values))
        ids = self._ids(values[at])
        values = (*values[:at], ids, *values[at + 1 :])
        if engine.is_inside():
            return None, self.invoke(*self.spread(values))
        head, tail = values[:at], values[at + 1 :]
        results: list[Any] = []
        wants: dict[Any, tuple[Want, list[int]]] = {}
        locate, gate = self.keys.for_batch(), self.gate
        for number, one in enumerate(ids):
            single = (*head, one, *tail)
            try:
                call = locate(engine, shelf, single)
                found = MISS if gate is not None else engine.peek(call.table, call.key)
                if found is not MISS:
                    results.append(found)
                    continue
                results.append(NOTHING)
                known = wants.get(call.flight_key)
                if known is None:
                    self.equip(call, single)
                    self.note(engine, call, single)
                    wants[call.flight_key] = Want(one, call), [number]
                else:
                    known[1].append(number)
            except UnkeyableArgument as error:
                self.pass_by(engine, shelf, error)
                results[number:] = [NOTHING]
                wants[number] = Want(one, None), [number]
        if not wants:
            return self._shown(ids, results), None
        return None, self._bring(values, ids, results, list(wants.values()))

    def _bring(
        self,
        values: tuple[Any, ...],
        ids: list[Any],
        results: list[Any],
        wants: list[tuple[Want, list[int]]],
    ) -> Plan:
        engine = self.engine
        assert engine is not None
        plan = fetch_many(
            engine,
            [want for want, _ in wants],
            _Source(self, values),
            in_task=self.is_async,
            joins=self.options.single_flight is not None,
        )
        if around.plan is not None and self.shelf is not None:
            calls = [want.call for want, _ in wants if want.call is not None]
            plan = around.plan(engine, Batch(self.shelf, calls, len(wants)), plan)
        failed = yield from plan
        if failed is not None:
            return failed
        for want, places in wants:
            made = [want.value]
            if want.call is not None and want.value is not LEFT_OUT:
                made = copies(engine, want.call, want.value, len(places))
            for place, one in zip(places, made * len(places), strict=False):
                results[place] = one
        return self._shown(ids, results)

    def _ids(self, given: Any) -> list[Any]:
        if isinstance(given, (str, bytes)):
            raise TypeError(
                f"{self.label}(): {self.items!r} is a {type(given).__qualname__}, not many ids; "
                "give a list, also for one"
            )
        return list(given)

    def _shown(self, ids: list[Any], results: list[Any]) -> Any:
        if self.gives_list:
            return results
        pairs = zip(ids, results, strict=True)
        return {one: result for one, result in pairs if result is not LEFT_OUT}

    # -- one id -----------------------------------------------------------------------

    def equip(self, call: Call, values: tuple[Any, ...]) -> Call:
        """
        As for any function; what is called for this id alone takes it as a list of one.
        """
        super().equip(call, values)
        call.function = lambda *_, **__: self._compute_one(values)
        return call

    def invoke_one(self, values: tuple[Any, ...]) -> Plan:
        flight = Flight(None, 0)
        return (yield Invoke(flight, lambda: self._compute_one(values, is_past=True), (), {}))

    def _compute_one(self, values: tuple[Any, ...], *, is_past: bool = False) -> Any:
        at = self.at
        args, kwargs = self.spread((*values[:at], [values[at]], *values[at + 1 :]))
        answer = callee(self, is_past=is_past)(*args, **kwargs)
        return (
            self._awaited(answer, values[at]) if self.is_async else self._only(answer, values[at])
        )

    async def _awaited(self, answer: Any, one: Any) -> Any:
        return self._only(await answer, one)

    def _only(self, answer: Any, one: Any) -> Any:
        """
        The result of the only id. There may be none: then it is MISS, and is not kept.
        """
        (result,) = self.taken_apart(answer, [one])
        if result is not LEFT_OUT:
            return result
        led = leading.get()
        if led is not None:
            led.flight.skipped = True
        return MISS

    def taken_apart(self, answer: Any, ids: Sequence[Any]) -> list[Any]:
        """
        What the function returned for each of *ids*; LEFT_OUT for those that it left out.

        Raises:
            BatchMismatch: If that is not what it said it returns.
        """
        kind = type(answer).__qualname__
        if not self.gives_list:
            if not isinstance(answer, Mapping):
                raise BatchMismatch(
                    f"{self.label}() returned a {kind}, and is taken for a function that returns "
                    "a dict by id; one that returns a list says so with -> list[...]"
                )
            return [answer.get(one, LEFT_OUT) for one in ids]
        if not isinstance(answer, Sequence) or isinstance(answer, (str, bytes)):
            raise BatchMismatch(
                f"{self.label}() returned a {kind}; it says that it returns a list, with one "
                f"result for each of {self.items!r}"
            )
        if len(answer) != len(ids):
            raise BatchMismatch(
                f"{self.label}() returned {len(answer)} results for {len(ids)} ids in "
                f"{self.items!r}; nobody can say whose they are. Return one for each, or a dict"
            )
        return list(answer)

    # -- shown ------------------------------------------------------------------------

    def parameters_shown(self) -> dict[str, Any]:
        return {**super().parameters_shown(), "items": self.items, "max_batch": self.max_batch}


class _Source:
    """
    The function as the plan of a batch needs it; see ``engine.many.Source``.
    """

    def __init__(self, memo: ManyMemo, values: tuple[Any, ...]) -> None:
        self._memo = memo
        self._values = values

    def split(self, wants: Sequence[Want]) -> Iterator[list[Want]]:
        """
        Ids that are equal but not the same, as 1 and 1.0, are one key of the function's dict:
        they go into different calls.
        """
        most, todo = self._memo.max_batch or len(wants), list(wants)
        while todo:
            chunk: list[Want] = []
            left: list[Want] = []
            asked: set[Any] = set()
            for want in todo:
                if len(chunk) == most or not (self._memo.gives_list or _is_new(want.item, asked)):
                    left.append(want)
                else:
                    chunk.append(want)
            yield chunk
            todo = left

    def invoke(self, umbrella: Flight, wants: Sequence[Want]) -> Invoke:
        memo, values, at = self._memo, self._values, self._memo.at
        ids = [want.item for want in wants]
        args, kwargs = memo.spread((*values[:at], ids, *values[at + 1 :]))
        return Invoke(umbrella, callee(memo), args, kwargs)

    def results(self, answer: Any, wants: Sequence[Want]) -> list[Any]:
        return self._memo.taken_apart(answer, [want.item for want in wants])


def _is_new(one: Any, asked: set[Any]) -> bool:
    before = len(asked)
    try:
        asked.add(one)
    except TypeError:
        return True  # no key of a dict at all
    return len(asked) > before


def _check_items(memo: Memo, items: Any) -> str:
    label, keyed = memo.label, memo.keys.keyed
    if items is None:
        if not keyed:
            raise ConfigError(
                f"{label} has no parameter for the ids; @tiered_cache.many is for functions that "
                "take many and return the result of each"
            )
        items = keyed[0]
    if type(items) is not str or items not in keyed:
        known = ", ".join(keyed) or "none"
        raise ConfigError(
            f"{label}: items={short(items)} cannot be used: it is the name of the parameter with "
            f"the ids, which is part of the key; there are: {known}"
        )
    kind = next(one.kind for one in memo.parameters.all if one.name == items)
    if kind in (VAR_POSITIONAL, VAR_KEYWORD):
        raise ConfigError(
            f"{label}: items={items!r} cannot be used: it collects what is left over. The ids are "
            "one argument, a list"
        )
    return str(items)


def _gives_list(label: str, function: Any) -> bool:
    """
    Whether the function returns a list; else a dict by id, also if it does not say.
    """
    said = result_annotation(function)
    if said is None or said is Any:
        return False
    kind = get_origin(said) or said
    if isinstance(said, str):
        match = _AS_TEXT.match(said)
        name = match[1] if match else ""
    else:
        name = getattr(kind, "__name__", "")
    union = kind is Union or kind is UnionType or (isinstance(said, str) and "|" in said)
    if not union:
        if name in _MAPPINGS or (isinstance(kind, type) and issubclass(kind, Mapping)):
            return False
        if name in _LISTS:
            return True
    raise ConfigError(
        f"{label}: @tiered_cache.many cannot tell the result of each id from what it returns "
        "according to its annotation: that has to be a dict by id, or a list as long as the ids"
    )
