"""
Hearing of what happens to a key that no script of ours did: FLUSHALL, eviction, somebody's DEL.

A server that has ``CLIENT TRACKING`` tells of every change of a key. The subscribed connection asks
for that itself, with itself as the receiver (``REDIRECT``), before it subscribes: afterwards it may
not ask for anything more. In broadcasting mode the server remembers no keys for it, only the
prefix.

It is an addition. Without it, as the server is too old or the user has not the right, the same is
found out by the next beat (``watch.py``). A connection that speaks RESP3 gets such messages in a
way that redis-py keeps to itself; it goes without, too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from ...types import Seconds

log = logging.getLogger("memotier")

#: The channel that messages of tracking seem to come from. It is not subscribed to: that would need
#: a right, and they come anyway.
CHANNEL: Final = b"__redis__:invalidate"


class Lost(Exception):
    """
    The connection does not answer.
    """


def turn_on(connection: Any, prefix: str, patience: Seconds) -> str | None:
    """
    Have *connection*, which has not subscribed yet, hear of all keys that begin with *prefix*.

    Args:
        patience: Seconds to wait for each of two answers.

    Returns:
        None, or why it is not possible.

    Raises:
        Lost: If there was no answer.
    """
    ask = _asking(connection, patience)
    if ask is None:
        return "the client cannot ask for it"
    try:
        number = ask("CLIENT", "ID")
        if _speaks_resp3(connection):
            return "the client speaks RESP3"
        ask("CLIENT", "TRACKING", "ON", "REDIRECT", number, "BCAST", "PREFIX", prefix)
    except Exception as error:
        # By name: redis-py and valkey-py have the same.
        if any(kind.__name__ == "ResponseError" for kind in type(error).__mro__):
            return "the server refuses it"
        raise
    return None


def is_change(message: dict[str, Any]) -> bool:
    """
    Whether *message* tells that keys changed: its ``data`` are these, or None for all.
    """
    channel = message.get("channel")
    return channel == CHANNEL or channel == CHANNEL.decode()


def _asking(connection: Any, patience: Seconds) -> Callable[..., Any] | None:
    send = getattr(connection, "execute_command", None)
    read = getattr(connection, "parse_response", None)
    if not (callable(send) and callable(read)):
        return None

    def ask(*command: Any) -> Any:
        send(*command)
        answer = read(block=False, timeout=patience)
        if answer is None:
            raise Lost("no answer to a question about tracking")
        return answer

    return ask


def _speaks_resp3(connection: Any) -> bool:
    return str(getattr(getattr(connection, "connection", None), "protocol", 2)) == "3"
