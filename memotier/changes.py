"""
What one function changes, as the options of ``@mutates`` say; and the invalidations that follow.

Whatever can be wrong about it is said when the function is decorated, or before it is called:
afterwards nothing is raised for it. Callers: mutations.py.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from .cache import MultiLevelCache
from .depends import Epoch, bumped
from .durations import short
from .engine import names as naming
from .engine import removal
from .engine.drive import Plan
from .errors import ConfigError, InvalidationNotDurable
from .keyed import check_tags
from .keys.bind import Parameters
from .memo import Memo
from .options import check_tags_option
from .registry import cache_named, caches_in_use
from .scopes import Scope, canonical, check_scope
from .templates import check_template, fill
from .types import Name

WAYS: Final = (
    'tags=["file:{path}"], epochs=[epoch("session")], or functions=[...] for all results of others'
)


@dataclass(frozen=True, slots=True)
class Changed:
    """
    What one call changes.
    """

    tags: tuple[str, ...] = ()
    epochs: tuple[str, ...] = ()
    #: In which the epochs are bumped, as bytes; None: for everybody.
    scope: bytes | None = None


class Changes:
    """
    What the calls of one function change.

    Raises:
        ConfigError: If an option cannot be used, or nothing is said.
    """

    def __init__(
        self,
        label: str,
        signature: inspect.Signature,
        *,
        tags: Any,
        epochs: Any,
        functions: Any,
        scope: Any,
        cache: Any,
    ) -> None:
        self.label = label
        self._tags, self._templates, self._tags_of = check_tags_option(label, signature, tags)
        if inspect.iscoroutinefunction(self._tags_of):
            raise ConfigError(f"{label}: tags= is called without await; give a plain function")
        self._epochs, self._epoch_templates = _check_epochs(label, signature, epochs)
        self.functions = _check_functions(label, functions)
        self._scope = _scope_of(label, signature, scope)
        if cache is not None and (cache == "" or not isinstance(cache, (str, MultiLevelCache))):
            raise ConfigError(
                f"{label}: cache={short(cache)} cannot be used: a MultiLevelCache, the name of a "
                "configured one, or None for every named one in use"
            )
        self._cache = cache
        has_epochs = bool(self._epochs or self._epoch_templates)
        self._has_names = has_epochs or bool(self._tags or self._templates or self._tags_of)
        if not (self._has_names or self.functions):
            raise ConfigError(f"{label}: @mutates needs to know what it changes: write {WAYS}")
        if cache is not None and not self._has_names:
            raise ConfigError(
                f"{label}: cache={short(cache)} cannot be used: functions= know where their "
                "results are. Leave it out"
            )
        if scope is not None and not has_epochs:
            raise ConfigError(
                f"{label}: scope={short(scope)} cannot be used: it says in whose scope epochs are "
                "bumped, and there are none; tags and functions are everybody's. Leave it out"
            )
        parameters = Parameters(signature)
        self._names = parameters.names
        self._bind = parameters.compile_binder(label)
        self._spread = parameters.compile_spread()
        told_by_call = self._templates or self._tags_of or self._epoch_templates or self._scope
        self._always = None if told_by_call else Changed(self._tags, self._epochs)

    def of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Changed:
        """
        What a call changes, which is not made yet.

        Raises:
            ConfigError: If the user's callable does not say, or a cache cannot be used.

            UnkeyableArgument: If an argument has no text that could stand in a template.

            ScopeMissing: If nobody tells for whom it is.

            TypeError: If the function cannot be called so.
        """
        self._reach()
        if self._always is not None:
            return self._always
        values = self._bind(*args, **kwargs)
        named = dict(zip(self._names, values, strict=True))
        tags = [*self._tags, *(fill(self.label, one, named) for one in self._templates)]
        if self._tags_of is not None:
            tags += self._asked(self._tags_of, values)
        instead = "Pass a text or a number"
        epochs = [
            fill(self.label, one, named, what="epoch", instead=instead)
            for one in self._epoch_templates
        ]
        return Changed(tuple(tags), (*self._epochs, *epochs), self._scope_of(named))

    def invalidations(self, changed: Changed) -> Iterator[Callable[[], Plan]]:
        """
        What makes *changed* known, cache by cache and function by function.
        """
        if changed.tags or changed.epochs:
            for cache in self._caches():
                yield functools.partial(_forget, cache, changed)
        for memo in self.functions:
            yield functools.partial(_clear, memo)

    def _reach(self) -> None:
        """
        Settings that cannot be used are heard of while nothing has happened yet.
        """
        if self._has_names:
            self._caches()
        for memo in self.functions:
            memo.ready(tells=True)

    def _caches(self) -> list[MultiLevelCache]:
        if self._cache is None:
            return caches_in_use()
        cache = self._cache
        return [cache_named(cache) if isinstance(cache, str) else cache]

    def _asked(
        self, tags_of: Callable[..., Iterable[str]], values: tuple[Any, ...]
    ) -> tuple[str, ...]:
        args, kwargs = self._spread(values)
        try:
            found = tags_of(*args, **kwargs)
        except Exception as error:
            raise ConfigError(
                f"{self.label}() was not called: its tags= raised {type(error).__qualname__}, so "
                "nobody knows what it would change"
            ) from error
        try:
            return check_tags(found)
        except ConfigError as error:
            raise ConfigError(f"{self.label}() was not called: {error}") from None

    def _scope_of(self, named: dict[str, Any]) -> bytes | None:
        scope = self._scope
        if scope is None:
            return None
        if scope.read is not None:
            return canonical(self.label, scope.now(self.label))
        told = tuple(named[name] for name in scope.names)
        return canonical(self.label, told[0] if len(told) == 1 else told)


def _forget(cache: MultiLevelCache, changed: Changed) -> Plan:
    engine = cache._keyed.engine
    if engine.closed:
        if engine.store is None:
            return  # its memory went with it
        raise InvalidationNotDurable(
            f"nobody was told of the invalidation: cache {engine.options.name!r} is closed"
        )
    names: list[Name] = [*map(naming.tag, changed.tags)]
    for text in changed.epochs:
        names += bumped(engine, text, changed.scope)
    yield from removal.bump(engine, tuple(dict.fromkeys(names)))


def _clear(memo: Memo) -> Plan:
    if memo.ready(tells=True) is None:
        engine = memo.engine
        if engine is None or engine.store is None:
            return
        raise InvalidationNotDurable(
            f"nobody was told that the results of {memo.label} are to be forgotten: its cache "
            f"{engine.options.name!r} is closed"
        )
    yield from memo.clear()


# -- the options -----------------------------------------------------------------------


def _scope_of(label: str, signature: inspect.Signature, scope: Any) -> Scope | None:
    """
    In whose scope epochs are bumped; None: for everybody.
    """
    checked = check_scope(label, signature, scope, ignore=(), streams=False)
    return None if checked is None or checked.is_public else checked


def _check_epochs(
    label: str, signature: inspect.Signature, epochs: Any
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """
    Names of epochs, and templates of such names.
    """
    static: list[str] = []
    templates: list[str] = []
    for one in _listed(label, "epochs", epochs, 'give a list, as in [epoch("session")]'):
        if not isinstance(one, Epoch):
            raise ConfigError(
                f"{label}: epochs={short(one)} cannot be used: give epoch(...), as depends_on= "
                "of the functions that read has it"
            )
        fields = check_template(label, "epoch", one.name, signature, "bump() it in the function")
        (templates if fields else static).append(one.name if fields else one.name.format())
    return tuple(static), tuple(templates)


def _check_functions(label: str, functions: Any) -> tuple[Memo, ...]:
    found: dict[int, Memo] = {}
    for one in _listed(label, "functions", functions, "give a list of cached functions"):
        memo = getattr(one, "_self_memo", None)
        if not isinstance(memo, Memo):
            raise ConfigError(
                f"{label}: functions={short(one)} cannot be used: it is not a function with "
                "@tiered_cache"
            )
        found[id(memo)] = memo
    return tuple(found.values())


def _listed(label: str, option: str, given: Any, advice: str) -> tuple[Any, ...]:
    try:
        if not isinstance(given, str):
            return tuple(given)
    except TypeError:
        pass
    raise ConfigError(f"{label}: {option}={short(given)} cannot be used: {advice}")
