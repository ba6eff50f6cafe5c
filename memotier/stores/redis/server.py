"""
One server, asked: the only module that knows redis-py.

Our own client waits 0.25 s at most for a connection or for the next bytes of an answer, and tries
nothing twice: that is for the breaker around the store (``stores/wrap.py``) to decide. After a
timeout redis-py closes the connection, so no answer can ever be taken for that of a later request.
A client that the user made is used as it is.

Every error becomes a ``StoreError``. Its text says what kind of error it was, never what the server
or redis-py said: that may quote arguments, or the URL.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final

from ...errors import ConfigError, MissingExtra, StoreError, StoreUnavailable
from ...settings.urls import RedisUrl
from ...types import Seconds
from .scripts import Script

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
}
#: What a server is taken for that does not say its version.
_REDIS_LIKE: Final = (6, 2)
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

    def ask(self, doing: str, *command: Any) -> Any:
        """
        What the server answers to *command*.

        Args:
            doing: What this is for, in the text of an error.

        Raises:
            StoreError: If it does not answer, or with an error.
        """
        try:
            return self.client.execute_command(*command)
        except Exception as error:
            raise self.translated(doing, error) from None

    def run(self, script: Script, keys: Sequence[Any], arguments: Sequence[Any]) -> Any:
        """
        What *script* returns. Its text is sent only to a server that does not know it.
        """
        client = self.client
        try:
            try:
                return client.execute_command(
                    "EVALSHA", script.digest, len(keys), *keys, *arguments
                )
            except Exception as error:
                if not is_unknown_script(error):
                    raise
            return client.execute_command("EVAL", script.text, len(keys), *keys, *arguments)
        except Exception as error:
            raise self.translated(script.name, error) from None

    def about(self) -> dict[str, Any]:
        """
        ``name``, ``version`` and its ``numbers``, ``time`` (wall seconds), ``maxmemory`` (bytes,
        0: no bound), ``policy`` (None: it does not say), and how many ``questions`` that took.

        Raises:
            StoreError: If it does not answer.
        """
        now = self.ask("asking for the time", "TIME")
        said = {**_said(self._told("server")), **_said(self._told("memory"))}
        name = "Valkey" if "valkey_version" in said else "Redis"
        version = said.get("valkey_version") or said.get("redis_version") or ""
        parts = version.split(".")
        return {
            "name": name,
            "version": version or "of unknown version",
            "numbers": tuple(int(part) for part in parts[:2] if part.isdigit()) or _REDIS_LIKE,
            "time": int(now[0]) + int(now[1]) / 1e6,
            "maxmemory": int(said["maxmemory"]) if said.get("maxmemory", "").isdigit() else 0,
            "policy": said.get("maxmemory_policy"),
            "questions": 3,
        }

    def _told(self, section: str) -> Any:
        """INFO is refused to users who may not do what is dangerous."""
        try:
            return self.ask("asking about itself", "INFO", section)
        except StoreUnavailable:
            raise
        except StoreError:
            return {}

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
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = self._connected()
        return self._client

    def forget(self) -> None:
        """
        In a forked child: the connections are the parent's.
        """
        self._lock = threading.Lock()
        if self._url is not None and self._client is not None:
            _inherited.append(self._client)
            self._client = None

    def close(self) -> None:
        """
        Let our connections go; those of a client that the user made are his.
        """
        client = self._client
        if self._url is not None and client is not None:
            try:
                client.close()
                client.connection_pool.disconnect()
            except Exception as error:
                raise self.translated("closing", error) from None

    def translated(self, doing: str, error: Exception) -> StoreError:
        """
        The ``StoreError`` for an *error* of redis-py.
        """
        if isinstance(error, StoreError):
            return error
        name, words = kind_of(error)
        text = f"{doing} at {self.place} failed: {words}"
        return StoreUnavailable(text) if name in _AWAY else StoreError(text)

    def _connected(self) -> Any:
        assert self._url is not None
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return redis.Redis.from_url(
            self._url.reveal(),
            # What the URL says of these counts more.
            socket_timeout=self.timeout,
            socket_connect_timeout=self.timeout,
            retry=Retry(NoBackoff(), 0),
            retry_on_timeout=False,
            health_check_interval=0,
            protocol=2,
            decode_responses=False,
        )


def _said(info: Any) -> dict[str, str]:
    """
    The answer to INFO, of which clients make a dict or not.
    """
    if isinstance(info, dict):
        return {str(name): str(value) for name, value in info.items()}
    text = info.decode("utf-8", "replace") if isinstance(info, bytes) else str(info)
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, found, value in pairs if found}


def checked(client: Any) -> Any:
    """
    A client of the user's, if it can be used.
    """
    kind = f"{type(client).__module__}.{type(client).__qualname__}"
    for method in ("execute_command", "pubsub"):
        if not callable(getattr(client, method, None)):
            raise ConfigError(
                f"redis_url = a {kind} cannot be used: give a URL, or a client of redis-py "
                f"or valkey-py (it has no {method}())"
            )
    if ".asyncio" in kind:
        raise ConfigError(
            f"redis_url = a {kind} cannot be used: give a URL or the synchronous client; "
            "coroutines do not wait for it, a thread does"
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


def is_unknown_script(error: Exception) -> bool:
    return any(kind.__name__ == "NoScriptError" for kind in type(error).__mro__)


#: Clients of a parent process, kept so that the garbage collector does not close them.
_inherited: list[Any] = []
