"""
The lines of a tape: one JSON object each, read as what somebody else may have written.

The first line says what the file is; every other is an *episode*: one computation, with what came
of it. Reading builds nothing but what JSON is; results are decoded when they are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...errors import DecodeRefused
from . import raised, values

HEAD: Final = {"memotier": "cassette", "format": 1}
#: Bytes of a tape, and of one of its lines.
MOST_BYTES: Final = 256 << 20
MOST_LINE: Final = 96 << 20

#: By kind of actor, who a call is by or for: the number of who came first, or a name.
Cast = dict[str, Any]
_ACTORS: Final = ("scope", "instance")


@dataclass(frozen=True, slots=True)
class Episode:
    """
    One line: *where* it stands, and *written*, all that it says.
    """

    where: str
    text: str
    written: dict[str, Any]

    @property
    def function(self) -> str:
        return str(self.written["function"])

    @property
    def arguments(self) -> dict[str, Any]:
        found = self.written["arguments"]
        assert type(found) is dict
        return found

    @property
    def version(self) -> str:
        return str(self.written.get("version", ""))

    @property
    def is_stream(self) -> bool:
        return self.written.get("stream") is True

    @property
    def is_left_out(self) -> bool:
        """
        Whether a function of many ids had no result for this one.
        """
        return self.written.get("left_out") is True

    @property
    def cast(self) -> Cast:
        return {kind: self.written[kind] for kind in _ACTORS if kind in self.written}

    @property
    def place(self) -> tuple[Any, ...]:
        """
        What episodes of one call have in common.
        """
        return place_of(self.function, self.written["key"], self.cast)

    def value(self) -> Any:
        """
        The result; of a stream the list of its items and what it returned.

        Raises:
            DecodeRefused: If it cannot be read here.
        """
        try:
            return values.read(self.written)
        except DecodeRefused as error:
            raise type(error)(f"{self.where}: {error}") from error

    def error(self, raises: tuple[type[Exception], ...]) -> Exception | None:
        """
        The error that was raised, if one was.
        """
        if "raises" not in self.written:
            return None
        try:
            return raised.read(self.written["raises"], raises)
        except DecodeRefused as error:
            raise type(error)(f"{self.where}: {error}") from error


def place_of(function: str, key: str, cast: Cast) -> tuple[Any, ...]:
    # With their types: a number and a name are never one.
    actors = tuple((kind, type(one), one) for kind, one in sorted(cast.items()))
    return function, key, actors


def read(path: Path) -> list[Episode]:
    """
    The episodes in *path*, in their order.

    Raises:
        DecodeRefused: With the place of the first line that is no episode.

        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise DecodeRefused(f"{path} is larger than {MOST_BYTES >> 20} MiB, the most of a cassette")
    lines = data.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    if not lines or _parsed(f"{path}:1", lines[0]) != HEAD:
        raise DecodeRefused(
            f"{path}:1: this is no cassette: its first line is not {values.dump(HEAD)}"
        )
    return list(_episodes(path, lines))


def _episodes(path: Path, lines: list[bytes]) -> Iterator[Episode]:
    for number, line in enumerate(lines[1:], 2):
        where = f"{path}:{number}"
        written = _parsed(where, line)
        try:
            _check(written)
        except DecodeRefused as error:
            raise DecodeRefused(f"{where}: {error}") from None
        yield Episode(where, line.decode(), written)


def _parsed(where: str, line: bytes) -> Any:
    if len(line) > MOST_LINE:
        raise DecodeRefused(f"{where}: a line of {len(line):,} bytes is too long")
    try:
        return json.loads(
            line.decode(), object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_integer
        )
    except (ValueError, RecursionError) as error:
        # (UnicodeDecodeError is a ValueError.)
        why = "nested too deeply" if isinstance(error, RecursionError) else "not JSON"
        raise DecodeRefused(
            f"{where}: the line is damaged ({why}); correct or remove it, or record anew"
        ) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice")
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _integer(text: str) -> int:
    if len(text) > 100:
        raise ValueError("a number is too long")
    return int(text)


def _check(written: Any) -> None:
    if type(written) is not dict:
        raise DecodeRefused("the line is no object")
    if not values.is_json(written, around=8):
        raise DecodeRefused("it is nested too deeply, or has too much in it")
    for name, kind in (("function", str), ("arguments", dict), ("key", str)):
        if type(written.get(name)) is not kind:
            raise DecodeRefused(f'its "{name}" is missing, or not of the right kind')
    if type(written.get("version", "")) is not str:
        raise DecodeRefused('its "version" is no text')
    for name in _ACTORS:
        if type(written.get(name, 1)) not in (int, str):
            raise DecodeRefused(f'its "{name}" is neither a number nor a name')
    if "raises" in written:
        raised.check(written["raises"])
    is_stream = written.get("stream") is True
    if "raises" in written and not is_stream:
        return
    if written.get("left_out") is not True:
        values.check(written)
    if is_stream and "result" in written:
        pair = written["result"]
        if type(pair) is not list or len(pair) != 2 or type(pair[0]) is not list:
            raise DecodeRefused("its stream is no pair of items and what it returned")
