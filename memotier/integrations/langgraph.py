"""
A cache for the nodes and tasks of LangGraph, and keys that are the same in every process.

::

    from langgraph.types import CachePolicy
    from memotier.integrations.langgraph import MemotierGraphCache, key_func

    builder.add_node("search", search, cache_policy=CachePolicy(key_func=key_func, ttl=600))
    graph = builder.compile(cache=MemotierGraphCache())

LangGraph asks the cache by a *namespace* (what it calls the node's function, and the name of the
node) and a digest of the key. What the node wrote is stored by memotier's own codec, not by
LangGraph's serializer: that makes lists of tuples, and gives the fields in place of an object
whose class it does not trust, or else imports the class that the stored bytes name.

What must never happen: a node is given what another one wrote. LangGraph calls several functions
by one name: all lambdas of a module, all functions that one function has made, and everything
that has no name at all; for such nothing is kept, unless ``allow_unnamed=True``.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final
from uuid import uuid4

from ..cache import MultiLevelCache
from ..codecs.classes import register
from ..durations import check_namespace, short
from ..engine.events import logger
from ..errors import ConfigError, UnkeyableArgument
from ..keyed import Ttl, check_tags, check_ttl
from ..keys.canonical import encode
from ..keys.identity import identify, module_name, source_stamp, source_version
from ..scopes import canonical, check_scope
from .chosen import Chosen

try:
    from langgraph.cache.base import BaseCache, FullKey, Namespace
    from langgraph.types import Command, Send, TimeoutPolicy

    from . import langchain_messages  # noqa: F401 - lets messages be stored
except ImportError as error:
    raise ImportError(
        "memotier.integrations.langgraph needs langgraph: pip install memotier[langgraph]"
    ) from error

#: In place of the module of functions that no other process can name.
_THIS_PROCESS: Final = f"process:{uuid4().hex}"

Pairs = Mapping[FullKey, tuple[Any, int | None]]

#: In names of functions that are not those of one function alone.
_UNNAMED: Final = ("__dynamic__", "<lambda>", "<locals>")


@register
@dataclass(frozen=True, slots=True)
class Sent:
    """
    A ``Send``, whose own class cannot be stored.
    """

    node: str
    arg: Any
    timeout: TimeoutPolicy | None


register(TimeoutPolicy)
register(Command)


class MemotierGraphCache(BaseCache[Any]):
    """
    For ``compile(cache=...)`` and ``@entrypoint(cache=...)``.

    Args:
        cache: A ``MultiLevelCache``, or the name of a configured one.

        namespace: What the entries are found under in it: one for each application, and another
            one when its nodes compute differently, unless their keys tell (``key_func_of``).

        ttl: How long a result is served if its ``CachePolicy`` says nothing: seconds, a
            ``timedelta``, ``"10m"``, ``math.inf``, or None (what the tiers say).

        tags: What ``invalidate_tags`` will know the entries by.

        allow_unnamed: Whether nodes are cached whose functions LangGraph calls as it calls others.
            Then each of them needs a key that tells it from these: ``key_func_of(..., name=...)``.

    Raises:
        ConfigError: If an argument cannot be used.
    """

    def __init__(
        self,
        cache: MultiLevelCache | str = "default",
        *,
        namespace: str = "langgraph",
        ttl: Ttl = math.inf,
        tags: Iterable[str] = (),
        allow_unnamed: bool = False,
    ) -> None:
        super().__init__()
        self._cache = Chosen(cache)
        self._namespace = check_namespace(namespace)
        self._ttl, self._tags = check_ttl(ttl), check_tags(tags)
        if type(allow_unnamed) is not bool:
            raise ConfigError(f"allow_unnamed={short(allow_unnamed)} cannot be used: True or False")
        self._allow_unnamed = allow_unnamed

    def __repr__(self) -> str:
        return f"<MemotierGraphCache {self._namespace!r} in {self._cache!r}>"

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, Any]:
        """
        What the nodes wrote, of those *keys* that are there.
        """
        known = self._known(keys)
        found = self._cache.now().sync.get_many(known, namespace=self._namespace) if known else {}
        return _written(known, found)

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, Any]:
        """See ``get``."""
        known = self._known(keys)
        found = await self._cache.now().get_many(known, namespace=self._namespace) if known else {}
        return _written(known, found)

    def set(self, pairs: Pairs) -> None:
        """
        Keep what nodes wrote, each for so many seconds; None: as long as *ttl* says.
        """
        for key, value, options in self._kept(pairs):
            self._cache.now().sync.set(key, value, self._namespace, **options)

    async def aset(self, pairs: Pairs) -> None:
        """See ``set``."""
        for key, value, options in self._kept(pairs):
            await self._cache.now().set(key, value, self._namespace, **options)

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """
        Forget what the nodes of *namespaces* wrote; None: all.
        """
        if namespaces is None:
            self._cache.now().sync.clear_namespace(self._namespace)
        else:
            self._cache.now().sync.invalidate_tags(*map(self._tag, namespaces))

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """See ``clear``."""
        if namespaces is None:
            await self._cache.now().clear_namespace(self._namespace)
        else:
            await self._cache.now().invalidate_tags(*map(self._tag, namespaces))

    def _known(self, keys: Iterable[FullKey]) -> dict[Any, FullKey]:
        """
        Our keys, and those that they stand for.
        """
        known = {}
        for namespace, key in keys:
            if self._allow_unnamed or not _is_shared(tuple(namespace)):
                known[(*_everywhere(namespace), key)] = (tuple(namespace), key)
        return known

    def _kept(self, pairs: Pairs) -> Iterable[tuple[Any, Any, dict[str, Any]]]:
        for ours, theirs in self._known(pairs).items():
            writes, ttl = pairs[theirs]
            if ttl is None or ttl > 0:
                kept = [(to, _sent(value)) for to, value in writes]
                tags = (*self._tags, self._tag(theirs[0]))
                yield ours, kept, {"ttl": self._ttl if ttl is None else ttl, "tags": tags}

    def _tag(self, namespace: Namespace) -> str:
        return json.dumps([self._namespace, *_everywhere(namespace)])


def key_func(*args: Any, **kwargs: Any) -> str:
    """
    For ``CachePolicy(key_func=...)``: equal inputs of the same types give one key, in every
    process; others give others.

    Raises:
        UnkeyableArgument: If something in the input has no stable key.
    """
    return _digest(("", args, kwargs))


def key_func_of(
    node: Callable[..., Any],
    *,
    name: str | None = None,
    version: str | int = "auto",
    scope: Any = None,
) -> Callable[..., str]:
    """
    A ``key_func`` that tells the function as well.

    Args:
        node: The function of the node or task. A change of its source is another key.

        name: What it is called, if it is not a function that a module defines.

        version: In place of a fingerprint of its source.

        scope: Whose the results are: a ``ContextVar``, a callable without arguments, or
            ``"public"``. A key of nobody raises ``ScopeMissing``.

    Raises:
        ConfigError: If *node* has no name that other processes know, and *name* is not given; or
            if *scope* cannot be used.
    """
    identity = identify(node, name)
    label = getattr(node, "__qualname__", type(node).__qualname__)
    if not identity.stable:
        raise ConfigError(
            f"key_func_of({label}) cannot tell it from others, because {identity.reason}: say "
            "name='...', another one for each"
        )
    if version == "auto":
        version = source_version(node, source_stamp(node))
    whose = check_scope(label, inspect.Signature(), scope, ignore=(), streams=False)

    def key_of(*args: Any, **kwargs: Any) -> str:
        asks = whose is not None and whose.read is not None
        who = canonical(label, whose.now(label)) if asks else b""  # type: ignore[union-attr]
        return _digest(((identity.name, version, who), args, kwargs))

    return key_of


def _digest(parts: tuple[Any, ...]) -> str:
    """
    *parts* as text. LangGraph's own digest of it is made for speed alone: of this text nobody can
    choose two that have one.
    """
    try:
        return blake2b(encode(parts), digest_size=32).hexdigest()
    except UnkeyableArgument as error:
        raise UnkeyableArgument(
            f"{error} Of a node's input, take what counts: "
            'CachePolicy(key_func=lambda state: key_func(state["..."]))'
        ) from error


def _is_shared(namespace: tuple[str, ...]) -> bool:
    """
    Whether LangGraph calls several functions by this name, which is said once.
    """
    shared = any(mark in part for part in namespace for mark in _UNNAMED)
    if shared:
        _say_unnamed(namespace)
    return shared


@functools.lru_cache(maxsize=1000)
def _say_unnamed(namespace: tuple[str, ...]) -> None:
    logger.warning(
        "what %s of a graph writes is not kept, because other functions have that name too: use "
        "functions that a module defines; or give each such node a key_func_of(..., name=...), "
        "and say MemotierGraphCache(allow_unnamed=True) (said once)",
        " ".join(namespace[1:]) or namespace,
    )


def _everywhere(namespace: Namespace) -> tuple[str, ...]:
    """
    *namespace* as other processes know it: scripts have functions of one name, too, and nobody
    else knows those of a notebook.
    """
    main = module_name("__main__") or _THIS_PROCESS
    return tuple(
        main + part.removeprefix("__main__") if part.startswith("__main__.") else part
        for part in namespace
    )


def _sent(value: Any) -> Any:
    return Sent(value.node, value.arg, value.timeout) if type(value) is Send else value


def _written(known: dict[Any, FullKey], found: dict[Any, Any]) -> dict[FullKey, Any]:
    return {
        known[ours]: [
            (to, Send(one.node, one.arg, timeout=one.timeout) if type(one) is Sent else one)
            for to, one in writes
        ]
        for ours, writes in found.items()
        if _are_writes(writes)
    }


def _are_writes(found: Any) -> bool:
    """
    Whoever can write to the store may have put anything there.
    """
    return type(found) is list and all(
        type(one) is tuple
        and len(one) == 2
        and type(one[0]) is str
        and (type(one[1]) is not Sent or type(one[1].node) is str)
        for one in found
    )
