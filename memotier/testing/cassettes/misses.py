"""
What a strict tape says of a call that it does not have: in which argument it differs from the
nearest one that it has. Everything in it is as it stands on the tape: without secrets.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ...errors import CassetteMiss, ConfigError
from ...explanation import Difference
from ...known import Digest, Known, KnownCalls
from ...shown import HIDDEN, LONGEST, called, cut, shown
from ...wording import HOW
from .episodes import Episode
from .questions import Question
from .values import dump

#: Arguments that differ and are named.
_MOST: Final = 4
_ADVICE: Final = 'mode="record" records anew, mode="replay" adds what is missing'


def missing_file(path: Path) -> ConfigError:
    return ConfigError(
        f'there is no cassette {path}: record it with mode="record"; with pytest '
        "--cassette-mode=record, if it is a marker's; or with the environment variable "
        "MEMOTIER_CASSETTE_MODE=record, if no mode is said"
    )


def miss(question: Question, episodes: Sequence[Episode], path: Path) -> CassetteMiss:
    """
    The error for a call that is not on the tape.
    """
    arguments = ", ".join(f"{name}={_text(name, one)}" for name, one in question.arguments.items())
    call = f"{called(question.function.rpartition('.')[2])}({arguments})"
    return CassetteMiss(
        f"{call} is not on the cassette {path}, so {question.function} was not called: "
        f"{_why(question, episodes)}. {_ADVICE}"
    )


def _why(question: Question, episodes: Sequence[Episode]) -> str:
    mine = [one for one in episodes if one.function == question.function]
    if not mine:
        others = sorted({one.function for one in episodes})
        few = ", ".join(cut(repr(one)) for one in others[:_MOST]) + ", …" * (len(others) > _MOST)
        return f"no call of it is there, only of {few}" if others else "it is empty"
    same = [one for one in mine if one.written["key"] == question.key]
    if same:
        kinds = " and ".join(one.kind for one in question.actors) or "scope or instance"
        return f"{same[0].where} has it for another {kinds}"
    nearest = _nearest(question, mine)
    if nearest is None:
        # What is shown is cut; the keys are of the whole.
        return f"its arguments differ from those of {mine[0].where} in what is not shown here"
    where, differences = nearest
    few_ = "; ".join(map(_difference, differences[:_MOST]))
    more = "" if len(differences) <= _MOST else f"; and {len(differences) - _MOST} more"
    return f"the nearest call ({where}) differs in {few_}{more}"


def _nearest(
    question: Question, episodes: Sequence[Episode]
) -> tuple[str, tuple[Difference, ...]] | None:
    names = tuple(dict.fromkeys(
        [*question.arguments, *(name for one in episodes for name in one.arguments)]
    ))  # fmt: skip
    known = KnownCalls(names, monotonic=lambda: 0.0)
    found = known.nearest_among(
        _known(0, names, question.arguments),
        [_known(at, names, one.arguments) for at, one in enumerate(episodes)],
    )
    if found is None:
        return None
    return episodes[int(found.known.when)].where, found.differences


def _known(at: int, names: tuple[str, ...], arguments: dict[str, Any]) -> Known:
    noted = tuple(_noted(name, arguments) for name in names)
    return Known(0, names, noted, float(at))


def _noted(name: str, arguments: dict[str, Any]) -> Any:
    if name not in arguments:
        return Digest("(not there)", 0)
    value = arguments[name]
    if value is None or type(value) in (bool, int, float):
        return value
    if type(value) is str and len(value) <= LONGEST:
        return value
    return Digest(_text(name, value), hash(dump(value)))


def _difference(one: Difference) -> str:
    how = f" ({HOW[one.how]})" if one.how in HOW else ""
    return f"{one.name!r}: {one.there} there, {one.here} here{how}"


def _text(name: str, value: Any) -> str:
    """
    What stands on the tape, as Python would have it where that is no longer than this.
    """
    if value == HIDDEN:
        return HIDDEN
    if type(value) is dict and len(value) == 1:
        [(kind, inside)] = value.items()
        if kind == "tuple" and type(inside) is list:
            return shown(name, tuple(inside))
        if type(inside) is str and inside.startswith((f"{kind}(", f"{kind}.", f"<{kind}")):
            return cut(inside)
    return shown(name, value)
