"""
What happened, in the order in which it happened: a column for each worker.
"""

from __future__ import annotations

import textwrap
import time

WIDTH, LANE = 80, 35


class Timeline:
    """
    Notes of what was seen, and whether it was as promised.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._notes: list[tuple[float, str, str]] = []
        self.broken = 0
        self.kept = 0

    def note(self, who: str, text: str, at: float | None = None) -> None:
        """
        *text* is about worker A or B, or (``""``) about both.

        Args:
            at: When it happened, by the monotonic clock; None: now.
        """
        self._notes.append((time.monotonic() if at is None else at, who, text))

    def chapter(self, title: str) -> None:
        print("", *textwrap.wrap(title, WIDTH), sep="\n")
        print(f"{'seconds':>7}  {'worker A':<{LANE}}worker B")
        print("-" * WIDTH)

    def show(self) -> None:
        """
        Print the notes of this chapter.
        """
        for at, who, text in sorted(self._notes, key=lambda note: note[0]):
            print(f"{at - self._began:7.3f}", end="  ")
            if who:
                pieces = textwrap.wrap(text, LANE - 1)
                lane = " " * LANE if who == "B" else ""
                print(*(f"{lane}{piece}" for piece in pieces), sep="\n" + " " * 9)
            else:
                print(f"{f' {text} ':-^{WIDTH - 9}}")
        self.skip()

    def skip(self) -> None:
        """
        Forget the notes: they are more of the same.
        """
        self._notes.clear()

    def promise(self, text: str, kept: bool) -> None:
        """
        Say *text*, which was observed, and whether that is what was promised.
        """
        self.kept += kept
        self.broken += not kept
        head = "  as promised: " if kept else "  NOT AS PROMISED: "
        print(textwrap.fill(text, WIDTH, initial_indent=head, subsequent_indent=" " * 15))
