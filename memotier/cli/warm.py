"""
Make recorded calls again, the best first, so that their results are there before
anybody asks.

Calls are recorded by functions with record=True, or with [tool.memotier.warming]
record = true. Only functions of the modules that are named here, or in the settings
(modules = [...]), are called; the directory you are in is searched first.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Final, TextIO

from ..durations import show_seconds
from ..warming.choice import CONCURRENCY
from ..warming.report import Tally, WarmingReport
from ..warming.strategies import WarmingStrategy
from ..warming.warm import warm
from .progress import Bar
from .table import Row, Section, has_colour, lines

NAME: Final = "warm"
HELP: Final = "make recorded calls again, before anybody asks"


def arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the options of ``memotier warm``.
    """
    add = parser.add_argument
    add("modules", nargs="*", metavar="MODULE", help="a module with decorated functions")
    add("--cache", default="default", metavar="NAME", help="of which cache (default: default)")
    add("--namespace", metavar="NS", help="only calls of namespace NS and those below it")
    add("--user", metavar="USER", help="only calls that were made for USER")
    add(
        "--strategy",
        choices=[one.value.replace("_", "-") for one in WarmingStrategy],
        default=None,
        help="which calls come first (default: hybrid; with --user: user-specific)",
    )
    add("--hour", type=int, metavar="H", help="for time-based: the hour of the day, 0 to 23")
    add("--top", type=int, default=100, metavar="N", help="at most N calls (default: 100)")
    add(
        "--concurrency",
        type=int,
        default=CONCURRENCY,
        metavar="N",
        help=f"at most N calls at once (default: {CONCURRENCY})",
    )
    add("--limit", metavar="RATE", help="at most so many calls, such as 50/s or 10/min")
    add("--budget", metavar="TIME", help="at most so much computing, such as 60s")
    add("--deadline", metavar="TIME", help="end after this time, done or not")
    add("--dry-run", action="store_true", help="only tell what would be done")
    add("--json", action="store_true", help="for programs: times in seconds")


def run(given: argparse.Namespace, out: TextIO) -> int:
    """
    Warm, and print what came of it; 1 if every call that was tried failed.
    """
    sys.path.insert(0, os.fspath(Path.cwd()))
    strategy = given.strategy or ("user-specific" if given.user else "hybrid")
    bar = Bar(sys.stderr, shown=not (given.json or given.dry_run))
    try:
        report = warm(
            *given.modules,
            cache=given.cache,
            on_progress=lambda report: bar.show(_done(report), report.planned),
            dry_run=given.dry_run,
            strategy=strategy.replace("-", "_"),
            top=given.top,
            namespace=given.namespace,
            user=given.user,
            hour=given.hour,
            concurrency=given.concurrency,
            limit=given.limit,
            deadline=given.deadline,
            budget=given.budget,
        )
    finally:
        bar.clear()
    if given.json:
        print(json.dumps(report.as_dict(), indent=2), file=out)
    else:
        print(_text(report, colour=has_colour(out, os.environ)), file=out)
    return 1 if report.failed and not (report.replayed or report.fresh) else 0


def _done(report: WarmingReport) -> int:
    return report.replayed + report.fresh + report.failed


def _text(report: WarmingReport, *, colour: bool) -> str:
    if not (report.planned or report.skipped):
        return (
            "No recorded calls to warm. Calls are recorded with record=True, or with\n"
            "[tool.memotier.warming] record = true, and kept for the cache that made them."
        )
    found = [_table(report, colour)] if report.functions else []
    found += _notes(report)
    return "\n".join(found)


def _table(report: WarmingReport, colour: bool) -> str:
    if report.dry_run:
        head: tuple[str, ...] = ("function", "calls", "takes about")
        rows = [_planned(name, tally) for name, tally in sorted(report.functions.items())]
        rows.append(_planned("all", report))
        title = f"Would warm {report.planned} calls, {report.strategy.replace('_', '-')} first"
    else:
        head = ("function", "replayed", "skipped", "failed", "left", "seconds saved")
        rows = [_made(name, tally) for name, tally in sorted(report.functions.items())]
        rows.append(_made("all", report))
        title = f"Warmed in {show_seconds(round(report.seconds, 2))}"
    return "\n".join(lines([Section(title, [Row(head, quiet=True), *rows])], colour=colour))


def _planned(name: str, tally: Tally) -> Row:
    return Row((name, str(tally.left), f"{tally.spent:.3g} s"))


def _made(name: str, tally: Tally) -> Row:
    counts = (tally.replayed, tally.fresh, tally.failed, tally.left)
    return Row((name, *map(str, counts), f"{tally.saved:.3g}"))


def _notes(report: WarmingReport) -> list[str]:
    told = []
    if report.fresh:
        told.append(f"{report.fresh} were fresh in the cache already.")
    for count, what in (
        (report.vanished, "are of functions that these modules do not have"),
        (report.changed, "do not fit the parameters that their function has now"),
        (report.redacted, "have a secret argument, which was not recorded"),
        (report.unreadable, "cannot be read: damaged, of another key, or of unknown classes"),
    ):
        if count:
            told.append(f"{count} recorded calls {what}.")
    for kind, count in sorted(report.errors.items()):
        told.append(f"{count} raised {kind}.")
    if report.stopped:
        told.append(f"Ended by the {report.stopped}; {report.left} were left.")
    return told
