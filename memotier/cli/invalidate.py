"""
Make entries unreachable, in every process that uses the cache: by tag, function, namespace or key.

A - in the place of a tag reads tags from stdin, one a line. Nothing is asked, as what was
invalidated is only computed anew; --dry-run tells how many entries of the second tier would go.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

from ..cache import MultiLevelCache
from ..durations import check_namespace
from ..engine import names as naming
from ..engine import removal
from ..engine.drive import drive
from ..errors import ConfigError
from .frame import argument, as_command, cache_option, dry_run_option, json_option, option
from .inspect import checked_key, functions_named
from .lying import Looker
from .opening import asked, with_second_tier


class _Wanted(NamedTuple):
    """
    What is to be invalidated.
    """

    tags: list[str]
    namespaces: list[str]
    functions: list[tuple[str, str]]
    keys: list[str]


@as_command("invalidate", "make entries unreachable, in all processes", __doc__)
@argument("tags", nargs=-1, metavar="[TAG]...")
@cache_option
@option(
    "--function",
    "functions",
    multiple=True,
    metavar="NAME",
    help="All entries of this function: app.search, or search, as stats prints it.",
)
@option(
    "--namespace",
    "namespaces",
    multiple=True,
    metavar="NS",
    help="All entries of namespace NS and those below it.",
)
@option("--key", "keys", multiple=True, metavar="DIGITS", help="The entry whose key begins so.")
@option("--soft", is_flag=True, help="Let them be stale, for functions that serve stale results.")
@dry_run_option("Only tell how many entries would go.")
@json_option("counts")
def command(
    cache: str,
    tags: tuple[str, ...],
    functions: tuple[str, ...],
    namespaces: tuple[str, ...],
    keys: tuple[str, ...],
    soft: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    said = (*_read(tags), *functions, *namespaces, *keys)
    if not said and "-" not in tags:
        raise ConfigError("say what: TAG, --function, --namespace or --key; memotier clear is all")
    if "" in said:
        # Of a variable that is not set: it would mean something else, or everything.
        raise ConfigError("a tag, function, namespace or key is empty: say which")
    for one in namespaces:
        check_namespace(one)
    opened = with_second_tier(cache)
    looker = Looker(opened)
    wanted = _Wanted(
        list(said[: len(said) - len(functions) - len(namespaces) - len(keys)]),
        list(namespaces),
        [found for name in functions for found in functions_named(looker, name)],
        [_key(looker, one) for one in keys],
    )
    count = _count(looker, wanted)
    if not dry_run:
        _invalidate(opened, wanted, soft)
    if as_json:
        print(json.dumps({"entries": count, "dry_run": dry_run}))
        return 0
    would = "would be " if dry_run else ""
    noun = "entry" if count == 1 else "entries"
    print(f"{count} {noun} of the second tier {would}invalidated")
    return 0


def _read(tags: Iterable[str]) -> list[str]:
    found: list[str] = []
    for tag in tags:
        if tag == "-":
            found += [line.strip() for line in sys.stdin if line.strip()]
        else:
            found.append(tag)
    return found


def _key(looker: Looker, digits: str) -> str:
    found = [one.key for one in looker.entries(key=checked_key(digits))]
    if len(found) == 1:
        return found[0]
    many = "begins with" if not found else f"is the only one, but {len(found)}, to begin with"
    raise ConfigError(f"no key {many} {digits}: memotier inspect lists them")


def _count(looker: Looker, wanted: _Wanted) -> int:
    """
    Entries of the second tier that are of use now and not afterwards.
    """
    found: set[str] = set(wanted.keys)
    ways: list[dict[str, Any]] = [{"namespace": one} for one in wanted.namespaces]
    ways += [{"tags": wanted.tags}] if wanted.tags else []
    ways += [{"functions": wanted.functions}] if wanted.functions else []
    for way in ways:
        entries = looker.entries(**way)
        found |= {one.key for one in entries if one.state != "invalidated"}
    return len(found)


def _invalidate(cache: MultiLevelCache, wanted: _Wanted, soft: bool) -> None:
    engine = cache._keyed.engine
    if wanted.tags:
        cache.sync.invalidate_tags(*wanted.tags, soft=soft)
    names = [naming.function(*one) for one in wanted.functions]
    if names:
        drive(removal.bump(engine, names, soft))
    for one in wanted.namespaces:
        cache.sync.clear_namespace(one, soft=soft)
    addresses = [bytes.fromhex(one) for one in wanted.keys]
    if addresses:
        store: Any = engine.store
        asked(engine, store.expire if soft else store.delete, addresses)
