"""
A small HTTP server to ask: users and their orders, slow enough to be worth caching.

It counts what it is asked, so that one can see which questions never reached it.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter

NAMES = {7: "Ada", 8: "Grace"}


class Server:
    """
    Answers on a free port of this machine while the ``async with`` block runs.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.names = dict(NAMES)
        self.broken = False

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = request.split(" ", 2)[1]
        self.asked[path] += 1
        await asyncio.sleep(0.1)
        status, headers, body = self._page(path)
        data = json.dumps(body).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n{headers}\r\n"
        writer.write(head.encode() + data)
        await writer.drain()
        writer.close()

    def _page(self, path: str) -> tuple[str, str, object]:
        if self.broken:
            return "503 Service Unavailable", "", {"error": "come back later"}
        _, kind, number, *rest = path.split("/")
        user = int(number)
        if kind == "users" and not rest:
            return "200 OK", "Cache-Control: max-age=60\r\n", {"id": user, "name": self.names[user]}
        if kind == "users" and rest == ["orders"]:
            orders = [{"number": user * 100 + n, "total": f"{n}9.90"} for n in (1, 2)]
            return "200 OK", "Cache-Control: max-age=60\r\n", orders
        return "200 OK", "Cache-Control: no-store\r\n", {"open": 3}
