"""
``MultiLevelCache``: the tiers by key, for code that has no function to decorate.

The awaitable methods are for async code; ``cache.sync`` has the same ones for threads. Both
run the same plans. A value that is in memory is returned without a plan.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from .arguments import DEFAULT, wiring_of
from .clock import SYSTEM, Clock
from .config import CacheLevelConfig, WritePolicy
from .durations import check_namespace
from .engine.drive import adrive
from .keyed import DEFAULT_NAMESPACE, Keyed, Ttl
from .snapshots import watch_for
from .synccache import SyncCache
from .types import MISS, Store
from .wiring import SPILL_MAX_AGE, Wiring, build_engine

if TYPE_CHECKING:
    from .engine.scopeinfo import ScopeInfo

T = TypeVar("T")


class MultiLevelCache:
    """
    A cache of two tiers: memory, and below it a directory of this machine or a Redis.

    Args:
        l1_config: The memory tier; default 1000 entries, 64 MB, 300 s, LRU.

        l2_config: The second tier: on disk with ``enable_persistence=True``, otherwise in
            this process's memory as bytes. Without it, *directory* and *redis_url*: no second
            tier.

        write_policy: Where new values go.

        directory: Short for an *l2_config* that persists there.

        redis_url: The second tier is a Redis or Valkey, for several machines: a URL, or a client
            of redis-py or valkey-py. Not together with *directory*; of *l2_config* only *ttl*
            counts.

        l2_store: The second tier is this object, a ``Store``; see docs/guide/stores.md. It is
            closed with the cache. Not together with *directory* or *redis_url*; of *l2_config*
            only *ttl* counts.

        spill_directory: Where this machine keeps results while the server of *redis_url* has been
            away for half a minute or more; None: in memory alone.

        spill_max_age: How long a result that is kept there is believed, though other machines may
            have invalidated it: seconds, a ``timedelta`` or ``"10m"``.

        max_l1_age: With *redis_url*: how long memory is believed when no message of others can
            arrive, at least a second; None: 30 s.

        l1_maxsize: Short for ``l1_config.max_size``: None bounds memory by bytes alone, 0
            leaves the memory tier out.

        default_ttl: How long an entry is fresh that says nothing itself: seconds, a
            ``timedelta``, ``"10m"`` or ``math.inf``.

        flush_interval: Write-back: seconds between two writings of what memory holds.

        max_value_bytes: A value that takes more bytes (or text such as ``"8MiB"``) is not
            written to the second tier.

        encrypt: Whether what leaves the process, results and recorded calls, is encrypted, with
            the keys in ``MEMOTIER_KEY``.
        mode: What it may do: ``"on"``, ``"readonly"`` (the second tier is read, not written),
            ``"offline"`` (nor read) or ``"off"`` (nothing is kept or found); None: what the
            variable ``MEMOTIER_MODE`` says, else ``"on"``. It stays as it is.
        snapshots: Whether this process leaves its figures in the second tier, where ``memotier
            stats`` finds them.

        name: How logs and ``repr`` call it, and the directory if none is given: letters,
            digits, ``_``, ``-`` and single dots. Caches of one name at one Redis are one.

        clock: The time; for tests.

    Raises:
        ConfigError: If an argument cannot be used.

        MissingExtra: If *redis_url* or *encrypt* needs a package that is not installed.
    """

    def __init__(
        self,
        l1_config: CacheLevelConfig | None = None,
        l2_config: CacheLevelConfig | None = None,
        write_policy: WritePolicy = WritePolicy.WRITE_THROUGH,
        *,
        directory: Path | str | None = None,
        redis_url: str | Any | None = None,
        l2_store: Store | None = None,
        spill_directory: Path | str | None = None,
        spill_max_age: Ttl = SPILL_MAX_AGE,
        max_l1_age: Ttl = None,
        l1_maxsize: int | Any | None = DEFAULT,
        default_ttl: Ttl = None,
        flush_interval: Ttl = 5.0,
        max_value_bytes: int | str = 8 * 2**20,
        encrypt: bool = False,
        mode: str | None = None,
        snapshots: bool = True,
        name: str = "cache",
        clock: Clock = SYSTEM,
    ) -> None:
        self._open(
            wiring_of(
                l1_config=l1_config,
                l2_config=l2_config,
                write_policy=write_policy,
                directory=directory,
                redis_url=redis_url,
                l2_store=l2_store,
                max_l1_age=max_l1_age,
                l1_maxsize=l1_maxsize,
                default_ttl=default_ttl,
                flush_interval=flush_interval,
                max_value_bytes=max_value_bytes,
                encrypt=encrypt,
                mode=mode,
                spill_directory=spill_directory,
                spill_max_age=spill_max_age,
                snapshots=snapshots,
                name=name,
            ),
            clock,
        )

    @classmethod
    def _of(cls, wiring: Wiring, clock: Clock = SYSTEM) -> MultiLevelCache:
        cache = cls.__new__(cls)
        cache._open(wiring, clock)
        return cache

    def _open(self, wiring: Wiring, clock: Clock) -> None:
        self._keyed = Keyed(wiring, build_engine(wiring, clock))
        watch_for(self._keyed)
        self.sync = SyncCache(self._keyed)

    def __repr__(self) -> str:
        return f"<MultiLevelCache {self._keyed}>"

    @property
    def closed(self) -> bool:
        """
        Whether ``close`` was called: nothing is found or kept any more.
        """
        return self._keyed.engine.closed

    # -- one key --------------------------------------------------------------------

    async def get(
        self, key: Any, namespace: str = DEFAULT_NAMESPACE, *, default: Any = None
    ) -> Any:
        """
        The value under *key*, or *default*. ``None`` is a value like any other.
        """
        call = self._keyed.call(key, namespace)
        value = self._keyed.peek(call)
        return await adrive(self._keyed.get(call, default)) if value is MISS else value

    async def set(
        self,
        key: Any,
        value: Any,
        namespace: str = DEFAULT_NAMESPACE,
        *,
        ttl: Ttl = None,
        tags: Iterable[str] = (),
    ) -> None:
        """
        Store *value* under *key*.

        Args:
            ttl: How long it is fresh: seconds, ``timedelta``, ``"10m"``, ``math.inf``; None:
                what the tiers say.

            tags: What ``invalidate_tags`` will know it by.
        """
        await adrive(self._keyed.set([(key, value)], namespace, ttl, tags))

    async def delete(
        self, key: Any, namespace: str = DEFAULT_NAMESPACE, *, soft: bool = False
    ) -> bool:
        """
        Remove the entry under *key* from both tiers; whether anything was removed, which may
        be something that a tag had made unreachable before.

        Args:
            soft: Let it be stale instead of removing it; see ``invalidate_tags``. For an entry
                that was set by key there are no windows, so that comes to the same.
        """
        return bool(await adrive(self._keyed.delete(key, namespace, soft=soft)))

    async def get_or_compute(
        self,
        key: Any,
        function: Callable[[], Awaitable[T] | T],
        *,
        namespace: str = DEFAULT_NAMESPACE,
        ttl: Ttl = None,
        tags: Iterable[str] = (),
    ) -> T:
        """
        The value under *key*; if there is none, *function*'s result, which is stored.

        Whoever asks for the same key meanwhile waits for the one computation.
        """
        plan = self._keyed.fetch(key, function, namespace, ttl, tags, in_task=True)
        return await adrive(plan)  # type: ignore[no-any-return]

    # -- many keys --------------------------------------------------------------------

    async def get_many(
        self, keys: Iterable[Any], *, namespace: str = DEFAULT_NAMESPACE
    ) -> dict[Any, Any]:
        """
        The values of those *keys* that are there, in one round trip to the second tier.

        Raises:
            UnkeyableArgument: If one of *keys* cannot be a key of the dict that is returned.

            ConfigError: If two of *keys* are two entries, but equal for a dict (1 and 1.0).
        """
        return await adrive(self._keyed.get_many(keys, namespace))  # type: ignore[no-any-return]

    async def set_many(
        self,
        mapping: Mapping[Any, Any],
        *,
        namespace: str = DEFAULT_NAMESPACE,
        ttl: Ttl = None,
        tags: Iterable[str] = (),
    ) -> None:
        """
        Store every value of *mapping* under its key, in one round trip.
        """
        await adrive(self._keyed.set(mapping.items(), namespace, ttl, tags))

    async def delete_many(
        self, keys: Iterable[Any], *, namespace: str = DEFAULT_NAMESPACE
    ) -> dict[Any, bool]:
        """
        Remove entries; for each key whether there was one. Raises what ``get_many`` does.
        """
        return await adrive(self._keyed.delete_many(keys, namespace))  # type: ignore[no-any-return]

    # -- more than keys ---------------------------------------------------------------

    async def clear_namespace(self, namespace: str, *, soft: bool = False) -> int:
        """
        Remove every entry of *namespace* and of those below it; how many there were.

        Args:
            soft: Let them be stale instead; see ``invalidate_tags``.
        """
        return int(await adrive(self._keyed.clear(check_namespace(namespace), soft=soft)))

    async def invalidate_tags(self, *tags: str, soft: bool = False) -> None:
        """
        Make every entry that carries one of *tags* unreachable, however many there are.

        Args:
            soft: Let them be stale instead, as if their ttl had ended now: of use for as long as
                *stale_while_revalidate*, *stale_if_error* and *refresh_ahead* of their functions
                say, and never longer than without this. Other entries are unreachable.

        Raises:
            InvalidationNotDurable: If the second tier could not be told.
        """
        await adrive(self._keyed.invalidate_tags(tags, soft=soft))

    async def forget(self, scope: Any) -> None:
        """
        Make every result of *scope* unreachable, in every function with a ``scope=`` that keeps
        its results here, however many there are; see docs/guide/scope.md.

        Args:
            scope: The value that the context variable, the callable or the parameter has; of
                several parameters the tuple of their values.

        Raises:
            InvalidationNotDurable: If the second tier could not be told; it holds here.

            ConfigError: If *scope* is None or empty.
        """
        await adrive(self._keyed.forget(scope))

    def scope_info(self, scope: Any) -> ScopeInfo:
        """
        What *scope* has and was given, in this process: of all functions that keep their results
        here. Asks no store.

        Args:
            scope: As for ``forget``.

        Raises:
            ConfigError: If *scope* is None or empty.
        """
        return self._keyed.scope_info(scope)

    async def add_tags(self, key: Any, *tags: str, namespace: str = DEFAULT_NAMESPACE) -> bool:
        """
        Let the entry under *key*, if there is one, be found by *tags* as well; whether there is.

        It keeps its value, its other tags and its age: nothing is prolonged. A value that is set
        later has the tags that it is set with.

        Raises:
            InvalidationNotDurable: If the second tier could not be told; the entry is not used
                then.
        """
        return bool(await adrive(self._keyed.add_tags(key, namespace, tags)))

    async def clear(self, *, soft: bool = False) -> int:
        """
        Remove every entry; how many there were.

        Args:
            soft: Let them be stale instead; see ``invalidate_tags``.
        """
        return int(await adrive(self._keyed.clear(None, soft=soft)))

    async def flush(self) -> int:
        """
        Write-back: write what the second tier does not have yet; how many entries.
        """
        return int(await adrive(self._keyed.flush()))

    async def close(self) -> None:
        """
        Write what is owed and let everything go. May be called twice.
        """
        await adrive(self._keyed.close())

    def get_stats(self) -> dict[str, Any]:
        """
        What the tiers did so far.

        ``l1`` and ``l2`` each with ``hits, misses, hit_rate, size, max_size, bytes, evictions,
        expirations, invalidations, replacements, errors``; ``combined_hit_rate``,
        ``write_policy``, ``namespaces``, ``pending_writes``, ``seconds_saved``, and ``cost_saved``
        by the ``cost=`` of all functions, which makes sense if it has one unit; ``denied``,
        ``verified`` and ``verified_differs`` as in ``cache_info()``. With *redis_url*
        ``l2`` has ``server``, the server's own figures of its room, where its user may see them.
        """
        return self._keyed.stats()

    async def __aenter__(self) -> MultiLevelCache:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.close()

    def __enter__(self) -> MultiLevelCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.sync.close()
