"""
``@tiered_cache(semantic=...)``: a call is answered by the result of a near one.

    exact in memory (the hit path) ── exact, below or under way? ── as without this
        └─ embed ── nearest of the same other arguments ── guards, verify ── in the engine? ── hit
              └─ none ── compute as always ── remember the vector

The index is of this process: results that others stored are found by their exact arguments. A
near hit is a look-up of the other call's entry. So whatever makes that entry invalid, stale or
evicted makes it useless here, and nothing is stored under the arguments that were near to it.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any

from ..durations import short
from ..engine import direct, tracing
from ..engine.calls import Call
from ..engine.drive import Plan
from ..engine.engine import Engine
from ..engine.flights import Failed
from ..engine.gates import DENIED
from ..errors import ConfigError
from ..memo import Memo
from ..options import FunctionOptions
from ..shown import HIDDEN, scrubbed, shown
from ..types import MISS
from .absent import Absent

try:
    from .deciding import Judge
    from .embedding import Embedding, is_async
    from .index import VectorIndex
except ImportError as error:
    Judge = Embedding = VectorIndex = is_async = Absent("semantic=", error)  # type: ignore
from .checking import check_flag, check_function, check_guards, check_max_size, check_threshold
from .hits import MOST_SHOWN, NearMatch

_default: Any = None


def use_embedder(embedder: Callable[[list[str]], Any] | None) -> None:
    """
    Have functions that are decorated from now on with ``semantic="parameter"`` use *embedder*.
    """
    global _default
    if embedder is not None:
        Embedding.of(embedder, None, 1)
    _default = embedder


class Semantic:
    """
    How one function finds near calls; and what it found.

    Args:
        parameter: The parameter whose text may be near. All others must be the same.

        threshold: The cosine from which a text is near enough, in (0, 1].

        embedder: A plain or (for coroutine functions) coroutine function that is given a list of
            texts and returns an array of shape ``(len(texts), dim)``, float32. None: what
            ``use_embedder`` was given.

        max_size: How many calls can be found; of more, the one that was used longest ago cannot.

        guards, verify, shadow, equal: As of ``SemanticCache``.

    Raises:
        ConfigError: If an argument cannot be used.
    """

    def __init__(
        self,
        parameter: str,
        *,
        threshold: float = 0.85,
        embedder: Callable[[list[str]], Any] | None = None,
        max_size: int = 1000,
        guards: bool | Iterable[str] = True,
        verify: Callable[[str, str, float], Any] | None = None,
        shadow: bool = False,
        equal: Callable[[Any, Any], Any] = operator.eq,
    ) -> None:
        if type(parameter) is not str:
            raise ConfigError(
                f"semantic={short(parameter)} cannot be used: the name of a parameter, or "
                'Semantic("parameter", embedder=...)'
            )
        if embedder is None and _default is None:
            raise ConfigError(
                f"semantic={parameter!r} needs an embedder: Semantic({parameter!r}, embedder=...), "
                "or memotier.semantic.near.use_embedder(...) before; NgramEmbedder() of "
                "memotier.semantic.ngrams compares spelling only"
            )
        self.parameter = parameter
        self.max_size = check_max_size(max_size)
        self.judge = Judge(
            embedding=Embedding.of(_default if embedder is None else embedder, None, 1),
            threshold=check_threshold("threshold", threshold),
            rules=check_guards(guards),
            verify=check_function("verify", verify, optional=True),
            shadow=check_flag("shadow", shadow),
            equal=check_function("equal", equal),
        )
        self.served: deque[NearMatch] = deque(maxlen=MOST_SHOWN)

    def __repr__(self) -> str:
        shadow = ", shadow=True" * self.judge.shadow
        return f"Semantic({self.parameter!r}, threshold={self.judge.threshold}{shadow})"

    def get_stats(self) -> dict[str, Any]:
        """
        The figures of ``SemanticCache.get_stats`` without sizes. Exact hits in memory are not among
        them: ``cache_info()`` counts those.
        """
        return self.judge.tally.stats()

    def recent(self) -> list[NearMatch]:
        """
        The last hundred near matches that were served, with both texts and the score.
        """
        return list(self.served)

    def shadow_report(self) -> list[NearMatch]:
        """
        As ``SemanticCache.shadow_report``.
        """
        return self.judge.tally.report()


def prepare(
    semantic: Any, label: str, signature: inspect.Signature, options: Mapping[str, Any]
) -> Callable[..., Memo]:
    """
    What makes the ``Memo`` of a function with ``semantic=``.

    Raises:
        ConfigError: If that, or another option beside it, cannot be used.
    """
    try:
        near = semantic if isinstance(semantic, Semantic) else Semantic(semantic)
    except ConfigError as error:
        raise ConfigError(f"{label}: {error}") from None
    known = signature.parameters.get(near.parameter)
    if known is None or known.kind in (known.VAR_POSITIONAL, known.VAR_KEYWORD):
        names = ", ".join(signature.parameters) or "none"
        raise ConfigError(
            f"{label}: semantic={near.parameter!r} cannot be used: it is not a parameter; "
            f"there are: {names}"
        )
    if near.parameter in options["ignore"]:
        raise ConfigError(f"{label}: semantic={near.parameter!r} cannot be used: ignore= has it")
    if near.parameter in options["redact"]:
        raise ConfigError(
            f"{label}: semantic={near.parameter!r} cannot be used: redact= has it, and recent() "
            "shows the texts of near calls"
        )
    for other in ("key", "depends_on"):
        if options[other]:
            raise ConfigError(
                f"{label}: semantic= and {other}= exclude each other: whether two calls are near "
                "is said of their arguments alone"
            )
    return functools.partial(NearMemo, near=near)


class NearMemo(Memo):
    """
    A cached function whose calls may be answered by near ones.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        options: FunctionOptions,
        label: str,
        *,
        is_method: bool,
        near: Semantic,
    ) -> None:
        super().__init__(function, options, label, is_method=is_method)
        judge = near.judge
        for name, one in (("embedder", judge.embedding.function), ("verify", judge.verify)):
            if one is not None and is_async(one) and not self.is_async:
                raise ConfigError(
                    f"{label}: {name}={short(one)} is a coroutine function, and {label} is not; "
                    "give a plain one"
                )
        self._near, self._judge = near, judge
        self._at = self.parameters.names.index(near.parameter)
        self._known: _Known | None = None

    def fetch(self, engine: Engine, call: Call) -> Plan:
        values = self.bind(*call.args, **call.kwargs)
        if type(values[self._at]) is not str:
            return super().fetch(engine, call)
        return self._fetch_near(engine, call, values)

    def _fetch_near(self, engine: Engine, call: Call, values: tuple[Any, ...]) -> Plan:
        judge, text = self._judge, values[self._at]
        if (yield from _is_known(engine, call)):
            return (yield from super().fetch(engine, call))
        known, group = self._known_of(call), self._group_of(values)
        row: Any = None
        found: Any = MISS
        if text.strip():
            (row,) = yield from judge.vectors(engine, [text])
        if row is not None:
            found = yield from self._find(engine, call, known, _Wanted(text, group, row))
        if found.__class__ is Failed:
            return found
        judge.tally.count("misses" if found is MISS else "semantic_hits")
        if found is not MISS:
            return found
        value = yield from super().fetch(engine, call)
        if value.__class__ is not Failed:
            judge.tally.computed(call.flight_key, value, judge.equal)
            if row is not None:
                known.add(call, text, group, row)
        return value

    def _find(self, engine: Engine, call: Call, known: _Known, wanted: _Wanted) -> Plan:
        judge = self._judge
        for candidate in known.index.search(wanted.row, wanted.group, judge.threshold):
            if not (yield from judge.allows(engine, wanted.text, candidate)):
                continue
            other = known.call(candidate.key)
            # Tells whence it comes, also if nobody traces.
            told = tracing.Record(engine.clock, "", "", "", "")
            if other is not None:
                other.traced = told
                other.gate, other.scoped = call.gate, call.scoped
            answer = (yield from direct.get_many(engine, [other], MISS)) if other else (MISS,)
            if answer.__class__ is Failed:
                return answer
            (value,) = answer
            if value is DENIED:
                continue
            if value is MISS:
                known.index.drop(candidate.key, candidate.turn)
                continue
            match = NearMatch(
                query=wanted.text,
                matched=candidate.text,
                score=candidate.score,
                age=told.age,
                embedder=judge.embedding.identity,
            )
            if judge.shadow:
                judge.tally.would_serve(call.flight_key, match, value)
                return MISS
            known.index.touch(candidate.key)
            self._near.served.append(match)
            if call.traced is not None:
                hides = call.shelf.known.hides_all
                matched = HIDDEN if hides else scrubbed(shown(self._near.parameter, match.matched))
                call.traced.near(told, matched, match.score)
            return value
        return MISS

    def _known_of(self, call: Call) -> _Known:
        """
        The calls of the engine that the function is attached to now.
        """
        known = self._known
        if known is None or known.shelf is not call.shelf:
            known = self._known = _Known(call.shelf, self._near.max_size)
        return known

    def _group_of(self, values: tuple[Any, ...]) -> bytes:
        """
        A digest of all that must be the same: the key of this call without its text.
        """
        rest = self.locate((*values[: self._at], "", *values[self._at + 1 :]))
        data = id(rest.place).to_bytes(8, "little") + rest.canonical
        return blake2b(data, digest_size=32, person=b"memotier-near").digest()


