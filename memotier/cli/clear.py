"""
Remove every entry of the cache, for all processes that use it.

It asks first, unless --yes is given. What is cleared is computed anew when it is needed; recorded
calls stay (memotier history forget --all).
"""

from __future__ import annotations

import json
import sys

import click

from ..errors import ConfigError
from .frame import as_command, cache_option, dry_run_option, json_option, option
from .opening import asked, with_second_tier


@as_command("clear", "remove every entry of a cache", __doc__)
@cache_option
@option("--yes", is_flag=True, help="Do not ask.")
@dry_run_option("Only tell how many entries would go.")
@json_option("counts")
def command(cache: str, yes: bool, dry_run: bool, as_json: bool) -> int:
    opened = with_second_tier(cache)
    engine = opened._keyed.engine
    assert engine.store is not None
    count: int = asked(engine, engine.store.count)
    noun = "entry" if count == 1 else "entries"
    if not dry_run:
        if not yes:
            _ask(f"Remove {count:,} {noun} of cache {cache!r}, at {_place(opened._keyed.wiring)}?")
        count = opened.sync.clear()
    if as_json:
        print(json.dumps({"entries": count, "dry_run": dry_run}))
        return 0
    print(f"{count:,} {noun} {'would be ' if dry_run else ''}removed")
    return 0


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise ConfigError("nobody is there to be asked: say --yes, or look first with --dry-run")
    if not click.confirm(question, err=True):
        raise ConfigError("nothing was removed")


def _place(wiring: object) -> str:
    directory = getattr(wiring, "directory", None)
    return str(directory) if directory is not None else "the server"
