"""
The two workers as processes, and their only client.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from timeline import Timeline


@dataclass(frozen=True, slots=True)
class Answer:
    """
    The answer to a request that began and ended at these moments (monotonic clock).
    """

    price: Decimal
    came: str
    began: float
    ended: float

    @property
    def took(self) -> float:
        return self.ended - self.began


@dataclass(slots=True)
class Worker:
    """
    One process, with what it told of itself.
    """

    name: str
    process: asyncio.subprocess.Process
    events: list[dict[str, Any]] = field(default_factory=list)
    #: Requests for a price that it has answered.
    answers: int = 0
    _told: asyncio.Condition = field(default_factory=asyncio.Condition)
    _reader: asyncio.Task[None] | None = None

    async def read(self, timeline: Timeline) -> None:
        """
        Hear what it tells, and note it, until it ends.
        """
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            event = json.loads(line)
            if event["what"] == "computes":
                timeline.note(self.name, f"computes {event['sku']}", event["at"])
            elif event["what"] == "logs":
                timeline.note(self.name, f"log: {event['text']}", event["at"])
            async with self._told:
                self.events.append(event)
                self._told.notify_all()

    async def event(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 30) -> Any:
        """
        The first event that is *wanted*; waits for it.
        """
        async with asyncio.timeout(seconds), self._told:
            while True:
                for event in self.events:
                    if wanted(event):
                        return event
                await self._told.wait()

    def computations(self, sku: str | None = None) -> list[float]:
        """
        When it began to compute a price: that of *sku*, or any.
        """
        return [
            event["at"]
            for event in self.events
            if event["what"] == "computes" and sku in (None, event["sku"])
        ]

    # -- requests --------------------------------------------------------------------

    async def price(self, sku: str) -> Answer:
        began = time.monotonic()
        found = await self._request("GET", f"/prices/{sku}")
        self.answers += 1
        return Answer(Decimal(found["price"]), found["came"], began, time.monotonic())

    async def reprice(self, sku: str, price: str) -> bool:
        """
        Whether the others have been told.
        """
        return bool((await self._request("PUT", f"/prices/{sku}", {"price": price}))["told"])

    async def stats(self) -> dict[str, Any]:
        return await self._request("GET", "/stats")

    async def _request(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """
        Raises:
            ConnectionError: If the worker is gone.
        """
        port = (await self.event(lambda event: event["what"] == "ready"))["port"]
        data = b"" if body is None else json.dumps(body).encode()
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"{method} {path} HTTP/1.1\r\n".encode())
                writer.write(f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                size = re.search(r"Content-Length: (\d+)", head)
                answer = await reader.readexactly(int(size[1]) if size else 0)
            except asyncio.IncompleteReadError:
                raise ConnectionResetError("the worker hung up") from None
            finally:
                writer.close()
        if " 200 " not in head.splitlines()[0]:
            raise RuntimeError(head.splitlines()[0])
        return json.loads(answer)  # type: ignore[no-any-return]

    # -- its end ---------------------------------------------------------------------

    def end(self) -> None:
        """
        Ask it to end.
        """
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, how: signal.Signals) -> None:
        if self.process.returncode is None:
            # Not with the methods of *process*: they would collect a child that has just ended,
            # and asyncio would miss it.
            os.kill(self.process.pid, how)

    async def ended(self) -> None:
        """
        It has ended, and all that it told has been heard.
        """
        await self.process.wait()
        if self._reader is not None:
            await self._reader


async def start(name: str, environ: dict[str, str], timeline: Timeline) -> Worker:
    """
    A new worker that answers.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("worker.py")),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
    )
    worker = Worker(name, process)
    worker._reader = asyncio.create_task(worker.read(timeline))
    await worker.event(lambda event: event["what"] == "ready")
    return worker
