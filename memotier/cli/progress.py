"""
A bar that grows, on a terminal; nothing anywhere else.
"""

from __future__ import annotations

import shutil
from typing import Final, TextIO

_WIDTH: Final = 30


class Bar:
    """
    One line of *out* that is written over and over.
    """

    def __init__(self, out: TextIO, *, shown: bool = True) -> None:
        self._out = out
        self._shown = shown and out.isatty()

    def show(self, done: int, all_of: int) -> None:
        """
        *done* steps of *all_of* are over.
        """
        if not self._shown:
            return
        full = _WIDTH * done // max(1, all_of)
        text = f"  [{'#' * full}{'.' * (_WIDTH - full)}] {done}/{all_of}"
        self._out.write("\r" + text[: shutil.get_terminal_size().columns - 1])
        self._out.flush()

    def clear(self) -> None:
        """
        Leave an empty line for what comes next.
        """
        if self._shown:
            self._out.write("\r\x1b[K")
            self._out.flush()
