"""
Check that a cache can work as it is meant to, and say what to do where it cannot.

Looks at the settings, at the directory or the server of the second tier, at the clock, and at what
the figures of running processes recommend. Nothing is changed. The exit code is 1 if something has
to be done; what is only good to know does not count.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from rich.text import Text

from ..analytics import collect, merge
from ..analytics.reported import advised
from ..cache import MultiLevelCache
from ..errors import ConfigError, MemotierError
from ..settings import read
from .checks import Finding, at_directory, at_server, of_records
from .frame import as_command, cache_option, json_option
from .opening import opened
from .view import console, paragraph, shown

_SIGNS: Final = {True: ("✔", "ok", "green"), False: ("✘", "NO", "red"), None: ("·", "--", "dim")}


@as_command("doctor", "check that a cache can work, and say what to do", __doc__)
@cache_option
@json_option()
def command(cache: str, as_json: bool) -> int:
    found = list(_findings(cache))
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        for one in found:
            _print(one)
    return 1 if any(one.ok is False for one in found) else 0


def _print(one: Finding) -> None:
    sign, plain, colour = _SIGNS[one.ok]
    try:
        sign.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        sign = plain
    out = console()
    line = shown(one.check, "bold").append_text(shown(f"  {one.found}", "not bold"))
    paragraph(out, line, Text(f"{sign} ", style=colour))
    if one.advice:
        paragraph(out, shown(one.advice), Text("    "))


def _findings(name: str) -> Iterator[Finding]:
    try:
        configuration = read()
        cache = opened(name)
    except ConfigError as error:
        yield Finding("settings", False, str(error), "memotier config shows where they come from")
        return
    except MemotierError as error:
        yield Finding("packages", False, str(error))
        return
    where = configuration.file
    yield Finding("settings", True, "none written down" if where is None else f"valid: {where}")
    wiring = cache._keyed.wiring
    if wiring.off:
        yield Finding("mode", None, "off: functions are called as if they were not decorated")
        return
    if wiring.l2_kind is None:
        yield Finding(
            "second tier",
            None,
            "none: results live in the memory of one process, and end with it",
            "set directory, or redis_url for several machines",
        )
        return
    yield from at_directory(cache) if wiring.l2_kind == "disk" else at_server(cache)
    yield from of_records(cache)
    yield from _processes(cache)


def _processes(cache: MultiLevelCache) -> Iterator[Finding]:
    if not cache._keyed.wiring.snapshots:
        yield Finding("processes", None, "they leave no figures here (snapshots = false)")
        return
    try:
        snapshots: list[dict[str, Any]] = collect(cache)
    except MemotierError as error:
        yield Finding("processes", False, str(error))
        return
    used = [one for one in snapshots if one["functions"]]
    running = sum(not one["ended"] for one in used)
    yield Finding(
        "processes",
        True if used else None,
        f"{running} running, {len(used) - running} ended in the last 10 minutes",
        "" if used else "figures come from programs that use this cache: run one",
    )
    if used:
        for one in advised(merge(used)):
            yield Finding(f"advice, {one.priority}", None, one.title, one.action)
