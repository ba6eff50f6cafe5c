"""
From trees of settings and variables to checked values, each with its source.

Everything that stands anywhere is checked, also what belongs to another cache than the
one that is asked for: a slip should be heard of now, not when that cache is first used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..durations import check_namespace, short
from ..errors import ConfigError
from .kinds import At
from .model import dotted
from .problems import is_secret, looks_secret, not_a_table, unknown
from .schema import DEFAULT_CACHE, NAMESPACE_OPTIONS, OPTIONS, PREFIX, SECTIONS, Option
from .sources import OTHER_VARIABLES

_BY_ENV = {option.env: option for option in OPTIONS.values()}
_CACHES = PREFIX + "CACHES__"
_NAMESPACES = "NAMESPACES__"


class Source(NamedTuple):
    """
    Where a tree of settings stands: its name, and the directory its paths start from.
    """

    label: str
    base: Path | None
    is_file: bool = False


class Value(NamedTuple):
    """
    An exact value and the name of its source.
    """

    exact: Any
    source: str


class Gathered:
    """
    What was said about each cache; what is gathered later replaces what was gathered before.

    ``said`` has, by the name of the cache, the values by dotted key; ``namespaces`` has, by
    the name of the cache and that of the namespace, the values by key.
    """

    def __init__(self) -> None:
        self.said: dict[str, dict[str, Value]] = {DEFAULT_CACHE: {}}
        self.namespaces: dict[str, dict[str, dict[str, Value]]] = {DEFAULT_CACHE: {}}

    def add_tree(self, tree: Any, source: Source) -> None:
        """
        Take in a ``[tool.memotier]`` table, or what ``configure()`` was given.
        """
        _TreeReader(self, source).read_cache(DEFAULT_CACHE, (), tree)

    def add_variables(self, variables: Iterable[tuple[str, str]], base: Path | None) -> None:
        """
        Take in environment variables; relative paths start from *base*.
        """
        for name, text in variables:
            cache, option = self._target(name, text)
            value = option.kind.exact(option.kind.text(text), At(name, base))
            self.cache(cache)[option.key] = Value(value, name)

    def update(self, later: Gathered) -> None:
        """
        Take in all that *later* gathered.
        """
        for name, said in later.said.items():
            self.cache(name).update(said)
            for namespace, inner in later.namespaces[name].items():
                self.namespaces[name].setdefault(namespace, {}).update(inner)

    def cache(self, name: str) -> dict[str, Value]:
        """
        What was said about cache *name*, which from now on exists.
        """
        self.namespaces.setdefault(name, {})
        return self.said.setdefault(name, {})

    def _target(self, name: str, text: str) -> tuple[str, Option]:
        cache, short_name, start = DEFAULT_CACHE, name, PREFIX
        if name.startswith(_CACHES):
            spelt, _, rest = name.removeprefix(_CACHES).partition("__")
            cache, short_name = self._spelt(name, spelt), PREFIX + rest
            start = f"{_CACHES}{spelt}__"
        if short_name.startswith(PREFIX + _NAMESPACES):
            raise ConfigError(
                f"{name} cannot be used: names of variables cannot hold the dots of "
                "namespaces; set them in pyproject.toml or with memotier.configure()"
            )
        if short_name not in _BY_ENV:
            valid = [start + known.removeprefix(PREFIX) for known in _BY_ENV]
            raise unknown(name, name, text, [*valid, *OTHER_VARIABLES])
        return cache, _BY_ENV[short_name]

    def _spelt(self, variable: str, spelt: str) -> str:
        """
        The cache that a variable means: its name in capitals, with _ for what is no letter.
        """
        named = [cache for cache in self.said if cache != DEFAULT_CACHE]
        found = [c for c in named if re.sub("[^A-Z0-9]", "_", c.upper()) == spelt]
        if len(found) > 1:
            raise ConfigError(f"{variable} could mean the caches {' and '.join(found)}: rename one")
        return found[0] if found else _check_cache(variable, spelt.lower())


class _TreeReader:
    """
    One pass over the tree of one source.
    """

    def __init__(self, into: Gathered, source: Source) -> None:
        self.into = into
        self.source = source

    def read_cache(self, cache: str, path: tuple[str, ...], tree: Any) -> None:
        example = "[tool.memotier]" if not path else f"[tool.memotier.{dotted(*path)}]"
        said = self.into.cache(cache)
        for name, value in self._items(path, tree, f"{example} and its settings below"):
            here = (*path, name)
            if name == "namespaces":
                self._read_namespaces(cache, here, value)
            elif name == "caches" and not path:
                self._read_caches(here, value)
            elif name in SECTIONS:
                for leaf, inner in self._items(here, value, f"{name} = {{ max_size = 1000 }}"):
                    key = f"{name}.{leaf}"
                    said[key] = self._value((*here, leaf), OPTIONS.get(key), inner)
            else:
                option = None if "." in name else OPTIONS.get(name)
                said[name] = self._value(here, option, value)

    def _read_caches(self, path: tuple[str, ...], tree: Any) -> None:
        for name, value in self._items(path, tree, "[tool.memotier.caches.NAME]"):
            self.read_cache(_check_cache(self._at(*path, name), name), (*path, name), value)

    def _read_namespaces(self, cache: str, path: tuple[str, ...], tree: Any) -> None:
        for name, value in self._items(path, tree, '[tool.memotier.namespaces."tool.search"]'):
            try:
                check_namespace(name)
            except ConfigError as error:
                raise ConfigError(f"{self._at(*path)}: {error}") from None
            said = self.into.namespaces[cache].setdefault(name, {})
            example = f'{dotted(name)} = {{ ttl = "10m" }}'
            for leaf, inner in self._items((*path, name), value, example):
                option = NAMESPACE_OPTIONS.get(leaf)
                said[leaf] = self._value((*path, name, leaf), option, inner, NAMESPACE_OPTIONS)

    def _value(
        self,
        path: tuple[str, ...],
        option: Option | None,
        value: Any,
        valid: Iterable[str] = OPTIONS,
    ) -> Value:
        at = self._at(*path)
        if option is None:
            if looks_secret(path[-1]):
                raise is_secret(at)
            raise self._unknown(path, value, valid)
        return Value(
            option.kind.exact(value, At(at, self.source.base, self.source.is_file)),
            self.source.label,
        )

    def _unknown(self, path: tuple[str, ...], value: Any, valid: Iterable[str]) -> ConfigError:
        at, name = self._at(*path), path[-1]
        if name in OPTIONS and "." in name:
            section, _, leaf = name.partition(".")
            return ConfigError(f"{at} is not a setting: write {section} = {{ {leaf} = ... }}")
        section = path[-2] if len(path) > 1 and path[-2] in SECTIONS else ""
        if section:
            valid = [key for key in OPTIONS if key.startswith(f"{section}.")]
            name = f"{section}.{name}"
        elif valid is OPTIONS:
            valid = [*OPTIONS, *SECTIONS, "namespaces", *(["caches"] if len(path) == 1 else [])]
        return unknown(at, name, value, valid)

    def _items(self, path: tuple[str, ...], tree: Any, example: str) -> Iterator[tuple[str, Any]]:
        if not isinstance(tree, Mapping):
            raise not_a_table(self._at(*path), tree, example)
        for name, value in tree.items():
            if not isinstance(name, str):
                raise ConfigError(f"{self._at(*path)}: {short(name)} is not a name: use text")
            yield name, value

    def _at(self, *path: str) -> str:
        return f"{self.source.label}: {dotted(*path) or '[tool.memotier]'}"


def _check_cache(at: str, name: str) -> str:
    if name == DEFAULT_CACHE:
        raise ConfigError(
            f"{at} cannot be used: the settings of the cache {DEFAULT_CACHE!r} are those at the "
            "top level"
        )
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise ConfigError(
            f"{at}: {short(name)} is no name for a cache: use 1 to 64 of A-Z a-z 0-9 _ -"
        )
    return name
