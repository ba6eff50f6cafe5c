"""
Places of single instances, whose results are gone when the instance is.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from .places import Place, Shelf

if TYPE_CHECKING:
    from .engine import Engine


def adopt(engine: Engine, shelf: Shelf, instance: Any, *, has_name: bool = False) -> Place:
    """
    The place of *instance* on *shelf*.

    Raises:
        TypeError: If there can be no weak reference to the instance.
    """
    with engine.lock:
        place = shelf.places.get(id(instance))
        if place is not None:
            return place

        identity, places, orphans = id(instance), shelf.places, engine.orphans

        def gone(_: Any) -> None:
            # At once, before the address can belong to another object.
            orphan = places.pop(identity, None)
            if orphan is not None:
                orphans.append(orphan)

        place = Place(shelf, weakref.ref(instance, gone), has_name=has_name)
        shelf.places[identity] = place
        return place


def bury(engine: Engine) -> None:
    """
    Drop what belongs to instances that died. Called under the lock.
    """
    while engine.orphans:
        place = engine.orphans.popleft()
        engine.memory.drop(place.residents())
        engine.failures.bury(place)
