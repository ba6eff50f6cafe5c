"""
``effects=`` of one function: what a call does besides returning its result.

Who answers a call from a cache does not make it. That is right for what only computes or reads,
and for what may be done once for many; it is wrong for what changes something each time.

What must never happen: a function that says it writes is not run.
"""

from __future__ import annotations

from typing import Any, Final

from .durations import short
from .errors import ConfigError

#: From the one that does least.
KINDS: Final = ("pure", "read", "idempotent", "write")
WAYS: Final = (
    'effects="pure" (its result depends on its arguments alone), "read" (on the world, too, which '
    'it leaves as it is), or "idempotent" (it changes something, and once is as good as often)'
)


def check_effects(label: str, effects: Any, *, agent: bool) -> str | None:
    """
    What the option says; None if it says nothing.

    Raises:
        ConfigError: If it cannot be used, if the function writes, or if it is a tool of agents
            and nothing is said.
    """
    if effects is None:
        if agent:
            raise ConfigError(
                f"{label}: agent=True needs to know what else a call does: write {WAYS}"
            )
        return None
    if type(effects) is not str or effects not in KINDS:
        raise ConfigError(f"{label}: effects={short(effects)} cannot be used: write {WAYS}")
    if effects == "write":
        raise ConfigError(
            f'{label}: effects="write" cannot be used with @tiered_cache: it has to run at every '
            f"call. Leave it uncached, or write {WAYS} if that is what it is"
        )
    return str(effects)
