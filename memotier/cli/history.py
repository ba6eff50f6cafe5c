"""
Look at recorded calls, take them elsewhere, forget them.

show     how often which functions were called; with --calls the calls themselves
export   as JSON lines, with their arguments; to take a history to another machine
import   JSON lines of export, from a file or from - (stdin); added to what is there
forget   calls of a user, a function, a namespace, or last used before some time; or all
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import datetime
from typing import Any, Final, TextIO

from ..durations import check_namespace, is_below, seconds, short, show_seconds
from ..errors import ConfigError
from ..recording.exchange import from_json, to_json
from ..recording.history import History
from ..recording.opening import history_of
from ..recording.records import Recorded
from ..registry import cache_named
from ..types import Seconds
from .table import Row, Section, has_colour, lines

NAME: Final = "history"
HELP: Final = "show, export, import or forget recorded calls"


def arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the commands and options of ``memotier history``.
    """
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, what: str) -> Callable[..., Any]:
        sub = commands.add_parser(name, help=what, description=what, allow_abbrev=False)
        sub.add_argument("--cache", default="default", metavar="NAME", help="of which cache")
        return sub.add_argument

    add = action("show", "how often which functions were called")
    add("--namespace", metavar="NS", help="only calls of namespace NS and those below it")
    add("--calls", action="store_true", help="the calls themselves, with their arguments")
    add("--top", type=int, default=20, metavar="N", help="at most N lines (default: 20)")
    add("--json", action="store_true", help="for programs: times in seconds")

    add = action("export", "print recorded calls as JSON lines, with their arguments")
    add("--namespace", metavar="NS", help="only calls of namespace NS and those below it")

    add = action("import", "add recorded calls from JSON lines of export")
    add("file", metavar="FILE", help="the file, or - for stdin")
    add("--dry-run", action="store_true", help="only tell what would be added")

    add = action("forget", "forget recorded calls; several conditions must all hold")
    add("--user", metavar="USER", help="calls that were made for USER")
    add(
        "--function", metavar="NAME", help="calls of the function with this name, as show prints it"
    )
    add("--namespace", metavar="NS", help="calls of namespace NS and those below it")
    add("--before", metavar="TIME", help="last used before a date (2026-01-31) or an age (7d)")
    add("--all", action="store_true", help="every call")
    add("--dry-run", action="store_true", help="only tell what would be forgotten")


def run(given: argparse.Namespace, out: TextIO) -> int:
    """
    Do what ``given.action`` says.
    """
    history = history_of(cache_named(given.cache)._keyed)
    action = {"show": _show, "export": _export, "import": _import, "forget": _forget}
    return action[given.action](history, given, out)


def _show(history: History, given: argparse.Namespace, out: TextIO) -> int:
    if given.top < 1:
        raise ConfigError(f"--top {given.top} cannot be used: give a whole number, 1 or more")
    remembered = history.read()
    calls = _below(remembered.calls, given.namespace)
    now = history.now
    if given.calls:
        shown = sorted(calls, key=lambda one: -one.pattern.weight_at(now))[: given.top]
        data: list[dict[str, Any]] = [to_json(one) for one in shown]
    else:
        data = _by_function(calls, now)[: given.top]
    if given.json:
        print(json.dumps(data, indent=2), file=out)
        return 0
    if not data:
        print("No calls are recorded for this cache.", file=out)
    else:
        rows = _call_rows(data, now) if given.calls else _function_rows(data, now)
        title = f"{len(calls)} recorded calls"
        print(
            "\n".join(lines([Section(title, rows)], colour=has_colour(out, os.environ))), file=out
        )
    if remembered.refused:
        print(f"{remembered.refused} more cannot be read: damaged, or of another key.", file=out)
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


def _export(history: History, given: argparse.Namespace, out: TextIO) -> int:
    hidden = 0
    for one in _below(history.read().calls, given.namespace):
        if one.signature.redacted:
            hidden += 1  # nobody could replay it, and its fingerprint is of our key
            continue
        print(json.dumps(to_json(one)), file=out)
    if hidden:
        print(f"{hidden} calls with a secret argument were left out", file=sys.stderr)
    return 0


def _import(history: History, given: argparse.Namespace, out: TextIO) -> int:
    calls = []
    with nullcontext(sys.stdin.buffer) if given.file == "-" else open(given.file, "rb") as file:
        for number, line in enumerate(file, 1):
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
    if not given.dry_run:
        history.add(calls)
    would = "would be added" if given.dry_run else "added"
    print(f"{len(calls)} calls {would}", file=out)
    return 0


def _forget(history: History, given: argparse.Namespace, out: TextIO) -> int:
    wanted = _condition(given, history.now)
    if given.dry_run:
        calls = history.read().calls
        count = len([one for one in calls if wanted is None or wanted(one)])
        print(f"{count} calls would be forgotten", file=out)
        return 0
    print(f"{history.forget(wanted)} calls forgotten", file=out)
    return 0


def _condition(given: argparse.Namespace, now: Seconds) -> Callable[[Recorded], bool] | None:
    tests: list[Callable[[Recorded], bool]] = []
    for option in ("user", "function", "namespace"):
        if getattr(given, option) == "":
            # Of a variable that is not set: it would forget the calls of nobody in particular.
            raise ConfigError(f"--{option} is empty: say which, or forget --all")
    if given.user is not None:
        tests.append(lambda one: one.signature.user == given.user)
    if given.function is not None:
        tests.append(lambda one: one.signature.function == given.function)
    if given.namespace is not None:
        below = check_namespace(given.namespace)
        tests.append(lambda one: is_below(one.signature.namespace, below))
    if given.before is not None:
        moment = _moment(given.before, now)
        tests.append(lambda one: one.pattern.last < moment)
    if given.all and tests:
        raise ConfigError("--all forgets every call: leave the other conditions out")
    if not (given.all or tests):
        raise ConfigError("say what to forget: --user, --function, --namespace, --before or --all")
    return None if given.all else lambda one: all(test(one) for test in tests)


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
