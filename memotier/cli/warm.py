"""
Make recorded calls again, the best first, so that their results are there before
anybody asks.

Calls are recorded by functions with record=True, or with [tool.memotier.warming]
record = true. Only functions of the modules that are named here, or in the settings
(modules = [...]), are called; the directory you are in is searched first.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from click import Choice

from ..durations import show_seconds
from ..warming.choice import CONCURRENCY
from ..warming.report import Tally, WarmingReport
from ..warming.strategies import WarmingStrategy
from ..warming.warm import warm
from .frame import (
    argument,
    as_command,
    cache_option,
    dry_run_option,
    json_option,
    namespace_option,
    option,
)
from .progress import Bar
from .table import Row, Section, has_colour, lines

_STRATEGIES: Final = [one.value.replace("_", "-") for one in WarmingStrategy]


@as_command("warm", "make recorded calls again, before anybody asks", __doc__)
@argument("modules", nargs=-1, metavar="[MODULE]...")
@cache_option
@namespace_option("Only calls of namespace NS and those below it.")
@option("--user", metavar="USER", help="Only calls that were made for USER.")
@option(
    "--strategy",
    type=Choice(_STRATEGIES),
    metavar="NAME",
    help=f"Which calls come first: {', '.join(_STRATEGIES)} (default: hybrid; with --user: "
    "user-specific).",
)
@option("--hour", type=int, metavar="H", help="For time-based: the hour of the day, 0 to 23.")
@option("--top", type=int, default=100, metavar="N", help="At most N calls (default: 100).")
@option(
    "--concurrency",
    type=int,
    default=CONCURRENCY,
    metavar="N",
    help=f"At most N calls at once (default: {CONCURRENCY}).",
)
@option("--limit", metavar="RATE", help="At most so many calls, such as 50/s or 10/min.")
@option("--budget", metavar="TIME", help="At most so much computing, such as 60s.")
@option("--deadline", metavar="TIME", help="End after this time, done or not.")
@dry_run_option("Only tell what would be done.")
@json_option("times in seconds")
def command(
    modules: tuple[str, ...],
    strategy: str | None,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> int:
    sys.path.insert(0, os.fspath(Path.cwd()))
    strategy = strategy or ("user-specific" if options["user"] else "hybrid")
    bar = Bar(sys.stderr, shown=not (as_json or dry_run))
    try:
        report = warm(
            *modules,
            on_progress=lambda report: bar.show(_done(report), report.planned),
            dry_run=dry_run,
            strategy=strategy.replace("-", "_"),
            **options,
        )
    finally:
        bar.clear()
    if as_json:
        print(json.dumps(report.as_dict(), indent=2))
    else:
        print(_text(report, colour=has_colour(sys.stdout, os.environ)))
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
