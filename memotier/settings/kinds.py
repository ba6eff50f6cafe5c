"""
What a setting can hold: how it is checked, and how it is shown.

A file and ``configure()`` give typed values; an environment variable gives text, and only
there does ``"5"`` mean 5.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..durations import (
    BOUND_FORMS,
    DURATION_FORMS,
    SIZE_FORMS,
    bound,
    seconds,
    short,
    show_bytes,
    show_seconds,
    size_bytes,
)
from ..errors import ConfigError
from .urls import FORMS as REDIS_FORMS
from .urls import RedisUrl

#: How "no value" is written where a file cannot say None.
NONE: Final = "none"


class At(NamedTuple):
    """
    Where a value stands: how errors begin, and the directory that its paths start from.

    *base* is None if the value came from a process whose working directory is gone.
    """

    what: str
    base: Path | None
    #: Whether it stands in a file, where no secret may.
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """
    A type of setting.

    Args:
        read: Checks a value and makes it exact; raises ``ConfigError``.

        show: Writes an exact value for people.

        forms: What may be written, for errors and the reference.

        text: What the text of a variable stands for in a file.

        unset: How None is shown; None for a setting that always has a value.
    """

    read: Callable[[Any, At], Any]
    show: Callable[[Any], str]
    forms: str
    text: Callable[[str], Any] = str
    unset: str | None = None

    def or_none(self, shown: str) -> Kind:
        """
        The same kind, with ``"none"`` allowed and shown as *shown*.
        """
        return replace(self, unset=shown, forms=f'{self.forms}; or "{NONE}" ({shown})')

    def exact(self, value: Any, at: At) -> Any:
        """
        The checked and exact form of *value*.
        """
        is_none = value is None or (isinstance(value, str) and value == NONE)
        if is_none and self.unset is not None:
            return None
        return self.read(value, at)

    def shown(self, value: Any) -> str:
        """
        The exact *value* for people.
        """
        return str(self.unset) if value is None else self.show(value)


DURATION: Final = Kind(
    read=lambda value, at: seconds(value, what=at.what), show=show_seconds, forms=DURATION_FORMS
)
BOUND: Final = Kind(
    read=lambda value, at: bound(value, what=at.what), show=show_seconds, forms=BOUND_FORMS
)
SIZE: Final = Kind(
    read=lambda value, at: size_bytes(value, what=at.what), show=show_bytes, forms=SIZE_FORMS
)


def count(least: int) -> Kind:
    """
    A whole number of at least *least*.
    """
    forms = f"a whole number, {least} or more"

    def read(value: Any, at: At) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return int(value)
        raise ConfigError(f"{at.what} = {short(value)} cannot be used: use {forms}")

    def text(value: str) -> Any:
        return int(value) if re.fullmatch(r"-?[0-9]{1,18}", value) else value

    return Kind(read=read, show=str, forms=forms, text=text)


def choice(*names: str) -> Kind:
    """
    One of *names*; a string-valued enum member counts as its value.
    """
    forms = f"{', '.join(map(repr, names[:-1]))} or {names[-1]!r}".replace("'", '"')

    def read(value: Any, at: At) -> str:
        if isinstance(value, Enum):
            value = value.value
        if isinstance(value, str) and value in names:
            return value
        raise ConfigError(f"{at.what} = {short(value)} cannot be used: use {forms}")

    return Kind(read=read, show=str, forms=forms)


def _directory(value: Any, at: At) -> Path:
    if not isinstance(value, (str, os.PathLike)):
        raise ConfigError(f"{at.what} = {short(value)} is not a path: use text or a pathlib.Path")

    text = os.fspath(value)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise ConfigError(
            f"{at.what} = {short(value)} is not the path of a directory: "
            f'name one, or write "{NONE}" for a cache in memory only'
        )
    if "://" in text:
        raise ConfigError(
            f"{at.what} holds a URL ({text.partition('://')[0]}://...): a directory on disk is a "
            'path such as ".cache/memotier"; a server is given as redis_url'
        )
    return _absolute(text, at)


def _absolute(text: str, at: At) -> Path:
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{at.what} = {short(text)}: no such home directory") from error

    if path.is_absolute():
        return Path(os.path.normpath(path))
    if at.base is None:
        raise ConfigError(
            f"{at.what} = {short(text)} is relative, but the working directory of this "
            "process no longer exists: use an absolute path"
        )
    return Path(os.path.normpath(at.base / path))


def _redis_url(value: Any, at: At) -> RedisUrl:
    url = value if isinstance(value, RedisUrl) else RedisUrl(value, what=at.what)
    if at.is_file and url.has_password:
        raise ConfigError(
            f"{at.what} (value not shown) has a user or a password, and secrets are never read "
            "from files: give the URL in the environment variable MEMOTIER_REDIS_URL, or with "
            "memotier.configure()"
        )
    return url


def _flag(value: Any, at: At) -> bool:
    if isinstance(value, bool):
        return value
    raise ConfigError(f"{at.what} = {short(value)} cannot be used: use {FLAG.forms}")


def _modules(value: Any, at: At) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(name, str) and _MODULE.fullmatch(name) for name in value
    ):
        raise ConfigError(f"{at.what} = {short(value)} cannot be used: use {MODULES.forms}")
    return tuple(dict.fromkeys(value))


def _tags(value: Any, at: At) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(tag, str) and tag for tag in value
    ):
        raise ConfigError(f"{at.what} = {short(value)} cannot be used: use {TAGS.forms}")
    return tuple(dict.fromkeys(value))


_MODULE: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")

FLAG: Final = Kind(
    read=_flag,
    show=lambda value: "yes" if value else "no",
    forms="true or false",
    text=lambda value: {"true": True, "false": False}.get(value.lower(), value),
)
MODULES: Final = Kind(
    read=_modules,
    show=lambda names: ", ".join(names) or "none",
    forms='a list of names of modules, such as ["app.tools"]',
    text=lambda value: [part.strip() for part in value.split(",")],
)
DIRECTORY: Final = Kind(read=_directory, show=str, forms='a path such as ".cache/memotier"')
REDIS_URL: Final = Kind(read=_redis_url, show=str, forms=REDIS_FORMS)
TAGS: Final = Kind(
    read=_tags,
    show=lambda tags: ", ".join(tags) or "no tags",
    forms='a list of texts that are not empty, such as ["web"]',
)
