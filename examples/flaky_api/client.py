"""
Clients of that server: one function for threads, one for tasks, and the ways to cache them.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from memotier import MultiLevelCache, tiered_cache

#: How long a price is fresh, in all ways of caching it.
TTL = "400ms"


@dataclass(frozen=True, slots=True)
class Way:
    """
    The options with which both clients are cached (None: not at all), and what that means.
    """

    name: str
    options: dict[str, Any] | None
    means: str


BACKOFF = {"error_backoff": "250ms"}
IF_ERROR = {"stale_if_error": "1h"} | BACKOFF

WAYS = (
    Way("no cache", None, "every call is a request"),
    Way("ttl alone", {}, "kept for 400 ms; one request for all who wait"),
    Way("jitter", {"jitter": "100%"}, "kept for 400 to 800 ms, so not all end together"),
    Way(
        "refresh_ahead",
        {"refresh_ahead": 0.5} | BACKOFF,
        "after 200 ms, a request behind the callers",
    ),
    Way(
        "stale_while_revalidate",
        {"stale_while_revalidate": "1s"} | BACKOFF,
        "the old price for 1 s more, a request behind it",
    ),
    Way("stale_if_error", IF_ERROR, "the old price if a request fails, then 250 ms rest"),
    Way(
        "soft_timeout",
        {"soft_timeout": "50ms"} | IF_ERROR,
        "the same, also if a request takes over 50 ms",
    ),
    Way("hard_timeout", {"hard_timeout": "100ms"}, "an error if a request takes over 100 ms"),
    Way(
        "all together",
        {"stale_while_revalidate": "10s", "refresh_ahead": 0.5, "jitter": "20%"}
        | {"soft_timeout": "50ms", "hard_timeout": "100ms"}
        | IF_ERROR,
        "all of these, and the old price for 10 s more",
    ),
)


def clients(
    way: Way, port: int, cache: MultiLevelCache
) -> tuple[Callable[[int], float], Callable[[int], Awaitable[float]]]:
    """
    The price of a product, for threads and for tasks, cached as *way* says.
    """

    def price(product: int) -> float:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.request("GET", f"/{who(way)}/{product}")
            answer = connection.getresponse()
            return price_in(answer.status, answer.read())
        finally:
            connection.close()

    async def price_async(product: int) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(f"GET /{who(way)}/{product} HTTP/1.1\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            return price_in(int(head.split()[1]), body)
        finally:
            writer.close()

    if way.options is None:
        return price, price_async
    cached = tiered_cache(cache=cache, ttl=TTL, **way.options)
    return cached(price), cached(price_async)


def price_in(status: int, body: bytes) -> float:
    """
    The price in an answer. An error is raised, and what raises is not stored.
    """
    if status != 200:
        raise ConnectionError(f"the server answered {status}")
    return float(json.loads(body)["price"])


def who(way: Way) -> str:
    """
    What the server calls those who ask in this way.
    """
    return way.name.replace(" ", "-")
