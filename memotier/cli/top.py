"""
Watch all processes of a cache: what is asked of it now, and what it saves.

Keys: q ends; c h m r s e sort by calls, hits, misses, hit rate, seconds saved, entries. Processes
leave their figures every 2 seconds, so that is how far behind this is.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Group as Together
from rich.live import Live
from rich.text import Text

from ..analytics import collect
from ..cache import MultiLevelCache
from ..types import Seconds
from .figuring import SORTS, figured
from .frame import as_command, cache_option, json_option, namespace_option, option
from .opening import with_second_tier
from .stats import parts, sort_option
from .view import console, number, percent, shown

#: Seconds between two pictures.
EVERY: Final[Seconds] = 1.0
_KEYS: Final = {name[0]: name for name in SORTS}
#: Lines that are not of functions.
_OTHERS: Final = 19
#: Pictures over which the pace is taken.
_REMEMBERED: Final = 10


@as_command("top", "watch all processes of a cache", __doc__)
@cache_option
@namespace_option("Only functions of namespace NS and those below it.")
@sort_option
@option("--once", is_flag=True, help="One picture, and no keys.")
@json_option()
def command(cache: str, namespace: str | None, sort: str, once: bool, as_json: bool) -> int:
    seen = _Seen(with_second_tier(cache), namespace, sort)
    if as_json:
        print(json.dumps(seen.look(), indent=2))
        return 0
    out = console()
    if once or not sys.stdout.isatty():
        out.print(seen.picture(out.width, out.height))
        return 0
    with _keys() as pressed, Live(console=out, screen=True, auto_refresh=False) as live:
        while True:
            live.update(seen.picture(out.width, out.height), refresh=True)
            key = pressed(EVERY)
            if key in ("q", "\x03", "\x1b"):
                return 0
            seen.sort = _KEYS.get(key, seen.sort)


class _Seen:
    """
    What was seen the last time, and how fast it changes.
    """

    def __init__(self, cache: MultiLevelCache, namespace: str | None, sort: str) -> None:
        self._cache = cache
        self._namespace = namespace
        self.sort = sort
        #: When, calls and hits, of the last seconds.
        self._before: deque[tuple[Seconds, float, float]] = deque(maxlen=_REMEMBERED)

    def look(self) -> dict[str, Any]:
        """
        The figures of now.
        """
        data = figured(collect(self._cache), self._namespace, self.sort)
        total = data["total"]
        self._before.append((time.monotonic(), total["calls"], total["hits"]))
        return data

    def picture(self, width: int, height: int) -> Together:
        """
        As much of it as fits.
        """
        data = self.look()
        lines = max(1, height - _OTHERS - len(data["failures"]))
        return Together(self._pace(), *parts(data, lines, width))

    def _pace(self) -> Text:
        text = shown("memotier top  ", "bold")
        if len(self._before) > 1:
            first, last = self._before[0], self._before[-1]
            passed, calls, hits = (b - a for a, b in zip(first, last, strict=True))
            # Fewer than before: a process that ended is counted no longer.
            text.append(f"{number(max(0.0, calls) / passed)} calls/s")
            text.append(f", {percent(hits / calls)} of them hits" if calls > 0 else "")
        return text.append(f"   by {self.sort}; keys q {' '.join(_KEYS)}", "dim")


@contextmanager
def _keys() -> Iterator[Any]:
    """
    A function that waits for a key, for so many seconds; "" if none was pressed.
    """
    if not sys.stdin.isatty():
        yield _sleep
        return
    import termios
    import tty

    file = sys.stdin.fileno()
    before = termios.tcgetattr(file)
    try:
        tty.setcbreak(file)
        yield (
            lambda seconds: (
                os.read(file, 1).decode("latin-1")
                if select.select([file], [], [], seconds)[0]
                else ""
            )
        )
    finally:
        termios.tcsetattr(file, termios.TCSADRAIN, before)


def _sleep(seconds: Seconds) -> str:
    time.sleep(seconds)
    return ""