class _Wanted:
    """
    What is looked for: a text, the digest of the rest, and a vector.
    """

    __slots__ = ("group", "row", "text")

    def __init__(self, text: str, group: bytes, row: Any) -> None:
        self.text = text
        self.group = group
        self.row = row


class _Known:
    """
    The calls that can be found: their vectors, and how to look up their entries.
    """

    def __init__(self, shelf: Any, max_size: int) -> None:
        self.shelf = shelf
        self.index = VectorIndex(max_size)
        #: Places are held, so that the id of one that is gone is nobody else's.
        self._calls: dict[str, tuple[Any, Any, Any, bytes]] = {}

    def add(self, call: Call, text: str, group: bytes, row: Any) -> None:
        if call.resident() is None and call.address is None:
            return  # it was not kept
        data = group + call.canonical
        key = blake2b(data, digest_size=32, person=b"memotier-near").hexdigest()
        self._calls[key] = (call.place, call.table, call.key, call.canonical)
        self.index.add(key, text, group, row)
        if len(self._calls) > 2 * self.index.max_size:
            self._calls = {k: v for k, v in list(self._calls.items()) if k in self.index}

    def call(self, key: str) -> Call | None:
        try:
            place, table, native, canonical = self._calls[key]
        except KeyError:
            return None
        return Call(place, table, native, lambda: canonical, canonical)


def _is_known(engine: Engine, call: Call) -> Plan:
    """
    Whether there is something under the exact key: fresh, stale, or being computed.
    """
    if call.resident() is not None or call.flight_key in engine.flights.table:
        return True
    return (yield from direct.look(engine, call)) is not None
