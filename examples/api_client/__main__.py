"""
Ask a server as seldom as possible.

    python examples/api_client
"""

from __future__ import annotations

import asyncio

from client import Client
from server import Server

import memotier


async def main() -> None:
    async with Server() as server:
        client = Client("127.0.0.1", server.port)

        users = await asyncio.gather(*(client.user(7) for _ in range(50)))
        asked = server.asked["/users/7"]
        print(f"50 callers at once, one request: {len(users)} answers, {asked} request")

        # Another client of the same server is the same key.
        again = await Client("127.0.0.1", server.port).user(7)
        print(f"another client object: {again}, still {server.asked['/users/7']} request")

        await asyncio.gather(client.user(8), client.orders(7), client.orders(8))
        server.names[7] = "Ada Lovelace"
        await memotier.get_cache().invalidate_tags("user:7")
        await asyncio.gather(*(get(n) for get in (client.user, client.orders) for n in (7, 8)))
        print(f"user 7 was renamed: {(await client.user(7)).name}")
        for path, count in sorted(server.asked.items()):
            print(f"    {requests(count)} for {path}")

        entry = await client.user.lookup(7)
        assert entry is not None
        print(f"fresh for as long as the server said: {entry.ttl_left:.0f} s")

        await client.open_tickets(7)
        await client.open_tickets(7)
        print(f"no-store is obeyed: {requests(server.asked['/tickets/7'])} for /tickets/7")

        server.broken = True
        for _ in range(2):
            try:
                await client.user(9)
            except ConnectionError as error:
                print(f"errors are not remembered: {error}")
        print(f"    {requests(server.asked['/users/9'])} for /users/9")
        print(f"the server is down, and known users are still there: {(await client.user(8)).name}")


def requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"


if __name__ == "__main__":
    asyncio.run(main())
