"""
Telling the second tier of invalidations: while it happens, and later, if it could not be told.

What could not be told is kept (``Versions.postpone``): the last word of each key and name counts.
Until it is told, this process does not believe the second tier about what it names.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from ..errors import StoreError
from ..types import Address, Name
from .drive import Plan
from .effects import operation
from .engine import Engine
from .versions import RETRY_AFTER


def on_way(engine: Engine, serial: int, telling: Plan) -> Plan:
    """
    The answer of *telling*, which tells the second tier of the invalidation *serial*.
    """
    try:
        return (yield from telling)
    finally:
        with engine.lock:
            engine.versions.arrived(serial)


def settle(engine: Engine, *, at_once: bool = False) -> Plan:
    """
    Try again to write invalidations that the second tier could not take.
    """
    versions = engine.versions
    if engine.options.reads_only:
        return
    if not at_once and getattr(engine.store, "is_spilling", False):
        return  # only the spill would hear of it, and has; see stores/spill.py
    with engine.lock:
        now = math.inf if at_once else engine.clock.monotonic()
        if not versions.overdue(now):
            return
        names, keys = versions.left_behind()
        if not (names or keys):
            return
        versions.retry_at = engine.clock.monotonic() + RETRY_AFTER
        softly = set(versions.pending_softly)
        answers: list[Any] = []
        serial = versions.serial
    for request in _operations(names, keys, softly):
        answers.append((yield operation(engine, *request, lasting=True)))
    failed = [answer for answer in answers if isinstance(answer, StoreError)]
    with engine.lock:
        if failed:
            return
        versions.settle(names, keys, serial)
        versions.forget()


def _operations(
    names: Sequence[Name], keys: Sequence[Address], softly: Collection[bytes]
) -> list[tuple[Any, ...]]:
    """
    How the store is told of invalidations, of which those of *softly* are soft.
    """
    found: list[tuple[Any, ...]] = []
    for is_soft in (False, True):
        some = [name for name in names if (name in softly) is is_soft]
        if some:
            found.append(("bump", some, True) if is_soft else ("bump", some))
        some = [key for key in keys if (key in softly) is is_soft]
        if some:
            found.append(("expire" if is_soft else "delete", some))
    return found
