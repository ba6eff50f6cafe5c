"""
A scheduler for plans: every order of their steps, over a real engine.

A plan is a generator that yields effects, so whoever drives it decides what happens when. An
*actor* is a plan with what its caller does before and after. One step lets an actor go on to its
next effect, or lets that effect happen: between the two, and between asking and being answered,
anybody else may come. ``explore`` runs a scenario once for every order, or for all orders with
at most so many preemptions (most races need one or two: CHESS, Musuvathi and Qadeer, 2007).

Each actor has a thread and a context of its own as far as the engine can tell. What one step
does under the engine's lock and between two sections of it is not taken apart any further.
"""

from __future__ import annotations

import weakref
from asyncio import CancelledError
from collections.abc import Callable
from contextvars import Context
from typing import Any

from memotier.engine import flights
from memotier.engine.drive import drive
from memotier.engine.effects import Ask, Io, Now, Wait

from .stage import Script, SharedStore, World


class Actor:
    """
    One script, and where it is.
    """

    def __init__(self, name: str, script: Script, store: Any = None) -> None:
        self.name = name
        self.done = False
        self._is_cancelled = False
        self._script = script
        self._store = store
        #: What it waits for, unless *ready* says how it goes on.
        self._effect: Any = None
        self._ready: Callable[[], Any] | None = lambda: script.send(None)
        #: What is to be announced before it hears that its effect has happened.
        self._unsaid: list[bytes] = []
        self._context = Context()
        self._soul = flights.Signal(name)
        self._life = weakref.ref(self._soul)

    def is_enabled(self) -> bool:
        if self.done:
            return False
        effect = self._effect
        return (
            self._ready is not None or not isinstance(effect, Wait) or effect._flight.future.done()
        )

    def step(self) -> None:
        """
        Go on until the next effect, or let the effect happen.
        """
        if self._unsaid:
            self._store.board.mark(self._unsaid)
            self._unsaid = []
        elif self._ready is None:
            self._as_myself(self._happen)
        else:
            self._as_myself(self._go_on)

    def cancel(self) -> Actor | None:
        """
        Be cancelled where it is. What was asked of a store happens all the same, later: the
        actor who does that.
        """
        if self.done:
            return None
        late = None
        if self._unsaid:
            late = Now(self._store.board.mark, self._unsaid)
        elif self._ready is None and isinstance(self._effect, (Ask, Io)):
            late = self._effect
        self._unsaid, self._is_cancelled = [], True
        self._ready = lambda: self._script.throw(CancelledError())
        self._as_myself(self._go_on)
        return None if late is None else Actor(f"{self.name}, late", _once(late), self._store)

    def _happen(self) -> None:
        try:
            answer = self._effect.now()
        except BaseException as error:
            problem = error
            self._ready = lambda: self._script.throw(problem)
        else:
            self._ready = lambda: self._script.send(answer)
        if isinstance(self._store, SharedStore):
            self._unsaid, self._store.unsaid = self._store.unsaid, []

    def _go_on(self) -> None:
        how, self._ready = self._ready, None
        assert how is not None
        try:
            self._effect = how()
        except StopIteration:
            self.done = True
        except CancelledError:
            assert self._is_cancelled
            self.done = True

    def _as_myself(self, function: Callable[[], None]) -> None:
        life = flights._life
        before, life.ref = life.ref, self._life
        try:
            self._context.run(function)
        finally:
            life.ref = before


def _once(effect: Any) -> Script:
    yield effect


#: Actors by name.
Cast = dict[str, Callable[[World], Script]]


def explore(
    make: Callable[[], World],
    cast: Cast,
    *,
    cancelled: str = "",
    most: int = 99,
    at_rest: Callable[[World], None] = lambda world: None,
) -> int:
    """
    Run *cast* in a world of *make* once for every order; how many there were.

    Args:
        cancelled: Who is cancelled, at any moment.

        most: Preemptions in one order: how often somebody comes in though the last one could
            have gone on.

        at_rest: Looks at the world when everybody has finished.
    """
    prefix: list[int] = []
    count = 0
    while True:
        trail = _Trail(prefix, most)
        try:
            made = make()
            _run(made, cast, cancelled, trail)
            at_rest(made)
            _ask_all(made)
        except BaseException as error:
            error.add_note("in this order: " + ", ".join(trail.said))
            raise
        count += 1
        while trail.chosen and trail.chosen[-1] == trail.options[-1] - 1:
            trail.chosen.pop()
            trail.options.pop()
        if not trail.chosen:
            return count
        prefix = [*trail.chosen[:-1], trail.chosen[-1] + 1]


class _Trail:
    """
    The choices of one run: those of *prefix*, then always the first.
    """

    def __init__(self, prefix: list[int], most: int) -> None:
        self._prefix = prefix
        self._left = most
        self.chosen: list[int] = []
        self.options: list[int] = []
        self.said: list[str] = []

    def choose(self, last: str, names: list[str]) -> str:
        goes_on = last in names
        if goes_on:
            names.remove(last)
            names = [last, *(names if self._left else ())]
        at = len(self.chosen)
        choice = self._prefix[at] if at < len(self._prefix) else 0
        self.chosen.append(choice)
        self.options.append(len(names))
        self._left -= goes_on and choice > 0
        self.said.append(names[choice])
        return names[choice]


def _run(world: World, cast: Cast, cancelled: str, trail: _Trail) -> None:
    actors = {name: Actor(name, script(world), world.store) for name, script in cast.items()}
    canceller = f"cancel {cancelled}"
    wants_cancel, last = bool(cancelled), ""
    while True:
        enabled = [name for name, actor in actors.items() if actor.is_enabled()]
        if not enabled:
            break
        if wants_cancel and not actors[cancelled].done:
            enabled.append(canceller)
        last = trail.choose(last, enabled)
        if last == canceller:
            wants_cancel = False
            late = actors[cancelled].cancel()
            if late is not None:
                actors[late.name] = late
        else:
            actors[last].step()
    hanging = [name for name, actor in actors.items() if not actor.done]
    assert [] == hanging, "these wait for something that never comes"
    for machine in world.machines:
        machine.check_at_rest()


def _ask_all(world: World) -> None:
    """
    Whoever comes afterwards: with memory, without it, and as another process.
    """
    for machine in world.machines:
        machine.ask()
        drive(machine.flush())
        machine.evict_now()
        machine.ask()
    if world.store is not None:
        world.machine().ask()
