"""
``depends_on=`` of one function: checked when it is decorated, and looked up for each call.

Other functions and epochs are *names* like tags: an entry carries them, and a hit costs what it
costs without them. Files and variables make a *world*, which is looked at on every hit.

A function that depends on another one depends on all that this one depends on. There are no
circles: a function can only name functions that were decorated before it.

An epoch is bumped for everybody or for one scope. A result of a scope hears of both; one that is
everybody's, or was made of another function's, hears of every bump, whatever the scope.
"""

from __future__ import annotations

import inspect
import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import depends
from .depends import Env, Epoch, File
from .durations import short
from .engine import names as naming
from .engine.calls import Call, Sight, Watch
from .engine.engine import Engine
from .errors import ConfigError
from .keys.bind import Parameters, Spread
from .scopes import Scope, epoch_names
from .templates import check_template, fill
from .types import Name
from .world import UNTOLD, Part, Path, Text, Variable, World, key_of

if TYPE_CHECKING:
    from .memo import Memo
    from .wiring import Wiring

_KINDS = "file(...), env(...), epoch(...), or a function that is cached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """
    What the results of one function depend on.
    """

    #: As it was given, for people.
    shown: tuple[Any, ...]
    functions: tuple[Memo, ...]
    #: Names of epochs, and templates of such names.
    epochs: tuple[str, ...]
    own_epochs: tuple[str, ...]
    #: Those of *epochs* that are meant in the scope of each call, and those in any.
    scoped_epochs: tuple[str, ...]
    any_epochs: tuple[str, ...]
    #: What is looked at: files whose path is known, and variables; and what each call tells: files
    #: by template or callable, and epochs that its key does not tell.
    watched: tuple[File | Env, ...]
    own_watched: tuple[File | Epoch, ...]

    @property
    def are_watched(self) -> bool:
        """
        Whether every hit has to look at something.
        """
        return bool(self.watched or self.own_watched)

    @property
    def depend_on_call(self) -> bool:
        return bool(self.own_epochs or self.own_watched)

    def names(self, wiring: Wiring) -> tuple[Name, ...]:
        """
        The names that all entries of the function carry.
        """
        found = [naming.epoch(text) for text in self.epochs]
        found += map(naming.any_epoch, self.any_epochs)
        for memo in self.functions:
            space, identity = memo.options.namespace, memo.identity.name
            tags = (*wiring.namespace(space).tags, *memo.options.static_tags)
            found += naming.levels(space)
            found += map(naming.tag, tags)
            found += (naming.function(space, identity), naming.code(space, identity, memo.version))
        return tuple(dict.fromkeys(found))


def check_depends(
    label: str,
    signature: inspect.Signature,
    depends_on: Any,
    *,
    cache: Any,
    key: Any,
    ignore: tuple[str, ...],
    scope: Scope | None,
) -> Needs | None:
    """
    What the option says; None if the function depends on nothing. ``ConfigError`` for what cannot
    be used.
    """
    try:
        given: tuple[Any, ...] = () if isinstance(depends_on, str) else tuple(depends_on)
        is_list = not isinstance(depends_on, str)
    except TypeError:
        is_list = False
    if not is_list:
        raise ConfigError(
            f"{label}: depends_on={short(depends_on)} cannot be used: give a list of {_KINDS}"
        )
    if not given:
        return None
    functions: dict[int, Memo] = {}
    # Epochs that the function names itself, and those of the functions it depends on.
    named: dict[str, None] = {}
    of_others: dict[str, None] = {}
    own_epochs: list[str] = []
    watched: dict[File | Env, None] = {}
    own_watched: list[File | Epoch] = []
    for one in given:
        if isinstance(one, Env):
            watched[one] = None
        elif isinstance(one, Epoch):
            fields = check_template(
                label, "epoch", one.name, signature, "depend on several epochs, or on a tag"
            )
            if not fields:
                named[one.name.format()] = None
                continue
            depends.templates.add(one.name)
            own_epochs.append(one.name)
            if key is not None or not set(fields).isdisjoint(ignore):
                # Calls of one key may have different epochs: an entry of another one is no good.
                own_watched.append(one)
        elif isinstance(one, File):
            instead = "file() takes a callable that returns the path"
            if callable(one.path) or check_template(label, "file", one.path, signature, instead):
                own_watched.append(one)
            else:
                watched[File(one.path.format(), one.content)] = None
        else:
            memo = _memo_of(label, one, cache)
            functions[id(memo)] = memo
            needs = memo.options.needs
            if needs is not None:
                functions |= {id(other): other for other in needs.functions}
                of_others |= dict.fromkeys(needs.epochs)
                watched |= dict.fromkeys(needs.watched)
    is_scoped = scope is not None and not scope.is_public
    return Needs(
        shown=given,
        functions=tuple(functions.values()),
        epochs=tuple(named | of_others),
        scoped_epochs=tuple(named) if is_scoped else (),
        any_epochs=tuple(of_others) if is_scoped else tuple(named | of_others),
        own_epochs=tuple(own_epochs),
        watched=tuple(watched),
        own_watched=tuple(own_watched),
    )


def _memo_of(label: str, one: Any, cache: Any) -> Memo:
    """
    The cached function that *one* is.
    """
    from .memo import Memo

    memo = getattr(one, "_self_memo", None)
    if not isinstance(memo, Memo):
        raise ConfigError(
            f"{label}: depends_on={short(one)} cannot be used: what a result can depend on is "
            f"{_KINDS}"
        )
    theirs = memo.options.cache
    if theirs != cache and isinstance(theirs, str) is isinstance(cache, str):
        raise _in_another_cache(label, memo)
    needs = memo.options.needs
    if needs is not None and needs.depend_on_call:
        raise ConfigError(
            f"{label} cannot depend on {memo.label}: what that depends on is told by its own "
            f"arguments, which a call of {label} does not have. Name in depends_on= what {label} "
            "depends on itself, and in place of the function an epoch that both depend on"
        )
    return memo


def _in_another_cache(label: str, memo: Memo) -> ConfigError:
    return ConfigError(
        f"{label} cannot depend on {memo.label}: that keeps its results in another cache. Give "
        "both the same cache="
    )


def check_caches(label: str, needs: Needs, cache: Any, find: Callable[[str], Any]) -> None:
    """
    The same once caches are there, where one was named and the other given.

    Raises:
        ConfigError: If a function keeps its results elsewhere than in *cache*.
    """
    for memo in needs.functions:
        theirs = memo.options.cache
        if (find(theirs) if isinstance(theirs, str) else theirs) is not cache:
            raise _in_another_cache(label, memo)


class Dependent:
    """
    The dependencies of one function in one cache.
    """

    __slots__ = ("_engine", "_key", "_label", "_names", "_needs", "_spread", "_watch")

    def __init__(
        self, label: str, needs: Needs, engine: Engine, parameters: Parameters, spread: Spread
    ) -> None:
        self._label = label
        self._needs = needs
        self._engine = engine
        self._names = parameters.names
        self._spread = spread
        self._key = key_of(_secret(label, engine)) if needs.are_watched else b""
        parts = self._fixed()
        self._watch: Watch | None = World(parts) if parts else None

    def attach(self, call: Call, values: tuple[Any, ...]) -> None:
        """
        Tell *call* what it depends on.

        Raises:
            UnkeyableArgument: If an argument has no text that could stand in a template.
        """
        needs = self._needs
        if not (needs.depend_on_call or needs.scoped_epochs):
            if self._watch is not None:
                call.sight = Sight((), self._watch)
            return
        named = dict(zip(self._names, values, strict=True))
        texts = {one: self._fill("epoch", one, named) for one in needs.own_epochs}
        names = [*map(naming.epoch, texts.values())]
        names += self._in_scope(call, (*needs.scoped_epochs, *texts.values()))
        call.sight = sight = Sight(tuple(names), self._watch)
        if not needs.own_watched:
            return
        parts = self._fixed()
        for one in needs.own_watched:
            if isinstance(one, Epoch):
                parts.append(Text(self._key, texts[one.name]))
                continue
            path = self._path(one, values, named)
            if path is None:
                sight.watch = UNTOLD
                return
            parts.append(Path(self._key, path, by_content=one.content))
        sight.watch = World(parts)

    def moved(self, call: Call, before: bytes | None, now: bytes | None) -> tuple[str, str]:
        """
        Which of the files, variables and epochs that *call* depends on is not as it was: of what
        kind, and as the function names it; twice empty if nobody can say.
        """
        if before is None or now is None or not isinstance(call.watch, World):
            return "", ""
        looked_at = (*self._needs.watched, *self._needs.own_watched)
        which = call.watch.differs(before, now)
        return ("", "") if which is None else described(looked_at[which])

    def _in_scope(self, call: Call, texts: Iterable[str]) -> list[Name]:
        """
        The names with which *call* hears of epochs that are bumped for one scope.
        """
        if call.scoped is None:
            return [naming.any_epoch(text) for text in texts]
        scope = call.scoped.text
        return [name for text in texts for name in epoch_names(self._engine, scope, text)]

    def meaning(self, name: Name, call: Call, values: tuple[Any, ...]) -> tuple[str, str]:
        """
        What *name* stands for, if it is of something that the function depends on; or twice empty.
        """
        needs = self._needs
        for text in needs.epochs:
            if name in (naming.epoch(text), naming.any_epoch(text), *self._in_scope(call, [text])):
                return "epoch", text
        named = dict(zip(self._names, values, strict=True))
        for template in needs.own_epochs:
            text = self._fill("epoch", template, named)
            if name in (naming.epoch(text), *self._in_scope(call, [text])):
                return "epoch", template
        for memo in needs.functions:
            space, identity = memo.options.namespace, memo.identity.name
            if name in (naming.function(space, identity), *naming.levels(space)):
                return "code", memo.label
            for tag in memo.options.static_tags:
                if naming.tag(tag) == name:
                    return "tag", tag
        return "", ""

    def _fixed(self) -> list[Part]:
        return [
            Variable(self._key, one.name)
            if isinstance(one, Env)
            else Path(self._key, str(one.path), by_content=one.content)
            for one in self._needs.watched
        ]

    def _fill(self, what: str, template: str, named: dict[str, Any]) -> str:
        instead = "Give file() a callable" if what == "file" else "Pass a text or a number"
        return fill(self._label, template, named, what=what, instead=instead)

    def _path(self, one: File, values: tuple[Any, ...], named: dict[str, Any]) -> str | None:
        """
        The path that a call depends on; None, said once, if the user's callable does not tell.
        """
        if not callable(one.path):
            return self._fill("file", one.path, named)
        args, kwargs = self._spread(values)
        try:
            found: Any = os.fspath(one.path(*args, **kwargs))
            why = "" if isinstance(found, str) else "returned bytes, not a text"
        except Exception as error:
            why = f"raised {type(error).__name__}, or did not return a path"
        if not why:
            return str(found)
        self._engine.events.say_once(
            self._label,
            "depends_on",
            f"{self._label}: the callable of a file() in depends_on= {why}; the result was "
            "returned but not stored",
        )
        return None


def described(one: File | Env | Epoch) -> tuple[str, str]:
    """
    Kind and text of something that a function depends on, as it stands in ``depends_on=``.
    """
    if isinstance(one, File):
        return "file", "file(...)" if callable(one.path) else f"file({one.path!r})"
    return ("env" if isinstance(one, Env) else "epoch"), (
        f"{'env' if isinstance(one, Env) else 'epoch'}({one.name!r})"
    )


def _secret(label: str, engine: Engine) -> bytes:
    """
    What digests of the world are keyed with: the same in every process that shares the records.
    """
    if engine.options.keys:
        return engine.options.keys[0]
    kind = None if engine.store is None else engine.store.kind
    if kind == "redis":
        # A key of this user's is none that another machine has.
        engine.events.say_once(
            label,
            "world",
            f"{label}: no other process can use its results, because there is no key to digest "
            "the state of files and variables with: set MEMOTIER_KEY, the same everywhere",
        )
    if kind == "disk":
        from .codecs.secrets import user_key

        try:
            return user_key()
        except ConfigError as error:
            engine.events.say_once(
                label,
                "world",
                f"{label}: no other process can use its results, because there is no key to "
                f"digest the state of files and variables with: {error}",
            )
    return secrets.token_bytes(32)
