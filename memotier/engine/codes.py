"""
The versions of functions, noted in the second tier for ``explain()``; see memotier/formerly.py.

Nothing is decided by it, and nothing is lost with it: a version that is not noted cannot be told.
A store that keeps no notes (no ``recall``) has none.
"""

from __future__ import annotations

from typing import Any, Final

from ..types import Name
from .drive import Plan
from .effects import Io
from .engine import Engine
from .places import Shelf

#: Versions of one function that are remembered, the last ones; and letters of one.
MOST: Final = 4
LONGEST: Final = 100


def note_version(engine: Engine, shelf: Shelf) -> Plan:
    """
    Have the second tier know by which code the results of *shelf* are made: once in a process.
    """
    version, shelf.version = shelf.version, ""
    if version and len(version) <= LONGEST and hasattr(engine.store, "recall"):
        yield Io(engine.offload, _note, engine, shelf.function_name, version)


def versions_noted(engine: Engine, function: Name) -> list[str]:
    """
    The versions of *function* that are known, the last one first.
    """
    recall: Any = getattr(engine.store, "recall", None)
    data = None if recall is None else recall(function)
    if not data:
        return []
    return data.decode("utf-8", "replace").split("\n")[:MOST]  # type: ignore[no-any-return]


def _note(engine: Engine, function: Name, version: str) -> None:
    known = versions_noted(engine, function)
    if known[:1] == [version]:
        return
    lasting: Any = engine.store
    versions = [version, *(one for one in known if one != version)]
    lasting.remember(function, "\n".join(versions[:MOST]).encode("utf-8", "replace"))
