"""
A cache for the language models of LangChain, over the tiers of a ``MultiLevelCache``.

::

    from langchain_core.globals import set_llm_cache
    from memotier.integrations.langchain import MemotierCache

    set_llm_cache(MemotierCache(ttl="1d"))

An answer is stored as its parts, by memotier's own codec, not as LangChain's JSON: that makes
lists of tuples and texts of numbers that are keys, and its ``loads`` calls constructors that the
stored text chooses. Prompts are in the key, which is a digest, and nowhere else.

What must never happen: a call of a model fails because of the cache, or gets something else than
the model said.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..cache import MultiLevelCache
from ..durations import check_namespace
from ..engine.events import kind_and_place, logger
from ..errors import ConfigError, UnkeyableArgument
from ..keyed import Ttl, check_tags, check_ttl
from .chosen import Chosen

try:
    from langchain_core.caches import BaseCache
    from langchain_core.outputs import (
        ChatGeneration,
        ChatGenerationChunk,
        Generation,
        GenerationChunk,
    )

    from .langchain_messages import MESSAGES
except ImportError as error:
    raise ImportError(
        "memotier.integrations.langchain needs langchain-core: pip install memotier[langchain]"
    ) from error

#: The answers that are kept, by the name that stands in a record, and what each is made of.
_KINDS: Final = {
    "text": (Generation, "text"),
    "text chunk": (GenerationChunk, "text"),
    "message": (ChatGeneration, "message"),
    "message chunk": (ChatGenerationChunk, "message"),
}
_NAMES: Final = {kind: name for name, (kind, _) in _KINDS.items()}


class MemotierCache(BaseCache):
    """
    For ``set_llm_cache()``, and for ``cache=`` of a model.

    Args:
        cache: A ``MultiLevelCache``, or the name of a configured one.

        namespace: What the answers are found under in it; ``clear()`` clears it.

        ttl: How long an answer is served: seconds, a ``timedelta``, ``"10m"``, ``math.inf``, or
            None (what the tiers say).

        tags: What ``invalidate_tags`` will know the answers by.

    Raises:
        ConfigError: If an argument cannot be used.
    """

    def __init__(
        self,
        cache: MultiLevelCache | str = "default",
        *,
        namespace: str = "langchain.models",
        ttl: Ttl = None,
        tags: Iterable[str] = (),
    ) -> None:
        self._cache = Chosen(cache)
        self._namespace = check_namespace(namespace)
        self._options: dict[str, Any] = {"ttl": check_ttl(ttl), "tags": check_tags(tags)}

    def __repr__(self) -> str:
        return f"<MemotierCache {self._namespace!r} in {self._cache!r}>"

    def lookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """
        What the model answered, or None.
        """
        try:
            found = self._cache.now().sync.get((prompt, llm_string), self._namespace)
        except UnkeyableArgument:
            return None
        return answered(found)

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """
        Keep what the model answered; not if it would come back as something else.
        """
        kept = taken_apart(return_val)
        if kept is not None:
            try:
                cache = self._cache.now().sync
                cache.set((prompt, llm_string), kept, self._namespace, **self._options)
            except UnkeyableArgument:
                return

    def clear(self, **kwargs: Any) -> None:
        """
        Forget all answers of this namespace.
        """
        _refuse(kwargs)
        self._cache.now().sync.clear_namespace(self._namespace)

    async def alookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """See ``lookup``."""
        try:
            found = await self._cache.now().get((prompt, llm_string), self._namespace)
        except UnkeyableArgument:
            return None
        return answered(found)

    async def aupdate(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """See ``update``."""
        kept = taken_apart(return_val)
        if kept is not None:
            try:
                cache = self._cache.now()
                await cache.set((prompt, llm_string), kept, self._namespace, **self._options)
            except UnkeyableArgument:
                return

    async def aclear(self, **kwargs: Any) -> None:
        """See ``clear``."""
        _refuse(kwargs)
        await self._cache.now().clear_namespace(self._namespace)


def taken_apart(answer: Sequence[Generation]) -> list[Any] | None:
    """
    *answer* as plain parts; None, said once, if it could not be put together again from them.
    """
    parts: list[Any] = []
    for one in answer:
        name = _NAMES.get(type(one))
        if name is not None:
            parts.append((name, getattr(one, _KINDS[name][1]), one.generation_info))
        if name is None or _made(parts[-1]) != one:
            _say_unkept(f"{type(one).__module__}.{type(one).__qualname__}")
            return None
    return parts


def answered(parts: Any) -> list[Generation] | None:
    """
    The answer that was taken apart. None for all else: whoever can write to the store may have put
    anything there.
    """
    if type(parts) is not list:
        return None
    made = [one for part in parts if (one := _made(part)) is not None]
    return made if len(made) == len(parts) else None


def _made(part: Any) -> Generation | None:
    if type(part) is not tuple or len(part) != 3 or type(part[0]) is not str:
        return None
    name, content, info = part
    if name not in _KINDS:
        return None
    kind, field = _KINDS[name]
    is_content = isinstance(content, MESSAGES) if field == "message" else type(content) is str
    if not is_content or not (info is None or type(info) is dict):
        return None
    try:
        return kind(**{field: content, "generation_info": info})
    except Exception as error:  # what a validator of theirs says of it
        logger.warning("an answer of a model cannot be used (%s)", kind_and_place(error))
        return None


@functools.lru_cache(maxsize=1000)
def _say_unkept(kind: str) -> None:
    logger.warning(
        "an answer of a model was not kept: a %s cannot be put together again from its text or "
        "message and its info (said once)",
        kind,
    )


def _refuse(options: dict[str, Any]) -> None:
    if options:
        raise ConfigError(
            f"clear() knows no {', '.join(sorted(options))}: it forgets all answers of its "
            "namespace"
        )
