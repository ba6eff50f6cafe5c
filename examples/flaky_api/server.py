"""
A small HTTP server with good and bad days: healthy, then slow, then failing, then healthy again.

It notes when it is asked, and by whom: what never reached it is what the clients' caches saved.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """
    How the server is for *lasts* seconds: it answers after *takes* seconds, or fails then.
    """

    name: str
    lasts: float
    takes: float
    fails: bool = False


#: What happens, in this order; the last phase goes on when its time is over.
SCRIPT = (
    Phase("healthy", lasts=1.5, takes=0.03),
    Phase("slow", lasts=2.0, takes=0.30),
    Phase("failing", lasts=2.0, takes=0.03, fails=True),
    Phase("recovered", lasts=1.5, takes=0.03),
)


class Server:
    """
    Answers on a free port of this machine while the ``async with`` block runs.

    It is in its first phase until ``begin()``, and *pace* times as fast as the script afterwards.
    """

    def __init__(self, pace: float = 1) -> None:
        self.pace = pace
        self.began = float("inf")
        #: When requests came, in seconds from the beginning, by who asked.
        self.asked: dict[str, list[float]] = {}
        self._busy: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await asyncio.gather(*self._busy)
        await self._server.wait_closed()

    def begin(self) -> None:
        """
        Forget who asked so far, and let the script begin.
        """
        self.asked.clear()
        self.began = time.perf_counter()

    def phases(self) -> list[tuple[float, float, Phase]]:
        """
        Beginning and end of each phase, in seconds from the beginning.
        """
        ends, at = [], 0.0
        for phase in SCRIPT:
            ends.append((at, at + phase.lasts / self.pace, phase))
            at = ends[-1][1]
        return ends

    def now(self) -> Phase:
        """
        The phase of this moment.
        """
        passed = time.perf_counter() - self.began
        return next((phase for _, end, phase in self.phases() if passed < end), SCRIPT[-1])

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._answer(reader, writer))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            _, who, product = request.split(" ", 2)[1].split("/")
            writer.write(await self._page(who, int(product)))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked has gone
        finally:
            writer.close()

    async def _page(self, who: str, product: int) -> bytes:
        self.asked.setdefault(who, []).append(time.perf_counter() - self.began)
        phase = self.now()
        await asyncio.sleep(phase.takes)
        status = "503 Service Unavailable" if phase.fails else "200 OK"
        body = json.dumps({"product": product, "price": 9.9}).encode()
        return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
