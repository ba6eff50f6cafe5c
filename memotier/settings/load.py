"""
Merge the sources, and make the settings of one cache from them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import ConfigError
from .gather import Gathered, Source, Value
from .model import (
    LevelSettings,
    NamespaceSettings,
    Settings,
    WarmingSettings,
    dotted,
    levels,
)
from .problems import advice
from .schema import DEFAULT_CACHE, MODES, NAMESPACE_OPTIONS, OPTIONS, SINGLE, TIERS
from .sources import settings_file, variables

#: The source of what nobody set, and of what ``memotier.configure()`` was given.
DEFAULT_SOURCE = "default"
CODE_SOURCE = "configure()"


class Configuration:
    """
    Everything that was set, for all caches, at the moment of reading.

    *file* is the settings file, None if there is none.
    """

    def __init__(self, gathered: Gathered, file: Path | None) -> None:
        self._gathered = gathered
        self.file = file

    @property
    def names(self) -> tuple[str, ...]:
        """
        The names of the caches, ``"default"`` first.
        """
        return tuple(self._gathered.said)

    def settings(self, name: str = DEFAULT_CACHE) -> Settings:
        """
        The settings of cache *name*.

        A named cache inherits all that the top level says, except its places, such as *directory*
        and *redis_url*: it names its own second tier or is memory only, because two caches in one
        directory would be one cache.

        Raises:
            ConfigError: If there is no such cache, or its settings do not go together.
        """
        if name not in self._gathered.said:
            raise ConfigError(
                f"there is no cache {name!r}: {advice(name, self.names)} "
                f"(a cache is set up in [tool.memotier.caches.NAME])"
            )
        return _built(name, self._values(name), self._namespaces(name))

    def _values(self, name: str) -> dict[str, Value]:
        defaults = {o.key: Value(o.default, DEFAULT_SOURCE) for o in OPTIONS.values()}
        top = defaults | self._gathered.said[DEFAULT_CACHE]
        if name == DEFAULT_CACHE:
            return top

        own = {key: defaults[key] for key in SINGLE}
        merged = top | own | self._gathered.said[name]
        # Whoever turns something off for the whole process must not find a cache that does it.
        merged["mode"] = max(merged["mode"], top["mode"], key=lambda one: MODES.index(one.exact))
        return merged

    def _namespaces(self, name: str) -> dict[str, dict[str, Value]]:
        merged = dict(self._gathered.namespaces[DEFAULT_CACHE])
        if name != DEFAULT_CACHE:
            for namespace, said in self._gathered.namespaces[name].items():
                merged[namespace] = merged.get(namespace, {}) | said
        return merged


def read(
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Configuration:
    """
    Read all settings: one file, the environment, and what ``configure()`` was given.

    Args:
        environ: The environment; that of the process if None.

        cwd: Where the search for a file begins; the working directory if None.

        overrides: Settings by name, nested like the tables of the file.

    Raises:
        ConfigError: If anything in them cannot be used, whichever cache it is for.
    """
    environ = os.environ if environ is None else environ
    cwd = _working_directory() if cwd is None else cwd.absolute()

    gathered = Gathered()
    file = settings_file(environ, cwd)
    if file is not None:
        gathered.add_tree(file.table, Source(str(file.path), file.path.parent, True))
    # The caches that configure() names exist when variables are matched with their names.
    later = Gathered()
    later.add_tree(overrides or {}, Source(CODE_SOURCE, cwd))
    for name in later.said:
        gathered.cache(name)
    gathered.add_variables(variables(environ), cwd)
    gathered.update(later)

    return Configuration(gathered, file.path if file is not None else None)


def load(
    name: str = DEFAULT_CACHE,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """
    The settings of cache *name*; see ``read`` for the arguments.
    """
    return read(environ=environ, cwd=cwd, overrides=overrides).settings(name)


def _working_directory() -> Path | None:
    try:
        return Path.cwd()
    except OSError:
        # Deleted under a running process: no file is found there, and all else still works.
        return None


def _built(
    name: str, values: Mapping[str, Value], namespaces: Mapping[str, Mapping[str, Value]]
) -> Settings:
    values = dict(values)
    _check_one_place(values)
    _check_spill(values)
    for section in TIERS:
        _check_bounded(section, values)
        own, general = values[f"{section}.ttl"], values["default_ttl"]
        if own.source == DEFAULT_SOURCE and general.exact is not None:
            # What somebody said counts more than what nobody said.
            values[f"{section}.ttl"] = general._replace(source=f"{general.source} (default_ttl)")

    origins = {key: value.source for key, value in values.items()}
    for namespace, said in namespaces.items():
        for key, value in said.items():
            origins[dotted("namespaces", namespace, key)] = value.source

    exact: dict[str, Any] = {s: LevelSettings(**_section(s, values)) for s in TIERS}
    exact["warming"] = WarmingSettings(**_section("warming", values))
    return Settings(
        name=name,
        **_section("", values),
        **exact,
        namespaces=MappingProxyType({n: _namespace(n, namespaces) for n in namespaces}),
        origins=MappingProxyType(origins),
    )


def _section(section: str, values: Mapping[str, Value]) -> dict[str, Any]:
    return {o.name: values[o.key].exact for o in OPTIONS.values() if o.section == section}


def _namespace(name: str, said: Mapping[str, Mapping[str, Value]]) -> NamespaceSettings:
    """
    Each setting from the nearest level that has it.
    """
    found = {}
    for key, option in NAMESPACE_OPTIONS.items():
        near = (said[level][key].exact for level in levels(name) if key in said.get(level, {}))
        found[key] = next(near, option.default)
    return NamespaceSettings(**found)


def _check_one_place(values: Mapping[str, Value]) -> None:
    directory, url = values["directory"], values["redis_url"]
    if url.exact is None:
        return
    if directory.exact is not None:
        raise ConfigError(
            f"{url.source}: redis_url cannot be used with the directory that {directory.source} "
            'sets, as there is one second tier: set one of them to "none"'
        )
    for key in ("l2.max_size", "l2.max_bytes", "l2.eviction"):
        if values[key].source != DEFAULT_SOURCE:
            raise ConfigError(
                f"{values[key].source}: {key} cannot be used with redis_url: the server makes room "
                "by its own maxmemory and maxmemory-policy"
            )


def _check_spill(values: Mapping[str, Value]) -> None:
    spill, policy = values["spill_directory"], values["write_policy"]
    if spill.exact is None:
        return
    if values["redis_url"].exact is None:
        raise ConfigError(
            f"{spill.source}: spill_directory cannot be used without redis_url: it is where "
            "results are kept while that server is away"
        )
    if policy.exact == "write_back":
        raise ConfigError(
            f"{spill.source}: spill_directory cannot be used with the write_policy = "
            f'"write_back" that {policy.source} sets: that keeps for the server what it has not '
            'got yet. Use "write_through"'
        )


def _check_bounded(section: str, values: Mapping[str, Value]) -> None:
    size, room = values[f"{section}.max_size"], values[f"{section}.max_bytes"]
    if size.exact is None and room.exact is None:
        sources = " and ".join(dict.fromkeys((size.source, room.source)))
        raise ConfigError(
            f"{sources}: {section}.max_size and {section}.max_bytes are both unlimited, so "
            f"{section} would grow without end: limit one of them"
        )
