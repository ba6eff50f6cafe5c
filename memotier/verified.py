"""
``verify=`` and ``equal=`` of one function, checked; and when two results are the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .durations import short
from .errors import ConfigError, UnkeyableArgument
from .keys.canonical import encode_call

#: Equal if their parts are: these may have parts that nobody can compare.
_CONTAINERS: Final = (list, tuple, dict, set, frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """
    Which share of the hits is checked, and how results are compared.
    """

    share: float
    equal: Callable[[Any, Any], bool | None]
    #: As it was given; None: by content.
    shown: Callable[[Any, Any], Any] | None


def check_verify(label: str, verify: Any, equal: Any, *, effects: Any) -> Verify | None:
    """
    What the options say; None if nothing is to be checked.

    Raises:
        ConfigError: If they cannot be used.
    """

    def refuse(option: str, value: Any, advice: str) -> ConfigError:
        return ConfigError(f"{label}: {option}={short(value)} cannot be used: {advice}")

    if verify is not None and (type(verify) not in (int, float) or not 0 <= verify <= 1):
        raise refuse("verify", verify, "the share of hits to check, from 0 to 1, such as 0.01")
    if equal is not None and not verify:
        raise refuse("equal", equal, "it compares the results that verify= checks; give that, too")
    if equal is not None and not _compares(equal):
        raise refuse("equal", equal, "a plain function of the old and the new result")
    if not verify:
        return None
    if effects == "idempotent":
        raise refuse(
            "verify",
            verify,
            'with effects="idempotent" a check would change something once more, for nobody. '
            "Leave it out",
        )
    compare = same if equal is None else lambda old, new: bool(equal(old, new))
    return Verify(share=float(verify), equal=compare, shown=equal)


def _compares(equal: Any) -> bool:
    if not callable(equal) or inspect.iscoroutinefunction(equal):
        return False
    try:
        signature = inspect.signature(equal)
    except (TypeError, ValueError):
        return True  # a builtin that does not tell
    try:
        signature.bind(None, None)
    except TypeError:
        return False
    return True


def same(old: Any, new: Any) -> bool | None:
    """
    Whether two results have the same content, by the rules of keys: types count (1 is not 1.0),
    the order of a dict does not, NaN is itself, arrays and frames are what is in them. What has no
    stable key is the same if it is equal; None: nobody can tell.
    """
    try:
        codes = [encode_call("verify", ("result",), (one,)) for one in (old, new)]
    except UnkeyableArgument:
        pass
    else:
        return codes[0] == codes[1]
    answer = old == new
    if answer is True:
        return True
    # What is equal to nothing but itself, a copy of it is not, and says nothing.
    compares: Any = type(old).__eq__
    tells = compares is not object.__eq__ and type(old) not in _CONTAINERS
    return False if answer is False and tells else None
