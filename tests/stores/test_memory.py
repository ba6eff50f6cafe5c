"""
The memory tier: what it counts, and that nothing that happens in the middle of a step hurts it.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

import memotier
from memotier.engine.places import Shelf
from memotier.entry import Resident
from memotier.policies import POLICIES, make_policy
from memotier.stores.memory import ENTRY, GONE, MOST_GARBAGE, MemoryTier

from ..policies.model import small_limits

MOST = 6
HOME = Path(memotier.__file__).parent
PARTS = (str(HOME / "stores" / "memory.py"), str(HOME / "policies"))


class Interruption(BaseException):
    """
    Like KeyboardInterrupt: it may come out of any line.
    """


class World:
    """
    A tier, the tables of two functions, and everything that ever was in them.
    """

    def __init__(self, policy: str) -> None:
        self.policy = make_policy(policy, MOST)
        self.tier = MemoryTier(self.policy, max_size=MOST, max_bytes=MOST * (ENTRY + 2_000))
        self.shelves = [Shelf(namespace="ns", identity=name, label=name) for name in "fg"]
        self.born: list[Resident] = []
        self.hits = 0
        #: Those of a resident that is interrupted while they are counted.
        self.most_lost_hits = 0
        self.now = 0.0

    def resident(self, key, shelf=0, size=100, stamp=None) -> Resident:
        one = Resident()
        one.place = self.shelves[shelf].place
        one.table, one.key = one.place.exact, key
        one.value, one.thaw, one.size, one.stamp = [key], None, size, stamp
        one.hits, one.cost, one.epoch, one.node = 0, 0.5, 1, None
        one.born = one.used = self.now
        one.fresh_until = self.now + 100.0
        self.born.append(one)
        return one

    def here(self) -> list[Resident]:
        return [one for shelf in self.shelves for one in shelf.residents()]

    def hit(self, one: Resident) -> None:
        one.hits += 1
        one.used = self.now
        self.hits += 1

    def step(self, chance: random.Random) -> None:
        """
        Something that an engine does: mostly insertions, so that there is no room.
        """
        self.now += 1.0
        here = self.here()
        one = chance.choice(here) if here else None
        what = chance.random()
        if one is None or what < 0.55:
            size = chance.choice([100, 100, 2_500])
            self.tier.insert(self.resident(chance.randrange(14), chance.randrange(2), size))
        elif what < 0.75:
            self.hit(one)
        elif what < 0.85:
            self.tier.expire(one)
        elif what < 0.95:
            self.tier.invalidate([one, one])
        else:
            self.tier.drop(here[:2])
        self.tier.take_garbage()

    def check(self) -> None:
        here = self.here()
        assert len(here) == self.tier.size <= MOST
        assert sum(one.size for one in here) == self.tier.bytes <= self.tier.max_bytes
        for one in here:
            assert one.table is one.place.exact and one is one.table[one.key]
            assert [one.key] == one.value
        for one in set(self.born) - set(here):
            assert GONE == one.epoch or (one.epoch == 1 and one.node is None and not one.hits)
        gone = sum(shelf.hits_gone for shelf in self.shelves)
        assert 0 <= self.hits - gone - sum(one.hits for one in here) <= self.most_lost_hits

    def drain(self) -> None:
        """
        The policy knows those that are here, each once, and nobody else.
        """
        here = self.here()
        assert len(here) == len({id(self.policy.victim()) for _ in here} & {id(r) for r in here})
        with pytest.raises(IndexError):
            self.policy.victim()


@pytest.fixture(params=POLICIES)
def name(request):
    return request.param


@pytest.fixture
def world(name):
    with small_limits():
        yield World(name)


def traced(on_line, function, *arguments) -> None:
    """
    Call *function*; before each line of the tier and of its policy, *on_line* of that line.
    """

    def trace(frame, event, _):
        code = frame.f_code
        if not code.co_filename.startswith(PARTS):
            return None
        if event == "line":
            on_line((code, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*arguments)
    finally:
        sys.settrace(before)


def play(world: World, steps: int = 100, seed: int = 5) -> None:
    chance = random.Random(seed)
    for _ in range(steps):
        world.step(chance)


def moments(name: str) -> list[tuple[object, int]]:
    """
    Of each line that runs in the play, the first time and one in the middle.
    """
    times: dict[object, int] = defaultdict(int)

    def count(line):
        times[line] += 1

    traced(count, play, World(name))
    return [(line, n) for line, last in times.items() for n in {1, (last + 1) // 2}]


def interrupt_at(left, line=None):
    """
    When *line*, or any, runs for the time number *left*.
    """

    def on_line(present):
        nonlocal left
        left -= line in (None, present)
        if not left:
            raise Interruption

    return on_line


def test_an_interruption_anywhere_leaves_a_tier_that_works(name):
    """
    KeyboardInterrupt, MemoryError, ...: out of whatever line it comes, table, counts and policy
    agree again after the next call, which may be interrupted too.
    """
    interruptions = 0
    with small_limits():
        for line, n in moments(name):
            world = World(name)
            world.most_lost_hits = 20
            try:
                # Not always: some lines of a ghost depend on the addresses of objects.
                traced(interrupt_at(n, line), play, world)
            except Interruption:
                interruptions += 1
                with suppress(Interruption):
                    again = interrupt_at(interruptions % 150 + 1)
                    traced(again, world.tier.insert, world.resident("again"))
            world.tier.insert(world.resident("next"))
            world.check()
            play(world, 40, seed=6)
            world.check()
            world.drain()
    assert interruptions > 80


def test_without_an_interruption_nothing_is_forgotten(world):
    """
    The counts agree after every step, and each resident left for a reason that was counted.
    """
    chance = random.Random(8)
    inserted = 0
    for _ in range(400):
        before = len(world.born)
        world.step(chance)
        inserted += len(world.born) - before
        world.check()
    tier = world.tier
    dropped = inserted - tier.size - tier.evictions - tier.expirations - tier.invalidations
    assert 0 < dropped - tier.replacements <= 2 * 400 * 0.1
    world.drain()


def test_a_policy_without_anybody_is_no_error(world):
    """
    A tier that counts residents its policy does not know starts again with the newcomer.
    """
    for key in range(MOST):
        world.tier.insert(world.resident(key))
    world.policy.clear()
    world.tier.insert(world.resident("new"))

    assert ["new"] == [one.key for one in world.here()]
    world.check()
    world.drain()


def test_forgotten_debts_are_handed_out(world):
    """
    What is owed to the second tier keeps its value when all is forgotten, and the next insertion
    tells that it has left.
    """
    owed = world.resident(
        "owed",
        stamp=SimpleNamespace(debt=object(), tokens=(b"t",), clocks=None, world=None, holding=None),
    )
    world.tier.insert(owed)
    world.tier.policy = SimpleNamespace(add=None)
    with pytest.raises(TypeError):
        world.tier.insert(world.resident("interrupted"))
    world.tier.policy = world.policy

    assert [owed] == world.tier.insert(world.resident("new"))
    assert (["owed"], None, GONE) == (owed.value, owed.table, owed.epoch)


class Loud:
    """
    Says when it is dropped.
    """

    def __init__(self, said: list[str], name: str) -> None:
        self.said, self.name = said, name

    def __del__(self) -> None:
        self.said.append(self.name)


def test_no_value_is_dropped_before_the_garbage_is(world):
    """
    The code of a user's class (its finaliser) does not run inside of the tier, whatever the
    reason for which a value leaves.
    """
    said: list[str] = []

    def insert(key):
        one = world.resident(key)
        one.value = Loud(said, key)
        world.tier.insert(one)
        return one

    one = insert("replaced")
    insert("replaced")
    world.tier.expire(one := insert("expired"))
    world.tier.invalidate([one := insert("invalidated")])
    world.tier.drop([one := insert("dropped")])
    for key in range(MOST):
        insert(str(key))
    del one

    assert [] == said
    garbage = world.tier.take_garbage()
    assert [] == said == world.tier.take_garbage()
    del garbage
    assert {"replaced", "expired", "invalidated", "dropped"} <= set(said)
    assert len(world.born) - world.tier.size == len(said)


def test_bytes_are_those_of_value_key_and_entry(name):
    """
    Long keys take room as long values do, and an entry of nothing is not free.
    """
    world = World(name)
    for key, size in ((7, 28), ("k" * 1000, 1049), (b"k" * 900, 933), (("k" * 500, 7), 633)):
        before = world.tier.bytes
        world.tier.insert(world.resident(key, size=10))

        assert ENTRY + size + 10 == pytest.approx(world.tier.bytes - before, abs=8)
    before = world.tier.bytes
    world.tier.insert(
        world.resident(
            8,
            stamp=SimpleNamespace(debt=None, tokens=(b"t",), clocks=None, world=None, holding=None),
        )
    )
    assert world.tier.bytes - before > ENTRY + 200
    world.tier.drop(world.here())
    assert 0 == world.tier.bytes


def test_what_would_empty_the_tier_does_not_fit(name):
    """
    Neither a large value nor a large key may come in.
    """
    tier = MemoryTier(make_policy(name, 10), max_size=10, max_bytes=10_000)

    assert tier.fits(9_000)
    assert not tier.fits(10_000)
    assert tier.fits(5_000, "k" * 1000)
    assert not tier.fits(5_000, "k" * 5000)
    assert not MemoryTier(make_policy(name, 0), max_size=0, max_bytes=None).fits(1)
    assert MemoryTier(make_policy(name, None), max_size=None, max_bytes=None).fits(10**12)


def test_garbage_that_nobody_takes_does_not_pile_up(world):
    """
    Without an engine that takes it, insertions get rid of it.
    """
    for key in range(10 * MOST_GARBAGE):
        world.tier.insert(world.resident(key))

    assert len(world.tier.garbage) <= MOST_GARBAGE + 1
