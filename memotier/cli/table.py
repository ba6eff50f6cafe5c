"""
Aligned text for people, with a little weight where the terminal can show it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

_BOLD: Final = "\x1b[1m"
_DIM: Final = "\x1b[2m"
_PLAIN: Final = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Row:
    """
    The cells of one line; a *quiet* row holds nothing that anyone decided.
    """

    cells: tuple[str, ...]
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """
    Rows under one title, with an optional *note* beside the title.
    """

    title: str
    rows: Sequence[Row]
    note: str = ""


def has_colour(out: TextIO, environ: Mapping[str, str]) -> bool:
    """
    Whether *out* is a terminal whose user did not ask for plain text.
    """
    return out.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def lines(sections: Iterable[Section], *, colour: bool = False) -> list[str]:
    """
    The sections as lines of text; columns are as wide in all sections, so they align.
    """
    sections = list(sections)
    rows = [row for section in sections for row in section.rows]
    columns = max((len(row.cells) for row in rows), default=0)
    widths = [max(len(row.cells[i]) for row in rows) for i in range(columns)]

    found: list[str] = []
    for section in sections:
        found.append("")
        title = _styled(section.title, _BOLD, colour)
        found.append(f"{title}  {_styled(section.note, _DIM, colour)}" if section.note else title)
        for row in section.rows:
            cells = [cell.ljust(width) for cell, width in zip(row.cells, widths, strict=True)]
            text = "  " + "   ".join(cells).rstrip()
            found.append(_styled(text, _DIM, colour and row.quiet))
    return found[1:]


def short_path(path: str, cwd: str, home: str) -> str:
    """
    *path* from *cwd* if it lies below, else from ``~`` if it lies below *home*, else whole.
    """
    below = os.path.relpath(path, cwd) if os.path.isabs(path) else path
    if not below.startswith(".." + os.sep) and below != "..":
        return below
    if home not in ("", os.sep) and path.startswith(home.rstrip(os.sep) + os.sep):
        return "~" + path[len(home.rstrip(os.sep)) :]
    return path


def _styled(text: str, style: str, colour: bool) -> str:
    return f"{style}{text}{_PLAIN}" if colour and text else text
