"""
List what lies in the second tier: key, function, tags, age, time left, size and writer.

A key is a digest, of which the first digits are enough for --key. Values are shown only with
--value, and only those that can be read without running anything.
"""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import islice
from typing import Any, Final

from rich.text import Text

from ..durations import check_namespace
from ..errors import ConfigError, MemotierError
from ..types import Seconds
from .frame import as_command, cache_option, json_option, namespace_option, option
from .lying import Entry, Looker, value_of
from .opening import with_second_tier
from .view import console, duration, shown, size, table

_LINES: Final = 20
#: Characters of a value that people see.
_LONGEST: Final = 2000
#: Digits of a key that people see.
_DIGITS: Final = 10


@as_command("inspect", "list what lies in the second tier", __doc__)
@cache_option
@namespace_option("Only entries of namespace NS and those below it.")
@option(
    "--tag", "tags", multiple=True, metavar="TAG", help="Only entries with this tag; again: or."
)
@option(
    "--function",
    metavar="NAME",
    help="Only entries of this function: app.search, or search, as stats prints it.",
)
@option("--key", default="", metavar="DIGITS", help="Only entries whose key begins so.")
@option("--limit", type=int, default=_LINES, metavar="N", help="At most N (default: 20).")
@option("--value", "values", is_flag=True, help="Also the values; they may be secret.")
@json_option()
def command(
    cache: str,
    namespace: str | None,
    tags: tuple[str, ...],
    function: str | None,
    key: str,
    limit: int,
    values: bool,
    as_json: bool,
) -> int:
    if limit < 1:
        raise ConfigError(f"--limit {limit} cannot be used: give a whole number, 1 or more")
    looker = Looker(with_second_tier(cache))
    found = looker.entries(
        namespace=None if namespace is None else check_namespace(namespace),
        tags=tags,
        functions=() if function is None else functions_named(looker, function),
        key=checked_key(key),
    )
    entries = list(islice(found, limit))
    if as_json:
        print(json.dumps([_data(one, values) for one in entries], indent=2))
        return 0
    if not entries:
        print("Nothing of that lies in the second tier.")
        return 0
    _print(entries, values, is_all=next(found, None) is None)
    return 0


def functions_named(looker: Looker, function: str) -> list[tuple[str, str]]:
    """
    Raises:
        ConfigError: If no process says that it uses such a function.
    """
    named = looker.named(function)
    if not named:
        raise ConfigError(
            f"no process said in the last 10 minutes that it uses a function {function!r}; "
            "memotier stats lists those that are, and --namespace finds entries all the same"
        )
    return named


def checked_key(key: str) -> str:
    key = key.lower().removeprefix("#")
    if len(key) > 32 or not set(key) <= set("0123456789abcdef"):
        raise ConfigError(f"--key {key[:40]!r} cannot be used: give up to 32 hexadecimal digits")
    return key


def _print(entries: list[Entry], values: bool, *, is_all: bool) -> None:
    out = console()
    if values:
        for one in entries:
            out.print(shown(f"{one.key}  {one.function or one.namespace}", "bold"))
            out.print(shown(_value(one)), soft_wrap=True)
    else:
        columns = ("key", "<function", "<namespace", "<tags", ">age", ">left", ">size", "<writer")
        out.print(table(columns, map(_row, entries), out.width))
    if not is_all:
        out.print(shown("and more: --limit", "dim"))


def _row(one: Entry) -> tuple[str | Text, ...]:
    return (
        one.key[:_DIGITS],
        shown("" if one.function is None else one.function.rpartition(".")[2]),
        shown(one.namespace),
        shown(", ".join(one.tags)),
        _about(one.age) if one.record is not None else "",
        _left(one) if one.state == "fresh" else shown(one.state, "yellow"),
        size(one.size),
        shown(one.writer),
    )


def _about(seconds: Seconds) -> str:
    """To the largest unit."""
    return duration(seconds).partition(" ")[0]


def _left(one: Entry) -> str:
    return "never" if one.ttl_left is None else _about(one.ttl_left)


def _value(one: Entry) -> str:
    try:
        text = repr(value_of(one))
    except MemotierError as error:
        return f"(not shown: {error})"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + f"... ({len(text):,} characters)"


def _data(one: Entry, values: bool) -> dict[str, Any]:
    data: dict[str, Any] = {
        field.name: getattr(one, field.name) for field in fields(one) if field.name != "record"
    }
    data["tags"] = list(one.tags)
    if values:
        # JSON has not all our types: what a program wants exactly it asks of the cache.
        data["value"] = _value(one)
    return data
