"""
What a server says of itself, for who looks after it.
"""

from __future__ import annotations

from typing import Any, Final

from ...errors import StoreError, StoreUnavailable
from .listing import info_of
from .server import Server

#: What a server is taken for that does not say its version.
_REDIS_LIKE: Final = (6, 2)


def about(server: Server) -> dict[str, Any]:
    """
    ``name``, ``version`` and its ``numbers``, ``time`` (wall seconds), ``maxmemory`` (bytes,
    0: no bound), ``policy`` (None: it does not say), and how many ``questions`` that took.

    Raises:
        StoreError: If it does not answer.
    """
    now = server.ask("asking for the time", "TIME")
    said = {**info_of(_told(server, "server")), **info_of(_told(server, "memory"))}
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


def _told(server: Server, section: str) -> Any:
    """INFO is refused to users who may not do what is dangerous."""
    try:
        return server.ask("asking about itself", "INFO", section)
    except StoreUnavailable:
        raise
    except StoreError:
        return {}
