"""
One server, asked: the only module that imports redis-py.

What is asked are steps (``requests.py``), driven in a thread or in a task. Our own connections
(``lines.py`` for threads, ``loops.py`` for tasks) wait 0.25 s at most for a connection or for the
next bytes of an answer, and try nothing twice: that is for the breaker around the store
(``stores/wrap.py``) to decide. One on which anything went wrong is closed, so no answer can ever
be taken for that of a later request. A client that the user made is used as it is, in threads.

Every error becomes a ``StoreError``. Its text says what kind of error it was, never what the server
or redis-py said: that may quote arguments, or the URL.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from ...errors import ConfigError, MissingExtra, StoreError, StoreUnavailable
from ...settings.urls import RedisUrl
from ...types import Seconds
from . import requests
from .lines import Lines
from .requests import Garbled, Request, Steps
from .scripts import Script

T = TypeVar("T")

#: Seconds for a connection, and for the next bytes of an answer.
TIMEOUT: Final[Seconds] = 0.25

#: By the name of the error's class: redis-py and valkey-py have the same.
_WORDS: Final = {
    "TimeoutError": "it did not answer in time",
    "BusyLoadingError": "it is loading its data",
    "MaxConnectionsError": "it has too many clients",
    "AuthenticationError": "it refuses the user or the password",
    "AuthenticationWrongNumberOfArgsError": "it refuses the user or the password",
    "AuthorizationError": "it refuses the user or the password",
    "NoPermissionError": "its user may not do that; docs/guide/redis.md says what is needed",
    "ReadOnlyError": "it is a replica that cannot be written",
    "OutOfMemoryError": "it is full; raise its maxmemory, or choose a policy that evicts",
    "MasterDownError": "it is a replica that has lost its primary",
    "ClusterDownError": "its cluster is down",
    "MovedError": "it is a node of a cluster, which this version does not use",
    "ConnectionError": "it cannot be reached",
    "InvalidResponse": "it does not speak the protocol of Redis",
    "Garbled": "it answers something else than what it was asked",
}
#: Those that mean that nothing at all will work for now.
_AWAY: Final = frozenset({"TimeoutError", "ConnectionError", "BusyLoadingError"})


class Server:
    """
    The connections to one server.

    Args:
        target: Where it is, or a client that knows: of redis-py, of valkey-py, or like them.

    Raises:
        ConfigError: If the client cannot be used.

        MissingExtra: If there is a URL and redis-py is not installed.
    """

    def __init__(self, target: RedisUrl | Any, timeout: Seconds = TIMEOUT) -> None:
        self._url = target if isinstance(target, RedisUrl) else None
        self._client: Any = None if self._url else checked(target)
        #: Seconds to wait for an answer.
        self.timeout: Seconds = (self._url.timeout if self._url else None) or timeout
        self._lines: Lines | None = None
        self._loops: Any = None
        self._lock = threading.Lock()
        if self._url is None:
            self.database: int | str = _option(target, "db", 0)
            self.place = f"a given {type(target).__qualname__}"
        else:
            check_installed()
            self.database = self._url.database
            self.place = self._url.place

    def __repr__(self) -> str:
        return f"<Server {self.place}>"

    @property
    def has_loops(self) -> bool:
        """
        Whether tasks can ask (``adrive``); a given client is one for threads.
        """
        return self._url is not None

    def ask(self, doing: str, *command: Any) -> Any:
        """
        What the server answers to *command*.

        Args:
            doing: What this is for, in the text of an error.

        Raises:
            StoreError: If it does not answer, or with an error.
        """
        return self.drive(requests.ask(doing, *command))

    def run(self, script: Script, keys: Sequence[Any], arguments: Sequence[Any]) -> Any:
        """
        What *script* returns. Its text is sent only to a server that does not know it.
        """
        return self.drive(requests.run(script, keys, arguments))

    def drive(self, steps: Steps[T]) -> T:
        """
        Do *steps* in this thread; what they return.

        Raises:
            StoreError: Instead of anything else.
        """
        request = None
        try:
            exchange = self._exchange if self._url is None else self.lines.exchange
            request = next(steps)
            while True:
                request = steps.send(exchange(request))
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        except Exception as error:
            raise self._failed(request, error, self._lines) from None
        finally:
            steps.close()  # now, not when somebody forgets the error

    async def adrive(self, steps: Steps[T]) -> T:
        """
        The same in a task.
        """
        request = line = None
        try:
            line = self.loops.here()
            request = next(steps)
            while True:
                request = steps.send(await line.exchange(request))
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        except Exception as error:
            raise self._failed(request, error, line) from None
        finally:
            steps.close()

    def subscription(self) -> Any:
        """
        A new connection that can subscribe.
        """
        return self.client.pubsub(ignore_subscribe_messages=False)

    @property
    def client(self) -> Any:
        """
        The client of redis-py, made when it is first needed.
        """
        return self._made("_client", self._connected)

    @property
    def lines(self) -> Lines:
        """
        Our connections for threads; none with a given client.
        """
        made: Lines = self._made("_lines", self._lines_of_url)
        return made

    @property
    def loops(self) -> Any:
        """
        Our connections for tasks; none with a given client.
        """
        return self._made("_loops", self._loops_of_url)

    def prepare(self) -> None:
        """
        Import what is needed, which takes longer than a server may.
        """
        _ = self.client
        if self._url is not None:
            _ = self.lines, self.loops

    def forget(self) -> None:
        """
        In a forked child: the connections are the parent's.
        """
        self._lock = threading.Lock()
        if self._url is None:
            return
        _inherited.append((self._client, self._lines))
        if self._loops is not None:
            _inherited.append(self._loops.abandon())
        self._client = self._lines = self._loops = None

    def close(self) -> None:
        """
        Let our connections go; those of a client that the user made are his.
        """
        client = self._client
        if self._lines is not None:
            self._lines.close()
        if self._loops is not None:
            self._loops.close()
        if self._url is not None and client is not None:
            try:
                client.close()
                client.connection_pool.disconnect()
            except Exception as error:
                raise self.translated("closing", error) from None

    def leave(self) -> None:
        """
        Let the connections of event loops go; for a finalizer. Those of threads go with us.
        """
        if self._loops is not None:
            self._loops.close()

    def translated(self, doing: str, error: Exception) -> StoreError:
        """
        The ``StoreError`` for an *error* of redis-py.
        """
        if isinstance(error, StoreError):
            return error
        name, words = kind_of(error)
        text = f"{doing} at {self.place} failed: {words}"
        return StoreUnavailable(text) if name in _AWAY else StoreError(text)

    def _failed(self, request: Request | None, error: Exception, asked: Any) -> StoreError:
        if isinstance(error, Garbled) and asked is not None:
            # Perhaps it answers another one's question: what is read there next would be, too.
            asked.hang_up()
        return self.translated("asking" if request is None else request.doing, error)

    def _exchange(self, request: Request) -> list[Any]:
        """
        The answers to *request*, of a client that the user made.
        """
        commands = request.commands
        if len(commands) > 1:
            with self._client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return list(pipeline.execute(raise_on_error=False))
        try:
            return [self._client.execute_command(*commands[0])]
        except Exception as error:
            if requests.is_a("ResponseError", error):
                return [error]
            raise

    def _made(self, what: str, make: Any) -> Any:
        made = getattr(self, what)
        if made is None:
            with self._lock:
                made = getattr(self, what)
                if made is None:
                    made = make()
                    setattr(self, what, made)
        return made

    def _connected(self) -> Any:
        import redis

        return redis.Redis(connection_pool=self._pool(redis))

    def _lines_of_url(self) -> Lines:
        import redis

        pool = self._pool(redis)
        kind, options = pool.connection_class, pool.connection_kwargs
        most = pool.max_connections
        return Lines(lambda: kind(**options), redis.ResponseError, most, self.place)

    def _loops_of_url(self) -> Any:
        import redis.asyncio

        from .loops import Loops

        pool = self._pool(redis.asyncio)
        kind, options = pool.connection_class, dict(pool.connection_kwargs)
        connects = options.get("socket_connect_timeout") or self.timeout
        # It is told when to give up, by one clock for all that a task sends and reads.
        options.update(socket_timeout=None, socket_connect_timeout=None)
        return Loops(lambda: kind(**options), redis.ResponseError, self.timeout, connects)

    def _pool(self, redis: Any) -> Any:
        """
        What redis-py, or its asyncio, makes of the URL.
        """
        assert self._url is not None
        from redis.backoff import NoBackoff

        if redis.__name__ == "redis":
            from redis.retry import Retry
        else:
            from redis.asyncio.retry import Retry  # type: ignore[assignment]

        return redis.ConnectionPool.from_url(
            self._url.reveal(),
            # What the URL says of these counts more.
            socket_timeout=self.timeout,
            socket_connect_timeout=self.timeout,
            retry=Retry(NoBackoff(), 0),
            retry_on_timeout=False,
            max_connections=2**31,
            health_check_interval=0,
            protocol=2,
            decode_responses=False,
            **self._url.tls,
        )


def checked(client: Any) -> Any:
    """
    A client of the user's, if it can be used.
    """
    kind = f"{type(client).__module__}.{type(client).__qualname__}"
    for method in ("execute_command", "pipeline", "pubsub"):
        if not callable(getattr(client, method, None)):
            raise ConfigError(
                f"redis_url = a {kind} cannot be used: give a URL, or a client of redis-py "
                f"or valkey-py (it has no {method}())"
            )
    if ".asyncio" in kind:
        raise ConfigError(
            f"redis_url = a {kind} cannot be used, for its connections belong to one event loop: "
            "give its URL, of which each loop gets a connection of its own, or the synchronous "
            "client"
        )
    if _option(client, "decode_responses", False):
        raise ConfigError(
            "redis_url = a client with decode_responses=True cannot be used: what is stored is "
            "bytes, not text; give a client without it"
        )
    return client


def _option(client: Any, name: str, default: Any) -> Any:
    options = getattr(getattr(client, "connection_pool", None), "connection_kwargs", {})
    return options.get(name, default) if isinstance(options, dict) else default


def check_installed() -> None:
    """
    Raises:
        MissingExtra: If redis-py is not installed.
    """
    from importlib.util import find_spec

    if find_spec("redis") is None:
        raise MissingExtra("redis_url needs redis-py: pip install 'memotier[redis]'")


def kind_of(error: Exception) -> tuple[str, str]:
    """
    The name of the error's kind, and what it means.
    """
    for kind in type(error).__mro__:
        if kind.__name__ in _WORDS:
            return kind.__name__, _WORDS[kind.__name__]
    return "", f"{type(error).__qualname__}"


#: Clients of a parent process, kept so that the garbage collector does not close them.
_inherited: list[Any] = []
