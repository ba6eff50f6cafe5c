"""
The URL of a server: checked, and shown without what is secret in it.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import ConfigError
from ..types import Seconds

#: Schemes, and what redis-py calls them.
_SCHEMES: Final = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
}
FORMS: Final = (
    'a URL such as "redis://localhost:6379/0", "rediss://user:password@host:6380/0" or '
    '"unix:///run/redis.sock?db=0"'
)
#: What may be asked for behind the "?" of a URL.
_OPTIONS: Final = frozenset(
    (
        *("db", "username", "password", "client_name"),
        *("socket_timeout", "socket_connect_timeout", "socket_keepalive", "max_connections"),
        *("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"),
    )
)


class RedisUrl:
    """
    A checked URL. ``str`` and ``repr`` show where the server is, never user or password.

    Raises:
        ConfigError: If *text* is no URL of a Redis or Valkey; its text is not shown.
    """

    __slots__ = ("_text", "database", "has_password", "place", "timeout", "tls")

    def __init__(self, text: object, *, what: str = "redis_url") -> None:
        if not isinstance(text, str):
            raise ConfigError(f"{what} is a {type(text).__qualname__}: use {FORMS}")
        scheme, separator, rest = text.partition("://")
        if not separator or scheme.lower() not in _SCHEMES:
            # Not shown: whoever forgets the scheme may have written the password first.
            raise ConfigError(f"{what} (value not shown) is not the URL of a Redis: use {FORMS}")
        self._text = f"{_SCHEMES[scheme.lower()]}://{rest}"
        try:
            parts = urlsplit(self._text)
            port, host = parts.port, parts.hostname
        except ValueError:
            raise ConfigError(
                f"{what} (value not shown) has a host or port that cannot be read; write what is "
                f"special in a user or password as %XX, and use {FORMS}"
            ) from None
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        unknown = sorted(set(query) - _OPTIONS)
        if unknown or parts.fragment:
            raise ConfigError(
                f"{what} (value not shown) asks for something unknown behind ? or #: it takes "
                f"{', '.join(sorted(_OPTIONS))}; write what is special in a password as %XX"
            )
        path = unquote(parts.path)
        is_socket = parts.scheme == "unix"
        database = query.get("db", "0" if is_socket else path.strip("/") or "0")
        if not re.fullmatch("[0-9]{1,9}", database) or (is_socket and not path):
            raise ConfigError(
                f"{what} (value not shown) does not end in the number of a database: use {FORMS}"
            )
        #: Seconds to wait for an answer, if the URL says so.
        self.timeout: Seconds | None = None
        if "socket_timeout" in query:
            if not re.fullmatch(r"\d{1,4}(\.\d{1,6})?", query["socket_timeout"]):
                raise ConfigError(
                    f"{what} (value not shown) has a socket_timeout that is no number of seconds, "
                    "such as socket_timeout=0.5"
                )
            self.timeout = float(query["socket_timeout"]) or None
        #: What else a client is told of TLS: before version 6, redis-py asked of a certificate
        #: only that some authority had signed it, for whatever host.
        self.tls: dict[str, bool] = {}
        if parts.scheme == "rediss" and not {"ssl_check_hostname", "ssl_cert_reqs"} & query.keys():
            self.tls["ssl_check_hostname"] = True
        #: The number of the database.
        self.database = int(database)
        self.has_password = bool(
            parts.password or parts.username or {"password", "username"} & query.keys()
        )
        where = path if is_socket else f"{host or 'localhost'}:{port or 6379}/{self.database}"
        #: What people may see.
        self.place = f"{parts.scheme}://{'***@' if self.has_password else ''}{where}"

    def __str__(self) -> str:
        return self.place

    def __repr__(self) -> str:
        return f"<RedisUrl {self.place}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RedisUrl) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[type[RedisUrl], tuple[str]]:
        return RedisUrl, (self._text,)

    def reveal(self) -> str:
        """
        The whole text, for those who connect.
        """
        return self._text
