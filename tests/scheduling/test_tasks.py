"""
The races between tasks of one event loop, under a loop that tries every order of their steps
within a number of delays (a delay: somebody who is ready has to wait for another).

Everything is real but the loop: the decorator, the engine, ``asyncio``. Only what a thread would
do for the second tier is done in a step of the loop.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from simloom import explore_systematic

from memotier import CacheLevelConfig, MultiLevelCache, current, tiered_cache

from ..effort import examples
from ..engine.worlds import HandClock

WAYS: dict[str, Callable[[Any], Coroutine[Any, Any, Any]]] = {
    "key": lambda scene: scene.f.invalidate(1),
    "function": lambda scene: scene.f.cache_clear(),
    "tag": lambda scene: scene.cache.invalidate_tags("t"),
    "added tag": lambda scene: scene.cache.invalidate_tags("added"),
    "namespace": lambda scene: scene.cache.clear_namespace("race"),
    "clear": lambda scene: scene.cache.clear(),
}
TIERS = ["memory", "local"]
DELAYS = 1 + (examples(1) > 1)


class InTheLoop:
    """
    Does what a thread would do, in a later step; once asked for, it happens.
    """

    def run(
        self, function: Callable[..., Any], *arguments: Any, loop: Any = None
    ) -> asyncio.Future[Any]:
        loop = loop or asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(self._do, future, function, arguments)
        return future

    def _do(
        self, future: asyncio.Future[Any], function: Callable[..., Any], arguments: Any
    ) -> None:
        answer = function(*arguments)
        if not future.done():
            future.set_result(answer)

    def close(self) -> None:
        pass


class Scene:
    """
    One function over a source that changes, and what is known for certain of it.
    """

    def __init__(self, tier: str, **options: Any) -> None:
        self.time = HandClock()
        below = {} if tier == "memory" else {"l2_config": CacheLevelConfig(max_size=100)}
        self.cache = MultiLevelCache(**below, clock=self.time.clock)
        self.cache._keyed.engine.offload = InTheLoop()  # type: ignore[assignment]
        self.source = self.known = self.runs = 0

        @tiered_cache(
            namespace="race.deep", cache=self.cache, name="f", version=1, tags=["t"], **options
        )
        async def f(x: int) -> int:
            current().add_tags("added")
            self.runs += 1
            found = self.source
            await asyncio.sleep(0)
            return found

        self.f = f

    async def call(self) -> int:
        """
        Whoever begins after an invalidation has returned gets nothing older.
        """
        known = self.known
        found = await self.f(1)
        assert found >= known, f"was given {found} after {known} was there"
        return int(found)

    async def refresh(self) -> None:
        known = self.known
        found = await self.f.refresh(1)
        assert found >= known
        self.known = max(self.known, found)

    async def seed(self) -> None:
        """
        What somebody sets is newer than what was read before.
        """
        self.source += 1
        mine = self.source
        await self.f.seed(mine, 1)
        self.known = max(self.known, mine)

    async def change(self, way: str) -> None:
        self.source += 1
        mine = self.source
        await WAYS[way](self)
        self.known = max(self.known, mine)

    def lose_memory(self) -> None:
        """
        What memory holds is evicted.
        """
        engine = self.cache._keyed.engine
        with engine.lock:
            engine.memory.drop(engine.local_residents(None))

    async def end(self) -> None:
        """
        All have finished: what comes now is new, from memory and from below.
        """
        await self.call()
        self.lose_memory()
        await self.call()
        flights = self.cache._keyed.engine.flights
        await asyncio.sleep(2)  # a refresh in the background may be on its way
        assert {} == flights.table == flights.beside
        await self.cache.close()


def in_every_order(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """
    Run *main* in every order with so many delays; one more: ``tox -e soak``.
    """
    gc.collect()
    gc.freeze()  # each run ends with a collection: of what is new
    try:
        found = explore_systematic(main, max_delays=DELAYS, world=False)
    finally:
        gc.unfreeze()
    if found.first is not None and found.first.error is not None:
        raise found.first.error
    assert found.proven_correct
    assert found.schedules > 1


async def together(*steps: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.create_task(step) for step in steps]
    for task in tasks:
        try:
            await task
        except asyncio.CancelledError:
            pass


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tier", TIERS)
def test_fault_03_04_an_invalidation_and_two_calls(tier: str, way: str) -> None:
    """
    Whether they lead, follow, or come later.
    """

    async def main() -> None:
        scene = Scene(tier)
        await together(scene.call(), scene.change(way), scene.call())
        await scene.end()

    in_every_order(main)


@pytest.mark.parametrize("way", ["key", "tag", "clear"])
def test_fault_05_promotion_and_an_invalidation(way: str) -> None:
    """
    What was read below before is not kept in memory.
    """

    async def main() -> None:
        scene = Scene("local")
        await scene.call()
        scene.lose_memory()
        await together(scene.call(), scene.change(way), scene.call())
        await scene.end()

    in_every_order(main)


@pytest.mark.parametrize("tier", TIERS)
def test_fault_03_setting_and_refreshing(tier: str) -> None:
    """
    A refresh that has read the source before does not replace what was set; two leaders of one
    key, and one that was computing before, land in any order.
    """

    async def main() -> None:
        scene = Scene(tier)
        await together(scene.call(), scene.refresh(), scene.seed(), scene.call())
        await scene.end()

    in_every_order(main)


@pytest.mark.parametrize("tier", TIERS)
def test_fault_37_a_leader_is_cancelled(tier: str) -> None:
    """
    At whatever step: one of those who wait computes, and all get its value.
    """

    async def main() -> None:
        scene = Scene(tier)
        leader = asyncio.create_task(scene.call())

        async def cancel() -> None:
            leader.cancel()

        async def wait() -> None:
            await leader

        await together(wait(), scene.call(), cancel(), scene.call())
        assert scene.runs <= 2
        await scene.end()

    in_every_order(main)


@pytest.mark.parametrize("way", ["key", "tag"])
@pytest.mark.parametrize("victim", ["change", "refresh", "seed"])
def test_fault_37_what_is_newer_is_cancelled(victim: str, way: str) -> None:
    """
    Its operation on the second tier may happen all the same, after everything else.
    """

    async def main() -> None:
        scene = Scene("local")
        step = scene.change(way) if victim == "change" else getattr(scene, victim)()
        newer = asyncio.create_task(step)

        async def cancel() -> None:
            newer.cancel()

        await together(scene.call(), cancel(), scene.change("tag"), scene.call())
        await scene.end()

    in_every_order(main)


@pytest.mark.parametrize("way", ["key", "tag", "clear"])
@pytest.mark.parametrize("tier", TIERS)
def test_fault_03_a_refresh_in_the_background_and_an_invalidation(tier: str, way: str) -> None:
    """
    A stale value is served until the invalidation returns, and what its refresh brings is not
    kept if it began before.
    """

    async def main() -> None:
        scene = Scene(tier, ttl=10, stale_while_revalidate=1000)
        await scene.call()
        scene.time.turn(20)
        await together(scene.call(), scene.change(way), scene.call())
        await scene.end()

    in_every_order(main)
