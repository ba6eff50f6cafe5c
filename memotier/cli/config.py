"""
Print every setting, its value, and where the value came from.

A value comes from the defaults, from the nearest pyproject.toml with a [tool.memotier]
table (MEMOTIER_CONFIG names another file), or from a MEMOTIER_* environment variable;
each overrides those before it. What a program passes to memotier.configure() is known
to that program only.
"""

from __future__ import annotations

import json
import math
import os
import sys
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from ..durations import check_namespace
from ..settings import NAMESPACE_OPTIONS, OPTIONS, Configuration, Option, Settings, read
from ..settings.load import DEFAULT_SOURCE
from ..settings.model import dotted, levels
from ..settings.schema import DEFAULT_CACHE, SECTIONS
from ..settings.urls import RedisUrl
from .frame import as_command, json_option, namespace_option
from .table import Row, Section, has_colour, lines, short_path


class _Found(NamedTuple):
    """
    A setting's exact value, its source, and the key it was found under.
    """

    exact: Any
    source: str
    key: str


@as_command("config", "print every setting and where it came from", __doc__)
@json_option("durations in seconds, sizes in bytes")
@namespace_option("Show what holds in namespace NS, such as tool.search, with what it inherits.")
def command(namespace: str | None, as_json: bool) -> int:
    namespace = check_namespace(namespace) if namespace is not None else None
    configuration = read()
    if as_json:
        text = json.dumps(_data(configuration, namespace), indent=2, allow_nan=False)
    else:
        sections = _sections(configuration, namespace)
        body = lines(sections, colour=has_colour(sys.stdout, os.environ))
        text = "\n".join([_head(configuration), "", *body])
    print(text)
    return 0


# For people ---------------------------------------------------------------------------


def _head(configuration: Configuration) -> str:
    if configuration.file is None:
        return "No [tool.memotier] table in a pyproject.toml here or above."
    return f"Settings file: {_path(str(configuration.file))}"


def _sections(configuration: Configuration, namespace: str | None) -> list[Section]:
    settings = configuration.settings()
    found = [
        Section(
            _title(section),
            [
                _row(option.name, option, _top(settings, option))
                for option in OPTIONS.values()
                if option.section == section
            ],
            _note(section, settings),
        )
        for section in ("", *SECTIONS)
    ]
    if namespace is not None:
        return [*found, _effective(settings, namespace)]

    found += [
        Section(_title("namespaces", name), _namespace_rows(settings, name))
        for name in settings.namespaces
    ]
    found += [
        Section(_title("caches", name), _own_rows(configuration, name), "all else as above")
        for name in configuration.names
        if name != DEFAULT_CACHE
    ]
    return found


def _namespace_rows(settings: Settings, name: str) -> list[Row]:
    return [
        _row(key, option, found)
        for key, option in NAMESPACE_OPTIONS.items()
        if (found := _in_namespace(settings, name, key)) and found.key == _key(name, key)
    ]


def _own_rows(configuration: Configuration, name: str) -> list[Row]:
    """
    What distinguishes cache *name* from the default one; where it is in any case.
    """
    settings, top = configuration.settings(name), configuration.settings()
    rows = []
    for option in OPTIONS.values():
        found = _top(settings, option)
        is_place = option.key == "directory" and settings.redis_url is None
        if is_place or found != _top(top, option):
            rows.append(_row(option.key, option, found))
    for namespace in settings.namespaces:
        for key, option in NAMESPACE_OPTIONS.items():
            inner = _in_namespace(settings, namespace, key)
            is_own = inner != _in_namespace(top, namespace, key)
            if inner and is_own and inner.key == _key(namespace, key):
                rows.append(_row(inner.key, option, inner))
    return rows


def _effective(settings: Settings, namespace: str) -> Section:
    rows = []
    for key, option in NAMESPACE_OPTIONS.items():
        found = _in_namespace(settings, namespace, key)
        if found is None:
            found = _elsewhere(settings, option)
            option = OPTIONS.get(found.key, option)
        row = _row(key, option, found)
        if found.key not in (_key(namespace, key), ""):
            row = Row((*row.cells[:-1], f"{row.cells[-1]} ({found.key})"), row.quiet)
        rows.append(row)
    return Section(_title("namespaces", namespace), rows, "with what it inherits")


def _elsewhere(settings: Settings, option: Option) -> _Found:
    """
    What holds where no namespace sets *option*.
    """
    if option.key == "ttl":
        return _top(settings, OPTIONS["default_ttl"])
    return _Found(option.default, DEFAULT_SOURCE, "")


def _row(name: str, option: Option, found: _Found) -> Row:
    exact = found.exact
    shown = _path(str(exact)) if isinstance(exact, Path) else option.kind.shown(exact)
    source = _path(found.source) if os.path.isabs(found.source) else found.source
    return Row((name, shown, source), quiet=found.source == DEFAULT_SOURCE)


def _title(*parts: str) -> str:
    return f"[{dotted('tool', 'memotier', *(part for part in parts if part))}]"


def _note(section: str, settings: Settings) -> str:
    if section == "l2":
        if settings.redis_url:
            return "Redis, which has bounds of its own"
        return "disk" if settings.directory else "disk: not used, as no directory is set"
    return {"l1": "memory", "warming": "recorded calls"}.get(section, "")


def _path(path: str) -> str:
    try:
        return short_path(path, os.getcwd(), os.path.expanduser("~"))
    except OSError:  # the working directory is gone
        return path


# For programs -------------------------------------------------------------------------


def _data(configuration: Configuration, namespace: str | None) -> dict[str, Any]:
    data: dict[str, Any] = {
        "file": str(configuration.file) if configuration.file else None,
        "caches": {name: _cache_data(configuration.settings(name)) for name in configuration.names},
    }
    if namespace is not None:
        settings = configuration.settings()
        data["namespace"] = {"name": namespace} | {
            key: _plain(_in_namespace(settings, namespace, key) or _elsewhere(settings, option))
            for key, option in NAMESPACE_OPTIONS.items()
        }
    return data


def _cache_data(settings: Settings) -> dict[str, Any]:
    return {
        "settings": {o.key: _plain(_top(settings, o)) for o in OPTIONS.values()},
        "namespaces": {
            name: {
                key: _plain(_in_namespace(settings, name, key) or _elsewhere(settings, option))
                for key, option in NAMESPACE_OPTIONS.items()
            }
            for name in settings.namespaces
        },
    }


def _plain(found: _Found) -> dict[str, Any]:
    exact = found.exact
    if isinstance(exact, (Path, RedisUrl)):
        exact = str(exact)
    elif isinstance(exact, float) and math.isinf(exact):
        exact = "never"  # JSON has no infinity
    return {"value": exact, "from": found.source}


# For both -----------------------------------------------------------------------------


def _top(settings: Settings, option: Option) -> _Found:
    return _Found(attrgetter(option.key)(settings), settings.origins[option.key], option.key)


def _in_namespace(settings: Settings, namespace: str, key: str) -> _Found | None:
    """
    The nearest *key* that was written for *namespace* or a level above it.
    """
    for level in levels(namespace):
        where = _key(level, key)
        if where in settings.origins:
            exact = getattr(settings.namespaces[level], key)
            return _Found(exact, settings.origins[where], where)
    return None


def _key(namespace: str, key: str) -> str:
    return dotted("namespaces", namespace, key)
