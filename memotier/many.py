"""
``@tiered_cache.many``, and ``tiered_cache`` as it is shown: a function that has this attribute.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from . import decorator
from .batched import ManyMemo
from .errors import ConfigError
from .manytyping import WithMany

F = TypeVar("F", bound=Callable[..., Any])

_UNSET: Any = object()
#: The options that hold for each id by itself.
_TAKEN: Final = frozenset(
    (
        "name",
        "namespace",
        "ttl",
        "tags",
        "cache",
        "key",
        "ignore",
        "version",
        "on_unkeyable",
        "codec",
        "cache_if",
        "cost",
        "copy",
        "single_flight",
        "jitter",
        "scope",
        "quota",
        "agent",
        "effects",
        "redact",
        "is_error",
        "authorize",
    )
)
_DEFAULTS: Final = {
    name: one.default
    for name, one in inspect.signature(decorator.tiered_cache).parameters.items()
    if one.kind is one.KEYWORD_ONLY
}


def many(
    function: Any = _UNSET, /, *, items: Any = None, max_batch: Any = None, **options: Any
) -> Any:
    """
    Keep the results of a function that takes many ids and returns the result of each.

    The function returns a dict by id, or, if its annotation says so, a list as long as the ids.
    Each id has an entry of its own; only those without one are passed on, as a list, in one call.
    Ids that another caller is computing are waited for.

    Args:
        items: Name of the parameter with the ids. None: the first that is part of the key.

        max_batch: The most ids of one call; more are split. None: no bound.

        options: As for ``tiered_cache``. Templates of *tags* may name the parameter with the ids,
            and mean the single id; *ttl*, *cache_if*, *cost*, *key* and *tags* as callables are
            given the result of one id, and the arguments with one id.

    Raises:
        ConfigError: If an option cannot be used, or not for batches.
    """
    for name, value in options.items():
        if name not in _DEFAULTS:
            raise TypeError(f"tiered_cache.many() got an unexpected keyword argument {name!r}")
        if name not in _TAKEN and value != _DEFAULTS[name]:
            raise ConfigError(
                f"@tiered_cache.many: {name}= cannot be used: it is about the call of a function "
                "for one result, and one call brings many here. Leave it out, or cache a function "
                "of one id with @tiered_cache"
            )
    decorate = functools.partial(
        decorator._decorate,
        options={**_DEFAULTS, **options},
        memo_of=functools.partial(ManyMemo, items=items, max_batch=max_batch),
    )
    return decorate if function is _UNSET else decorate(function)


def _with_many(function: F) -> WithMany[F]:
    function.many = many  # type: ignore[attr-defined]
    return cast("WithMany[F]", function)


tiered_cache: Final = _with_many(decorator.tiered_cache)
