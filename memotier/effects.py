"""
``effects=`` of one function: what a call does besides returning its result.

Who answers a call from a cache does not make it. That is right for what only computes or reads,
and for what may be done once for many; it is wrong for what changes something each time.

It is said in one word, or by the annotations of an MCP tool. Those are *hints* of whoever wrote
the tool: nobody checks them, and what they leave open counts as the specification says, which is
for the worse.

What must never happen: a function that says it writes is not run.

Source:
    Model Context Protocol, schema: ToolAnnotations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .durations import short
from .errors import ConfigError

#: From the one that does least.
KINDS: Final = ("pure", "read", "idempotent", "write")
WAYS: Final = (
    'effects="pure" (its result depends on its arguments alone), "read" (on the world, too, which '
    'it leaves as it is), or "idempotent" (it changes something, and once is as good as often)'
)
#: As the protocol spells them, and as its Python package has done since version 2.
_HINTS: Final = {
    "readOnlyHint": "read_only_hint",
    "idempotentHint": "idempotent_hint",
    "destructiveHint": "destructive_hint",
}


def check_effects(label: str, effects: Any, *, agent: bool) -> str | None:
    """
    What the option says; None if it says nothing.

    Raises:
        ConfigError: If it cannot be used, if the function writes, or if it is a tool of agents
            and nothing is said.
    """
    said = effects
    if effects is not None and type(effects) is not str:
        if not _has_place_for_hints(effects):
            raise ConfigError(
                f"{label}: effects={short(effects)} cannot be used: write {WAYS}; or give the "
                "annotations of an MCP tool"
            )
        _check_spelling(label, effects)
        said = of_hints(effects)
        if said == "write":
            raise ConfigError(
                f"{label}: its annotations in effects= say that it writes, so it has to run at "
                "every call: readOnlyHint is not True, nor is idempotentHint True with "
                "destructiveHint False. Leave it uncached, with @memotier.mutates to forget "
                f"what it changes, or write {WAYS} if that is what it is"
            )
    if said is None:
        if agent:
            given = "" if effects is None else ", and its annotations say nothing of it"
            raise ConfigError(
                f"{label}: agent=True needs to know what else a call does{given}: write {WAYS}"
            )
        return None
    if said not in KINDS:
        raise ConfigError(f"{label}: effects={short(effects)} cannot be used: write {WAYS}")
    if said == "write":
        raise ConfigError(
            f'{label}: effects="write" cannot be used with @tiered_cache: it has to run at every '
            "call. Leave it uncached, with @memotier.mutates to forget what it changes, or write "
            f"{WAYS} if that is what it is"
        )
    return str(said)


def of_hints(annotations: Any) -> str | None:
    """
    What the annotations of an MCP tool say: ``"read"``, ``"idempotent"`` or ``"write"``; None if
    there are none, or none that says anything of this.

    ``"read"`` if *readOnlyHint* is True, whatever the others are, which have no meaning then.
    ``"idempotent"`` if *idempotentHint* is True and *destructiveHint* False: a tool that takes
    something away has to run again if it has come back. Else ``"write"``. Only True is true: what
    a server sent may be anything.

    Args:
        annotations: An object with such attributes, or a mapping; in the spelling of the protocol
            or of its Python package (``read_only_hint``). None: there are none.
    """
    reads, repeats, destroys = (hint(annotations, name) for name in _HINTS)
    if reads is None and repeats is None and destroys is None:
        return None
    if reads is True:
        return "read"
    return "idempotent" if repeats is True and destroys is False else "write"


def hint(annotations: Any, name: str) -> Any:
    """
    One hint; None if it is not given. A mapping with two spellings that differ: the one that
    promises less. An object has one, and may answer to the other with a warning that it is old.
    """
    spellings = (name, _HINTS[name])
    if isinstance(annotations, Mapping):
        found = [annotations.get(one) for one in spellings]
    else:
        is_new = hasattr(annotations, _HINTS[name])
        found = [getattr(annotations, _HINTS[name] if is_new else name, None)]
    given = [one for one in found if one is not None]
    if not given:
        return None
    harmless = name != "destructiveHint"
    return harmless if all(one is harmless for one in given) else not harmless


def _check_spelling(label: str, annotations: Any) -> None:
    """
    Refuse a mapping with a hint that would not be seen; what is no hint is passed over.
    """
    if not isinstance(annotations, Mapping):
        return
    seen = {*_HINTS, *_HINTS.values()}
    for key in annotations:
        plain = str(key).replace("_", "").casefold()
        for name in _HINTS if key not in seen else ():
            if plain == name.casefold():
                raise ConfigError(
                    f"{label}: effects= has {short(key)}, which is no annotation: write {name!r}"
                )


def _has_place_for_hints(effects: Any) -> bool:
    if isinstance(effects, Mapping):
        return True
    return any(hasattr(effects, one) for one in (*_HINTS.values(), *_HINTS))
