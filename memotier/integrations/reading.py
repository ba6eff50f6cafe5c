"""
Which caches are exported, and what they say when somebody looks.

A cache that is seen once is held until it is closed and was read once more, so that its last
figures are not lost. One that is opened and closed between two looks is never seen.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Any

from ..analytics import snapshot
from ..analytics.lasting import Lasting
from ..cache import MultiLevelCache
from ..durations import short
from ..engine.events import kind_and_place, logger
from ..errors import ConfigError
from ..registry import open_caches


class Reading:
    """
    The caches that one export is about.

    Args:
        caches: Caches, or names of configured ones; None: every named cache that is open when
            somebody looks.

        asks_store: Whether the second tier is asked for its size, which is I/O.

    Raises:
        ConfigError: If one of them is none.
    """

    def __init__(
        self, caches: Iterable[MultiLevelCache | str] | None = None, *, asks_store: bool = True
    ) -> None:
        if isinstance(caches, (str, MultiLevelCache)):
            caches = (caches,)
        given = None if caches is None else list(caches)
        for one in given or ():
            if not (isinstance(one, MultiLevelCache) or (isinstance(one, str) and one)):
                raise ConfigError(
                    f"caches=[{short(one)}] cannot be used: give MultiLevelCache objects, or "
                    "names of configured ones"
                )
        self._names = None if given is None else {one for one in given if isinstance(one, str)}
        self._asks_store = asks_store
        self._lasting = Lasting()
        #: Caches that were seen, and not yet read after they were closed.
        self._seen = {id(one): one for one in given or () if isinstance(one, MultiLevelCache)}
        self._lock, self._process = threading.Lock(), os.getpid()

    def read(self) -> list[dict[str, Any]]:
        """
        One snapshot per name of a cache, with counters that never go down.
        """
        if self._process != os.getpid():
            # Who held it when the process was forked is not here to release it.
            self._lock, self._process = threading.Lock(), os.getpid()
        with self._lock:
            for cache in open_caches():
                if self._names is None or cache._keyed.engine.options.name in self._names:
                    self._seen.setdefault(id(cache), cache)
            readings: dict[Any, Any] = {}
            for at, cache in list(self._seen.items()):
                is_closed = cache.closed
                taken = self._taken(cache)
                if taken is not None:
                    readings[at] = taken
                if is_closed:
                    del self._seen[at]
            return self._lasting.look(readings)

    def _taken(self, cache: MultiLevelCache) -> dict[str, Any] | None:
        try:
            return snapshot(cache, asks_store=self._asks_store and not cache.closed)
        except Exception as error:
            # A page of metrics has those of others as well.
            logger.error("figures of %r cannot be read (%s)", cache, kind_and_place(error))
            return None
