"""
What a function has beyond memory: its results in the second tier, its calls in a history.
"""

from __future__ import annotations

import os
import typing
from typing import TYPE_CHECKING, Any

from .callnames import is_what_its_name_says
from .engine.engine import Engine
from .engine.places import Shelf
from .errors import ConfigError
from .wiring import Wiring

if TYPE_CHECKING:
    from .memo import Memo


def share(memo: Memo, engine: Engine, shelf: Shelf, wiring: Wiring) -> None:
    """
    Give *shelf* what it needs to use the second tier, if the function's name is good for that.
    """
    if memo.options.agent and wiring.l2_kind == "redis" and not (wiring.options.keys or wiring.off):
        raise ConfigError(
            f"{memo.label}: agent=True at a Redis takes a key, because whoever can write there "
            "could tell agents what he likes: set MEMOTIER_KEY to what `memotier key` prints"
        )
    reason = "" if memo.identity.stable else memo.identity.reason

    def is_it(found: Any) -> bool:
        return found is memo.function or getattr(found, "_self_memo", None) is memo

    if not (reason or memo.options.name or is_what_its_name_says(memo.function, is_it)):
        reason = "it wraps the function of that name"
    if reason:
        engine.events.say_once(
            memo.label,
            "identity",
            f"{memo.label}: its results are kept in memory only, because {reason}; "
            "give it a name= to keep them in the second tier",
        )
        return
    shelf.codec, shelf.version = _codec(memo, wiring), memo.version
    shelf.digester, *shelf.former = wiring.digesters(
        memo.options.namespace, memo.identity.name, memo.version
    )
    if shelf.hides and not shelf.digester.prepare() and wiring.l2_kind == "disk":
        engine.events.say_once(
            memo.label,
            "hidden",
            f"{memo.label}: whoever can read the cache directory can try which secrets its keys "
            "fit, because the key of this user cannot be used, or is not the one that the others "
            "use who share the directory: set MEMOTIER_KEY",
        )


def recording_of(memo: Memo, keyed: Any, shelf: Shelf) -> Any:
    """
    Who records the calls, if the function or the settings ask for it; else None.
    """
    if keyed.wiring.mode != "on":
        return None
    scope = memo.options.scope
    if scope is not None and not scope.is_public:
        return None  # whoever makes them again would do so for somebody else, or for nobody
    settings, wanted = keyed.wiring.settings, memo.options.record
    if wanted is None:
        wanted = settings is not None and settings.warming.record and not memo.no_map
    if not (wanted and keyed.wiring.records):
        return None
    from .recording.function import record

    return record(memo, keyed, shelf)


def result_annotation(function: Any) -> Any:
    """
    What *function* says that it returns; None if it does not say, or not understandably.
    """
    try:
        return typing.get_type_hints(function, include_extras=True).get("return")
    except Exception:
        return getattr(function, "__annotations__", {}).get("return")


def _codec(memo: Memo, wiring: Wiring) -> Any:
    codec = memo.options.codec
    if codec == "safe":
        from .codecs.classes import register_from_annotation
        from .codecs.values import SafeCodec

        register_from_annotation(result_annotation(memo.function))
        return SafeCodec()
    if codec == "pickle":
        from .codecs.pickled import PickleCodec
        from .codecs.secrets import load_keys, user_key

        keys = load_keys(os.environ)
        if wiring.l2_kind == "redis" and not keys:
            # With the key of a user on a machine, machines would throw away each other's results.
            raise ConfigError(
                f"{memo.label}: codec='pickle' at a Redis takes a key that all machines have: set "
                "MEMOTIER_KEY to what `memotier key` prints"
            )
        return PickleCodec(keys or (user_key(),))
    return codec
