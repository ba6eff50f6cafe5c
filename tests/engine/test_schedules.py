"""
Every order of the steps of two or three plans: nobody is given what was invalidated before he
asked, nobody waits for ever, and nothing is left behind.

The orders with one preemption more are many times as many: ``tox -e soak``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from memotier.engine.drive import drive

from ..effort import examples
from .schedules import Cast, explore
from .stage import Script, World

MORE = examples(1) > 1
WAYS = ["key", "tag", "function", "namespace", "clear"]
#: The second tier, the write policy, and how many machines share it.
TIERS = {
    "memory": ("none", "write_through", 1),
    "local": ("local", "write_through", 1),
    "shared": ("shared", "write_through", 2),
    "around": ("local", "write_around", 1),
    "back": ("local", "write_back", 1),
}


#: Who has an entry when it begins: nobody, memory, the second tier alone, or memory that has to
#: ask below whether it is still valid.
STATES = ["cold", "warm", "below", "unsure"]


def world(tier: str, state: str = "cold") -> Callable[[], World]:
    below, policy, machines = TIERS[tier]

    def make() -> World:
        made = World(below, policy, machines)
        for machine in made.machines if state != "cold" else ():
            machine.ask()
        for machine in made.machines if state == "below" else ():
            drive(machine.flush())
            machine.evict_now()
        for machine in made.machines if state == "unsure" else ():
            machine.engine.versions.forget()
        return made

    return make


def does(what: str, *arguments: str, machine: int = 0) -> Callable[[World], Script]:
    """
    The script of *what* somebody does on a machine; the last one, if there are not so many.
    """

    def script(world: World) -> Script:
        chosen = world.machines[min(machine, len(world.machines) - 1)]
        return getattr(chosen, what)(*arguments)  # type: ignore[no-any-return]

    return script


def change(way: str, machine: int = 0) -> Callable[[World], Script]:
    return does("invalidate", way, machine=machine)


#: What one machine can do that its own callers must not be given anything older than.
NEWER = {
    "refresh": does("refresh"),
    "set": does("set"),
    "key": change("key"),
    "tag": change("tag"),
    "clear": change("clear"),
}


def preempted(usual: int) -> int:
    """
    Preemptions in one order.
    """
    return usual + MORE


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tier", TIERS)
def test_fault_03_04_a_call_and_an_invalidation(tier: str, way: str, state: str) -> None:
    """
    Also where the invalidation comes from another machine.
    """
    for machine in range(TIERS[tier][2]):
        cast: Cast = {"call": does("call"), "change": change(way, machine)}
        assert explore(world(tier, state), cast, most=preempted(2)) > 1


@pytest.mark.parametrize("way", ["key", "tag", "clear"])
@pytest.mark.parametrize("tier", TIERS)
def test_fault_03_04_two_calls_and_an_invalidation(tier: str, way: str) -> None:
    """
    Followers take what landed only if they came before the invalidation.
    """
    cast: Cast = {
        "one": does("call"),
        "two": does("call", machine=1),
        "change": change(way, machine=1),
    }
    explore(world(tier), cast, most=preempted(1))


@pytest.mark.parametrize("way", ["key", "tag", "clear"])
@pytest.mark.parametrize("what", ["call", "get"])
@pytest.mark.parametrize("tier", ["local", "shared", "back"])
def test_fault_05_promotion_from_below(tier: str, what: str, way: str) -> None:
    """
    What is read below while it is invalidated, and memory has no room, is not kept.
    """
    cast: Cast = {
        "reader": does(what),
        "change": change(way, machine=1),
        "eviction": does("evict"),
    }
    explore(world(tier, "below"), cast, most=preempted(1))


@pytest.mark.parametrize("state", ["unsure", "below"])
@pytest.mark.parametrize("way", ["key", "tag"])
def test_fault_18_two_calls_and_an_invalidation_elsewhere(way: str, state: str) -> None:
    """
    What one of them learned of the versions before is not believed by the other after.
    """
    cast: Cast = {"one": does("call"), "two": does("call"), "change": change(way, machine=1)}
    explore(world("shared", state), cast, most=preempted(2))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("what", ["refresh", "set"])
@pytest.mark.parametrize("tier", ["memory", "local", "around", "back"])
def test_fault_03_a_call_and_something_newer(tier: str, what: str, state: str) -> None:
    """
    What was read or computed before does not come in the place of what was set or refreshed.
    """
    for other in ("call", "get"):
        cast: Cast = {other: does(other), what: NEWER[what]}
        explore(world(tier, state), cast, most=preempted(2))


@pytest.mark.parametrize(("one", "two"), [*itertools.combinations_with_replacement(NEWER, 2)])
@pytest.mark.parametrize("tier", ["memory", "local", "around", "back"])
def test_fault_03_whatever_is_newer_wins(tier: str, one: str, two: str) -> None:
    """
    Setting, refreshing and invalidating, two at a time, while somebody computes.
    """
    cast: Cast = {"call": does("call"), f"{one} 1": NEWER[one], f"{two} 2": NEWER[two]}
    # A value that is set does not refuse an older computation below, it is taken away when that
    # has written it. Where memory does not hold what was set, one more preemption shows somebody
    # who reads it there in between, once.
    most = 1 if tier == "around" and "set" in (one, two) else preempted(1)
    explore(world(tier), cast, most=most)
    if MORE or tier == "memory":
        explore(world(tier, "warm"), cast, most=most)


@pytest.mark.parametrize("what", NEWER)
def test_fault_51_flushing_what_is_newer(what: str) -> None:
    """
    Write-back: an older debt is not paid after something newer came.
    """
    cast: Cast = {"newer": NEWER[what], "flush 1": does("flush"), "flush 2": does("flush")}
    explore(world("back", "warm"), cast, most=preempted(2))
    cast = {"newer": NEWER[what], "flush": does("flush"), "call": does("call")}
    explore(world("back", "warm"), cast, most=preempted(1))


@pytest.mark.parametrize("way", ["key", "tag"])
@pytest.mark.parametrize("victim", ["call", "refresh", "set", "change"])
@pytest.mark.parametrize("tier", TIERS)
def test_fault_37_cancelled_at_any_moment(tier: str, victim: str, way: str) -> None:
    """
    Whoever is cancelled takes nothing with him: the others end, and nothing old is kept, though
    what he had asked of the second tier may happen later.
    """
    cast: Cast = {"call": does("call"), "change": change(way, machine=1), "other": does("call")}
    if victim in ("refresh", "set"):
        cast = {victim: does(victim), "change": change(way), "other": does("call")}
    explore(world(tier), cast, cancelled=victim, most=preempted(1))


@pytest.mark.parametrize("cancelled", ["", "one"])
@pytest.mark.parametrize("tier", TIERS)
def test_fault_37_one_computation_though_its_leader_is_cancelled(tier: str, cancelled: str) -> None:
    """
    Three callers of a cold key: one computes; if he is cancelled, one of the others does.
    """

    def at_rest(world: World) -> None:
        assert world.runs <= (2 if cancelled else 1)

    cast: Cast = {"one": does("call"), "two": does("call"), "three": does("call")}
    explore(world(tier), cast, cancelled=cancelled, most=preempted(1), at_rest=at_rest)
