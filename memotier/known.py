"""
The calls of one function that memory could not answer: by argument, so that ``explain()`` can say
in which one a call differs from those that were made.

Noted on a miss only: 1.6 us for two texts, 4 to 5 us for a small container, of the 21 us that a
miss in memory takes at least (``benchmarks/insight.py``). Of an argument there is a
short text and a digest, never the argument itself; small numbers and short texts are their own.
Secrets have a digest alone. All this is in the memory of this process and is written nowhere.

Bounded: a young and an old generation of equal size. When the young one is full it becomes the
old one, whose calls are forgotten; a call that is made again is young again.

States of a call: unknown; known. It stays known when its entry has left memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from marshal import dumps
from typing import Any, Final, NamedTuple

from .engine.calls import Call
from .engine.evidence import mark_of
from .explanation import Difference
from .recording.signature import names_secret
from .shown import HIDDEN, LONGEST, scrubbed, shown
from .types import Seconds

#: Calls of one function that are known at most.
MOST: Final = 1_000
#: Bytes that those of one function may take, with the most that an argument can.
MOST_BYTES: Final = 512 * 1024
_OF_CALL: Final = 250
_OF_ARGUMENT: Final = 260
#: Arguments of one call that are noted.
MOST_ARGUMENTS: Final = 16
#: Calls of those that differ in as few arguments whose texts are compared.
_COMPARED: Final = 64
#: From where on two texts are alike.
_ALIKE: Final = 0.6

_SMALL: Final = 1 << 63


class Digest(NamedTuple):
    """
    An argument that is not kept: its text, and a number that other arguments do not have.
    """

    text: str
    number: int


class Known(NamedTuple):
    """
    One call: the number of its place, its arguments, and when it was made, in monotonic seconds.
    """

    place: int
    names: tuple[str, ...]
    arguments: tuple[Any, ...]
    when: Seconds


class Nearest(NamedTuple):
    """
    The known call that differs least, and in what. *is_near*: somebody may have meant that one.
    """

    known: Known
    differences: tuple[Difference, ...]
    is_near: bool


class KnownCalls:
    """
    Args:
        names: The parameters that make the key.

        redact: Those of them that are secret although their names do not say so.

        monotonic: The clock.

        owner: What the instance is called, of which a place may be.
    """

    __slots__ = ("_half", "_monotonic", "_old", "_redact", "_young", "hides_all", "owner")

    def __init__(
        self,
        names: Sequence[str],
        *,
        redact: Iterable[str] = (),
        hides_all: bool = False,
        monotonic: Callable[[], Seconds],
        owner: str = "",
    ) -> None:
        room = _OF_CALL + _OF_ARGUMENT * min(MOST_ARGUMENTS, len(names) + 1)
        self._half = max(1, min(MOST, MOST_BYTES // room) // 2)
        self._redact = frozenset(redact)
        #: Whether nothing is shown: one value stands for all arguments, and some are secret.
        self.hides_all = hides_all
        self._monotonic = monotonic
        self.owner = owner
        self._young: dict[int, Known] = {}
        self._old: dict[int, Known] = {}

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def __iter__(self) -> Iterator[Known]:
        """
        All that are known, the last ones first.
        """
        young, old = self._young, self._old
        yield from reversed(list(young.values()))
        yield from (known for mark, known in reversed(list(old.items())) if mark not in young)

    @property
    def most(self) -> int:
        """
        How many can be known.
        """
        return 2 * self._half

    def get(self, call: Call) -> Known | None:
        """
        What is known of *call* from before.
        """
        mark = mark_of(call.place, call.table, call.key)
        return self._young.get(mark) or self._old.get(mark)

    def add(self, call: Call) -> None:
        """
        Memory could not answer *call*.
        """
        mark = mark_of(call.place, call.table, call.key)
        if mark in self._young or call.parts is None:
            return
        try:
            self._young[mark] = self.of(call)
        except Exception:  # whatever the class of an argument does: the call is not to fail for it
            return
        if len(self._young) > self._half:
            # Two threads may do this at once: some calls are forgotten too early.
            self._old, self._young = self._young, {}

    def of(self, call: Call) -> Known:
        """
        What would be known of *call*.
        """
        assert call.parts is not None
        names, values, codes = call.parts
        arguments = []
        for at, value in enumerate(values[:MOST_ARGUMENTS]):
            kind = type(value)
            if (
                (kind is str and len(value) <= LONGEST)
                or (kind is int and -_SMALL < value < _SMALL)
                or kind is bool
                or kind is float
                or value is None
            ) and not self._hides(names[at], kind):
                arguments.append(value)
            else:
                code = None if codes is None else codes[at + 1]
                arguments.append(self._digest(names[at], value, code))
        return Known(call.place.number, names, tuple(arguments), self._monotonic())

    def text(self, known: Known) -> str:
        """
        The arguments of *known* as in a call.
        """
        texts = zip(known.names, map(_shown_again, known.names, known.arguments), strict=False)
        more = ", …" * (len(known.arguments) < len(known.names))
        return ", ".join(f"{name}={text}" for name, text in texts) + more

    def nearest(self, call: Call) -> Nearest | None:
        """
        The known call that differs from *call* in the fewest arguments; of several the most
        alike, and then the last one.
        """
        return None if call.parts is None else self.nearest_among(self.of(call), self)

    def nearest_among(self, mine: Known, others: Iterable[Known]) -> Nearest | None:
        """
        The one of *others* that is nearest to *mine*.
        """
        fewest, found = len(mine.names) + 2, list[Known]()
        for known in others:
            count = sum(1 for _ in self._differing(mine, known))
            if 0 < count < fewest:
                fewest, found = count, []
            if count == fewest and len(found) < _COMPARED:
                found.append(known)
        if not found:
            return None
        best = max(found, key=lambda known: self._likeness(mine, known))
        pairs = list(self._differing(mine, best))
        differences = tuple(
            Difference(
                name, _shown_again(name, here), _shown_again(name, there), how_of(here, there)
            )
            for name, here, there in pairs
        )
        is_near = fewest < len(mine.arguments) or self._likeness(mine, best) >= _ALIKE
        return Nearest(best, differences, is_near)

    def _differing(self, mine: Known, other: Known) -> Iterator[tuple[str, Any, Any]]:
        if mine.place != other.place and self.owner not in mine.names:
            yield self.owner, Digest("this one", 0), Digest("another one", 1)
        theirs = other.arguments
        for name, here, there in zip(mine.names, mine.arguments, theirs, strict=False):
            if not _is_same(here, there):
                yield name, here, there

    def _likeness(self, mine: Known, other: Known) -> float:
        """
        From 0 to 1, how much alike the arguments are that differ.
        """
        likenesses = []
        for _, here, there in self._differing(mine, other):
            if how_of(here, there):
                likenesses.append(1.0)
            elif type(here) is str and type(there) is str:
                likenesses.append(SequenceMatcher(None, here, there).ratio())
            else:
                likenesses.append(0.0)
        return sum(likenesses) / len(likenesses)

    def _hides(self, name: str, kind: type) -> bool:
        found = _hidden.get((name, kind))
        if found is None:
            found = kind is not bool and names_secret(name, of_number=kind is int or kind is float)
            if len(_hidden) < 10_000:
                _hidden[name, kind] = found
        return found or self.hides_all or name in self._redact

    def _digest(self, name: str, value: Any, code: bytes | None) -> Digest:
        is_hidden = self.hides_all or name in self._redact
        text = HIDDEN if is_hidden else shown(name, value)
        return Digest(text, hash(dumps(value, 0) if code is None else code))


def known_of(memo: Any, engine: Any) -> KnownCalls:
    """
    Where the calls of *memo* are known.
    """
    keys, options = memo.keys, memo.options
    # What key= makes of the arguments may show any of them.
    secret = {*options.redact, *filter(names_secret, memo.parameters.names)}
    return KnownCalls(
        keys.keyed,
        redact=options.redact,
        # Of a function with a scope nobody is shown what somebody else asked for.
        hides_all=bool(memo.scopes) or (options.key is not None and bool(secret)),
        monotonic=engine.clock.monotonic,
        owner=memo.parameters.names[0] if keys.owner_counts else "",
    )


#: Whether a name says of a type that it is a secret.
_hidden: dict[tuple[str, type], bool] = {}


def _is_same(here: Any, there: Any) -> bool:
    if here.__class__ is not there.__class__:
        return False
    if here.__class__ is Digest:
        return bool(here.number == there.number)
    # (0.0 and -0.0 are two keys, and NaN is one.)
    return repr(here) == repr(there) if here.__class__ is float else bool(here == there)


def _shown_again(name: str, noted: Any) -> str:
    return scrubbed(noted.text if noted.__class__ is Digest else shown(name, noted))


def how_of(here: Any, there: Any) -> str:
    """
    In what way two arguments differ that mean the same to people; empty if in no such way.
    """
    if here.__class__ is Digest or there.__class__ is Digest:
        return ""
    if here.__class__ is not there.__class__:
        are_numbers = isinstance(here, (int, float)) and isinstance(there, (int, float))
        same = here == there if are_numbers else str(here) == str(there)
        return "type" if same else ""
    if here.__class__ is not str:
        return ""
    if here.casefold() == there.casefold():
        return "case"
    if "".join(here.split()) == "".join(there.split()):
        return "space"
    return ""
