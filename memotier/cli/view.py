"""
How commands show things to people: rich, without colour where nobody asked for it.

Names come from the files of others, so nothing is ever taken for markup, and what would steer the
terminal is not printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..types import Seconds
from .table import has_colour

#: Columns of output that nobody reads on a terminal.
_WIDE: Final = 160
#: Between two columns, and of a column that gives way.
_BETWEEN: Final = 2
_NARROWEST: Final = 6
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_UNITS_IN: Final = {"m": 60, "h": 24}


def console() -> Console:
    """
    The terminal, or whatever takes its place.
    """
    coloured = has_colour(sys.stdout, os.environ)
    is_narrow = sys.stdout.isatty() or os.environ.get("COLUMNS")
    return Console(
        file=sys.stdout,
        width=None if is_narrow else _WIDE,
        no_color=not coloured,
        color_system="auto" if coloured else None,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=False,
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], width: int) -> Table:
    """
    One line a row, none longer than *width*.

    Args:
        columns: A column called ``>name`` is of numbers; one called ``<name`` gives way where
            there is no room.
    """
    cells = [[Text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    widths = [
        max([len(name.lstrip("<>")), *(row[at].cell_len for row in cells)])
        for at, name in enumerate(columns)
    ]
    yielding = [at for at, name in enumerate(columns) if name.startswith("<")]
    excess = sum(widths) + _BETWEEN * (len(widths) - 1) - width
    while excess > 0 and yielding:
        at = max(yielding, key=lambda one: widths[one])
        if widths[at] <= _NARROWEST:
            break
        widths[at] -= 1
        excess -= 1
    made = Table(
        box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim", show_edge=False
    )
    for name, room in zip(columns, widths, strict=True):
        made.add_column(
            name.lstrip("<>"),
            justify="right" if name.startswith(">") else "left",
            no_wrap=True,
            overflow="ellipsis",
            width=room,
        )
    for row in cells:
        made.add_row(*row)
    return made


def paragraph(out: Console, text: Text, before: Text) -> None:
    """
    Print *text* after *before*: on a terminal broken between words, elsewhere on one line.
    """
    if not out.is_terminal:
        out.print(before + text, soft_wrap=True)
        return
    grid = Table.grid()
    grid.add_column(width=before.cell_len)
    grid.add_column()
    grid.add_row(before, text)
    out.print(grid)


def shown(text: Any, style: str = "") -> Text:
    """
    *text* as it is, without what would steer the terminal.
    """
    return Text("".join(one if one.isprintable() else "?" for one in str(text)), style=style)


def number(value: float) -> str:
    return f"{round(value):,}"


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def duration(value: Seconds) -> str:
    """
    Short, as people say it: ``12ms``, ``3.4s``, ``2h``.
    """
    sign, value = "-" if value < 0 else "", abs(value)
    if value == 0:
        return "0s"
    if value < 0.001:
        return f"{sign}{value * 1e6:.0f}us"
    if value < 1:
        return f"{sign}{value * 1e3:.0f}ms"
    if value < 60:
        return f"{sign}{value:.1f}s"
    for whole, part in (("m", "s"), ("h", "m"), ("d", "h")):
        if whole == "d" or value < _UNITS[whole] * _UNITS_IN[whole]:
            count, rest = divmod(value, _UNITS[whole])
            more = int(rest // _UNITS[part])
            return f"{sign}{int(count)}{whole}" + (f" {more}{part}" if more else "")
    raise AssertionError("every duration has a unit")


def size(value: float) -> str:
    """
    Bytes, with two or three digits: ``812 B``, ``12.4 MB``.
    """
    if value < 1000:
        return f"{round(value)} B"
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.5:
            return f"{value:.3g} {unit}"
    return f"{value / 1000:.3g} TB"
