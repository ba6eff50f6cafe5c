"""
Which argument ruins the hit rate: for each function and parameter how many values it has, and how
many calls would be hits if it were no part of the key.

What is counted are *different* things: values of each parameter, keys, and keys without each
parameter. A hit adds nothing new to any of these, because its key was a miss before. So it is
enough to look at calls that memory cannot answer, which are slow anyway; some 5 µs for each and
1.5 µs per parameter (``benchmarks/simulate.py --arguments``). Hits are known by their number.

The estimate: of *calls*, ``misses`` computed. Without p each of ``keys without p`` would miss once,
and all misses beyond the first of a key, which were evicted or invalidated, would still be misses::

    hit rate without p = 1 - (keys without p + max(0, misses - keys)) / calls

If every key misses once, that is exactly right. A smaller number of keys is evicted less, so it is
cautious otherwise. Where entries expire, a key counts once for each ttl that passed, so that one
which is computed every hour is not mistaken for one that is computed once. That, and a second tier
that had results of before, may count more keys than missed; then all are taken in proportion.

Counts up to 128 are exact, beyond that their standard error is 1.15 % (cardinality.py). Nothing
that is kept here can be turned back into a value: not even a parameter that is no secret is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any, Final

from ..durations import short
from ..engine.calls import Call
from ..engine.engine import Engine
from ..engine.places import Shelf
from ..errors import ConfigError
from ..keys.canonical import encode
from ..memo import Memo
from ..types import Seconds
from .cardinality import ERROR, EXACT, Distinct, mixed, stirred
from .counters import Whose, counters_of, in_use, whose

#: Functions whose arguments are counted, and parameters of one.
MOST: Final = 200
MOST_PARAMETERS: Final = 16

_MASK: Final = (1 << 64) - 1
_PLAIN: Final = frozenset({bytes, int, bool, type(None)})
#: Of all keys those that a parameter has values for, if it ruins the hit rate.
NEARLY: Final = 0.5
#: By how much the hit rate has to rise.
GAIN: Final = 0.05
#: Different keys after which it is looked which parameters nearly tell all of them apart.
_LOOK: Final = EXACT - 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """
    One parameter, or several (*name* is ``"a, b"``): how many *values* it has, and the hit rate,
    from 0 to 1, if it were no part of the key.
    """

    name: str
    values: int
    hit_rate_without: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentReport:
    """
    The arguments of one function, the one first without which most would be hits.

    *calls* were made, with so many different *keys*, and *hit_rate* of them were hits since
    counting began. *together* are those
    parameters that each tell nearly all calls apart, if there are several: one of them alone
    changes nothing then. *left_out* is calls whose arguments could not be told. *error* is the
    standard error of *values*, in parts of them, beyond 128.
    """

    function: str
    namespace: str
    label: str
    calls: int
    hit_rate: float
    arguments: tuple[Argument, ...]
    keys: int = 0
    together: Argument | None = None
    left_out: int = 0
    error: float = ERROR

    @property
    def worst(self) -> Argument | None:
        """
        What to leave out of the key, if the result does not depend on it: a parameter that tells
        nearly all calls apart, and without which hits would rise by 5 points and more. None if
        there is none, or no other parameter.
        """
        if len(self.arguments) < 2:
            return None
        found = [
            one
            for one in self._all()
            if one.values >= NEARLY * self.keys and one.hit_rate_without >= self.hit_rate + GAIN
        ]
        return max(found, key=lambda one: one.hit_rate_without, default=None)

    def _all(self) -> list[Argument]:
        # Of two that are as good the shorter change.
        return [*self.arguments, *(() if self.together is None else (self.together,))]

    def __str__(self) -> str:
        lines = [f"{self.label}: {self.calls:,} calls, {self.hit_rate:.0%} hits"]
        lines += ["  " + sentence(one, self.calls, self.hit_rate) for one in self._all()]
        if not self.arguments:
            lines.append("  nothing is known of its arguments yet")
        if self.left_out:
            lines.append(f"  {self.left_out:,} calls are left out: their arguments cannot be told")
        return "\n".join(lines)


def sentence(one: Argument, calls: float, hit_rate: float) -> str:
    """
    What is to be said of *one*, for people.
    """
    names = " and ".join(f"`{name}`" for name in one.name.split(", "))
    seen = f"{names}: {one.values:,} value{'s' * (one.values != 1)} in {calls:,.0f} calls"
    if one.hit_rate_without < hit_rate + 0.005:
        return f"{seen}; without it as many would be hits"
    return f"{seen}; without it hits would rise from {hit_rate:.0%} to {one.hit_rate_without:.0%}"


class Seen:
    """
    What is counted of one function.
    """

    __slots__ = (
        *("keys", "label", "left_out", "names", "since", "suspects", "together", "ttl"),
        "values",
    )

    def __init__(self, label: str, names: tuple[str, ...], ttl: Seconds) -> None:
        self.label = label
        self.ttl = ttl
        self.names = names
        #: By parameter: its values, and the keys without it.
        self.values = [(Distinct(), Distinct()) for _ in names]
        self.keys = Distinct()
        #: Parameters that each tell nearly all keys apart, if there are several: keys without all
        #: of them, and keys, both from when they were found.
        self.suspects: tuple[int, ...] | None = None
        self.together, self.since = Distinct(), Distinct()
        self.left_out = 0

    def add(self, hashes: list[int], generation: int) -> None:
        """
        One call: a hash for each parameter, and when it was, as a hash too.
        """
        whole = sum(hashes) + generation
        key = stirred(whole)
        self.keys.add(key)
        for one, (values, without) in zip(hashes, self.values, strict=True):
            values.add(one)
            without.add(stirred(whole - one))
        suspects = self.suspects
        if suspects:
            self.since.add(key)
            self.together.add(stirred(whole - sum([hashes[at] for at in suspects])))
        elif suspects is None and self.keys.count() >= _LOOK:
            self.suspects = self._suspects()

    def _suspects(self) -> tuple[int, ...]:
        most = NEARLY * self.keys.count()
        found = [at for at, (values, _) in enumerate(self.values) if values.count() >= most]
        return tuple(found) if len(found) > 1 else ()


class Arguments:
    """
    What is counted of the functions of one engine, from when it is made.
    """

    def __init__(self, engine: Engine) -> None:
        self.seen: dict[Whose, Seen] = {}
        self._now = engine.clock.monotonic
        #: Hits and misses of before.
        self._before: dict[Whose, tuple[float, float]] = {}
        with engine.lock:
            for shelf in in_use(engine):
                counters, at = counters_of(shelf), whose(shelf)
                hits, misses = self._before.get(at, (0.0, 0.0))
                self._before[at] = hits + counters["hits"], misses + counters["misses"]

    def met(self, call: Call, values: tuple[Any, ...], memo: Memo) -> None:
        """
        Memory cannot answer *call*, which has *values*.
        """
        if memo.options.key is not None:
            return  # that decides what counts, not the parameters
        seen = None
        try:
            counted = memo.keys.counted(values)
            seen = self.seen.get(whose(call.shelf)) or self._meet(call, memo, tuple(counted))
            if seen is None:
                return
            hashes = [_hash_of(place, value, call) for place, value in enumerate(counted.values())]
            # How often results have expired since the clock began.
            generation = 0 if seen.ttl == inf else mixed(int(self._now() / seen.ttl))
            seen.add(hashes, generation)
        except Exception:
            # A hook of an argument's class raised, or another function has this name.
            if seen is not None:
                seen.left_out += 1

    def _meet(self, call: Call, memo: Memo, names: tuple[str, ...]) -> Seen | None:
        if len(self.seen) >= MOST or not 0 < len(names) <= MOST_PARAMETERS or memo.engine is None:
            return None
        new = Seen(call.shelf.label, names, _ttl_of(memo.engine, call.shelf))
        return self.seen.setdefault(whose(call.shelf), new)

    def reports(self, engine: Engine) -> list[ArgumentReport]:
        """
        One for each function that was called, the most called first.
        """
        found = [self.report(engine, at) for at in list(self.seen)]
        return sorted(found, key=lambda one: -one.calls)

    def report(
        self, engine: Engine, at: Whose, counted: tuple[float, float] | None = None
    ) -> ArgumentReport:
        """
        That of one function; *counted* are its hits and misses, if they are known.
        """
        if counted is None:
            with engine.lock:
                counted = _counted(engine, at)
        hits, misses = counted
        before = self._before.get(at, (0.0, 0.0))
        hits, misses = max(0.0, hits - before[0]), max(0.0, misses - before[1])
        seen = self.seen.get(at, None)
        calls, rate = hits + misses, hits / (hits + misses) if hits + misses else 0.0
        if seen is None or not calls:
            return ArgumentReport(
                function=at[1],
                namespace=at[0],
                label=at[1],
                calls=round(calls),
                hit_rate=rate,
                arguments=(),
            )
        keys = seen.keys.count()
        arguments = [
            Argument(
                name=name,
                values=min(round(values.count()), round(calls)),
                hit_rate_without=rate_without(calls, misses, keys, without.count()),
            )
            for name, (values, without) in zip(seen.names, seen.values, strict=True)
        ]
        together = None
        if seen.suspects and (since := seen.since.count()):
            # Of the keys since then, as of all.
            without_all = keys * seen.together.count() / since
            together = Argument(
                name=", ".join(seen.names[place] for place in seen.suspects),
                values=max(arguments[place].values for place in seen.suspects),
                hit_rate_without=rate_without(calls, misses, keys, without_all),
            )
        return ArgumentReport(
            function=at[1],
            namespace=at[0],
            label=seen.label,
            calls=round(calls),
            hit_rate=rate,
            keys=round(keys),
            arguments=tuple(sorted(arguments, key=lambda one: -one.hit_rate_without)),
            together=together,
            left_out=seen.left_out,
        )


def rate_without(calls: float, misses: float, keys: float, keys_without: float) -> float:
    """
    The hit rate if a parameter were no part of the key; see the top of this file.
    """
    if not calls:
        return 0.0
    if abs(keys - misses) <= 2 * ERROR * misses:
        keys = misses  # every key missed once: their number is known better than it was counted
    remaining = min(keys, keys_without)
    remaining = remaining * misses / keys if keys > misses else remaining + misses - keys
    return min(1.0, max(0.0, 1 - remaining / calls))


def arguments(function: Any) -> ArgumentReport:
    """
    Which argument of *function*, a decorated one, ruins its hit rate.

    Counting begins when this is first asked of a function of the same cache, or when a
    ``CacheAnalytics`` of it is made.

    Raises:
        ConfigError: If *function* is not cached, or *key* decides what its calls have in common.
    """
    from .tracker import tracker_of

    memo = getattr(function, "_self_memo", None)
    if not isinstance(memo, Memo):
        raise ConfigError(
            f"arguments() was given {short(function)}: give a function with @tiered_cache"
        )
    if memo.options.key is not None:
        raise ConfigError(
            f"{memo.label} has key=, which decides what counts: its arguments tell nothing"
        )
    engine, shelf = memo.attach(), memo.shelf
    assert shelf is not None
    return tracker_of(engine).track_arguments(engine).report(engine, whose(shelf))


def _counted(engine: Engine, at: Whose) -> tuple[float, float]:
    """
    Hits and misses of one function. Under the lock.
    """
    counters = [counters_of(shelf) for shelf in in_use(engine) if whose(shelf) == at]
    return sum(one["hits"] for one in counters), sum(one["misses"] for one in counters)


def _hash_of(place: int, value: Any, call: Call) -> int:
    kind = type(value)
    if kind is str:
        return mixed(hash((place, value)) & _MASK)
    if kind in _PLAIN:
        if kind is int and value == -2:
            value = "-2"  # to Python's hash -1 and -2 are the same
    elif kind is float:
        value = repr(value)  # 0.0 and -0.0 are two keys, and every NaN is one
    elif call.place.owner is not None and value is call.place.owner():
        value = id(call.place)
    else:
        value = encode(value)
    return mixed(hash((place, kind, value)) & _MASK)


def _ttl_of(engine: Engine, shelf: Shelf) -> Seconds:
    """
    How long results are good for, infinite where that is not to be told.
    """
    if shelf.windows is not None or callable(shelf.ttl):
        return inf
    if shelf.ttl is not None:
        return shelf.ttl
    below = engine.store is not None and shelf.digester is not None
    return engine.options.l2_ttl if below else engine.options.l1_ttl


__all__ = ["Argument", "ArgumentReport", "Arguments", "arguments", "rate_without", "sentence"]
