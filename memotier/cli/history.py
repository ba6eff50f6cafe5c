"""
Look at recorded calls, take them elsewhere, forget them.

show     how often which functions were called; with --calls the calls themselves
export   as JSON lines, with their arguments; to take a history to another machine
import   JSON lines of export, from a file or from - (stdin); added to what is there
forget   calls of a user, a function, a namespace, or last used before some time; or all
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from datetime import datetime
from typing import Any, Final

from ..durations import check_namespace, is_below, seconds, short, show_seconds
from ..errors import ConfigError
from ..recording.exchange import from_json, to_json
from ..recording.history import History
from ..recording.opening import history_of
from ..recording.records import Recorded
from ..registry import cache_named
from ..types import Seconds
from .frame import (
    argument,
    as_command,
    as_group,
    cache_option,
    dry_run_option,
    json_option,
    namespace_option,
    option,
)
from .table import Row, Section, has_colour, lines

command: Final = as_group("history", "show, export, import or forget recorded calls", __doc__)

_add: Final = command.add_command


def _history(cache: str) -> History:
    return history_of(cache_named(cache)._keyed)


@_add
@as_command("show", "how often which functions were called")
@cache_option
@namespace_option("Only calls of namespace NS and those below it.")
@option("--calls", is_flag=True, help="The calls themselves, with their arguments.")
@option("--top", type=int, default=20, metavar="N", help="At most N lines (default: 20).")
@json_option("times in seconds")
def _show(cache: str, namespace: str | None, calls: bool, top: int, as_json: bool) -> int:
    if top < 1:
        raise ConfigError(f"--top {top} cannot be used: give a whole number, 1 or more")
    history = _history(cache)
    remembered = history.read()
    chosen = _below(remembered.calls, namespace)
    now = history.now
    if calls:
        shown = sorted(chosen, key=lambda one: -one.pattern.weight_at(now))[:top]
        data: list[dict[str, Any]] = [to_json(one) for one in shown]
    else:
        data = _by_function(chosen, now)[:top]
    if as_json:
        print(json.dumps(data, indent=2))
        return 0
    if not data:
        print("No calls are recorded for this cache.")
    else:
        rows = _call_rows(data, now) if calls else _function_rows(data, now)
        title = f"{len(chosen)} recorded calls"
        print("\n".join(lines([Section(title, rows)], colour=has_colour(sys.stdout, os.environ))))
    if remembered.refused:
        print(f"{remembered.refused} more cannot be read: damaged, or of another key.")
    return 0


def _by_function(calls: Iterable[Recorded], now: Seconds) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for signature, pattern in calls:
        line = found.setdefault(
            (signature.namespace, signature.function),
            {
                "function": signature.function or "(keys)",
                "namespace": signature.namespace,
                "calls": 0,
                "hits": 0,
                "misses": 0,
                "redacted": 0,
                "last": 0.0,
                "compute_seconds": 0.0,
                "weight": 0.0,
            },
        )
        line["calls"] += 1
        line["hits"] += pattern.hits
        line["misses"] += pattern.misses
        line["redacted"] += bool(signature.redacted)
        line["last"] = max(line["last"], pattern.last)
        line["compute_seconds"] += pattern.cost
        line["weight"] += pattern.weight_at(now)
    return sorted(found.values(), key=lambda line: -line["weight"])


def _function_rows(data: list[dict[str, Any]], now: Seconds) -> list[Row]:
    head = ("function", "namespace", "calls", "uses", "hits", "last used", "takes")
    rows = [Row(head, quiet=True)]
    for line in data:
        uses = line["hits"] + line["misses"]
        rows.append(
            Row(
                (
                    _shown(line["function"]),
                    line["namespace"],
                    str(line["calls"]),
                    str(uses),
                    f"{100 * line['hits'] / max(1, uses):.0f} %",
                    _ago(now - line["last"]),
                    f"{line['compute_seconds'] / line['calls']:.3g} s",
                )
            )
        )
    return rows


def _call_rows(data: list[dict[str, Any]], now: Seconds) -> list[Row]:
    rows = [Row(("function", "arguments", "uses", "last used"), quiet=True)]
    for line in data:
        said = line.get("arguments")
        shown = "(not shown)" if said is None else json.dumps(said, ensure_ascii=True)
        hidden = f" without {', '.join(line['redacted'])}" if line["redacted"] else ""
        uses = line["hits"] + line["misses"]
        rows.append(
            Row(
                (
                    _shown(line["function"]) or "(key)",
                    shown[:60] + hidden,
                    str(uses),
                    _ago(now - line["last"]),
                )
            )
        )
    return rows


@_add
@as_command("export", "print recorded calls as JSON lines, with their arguments")
@cache_option
@namespace_option("Only calls of namespace NS and those below it.")
def _export(cache: str, namespace: str | None) -> int:
    hidden = 0
    for one in _below(_history(cache).read().calls, namespace):
        if one.signature.redacted:
            hidden += 1  # nobody could replay it, and its fingerprint is of our key
            continue
        print(json.dumps(to_json(one)))
    if hidden:
        print(f"{hidden} calls with a secret argument were left out", file=sys.stderr)
    return 0


@_add
@as_command(
    "import",
    "add recorded calls from JSON lines of export",
    "Add recorded calls from JSON lines of export: FILE, or - for stdin.",
)
@argument("file")
@cache_option
@dry_run_option("Only tell what would be added.")
def _import(file: str, cache: str, dry_run: bool) -> int:
    history = _history(cache)
    calls = []
    with nullcontext(sys.stdin.buffer) if file == "-" else open(file, "rb") as source:
        for number, line in enumerate(source, 1):
            if not line.strip():
                continue
            try:
                calls.append(from_json(json.loads(line)))
            except UnicodeDecodeError:
                raise ConfigError(f"line {number} is no recorded call: it is no UTF-8") from None
            except RecursionError:
                raise ConfigError(f"line {number} is no recorded call: it is too deep") from None
            except ValueError as error:
                raise ConfigError(f"line {number} is no recorded call: {error}") from None
    if not dry_run:
        history.add(calls)
    would = "would be added" if dry_run else "added"
    print(f"{len(calls)} calls {would}")
    return 0


@_add
@as_command("forget", "forget recorded calls; several conditions must all hold")
@cache_option
@option("--user", metavar="USER", help="Calls that were made for USER.")
@option(
    "--function",
    metavar="NAME",
    help="Calls of the function with this name, as show prints it.",
)
@namespace_option("Calls of namespace NS and those below it.")
@option("--before", metavar="TIME", help="Last used before a date (2026-01-31) or an age (7d).")
@option("--all", "everything", is_flag=True, help="Every call.")
@dry_run_option("Only tell what would be forgotten.")
def _forget(cache: str, dry_run: bool, **conditions: Any) -> int:
    history = _history(cache)
    wanted = _condition(conditions, history.now)
    if dry_run:
        calls = history.read().calls
        count = len([one for one in calls if wanted is None or wanted(one)])
        print(f"{count} calls would be forgotten")
        return 0
    print(f"{history.forget(wanted)} calls forgotten")
    return 0


def _condition(given: Mapping[str, Any], now: Seconds) -> Callable[[Recorded], bool] | None:
    tests: list[Callable[[Recorded], bool]] = []
    for name in ("user", "function", "namespace"):
        if given[name] == "":
            # Of a variable that is not set: it would forget the calls of nobody in particular.
            raise ConfigError(f"--{name} is empty: say which, or forget --all")
    if given["user"] is not None:
        user = given["user"]
        tests.append(lambda one: one.signature.user == user)
    if given["function"] is not None:
        function = given["function"]
        tests.append(lambda one: one.signature.function == function)
    if given["namespace"] is not None:
        below = check_namespace(given["namespace"])
        tests.append(lambda one: is_below(one.signature.namespace, below))
    if given["before"] is not None:
        moment = _moment(given["before"], now)
        tests.append(lambda one: one.pattern.last < moment)
    if given["everything"] and tests:
        raise ConfigError("--all forgets every call: leave the other conditions out")
    if not (given["everything"] or tests):
        raise ConfigError("say what to forget: --user, --function, --namespace, --before or --all")
    return None if given["everything"] else lambda one: all(test(one) for test in tests)


def _moment(text: str, now: Seconds) -> Seconds:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        pass
    try:
        return now - seconds(text, what="--before")
    except ConfigError:
        raise ConfigError(
            f"--before {short(text)} cannot be used: give a date such as 2026-01-31, "
            "or an age such as 7d"
        ) from None


def _below(calls: Iterable[Recorded], namespace: str | None) -> list[Recorded]:
    if namespace is None:
        return list(calls)
    check_namespace(namespace)
    return [one for one in calls if is_below(one.signature.namespace, namespace)]


def _shown(name: str) -> str:
    """
    Without what would steer the terminal: names may come from another's file.
    """
    return "".join(one if one.isprintable() else "?" for one in name)


def _ago(passed: Seconds) -> str:
    return f"{show_seconds(max(0, round(passed)))} ago"
