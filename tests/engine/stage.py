"""
What plans are scheduled on: machines with a real engine each, one truth, and whoever looks
whether somebody was given what he must not be given. See schedules.py.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from memotier.clock import Clock
from memotier.codecs.values import SafeCodec
from memotier.engine import direct, names, plan, removal, writes
from memotier.engine.calls import Call
from memotier.engine.drive import drive
from memotier.engine.effects import Now
from memotier.engine.engine import Engine
from memotier.engine.options import Options
from memotier.engine.places import Shelf
from memotier.keys.digest import Digester
from memotier.policies import make_policy
from memotier.stores.board import SIZE, slot_on_board
from memotier.stores.local import LocalStore
from memotier.types import MISS

#: What an actor does: yields effects, is sent their answers, and may be thrown into.
Script = Generator[Any, Any, Any]


class Board:
    """
    A board that machines of one test share; see stores/board.py.
    """

    def __init__(self) -> None:
        self.cells = memoryview(bytearray(SIZE)).cast("Q")
        self.first = bytes(self.cells)
        self._last = 0

    def mark(self, marked: Sequence[bytes]) -> None:
        self._last += 1
        for name in marked:
            self.cells[slot_on_board(name)] = self._last
        self.cells[0] = self._last


class SharedStore:
    """
    What processes on one directory share. An invalidation is written first and announced later,
    which is a step of its own: *unsaid* is what has to be announced before it returns.
    """

    kind = "disk"
    watches = True

    def __init__(self, clock: Clock) -> None:
        self._store = LocalStore(None, clock=clock)
        self.board = Board()
        self.unsaid: list[bytes] = []

    def bump(self, bumped: Sequence[bytes]) -> None:
        self._store.bump(bumped)
        self.unsaid.extend(bumped)

    def delete(self, addresses: Sequence[bytes]) -> list[bool]:
        found = self._store.delete(addresses)
        self.unsaid.extend(addresses)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class World:
    """
    The truth, and what nobody may be given any more.

    ``data`` is what the function finds; every change makes it greater. Whoever begins to ask
    after a change has returned is given nothing less. There is one exception: a value that
    somebody sets while something is invalidated may come after that, since neither was first.
    """

    def __init__(self, below: str, policy: str, machines: int) -> None:
        self.now = 1000.0
        self.data = self.runs = 0
        self._moment = 0
        #: When each change began and returned, and what is there since.
        self._changes: list[tuple[int, int, int]] = []
        #: When each set returned, by its value; None while it may still happen.
        self._set: dict[int, int | None] = {}
        self.clock = Clock(monotonic=self._tick, wall=self._tick)
        self.store: Any = None
        if below == "local":
            self.store = LocalStore(None, clock=self.clock)
        elif below == "shared":
            self.store = SharedStore(self.clock)
        self._policy = policy
        self.machines = [self.machine() for _ in range(machines)]

    def _tick(self) -> float:
        self.now += 1e-6
        return self.now

    def moment(self) -> int:
        self._moment += 1
        return self._moment

    def changed(self, began: int, value: int) -> None:
        """
        A change that began then has returned.
        """
        self._changes.append((began, self.moment(), value))

    def setting(self, value: int, *, is_over: bool) -> None:
        """
        Somebody sets *value*, or has done so.
        """
        self._set[value] = self.moment() if is_over else None

    def is_being_set(self) -> bool:
        return None in self._set.values()

    def check(self, found: int, asked: int) -> None:
        """
        Whether somebody who asked then may be given this.
        """
        there = [change for change in self._changes if change[1] < asked and change[2] > found]
        if found in self._set:
            until = self._set[found]
            there = [change for change in there if until is not None and until < change[0]]
        assert not there, f"was given {found} after {there[-1][2]} was there"

    def machine(self) -> Machine:
        options = Options(write_policy=self._policy, l1_max_size=1)
        engine = Engine(options, make_policy("lru", 1), self.store, self.clock)
        return Machine(self, engine)


class Machine:
    """
    One engine with one function, and the plans of what can be done with it.
    """

    def __init__(self, world: World, engine: Engine) -> None:
        self.world, self.engine = world, engine
        self.shelf = Shelf(
            namespace="s.deep",
            identity="f",
            label="f",
            digester=Digester("s.deep", "f", "1"),
            codec=SafeCodec(),
            tags=("t",),
        )
        engine.shelves.add(self.shelf)

    def _call(self, key: bytes = b"k") -> Call:
        call = Call(self.shelf.place, self.shelf.place.exact, key, lambda: key, key)
        call.function = self._find
        return call

    def _find(self) -> int:
        self.world.runs += 1
        return self.world.data

    # -- what actors do --------------------------------------------------------------

    def call(self) -> Script:
        """
        Nobody is given what was invalidated before he asked.
        """
        call, asked = self._call(), self.world.moment()
        found = self.engine.peek(call.table, call.key)
        if found is MISS:
            found = yield from plan.fetch(self.engine, call, in_task=False)
        self.world.check(found, asked)

    def get(self) -> Script:
        """
        The same for a look without computing.
        """
        asked = self.world.moment()
        (found,) = yield from direct.get_many(self.engine, [self._call()], None)
        if found is not None:
            self.world.check(found, asked)

    def refresh(self) -> Script:
        """
        Whoever asks after a refresh gets nothing older. A refresh gives way to what somebody is
        about to set, though: until that is there, it is what was there before.
        """
        began = self.world.moment()
        found = yield from plan.refresh(self.engine, self._call())
        self.world.check(found, began)
        if not self.world.is_being_set():
            self.world.changed(began, found)

    def set(self) -> Script:
        """
        A value that somebody sets is newer than what was computed before.
        """
        began, mine = self.world.moment(), self._change_source()
        self.world.setting(mine, is_over=False)
        yield from direct.set_many(self.engine, [(self._call(), mine)], ttl=None, tags=())
        self.world.setting(mine, is_over=True)
        self.world.changed(began, mine)

    def invalidate(self, way: str) -> Script:
        """
        Change the source, then say so.
        """
        began, mine = self.world.moment(), self._change_source()
        yield from self._invalidation(way)
        self.world.changed(began, mine)

    def _change_source(self) -> int:
        self.world.data += 1
        return self.world.data

    def _invalidation(self, way: str) -> Script:
        engine = self.engine
        if way == "key":
            return removal.forget(engine, [self._call()])
        if way == "function":
            return removal.clear_function(engine, self.shelf)
        if way == "clear":
            return removal.clear_namespace(engine, None)
        if way == "namespace":
            return removal.clear_namespace(engine, "s")
        assert way == "tag"
        return removal.bump(engine, [names.tag("t")])

    def flush(self) -> Script:
        """
        Write-back: pay what is owed.
        """
        return writes.flush(self.engine)

    def evict(self) -> Script:
        """
        Memory has room for one entry, and gets another.
        """
        yield Now(self.evict_now)

    def evict_now(self) -> None:
        other = [(self._call(b"another"), 0)]
        drive(direct.set_many(self.engine, other, ttl=None, tags=()))

    def ask(self) -> None:
        """
        Call in the present thread, when nobody else does anything.
        """
        drive(self.call())

    def check_at_rest(self) -> None:
        """
        Nothing is left in the tables of those who were on their way.
        """
        assert {} == self.engine.flights.table, "a flight was never landed"
        assert {} == self.engine.flights.beside, "a flight beside was never landed"
