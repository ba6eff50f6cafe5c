"""
What is done to the two workers, and what must come of it.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from dataclasses import dataclass
from decimal import Decimal

from server import Server
from timeline import WIDTH, Timeline
from workers import Answer, Worker, start

#: (sku, price, seconds that the catalogue takes to find the price)
PRODUCTS = (
    ("owl", "19.90", 0.4),
    ("wren", "4.49", 0.02),
    ("kestrel", "34.00", 2.0),
    ("heron", "12.30", 0.2),
)
#: Price changes in the second chapter.
CHANGES = 10
#: Seconds within which the other worker must know of a change; it usually takes a few ms.
SOON = 5.0
#: The same for a worker that died, and for what could not be told while Redis was away.
AT_LAST = 30.0


@dataclass(frozen=True, slots=True)
class Change:
    """
    How one change of a price was seen at the other worker.
    """

    #: Seconds from asking for it to the first request that was answered with it.
    seen: float
    #: Answers with the old price, and those of them that were asked for when it was done.
    old: int
    late: int


class Story:
    """
    Its chapters, in the order in which they are written here.
    """

    def __init__(self, server: Server, environ: dict[str, str], timeline: Timeline) -> None:
        self._server = server
        self._environ = environ
        self._timeline = timeline

    async def tell(self) -> None:
        begin = (start(name, self._environ, self._timeline) for name in "AB")
        self.a, self.b = await asyncio.gather(*begin)
        try:
            await self.cold()
            await self.change()
            await self.kill()
            await self.outage()
            await self.counts()
        finally:
            for worker in (self.a, self.b):
                worker.end()
            await asyncio.gather(self.a.ended(), self.b.ended())

    async def ask(self, worker: Worker, sku: str) -> Answer:
        """
        Ask for a price, and note question and answer.
        """
        self._timeline.note(worker.name, f"GET {sku}")
        answer = await worker.price(sku)
        text = f"{answer.price}, {answer.came}, {ms(answer.took)}"
        self._timeline.note(worker.name, text, answer.ended)
        return answer

    async def reprice(self, worker: Worker, sku: str, price: str) -> bool:
        self._timeline.note(worker.name, f"PUT {sku} {price}")
        told = await worker.reprice(sku, price)
        self._timeline.note(worker.name, "done" if told else "done; the others do not know yet")
        return told

    # -- the chapters ----------------------------------------------------------------

    async def cold(self) -> None:
        line = self._timeline
        line.chapter("1. Both are asked at once for what nobody has computed")
        found = await asyncio.gather(self.ask(self.a, "owl"), self.ask(self.b, "owl"))
        line.show()
        runs = {w.name: len(w.computations("owl")) for w in (self.a, self.b)}
        who = " and ".join(f"{name} {times(n)}" for name, n in runs.items() if n)
        line.promise(f"two callers, computed by {who}", sum(runs.values()) == 1)
        same = {answer.price for answer in found} == {Decimal("19.90")}
        line.promise(f"both were given {found[0].price}", same)

    async def change(self) -> None:
        line = self._timeline
        line.chapter("2. A changes a price that both have in memory")
        for worker in (self.a, self.b):
            await self.ask(worker, "wren")
            await self.ask(worker, "wren")
        changes = [await self._change_once(Decimal("4.50"), noted=True)]
        line.show()
        for n in range(1, CHANGES):
            changes.append(await self._change_once(Decimal(f"4.{50 + n}")))
        line.skip()
        print(f"  ... and {CHANGES - 1} times more; B was asked all the time.")
        seen = [change.seen for change in changes]
        line.promise(
            f"B had the new price {ms(statistics.median(seen))} (median), {ms(max(seen))} (worst) "
            "after A was asked to change it",
            max(seen) < SOON,
        )
        old, all_old = sum(change.late for change in changes), sum(change.old for change in changes)
        # The message is on its way when A answers, so this is nearly always 0; what is promised
        # is the time above.
        print(f"  Old prices that B gave: {all_old}, {old} of them asked for after A had answered.")

    async def _change_once(self, new: Decimal, *, noted: bool = False) -> Change:
        """
        Change a price at A, and ask B for it until B has it.
        """
        answers = [await self.b.price("wren")]

        async def watch() -> None:
            until = time.monotonic() + AT_LAST
            while answers[-1].price != new and time.monotonic() < until:
                answers.append(await self.b.price("wren"))

        watcher = asyncio.create_task(watch())
        await asyncio.sleep(0.05)
        asked = time.monotonic()
        await (self.reprice if noted else Worker.reprice)(self.a, "wren", str(new))
        done = time.monotonic()
        await watcher
        *old, first = answers
        if noted:
            text = f"{first.price}, {first.came}, {ms(first.took)}; before: {old[-1].price}"
            self._timeline.note("B", f"{text} ({len(old)} times)", first.ended)
        late = sum(answer.began > done for answer in old)
        return Change(seen=first.began - asked, old=len(old), late=late)

    async def kill(self) -> None:
        line = self._timeline
        line.chapter("3. A is killed while it computes what B waits for")
        self._died = (self.a, await self.a.stats())
        dying = asyncio.create_task(self.ask(self.a, "kestrel"))
        computes = await self.a.event(
            lambda event: event["what"] == "computes" and event["sku"] == "kestrel"
        )
        waiting = asyncio.create_task(self.ask(self.b, "kestrel"))
        await asyncio.sleep(0.3)
        waited = not self.b.computations("kestrel")
        self.a.kill()
        killed = time.monotonic()
        line.note("A", "is killed (SIGKILL)", killed)
        gone = (await asyncio.gather(dying, return_exceptions=True))[0]
        await self.a.ended()
        answer = await waiting
        self.a = await start("A", self._environ, line)
        line.note("A", "is started again")
        again = await self.ask(self.a, "kestrel")
        line.show()

        assert isinstance(gone, ConnectionError), "A was too fast to be killed"
        line.promise("B waited for A" if waited else "B computed what A was computing", waited)
        (began,) = self.b.computations("kestrel")
        when = f"{ms(began - killed)} after A had died" if began > killed else "before A died"
        line.promise(
            f"B began to compute {when}, and answered {answer.price} "
            f"{ms(answer.ended - computes['at'])} after A had begun",
            answer.price == Decimal("34.00") and answer.ended - killed < AT_LAST,
        )
        line.promise(f"the new A had it {again.came}", again.came == "from Redis")

    async def outage(self) -> None:
        line = self._timeline
        if not self._server.is_own:
            print("\n4. Redis is stopped: left out, as REDIS_URL names one that is not ours")
            return
        line.chapter("4. Redis is stopped while a price changes, and comes back")
        await asyncio.gather(self.ask(self.a, "owl"), self.ask(self.b, "owl"))
        line.note("", "Redis is stopped")
        self._server.stop()
        known = [await self.ask(worker, "owl") for worker in (self.a, self.b)]
        new = await self.ask(self.b, "heron")
        told = await self.reprice(self.a, "owl", "21.90")
        mine = await self.ask(self.a, "owl")
        others = await self.ask(self.b, "owl")
        await self._server.start()
        back = time.monotonic()
        line.note("", "Redis is back")
        while (last := await self.b.price("owl")).price != mine.price:
            if time.monotonic() - back > AT_LAST:
                break
            await asyncio.sleep(0.01)
        line.note("B", f"{last.price}, {last.came}", last.ended)
        line.show()

        quick = max(answer.took for answer in known)
        line.promise(f"what was known was answered {known[0].came} within {ms(quick)}", quick < 1)
        line.promise(
            f"what was not was computed, and took {ms(new.took)} instead of 200 ms",
            new.came == "computed" and new.took < 0.2 + AT_LAST,
        )
        says = "A's client was told that B does not know yet" if not told else "A said nothing"
        line.promise(says, not told)
        line.promise(f"A gave the new price at once: {mine.price}", mine.price == Decimal("21.90"))
        print(f"  B, which nobody could tell, went on with {others.price}")
        line.promise(
            f"B had {last.price} within {ms(last.ended - back)} after Redis was back, though "
            "nobody had asked A for anything",
            last.price == Decimal("21.90"),
        )

    async def counts(self) -> None:
        line = self._timeline
        print("\n5. What the caches did")
        print(f"{'':<25}{'requests':>9}{'memory':>9}{'Redis':>9}{'joined':>9}{'computed':>9}")
        print("-" * WIDTH)
        gone, told = self._died
        rows = [("A, until it was killed", gone, told, len(gone.computations()) - 1)]
        for name, worker in (("A, its successor", self.a), ("B", self.b)):
            rows.append((name, worker, await worker.stats(), len(worker.computations())))
        right = True
        for name, worker, info, runs in rows:
            figures = [info[key] for key in ("l1_hits", "l2_hits", "joined", "misses")]
            print(f"{name:<25}{worker.answers:>9}" + "".join(f"{n:>9}" for n in figures))
            right = right and sum(figures) == worker.answers and figures[-1] == runs
        line.promise("each request was counted once, and so was each computation", right)


def ms(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.{int(seconds < 0.01)}f} ms"


def times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def surroundings(
    catalogue: os.PathLike[str], server: Server, name: str, key: str
) -> dict[str, str]:
    """
    What a worker is told.
    """
    return os.environ | {
        "CATALOGUE": os.fspath(catalogue),
        "REDIS_URL": server.url,
        "CACHE_NAME": name,
        "MEMOTIER_KEY": key,
    }
