"""
Calls at fixed moments, from threads and tasks, in all ways at the same time; and how each went.

A call is made when its moment comes, also if those before it are still waiting: callers do not
slow down because the server does. So each way has the same number of calls, and their times can
be compared.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from client import WAYS, Way, clients, who
from server import Phase, Server

from memotier import ComputeTimeout, MultiLevelCache

PRODUCTS = 6
#: Calls in a second, of the threads and of the tasks, in each way.
RATE = 60

#: What is called: by threads, and by tasks.
Pair = tuple[Callable[[int], float], Callable[[int], Awaitable[float]]]


@dataclass(frozen=True, slots=True)
class Call:
    """
    One call: when it began and how long it took, in seconds, and the type of its error.
    """

    at: float
    took: float
    error: str | None
    from_thread: bool


@dataclass(slots=True)
class Seen:
    """
    What the callers of one way saw, and what the server saw of them.
    """

    way: Way
    calls: list[Call] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)

    @property
    def errors(self) -> int:
        return sum(call.error is not None for call in self.calls)

    def burst(self, until: float, window: float = 0.1) -> int:
        """
        The most requests that came within *window* seconds, of those before *until*.
        """
        asked = sorted(at for at in self.asked if at < until)
        return max((bisect(asked, at + window) - n for n, at in enumerate(asked)), default=0)

    def took(self, share: float, *, from_thread: bool | None = None) -> float:
        """
        The time in which *share* of the calls were answered, in seconds.
        """
        times = sorted(c.took for c in self.calls if from_thread in (None, c.from_thread))
        return times[min(int(share * len(times)), len(times) - 1)]


@dataclass(frozen=True, slots=True)
class Timeline:
    """
    The phases of the server with their beginnings and ends, and what was seen in each way.
    """

    phases: list[tuple[float, float, Phase]]
    seen: list[Seen]

    @property
    def healthy(self) -> float:
        """
        When the first phase ended, in seconds from the beginning.
        """
        return self.phases[0][1]


async def run(pace: float = 1) -> Timeline:
    """
    Play the script of the server *pace* times as fast as it is written, and call all the time.
    """
    seen, pool = [Seen(way) for way in WAYS], ThreadPoolExecutor(max_workers=256)
    # The pool is left last: its threads may be waiting for the server, also after Ctrl-C.
    with pool:
        async with Server(pace) as server, AsyncExitStack() as stack:
            pairs = []
            for way in WAYS:
                cache = await stack.enter_async_context(MultiLevelCache())
                pairs.append(clients(way, server.port, cache))
            await fill(pairs, pool)
            server.begin()
            await call_all(server, seen, pairs, pool)
            for one in seen:
                one.asked = server.asked[who(one.way)]
            return Timeline(server.phases(), seen)


async def fill(pairs: list[Pair], pool: ThreadPoolExecutor) -> None:
    """
    Ask for every price once, all at the same time, so that all results are of the same age.
    """
    loop, products = asyncio.get_running_loop(), range(PRODUCTS)
    answers = await asyncio.gather(
        *(loop.run_in_executor(pool, price, n) for price, _ in pairs for n in products),
        *(price(n) for _, price in pairs for n in products),
        return_exceptions=True,
    )
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    if not errors:
        return
    if not all(isinstance(error, ComputeTimeout) for error in errors):
        raise errors[0]
    # A busy machine takes its time. What was not there within hard_timeout comes all the same.
    await fill(pairs, pool)


async def call_all(
    server: Server, seen: list[Seen], pairs: list[Pair], pool: ThreadPoolExecutor
) -> None:
    """
    Make each call at its moment: the ways take turns, and so do threads and tasks.
    """
    end, loop, waiting = server.phases()[-1][1], asyncio.get_running_loop(), []
    for n in range(int(end * RATE)):
        for half, from_thread in enumerate((True, False)):
            for number, (one, (price, price_async)) in enumerate(zip(seen, pairs, strict=True)):
                moment = (n + half / 2 + number / 2 / len(seen)) / RATE
                await asyncio.sleep(max(0, server.began + moment - time.perf_counter()))
                calls, product, began = one.calls, n % PRODUCTS, server.began
                if from_thread:
                    waiting.append(loop.run_in_executor(pool, ask, price, product, began, calls))
                else:
                    waiting.append(loop.create_task(ask_async(price_async, product, began, calls)))
    await asyncio.gather(*waiting)


def ask(price: Callable[[int], float], product: int, began: float, calls: list[Call]) -> None:
    error, at = None, time.perf_counter()
    try:
        price(product)
    except OSError as failure:  # what the client raises, and ComputeTimeout
        error = type(failure).__name__
    calls.append(Call(at - began, time.perf_counter() - at, error, from_thread=True))


async def ask_async(
    price: Callable[[int], Awaitable[float]], product: int, began: float, calls: list[Call]
) -> None:
    error, at = None, time.perf_counter()
    try:
        await price(product)
    except OSError as failure:
        error = type(failure).__name__
    calls.append(Call(at - began, time.perf_counter() - at, error, from_thread=False))
