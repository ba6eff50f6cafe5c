"""
``SemanticCache``: answers by the question, also when it is asked in other words.

The answers are entries of a ``MultiLevelCache``, in a namespace of their own for each embedder:
ttl, tags, bounds, second tier and invalidation are the engine's. Here are the vectors of their
texts and the search. The methods are plans of finding.py, awaited here and driven in ``sync``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

from ..cache import MultiLevelCache
from ..durations import check_namespace, seconds, short
from ..engine.drive import Plan, adrive
from ..engine.events import logger
from ..errors import ConfigError
from ..keyed import Keyed, Ttl, check_tags, check_ttl
from ..registry import cache_named
from .absent import Absent
from .asking import Asked, asked

try:
    from .deciding import Judge
    from .embedding import Embedding
    from .finding import Finder
    from .ngrams import NgramEmbedder
except ImportError as error:
    Judge = Embedding = Finder = NgramEmbedder = Absent("SemanticCache", error)  # type: ignore
from .checking import (
    check_cache,
    check_flag,
    check_function,
    check_guards,
    check_max_size,
    check_queries,
    check_threshold,
    short_digest,
)
from .hits import NearMatch, SemanticHit
from .synccache import SyncSemanticCache


class SemanticCache:
    """
    Answers to texts, and to texts that mean the same.

    Args:
        similarity_threshold: The cosine from which a text is near enough, in (0, 1].

        max_size: How many texts can be found by similarity; of more, the one that was used longest
            ago cannot any more. Without *cache* also how many answers are kept.

        default_ttl: How long an answer is served: seconds, a ``timedelta``, ``"10m"``,
            ``math.inf``, or None (what the tiers of *cache* say). A hit does not prolong it.

        embedder: A plain or coroutine function that is given a list of texts and returns an array
            of shape ``(len(texts), dim)``, float32. None: ``NgramEmbedder()``, which knows
            spelling and no meaning.

        embedding_model: What *embedder* computes with, as a name; nothing is loaded by it. Answers
            of other models are not found. None: the embedder's attribute ``identity``, else its
            qualified name and the fingerprint of its source.

        enable_exact_match_fallback: Whether ``get_similar`` looks for the very text first, without
            the embedder.

        batch_size: How many texts the embedder is given at once.

        cache: Where the answers are kept: a ``MultiLevelCache`` or the name of a configured one.
            None: one of its own, in memory.

        namespace: What the entries are found under in *cache*; with it they are cleared.

        guards: Which rules a near text must pass: names of ``memotier.semantic.guards.RULES``,
            True (all of them) or False.

        verify: A plain or coroutine function that is given the text asked for, the near one and
            the score: whether to serve. All but True, also an error, is a no.

        shadow: Serve no near text, and count what would have been served; see ``shadow_report``.

        equal: Whether a would-be answer, given first, is as good as the one that is then put.

    Raises:
        ConfigError: If an argument cannot be used.

        MissingExtra: If numpy is not installed.
    """

    def __init__(
        self,
        similarity_threshold: float = 0.85,
        max_size: int = 1000,
        default_ttl: Ttl = 3600,
        *,
        embedder: Callable[[list[str]], Any] | None = None,
        embedding_model: str | None = None,
        enable_exact_match_fallback: bool = True,
        batch_size: int = 100,
        cache: MultiLevelCache | str | None = None,
        namespace: str = "semantic",
        guards: bool | Iterable[str] = True,
        verify: Callable[[str, str, float], Any] | None = None,
        shadow: bool = False,
        equal: Callable[[Any, Any], Any] = operator.eq,
    ) -> None:
        ttl = None if default_ttl is None else seconds(default_ttl, what="default_ttl")
        embedding = Embedding.of(
            NgramEmbedder() if embedder is None else embedder,
            embedding_model,
            batch_size,
        )
        if cache is not None and not embedding.is_stable:
            raise ConfigError(
                f"embedder={short(embedder)} has no name that tells it from others, and its "
                "answers are kept in a cache that others use: say embedding_model='...'"
            )
        if embedder is None and embedding_model is not None:
            logger.warning(
                "SemanticCache: embedding_model=%r names a model, but no embedder= computes with "
                "it: texts are compared by their spelling",
                embedding_model,
            )
        self._owned = cache is None
        self._cache = check_cache(cache, check_max_size(max_size))
        self._finder = Finder(
            keyed_of=self._keyed_now,
            namespace=f"{check_namespace(namespace)}.{short_digest(embedding.identity)}",
            judge=Judge(
                embedding=embedding,
                threshold=check_threshold("similarity_threshold", similarity_threshold),
                rules=check_guards(guards),
                verify=check_function("verify", verify, optional=True),
                shadow=check_flag("shadow", shadow),
                equal=check_function("equal", equal),
            ),
            max_size=max_size,
            ttl=ttl,
            exact_first=check_flag("enable_exact_match_fallback", enable_exact_match_fallback),
        )
        self.sync = SyncSemanticCache(self)

    def __repr__(self) -> str:
        finder = self._finder
        shadow = " shadow" * finder.judge.shadow
        return f"<SemanticCache {finder.namespace!r} {len(finder.index)}/{finder.max_size}{shadow}>"

    @property
    def cache(self) -> MultiLevelCache:
        """
        Where the answers are.
        """
        return cache_named(self._cache) if isinstance(self._cache, str) else self._cache

    @property
    def namespace(self) -> str:
        """
        The namespace of the entries: the one that was given, and a digest of the embedder's name.
        """
        return self._finder.namespace

    def _keyed_now(self) -> Keyed:
        return self.cache._keyed

    # -- asking -----------------------------------------------------------------------

    async def get(self, query: Any, *, scope: Any = None, default: Any = None) -> Any:
        """
        The answer to exactly *query*, or *default*.

        Args:
            query: A text, or a list of messages (dicts or objects with ``content``), the last of
                which has the text; all else in them must be the same.

            scope: Whose answer it is: anything that has a stable key. Answers of another scope are
                never found.

        Raises:
            ConfigError: If *query* is neither.

            UnkeyableArgument: If *scope*, or a message, has no stable key.
        """
        return _value(await adrive(self._find([query], scope, None, near=False)), default)

    async def get_similar(
        self, query: Any, threshold: float | None = None, *, scope: Any = None, default: Any = None
    ) -> Any:
        """
        The answer to *query*, or to the nearest text that passes all guards, or *default*.

        Args:
            threshold: In place of *similarity_threshold*.

            scope: See ``get``.

        Raises:
            ConfigError: As ``get``, and if *threshold* cannot be used.

            UnkeyableArgument: As ``get``.
        """
        return _value(await adrive(self._find([query], scope, threshold, near=True)), default)

    async def find(
        self, query: Any, threshold: float | None = None, *, scope: Any = None
    ) -> SemanticHit | None:
        """
        ``get_similar`` with where the answer comes from: score, matched text, age.
        """
        (hit,) = await adrive(self._find([query], scope, threshold, near=True))
        return hit  # type: ignore[no-any-return]

    async def get_many(
        self, queries: Iterable[Any], threshold: float | None = None, *, scope: Any = None
    ) -> list[SemanticHit | None]:
        """
        ``find`` for many: one look for all exact ones, and few calls of the embedder.
        """
        return await adrive(self._find(queries, scope, threshold, near=True))  # type: ignore[no-any-return]

    # -- keeping ----------------------------------------------------------------------

    async def put(
        self,
        query: Any,
        response: Any,
        *,
        ttl: Ttl = None,
        tags: Iterable[str] = (),
        scope: Any = None,
    ) -> None:
        """
        Store *response* as the answer to *query*.

        Args:
            ttl: How long it is served; None: *default_ttl*.

            tags: What ``invalidate_tags`` will know it by.

            scope: See ``get``.

        Raises:
            ConfigError: If an argument cannot be used.

            UnkeyableArgument: As ``get``.
        """
        await adrive(self._put([(query, response)], ttl, tags, scope))

    async def put_many(
        self,
        items: Mapping[Any, Any] | Iterable[tuple[Any, Any]],
        *,
        ttl: Ttl = None,
        tags: Iterable[str] = (),
        scope: Any = None,
    ) -> None:
        """
        Store many answers, a mapping or pairs, with few calls of the embedder.
        """
        await adrive(self._put(items, ttl, tags, scope))

    async def delete(self, query: Any, *, scope: Any = None) -> bool:
        """
        Remove the answer to exactly *query*; whether there was one.
        """
        return bool(await adrive(self._finder.delete(asked(query, scope))))

    async def invalidate_tags(self, *tags: str) -> None:
        """
        Remove every answer that carries one of *tags*, from similarity results as well; the same
        as ``invalidate_tags`` of its cache.

        Raises:
            InvalidationNotDurable: If the second tier could not be told.
        """
        await self.cache.invalidate_tags(*tags)

    async def clear(self) -> int:
        """
        Remove every answer of this embedder; how many entries there were.
        """
        return int(await adrive(self._finder.clear()))

    async def save(self) -> None:
        """
        Write down now which entries there are, so that another process finds them by similarity.
        ``close`` does; otherwise it happens after fifty new entries, and once a minute.
        """
        await adrive(self._finder.save())

    async def close(self) -> None:
        """
        Write down what is new, and close the cache if it is its own. May be called twice.
        """
        await adrive(self._finder.save())
        if self._owned:
            await self.cache.close()

    # -- telling ----------------------------------------------------------------------

    def get_stats(self) -> dict[str, Any]:
        """
        ``size`` and ``max_size`` of the index, ``hit_rate`` and ``semantic_hit_rate`` (of all that
        was asked), ``exact_hits``, ``semantic_hits``, ``misses``, ``refused`` near texts and
        ``refused_by`` rule, ``embedder_errors``; of shadow mode ``would_be_hits``, ``compared``,
        ``false_hits`` and ``false_hit_rate`` (None: nothing was compared).

        An answer that was invalidated or has expired leaves ``size`` when a search meets it.
        """
        index = self._finder.index
        return {"size": len(index), "max_size": index.max_size, **self._finder.tally.stats()}

    def shadow_report(self) -> list[NearMatch]:
        """
        The last hundred would-be hits of shadow mode, with both texts, and those whose answer is
        awaited.
        """
        return self._finder.tally.report()

    async def __aenter__(self) -> SemanticCache:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.close()

    def __enter__(self) -> SemanticCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.sync.close()

    # -- what both colours share --------------------------------------------------------

    def _find(
        self, queries: Iterable[Any], scope: Any, threshold: float | None, *, near: bool
    ) -> Plan:
        finder = self._finder
        least = (
            finder.judge.threshold if threshold is None else check_threshold("threshold", threshold)
        )
        return finder.find(
            [asked(query, scope) for query in check_queries(queries)], least, near=near
        )

    def _put(self, items: Any, ttl: Ttl, tags: Iterable[str], scope: Any) -> Plan:
        pairs = items.items() if isinstance(items, Mapping) else items
        found: dict[str, tuple[Asked, Any]] = {}
        for query, response in pairs:
            one = asked(query, scope)
            found[one.key] = (one, response)
        return self._finder.put(list(found.values()), check_ttl(ttl), check_tags(tags))


def _value(hits: list[SemanticHit | None], default: Any) -> Any:
    (hit,) = hits
    return default if hit is None else hit.value
