"""
Interleaved timing, and the tables that tell it.

Machines drift, so nothing is compared over time: every row runs once in every round, in a new
order each round. A ratio is the median over the rounds of row / reference, both from the same
round. A time is the minimum over the rounds where a row does nothing but compute, and the
median where it waits for a disk.

A library that is not installed costs its own rows and nothing else.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Runs its operations once: nanoseconds for one of them.
Row = Callable[[], float]
#: Nanoseconds in one unit.
UNITS = {"ns": 1.0, "us": 1e3, "ms": 1e6}


@dataclass
class Table:
    """
    What one measurement has to say: a title, the command that makes it, lines under a head.
    """

    title: str
    command: str
    head: Sequence[str]
    lines: list[Sequence[str]] = field(default_factory=list)
    note: str = ""

    def text(self) -> str:
        """
        For a terminal: the first column on the left, numbers on the right.
        """
        rows = [["", *self.head], *self.lines]
        widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
        said = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in rows
        ]
        return "\n".join(
            [self.title, "-" * len(self.title), *said, *([self.note] * bool(self.note))]
        )

    def markdown(self, *, with_command: bool = True) -> str:
        rows = [["", *self.head], ["---", *["---:"] * len(self.head)], *self.lines]
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        note = f"\n{self.note}\n" if self.note else ""
        command = f"`{self.command}`\n\n" if with_command else ""
        return f"### {self.title}\n\n{command}{table}\n{note}"


def compare(
    title: str,
    command: str,
    rows: dict[str, Row],
    reference: str,
    *,
    rounds: int,
    unit: str = "ns",
    best: Callable[[list[float]], float] = min,
    note: str = "",
) -> Table:
    """
    Time *rows* beside each other; ratios are to *reference*, or to the first row without it.
    """
    times: dict[str, list[float]] = {name: [] for name in rows}
    order = list(rows)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            gc.collect(0)
            times[name].append(rows[name]())
    base = times.get(reference) or times[next(iter(rows))]
    table = Table(title, command, (unit, f"÷ {reference}"), note=note)
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(values, base, strict=True))
        table.lines.append(
            (name, f"{best(values) / UNITS[unit]:,.{digits(unit)}f}", f"{ratio:.2f}")
        )
    return table


def digits(unit: str) -> int:
    return 0 if unit == "ns" else 1


def installed(name: str) -> Any:
    """
    The module *name*, or None where there is no such package.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def main(doc: str | None, tables: Callable[[bool], list[Table]]) -> None:
    """
    Run one file of this directory by itself.
    """
    parser = argparse.ArgumentParser(description=(doc or "").strip().splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds: does it run at all?")
    parser.add_argument("--page", type=Path, help="put the tables into this page, at their mark")
    given = parser.parse_args()
    found = tables(given.quick)
    for table in found:
        print(table.text(), end="\n\n", flush=True)
    if given.page:
        fill(given.page, found)


def fill(page: Path, tables: Sequence[Table]) -> None:
    """
    Put *tables*, which are of one command, between ``<!-- COMMAND -->`` and ``<!-- end -->``.

    Raises:
        ValueError: If the page has no such place, or there is no table.
    """
    if not tables:
        raise ValueError(f"there are no tables for {page}")
    text, begin, end = (
        page.read_text(encoding="utf-8"),
        f"<!-- {tables[0].command} -->\n",
        "<!-- end -->",
    )
    head, found, rest = text.partition(begin)
    _, ended, tail = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{page} has no place for them: {begin.strip()} ... {end}")
    middle = "\n".join(table.markdown(with_command=False) for table in tables)
    page.write_text(f"{head}{begin}\n{middle}\n{end}{tail}", encoding="utf-8")
