"""
How the calls of one decorated function are recorded.
"""

from __future__ import annotations

from typing import Any

from ..engine.events import kind_and_place
from ..engine.places import Shelf
from ..errors import MemotierError
from ..keyed import Keyed
from ..keys.bind import VAR_KEYWORD, VAR_POSITIONAL
from ..memo import Memo
from .opening import recorder_of
from .recorder import Recording
from .signature import is_secret


def record(memo: Memo, keyed: Keyed, shelf: Shelf) -> Recording | None:
    """
    The recording of *memo*; None if its calls could not be made again, which is said once.
    """
    reason = why_not(memo)
    if reason:
        keyed.engine.events.say_once(
            memo.label, "record", f"{memo.label}: its calls are not recorded, because {reason}"
        )
        return None
    try:
        recorder = recorder_of(keyed)
    except (MemotierError, OSError, RuntimeError) as error:
        # No home, or one that nobody can write to: the call is not to fail for that.
        why = str(error) if isinstance(error, MemotierError) else kind_and_place(error)
        keyed.engine.events.say_once(
            keyed.engine.options.name, "record", f"its calls are not recorded: {why}"
        )
        return None
    shelf.heard = recorder
    recording = Recording(
        recorder,
        label=memo.label,
        namespace=memo.options.namespace,
        function=memo.identity.name,
        redact=memo.options.redact,
        arguments_of=memo.keys.counted,
        user_of=_user_of(memo),
    )
    if memo.options.rewarm:
        from ..warming.rewarm import rewarm

        rewarm(keyed.engine, recorder, recording, memo)
    return recording


def why_not(memo: Memo) -> str:
    """
    Why the calls of *memo* cannot be made again by another process; empty if they can.
    """
    if not memo.identity.stable and not memo.options.name:
        return f"{memo.identity.reason}; give it a name="
    for parameter in memo.parameters.all:
        if parameter.kind in (VAR_POSITIONAL, VAR_KEYWORD):
            continue
        if parameter.name in memo.options.ignore and parameter.default is parameter.empty:
            return (
                f"{parameter.name!r} is not part of the key and has no default: "
                "nobody would know what to call it with"
            )
    return ""


def _user_of(memo: Memo) -> Any:
    name = memo.options.record_user
    if name is None:
        return lambda values: ""
    at = memo.parameters.names.index(name)

    def user_of(values: tuple[Any, ...]) -> str:
        user = values[at]
        if is_secret(name, user):
            return ""
        return "" if user is None else str(user)[:256] if type(user) in (str, int) else ""

    return user_of
