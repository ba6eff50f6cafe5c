"""
Where settings stand: the nearest project file and the environment.

Finds and reads; what the values mean is decided in ``gather.py``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..errors import ConfigError
from .schema import PREFIX

PROJECT_FILE: Final = "pyproject.toml"
CONFIG_VARIABLE: Final = "MEMOTIER_CONFIG"
#: Variables that are no settings: where to read, what to sign with, and those of test suites.
OTHER_VARIABLES: Final = (
    *(CONFIG_VARIABLE, "MEMOTIER_KEY"),
    *("MEMOTIER_CASSETTE", "MEMOTIER_CASSETTE_MODE"),
)
_FOR_TESTS: Final = "MEMOTIER_TEST_"


class SettingsFile(NamedTuple):
    """
    A file and its ``[tool.memotier]`` table.
    """

    path: Path
    table: Any


def settings_file(environ: Mapping[str, str], cwd: Path | None) -> SettingsFile | None:
    """
    The file that ``MEMOTIER_CONFIG`` names, else the nearest one upwards from *cwd*, if any.

    Raises:
        ConfigError: If the named file cannot be used, or a file on the way has settings of
            memotier but cannot be read.
    """
    if CONFIG_VARIABLE in environ:
        return _named(environ[CONFIG_VARIABLE], cwd)
    return _nearest(cwd) if cwd is not None else None


def variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """
    The names and texts of the variables that set something, in the order of their names.
    """
    for name in sorted(environ):
        is_ours = name.startswith(PREFIX) and not name.startswith(_FOR_TESTS)
        if is_ours and name not in OTHER_VARIABLES:
            yield name, environ[name]


def _named(text: str, cwd: Path | None) -> SettingsFile:
    if not text.strip():
        raise ConfigError(f"{CONFIG_VARIABLE} is empty: name a TOML file, or unset it")

    path = Path(os.path.expanduser(text))
    if not path.is_absolute():
        if cwd is None:
            raise ConfigError(
                f"{CONFIG_VARIABLE} = {text!r} is relative, but the working directory of this "
                "process no longer exists: use an absolute path"
            )
        path = Path(os.path.normpath(cwd / path))
    if not os.path.isfile(path):
        problem = "is not a file" if os.path.exists(path) else "does not exist"
        raise ConfigError(f"{CONFIG_VARIABLE} = {text!r}: {path} {problem}: correct or unset it")

    table = _table(path)
    if table is None:
        raise ConfigError(
            f"{CONFIG_VARIABLE} = {text!r}: {path} has no [tool.memotier] table: add one, "
            "or unset the variable"
        )
    return SettingsFile(path, table)


def _nearest(cwd: Path) -> SettingsFile | None:
    for directory in (cwd, *cwd.parents):
        path = directory / PROJECT_FILE
        # os.path answers False where pathlib raises: above us there may be directories
        # that we must not look into.
        if os.path.isfile(path):
            table = _table(path)
            if table is not None:
                return SettingsFile(path, table)
        # Above the repository begins what belongs to somebody else.
        if os.path.exists(directory / ".git"):
            return None
    return None


def _table(path: Path) -> Any:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}): make it readable, or name another "
            f"file in {CONFIG_VARIABLE}"
        ) from error

    # Most project files say nothing about us: they need no parser, and their
    # mistakes are not ours to report.
    if b"memotier" not in data:
        return None
    tool = _parsed(path, data).get("tool")
    return tool.get("memotier") if isinstance(tool, dict) else None


def _parsed(path: Path, data: bytes) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8, which TOML has to be") from error
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at line (\d+), column \d+\)$", str(error))
        line = int(place[1]) if place else len(data.splitlines())
        problem = re.sub(r" \(at [^()]*\)$", "", str(error))
        raise ConfigError(f"{path}:{line}: not valid TOML: {problem}") from error
