"""
A client of that server, with results that are remembered as long as the server allows.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import memotier
from memotier import tiered_cache


@dataclass(frozen=True, slots=True)
class User:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Order:
    number: int
    total: Decimal


# Frozen: a client is known by its content, so two clients of one server share results.
@dataclass(frozen=True, slots=True)
class Client:
    host: str
    port: int

    @tiered_cache(namespace="api.users", tags=["user:{user_id}"])
    async def user(self, user_id: int) -> User:
        found = await self._get(f"/users/{user_id}")
        return User(found["id"], found["name"])

    @tiered_cache(namespace="api.orders", tags=["user:{user_id}"])
    async def orders(self, user_id: int) -> list[Order]:
        found = await self._get(f"/users/{user_id}/orders")
        return [Order(one["number"], Decimal(one["total"])) for one in found]

    @tiered_cache(namespace="api.tickets")
    async def open_tickets(self, user_id: int) -> int:
        return int((await self._get(f"/tickets/{user_id}"))["open"])

    async def _get(self, path: str) -> Any:
        """
        The content of *path*. An error is raised, and what raises is not stored.
        """
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = re.search(r"Content-Length: (\d+)", head)
        body = await reader.readexactly(int(size[1]) if size else 0)
        writer.close()
        await writer.wait_closed()
        if " 200 " not in head.splitlines()[0]:
            raise ConnectionError(head.splitlines()[0])
        obey(head)
        return json.loads(body)


def obey(head: str) -> None:
    """
    Tell the entry in the making what the server said about caching.
    """
    entry = memotier.current()
    age = re.search(r"Cache-Control:.*max-age=(\d+)", head)
    if "no-store" in head:
        entry.skip()
    elif age:
        entry.set_ttl(int(age[1]))
