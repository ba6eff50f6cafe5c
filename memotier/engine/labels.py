"""
What is known of an entry before it is computed.
"""

from __future__ import annotations

from ..errors import ConfigError
from .calls import Call, Labels
from .engine import Engine
from .evidence import REFUSED


def labels_before(engine: Engine, call: Call) -> Labels | None:
    """
    What is known before the computation: tags of the settings and of the arguments. None if
    nobody can say, because ``tags=`` raised: the result cannot be invalidated, so not kept.
    """
    shelf = call.shelf
    if call.tags_of is None:
        if call.own_needs:
            return Labels(call.names, shelf.tags)
        if shelf.labels is None:
            shelf.labels = Labels(shelf.names, shelf.tags)
        labels: Labels = shelf.labels
        return labels
    try:
        own = call.tags_of()
    except Exception as error:
        # Our own complaint about what it returned shows no data; other texts may.
        ours = isinstance(error, ConfigError)
        why = str(error) if ours else f"tags= raised {type(error).__name__}"
        with engine.lock:
            said = "tags= cannot be used" if ours else why
            engine.evidence.happened(engine, call, REFUSED, said)
        engine.events.say_once(
            shelf.label,
            "tags",
            f"{shelf.label}: {why}; the result was returned but not stored",
        )
        return None
    return Labels(call.names, tuple(dict.fromkeys((*shelf.tags, *own))))
