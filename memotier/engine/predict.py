"""
Refreshing hot entries before they end, for functions that did not ask for it themselves.

It is ``refresh_ahead`` with one condition more: an entry must have answered so many calls since
it was stored. So it costs what that costs: the calls in the last part of an entry's life look
twice, and the refresh is a flight like any other, in the background of the engine.

Only for decorated functions: their arguments are all that their results depend on, which the
engine checks once more when it runs them later. A callable that ``get_or_compute`` was given may
mean something else by then, and is never called again.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from .clocks import Windows
from .engine import Engine
from .places import Shelf

#: The part of its ttl after which an entry that is hot is refreshed.
AHEAD: Final = 0.8


def predict(engine: Engine, least_hits: int, *, ends: bool = False) -> None:
    """
    Refresh entries of functions that answered *least_hits* calls; or, for who asked for it
    (*ends*), no longer. Of several who ask the lowest number holds.

    Functions with a ``refresh_ahead`` of their own keep that.
    """
    with engine.lock:
        asked = engine.predictors
        asked[least_hits] = asked.get(least_hits, 0) + (-1 if ends else 1)
        engine.predicts = min((least for least in asked if asked[least] > 0), default=math.inf)
        for shelf in list(engine.shelves):
            tell(engine, shelf)


def tell(engine: Engine, shelf: Shelf) -> None:
    """
    Let *shelf* know what the engine is told. Called under the lock.

    Its windows are never taken away again: flights that count on them may be under way.
    """
    least, windows = engine.predicts, shelf.windows
    if least is None or not shelf.refreshes:
        return
    if windows is None:
        shelf.windows = Windows(ahead=AHEAD, least_hits=least)
    elif windows.ahead is None or windows.least_hits:
        shelf.windows = replace(windows, ahead=AHEAD, least_hits=least)
