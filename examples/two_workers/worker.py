"""
One worker of the shop: a small HTTP server.

    GET /prices/SKU    the price, and where it came from
    PUT /prices/SKU    a new price
    GET /stats         what the cache of this worker did
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import signal
from decimal import Decimal
from typing import Any

from events import Teller, tell
from prices import cache, came_from, price, reprice


async def main() -> None:
    log = logging.getLogger("memotier")
    log.addHandler(Teller())
    log.setLevel(logging.INFO)

    over = asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, over.set)
    async with cache, await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        tell("ready", port=server.sockets[0].getsockname()[1])
        await over.wait()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    method, path, _ = head.split(" ", 2)
    size = re.search(r"Content-Length: (\d+)", head)
    body = await reader.readexactly(int(size[1]) if size else 0)
    try:
        status, found = "200 OK", await page(method, path, body)
    except LookupError:
        status, found = "404 Not Found", {"error": "no such page"}
    data = json.dumps(found).encode()
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def page(method: str, path: str, body: bytes) -> dict[str, Any]:
    """
    Raises:
        LookupError: If there is none.
    """
    _, kind, *rest = path.split("/")
    if (method, kind) == ("GET", "prices"):
        # Counters tell of one call only if no other comes in between. In this example a worker
        # that is being watched has one caller at a time.
        before = price.cache_info()
        found = await price(rest[0])
        return {"price": str(found), "came": came_from(before, price.cache_info())}
    if (method, kind) == ("PUT", "prices"):
        return {"told": await reprice(rest[0], Decimal(json.loads(body)["price"]))}
    if (method, kind) == ("GET", "stats"):
        return price.cache_info()._asdict()
    raise LookupError(path)


if __name__ == "__main__":
    asyncio.run(main(), debug=False)
