"""
How long a look into memory takes, found out by trying it.

A hit is not measured, because to look at the clock twice would cost more than the hit. So whoever
asks for latencies looks for some entries that are there, which counts as no hit, and what that
took stands for the hits. Copying a mutable result for its caller is left out: that may run code
of its class.
"""

from __future__ import annotations

from typing import Final

from ..engine.engine import Engine
from ..engine.meter import L1_GET
from ..entry import Resident

#: Entries that are looked for, and how often each: one reading of the clock takes as long as a
#: look into memory.
MOST: Final = 32
TIMES: Final = 8


def probe(engine: Engine) -> None:
    """
    Look for a few entries, and note how long that took.
    """
    clock, peek = engine.clock.monotonic, engine.peek
    for resident in _some(engine):
        table, key = resident.table, resident.key
        if table is None:
            continue
        began = clock()
        for _ in range(TIMES):
            peek(table, key, counts=False)
        engine.meter.note(L1_GET, (clock() - began) / TIMES)


def _some(engine: Engine) -> list[Resident]:
    found: list[Resident] = []
    with engine.lock:
        for shelf in list(engine.shelves):
            for table in shelf.place.tables():
                for resident in list(table.values())[:MOST]:
                    if resident.thaw is None:
                        found.append(resident)
                    if len(found) >= MOST:
                        return found
    return found
