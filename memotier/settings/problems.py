"""
What to tell people whose settings cannot be used.

An error names the place, the dotted key, the value and the nearest valid name. It never
shows what may be a secret: errors end up in logs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..durations import short
from ..errors import ConfigError
from .schema import PREFIX

_SECRET: Final = re.compile(
    r"(^|[_-])(key|keys|token|tokens|secret|secrets|password|passwords|passwd|pwd|passphrase"
    r"|credential|credentials)($|[_-])",
    re.IGNORECASE,
)


def looks_secret(name: str) -> bool:
    """
    Whether a setting of this name would hold something that nobody else may read.
    """
    return bool(_SECRET.search(name))


def is_secret(at: str) -> ConfigError:
    """
    A secret stands where others can read it.
    """
    return ConfigError(
        f"{at} looks like a secret, and secrets are never read from settings: remove it, "
        "and give the signing key in the environment variable MEMOTIER_KEY"
    )


def unknown(at: str, name: str, value: Any, valid: Iterable[str]) -> ConfigError:
    """
    The setting *name*, shown as *at*, does not exist; *valid* are the names that do.
    """
    return ConfigError(f"{at}{_equals(name, value)} is not a setting: {advice(name, valid)}")


def not_a_table(at: str, value: Any, example: str) -> ConfigError:
    """
    A single value stands where a table belongs.
    """
    return ConfigError(f"{at} = {short(value)} is not a table: write {example}")


def advice(name: str, valid: Iterable[str]) -> str:
    """
    The valid name that *name* was probably meant to be, or all of them.
    """
    valid = list(valid)
    near = nearest(name, valid)
    if near:
        return f"did you mean {' or '.join(near)}?"
    # Of tables their names are enough.
    valid = [v for v in valid if "." not in v] or valid
    return f"there {'are' if len(valid) > 1 else 'is only'} {', '.join(valid)}"


def nearest(name: str, valid: Iterable[str]) -> list[str]:
    """
    The valid names most like *name*; none if nothing is like it.
    """
    # Only people who mistyped pay for this import.
    from difflib import get_close_matches

    # What all have in common would make everything look similar.
    by_rest = {v.removeprefix(PREFIX): v for v in valid}
    rest = name.removeprefix(PREFIX)
    # "max_size" outside its table: rather both tables than the most similar word.
    same = [v for r, v in by_rest.items() if _last(r) == _last(rest)]
    return same or [by_rest[r] for r in get_close_matches(rest, by_rest, n=1, cutoff=0.6)]


def _last(name: str) -> str:
    return re.split(r"__|\.", name)[-1]


def _equals(name: str, value: Any) -> str:
    # A table or a list may hold anything, also a password; a URL may hold one too.
    is_url = isinstance(value, str) and "://" in value
    if is_url or isinstance(value, (Mapping, list, tuple)) or looks_secret(name):
        return " (value not shown)"
    return f" = {short(value)}"
