"""
Fault 47: keys and scopes without end, chosen by somebody who means harm.

``tox -e fuzz`` makes as many more of them.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter, deque

import pytest

from memotier import CacheAnalytics, CacheLevelConfig, Quota, QuotaExceeded, tiered_cache
from memotier.engine import ledger as ledgers
from memotier.stores.board import SLOTS

from ..effort import examples

ROUNDS = {"memory": examples(10_000), "disk": examples(4000)}
MEMORY = 2 * 2**20
DISK = 4 * 2**20
QUOTA = Quota(entries=50, bytes="100kB", computations_per_second=1e6, burst=10**6)
#: What may lie in one place for other reasons than the number of keys.
SLACK = 200
#: Bounds of what may still fill: entries in memory; names of which versions are known; slots of the
#: board.
BOUNDS = {"Versions.known": 5000, "Versions._moved": SLOTS}
ENTRIES = 2000


def tables(*roots):
    """
    How many items lie in the containers that can be reached from *roots*, by where they are.
    """
    found, seen, ahead = Counter(), set(), [(type(one).__name__, one) for one in roots]
    while ahead:
        name, one = ahead.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, (dict, list, set, frozenset, deque, tuple)):
            if not isinstance(one, tuple):
                found[name] += len(one)
            inside = list(one.values()) if isinstance(one, dict) else list(one)
            if isinstance(one, dict):
                inside += list(one)
            ahead += [(name, each) for each in inside]
        elif type(one).__module__.startswith("memotier"):
            own = type(one).__name__
            slots = [slot for kind in type(one).__mro__ for slot in getattr(kind, "__slots__", ())]
            for attribute in {*slots, *getattr(one, "__dict__", {})}:
                ahead.append((f"{own}.{attribute}", getattr(one, attribute, None)))
    return found


def rss():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def used(directory):
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())


def attack(function, begin, end):
    """
    Half of the keys are of one scope, half of a scope each.
    """
    for n in range(begin, end):
        function("mallory" if n % 2 else f"made-up {n}", f"{n} " + "x" * (n % 300))


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_fault_47_keys_without_end(make_cache, tmp_path, monkeypatch, kind, is_async):
    """
    Memory and disk stay below their bounds, the scope below its quota and the others what they
    have, no table grows with the number of keys, and neither does the process.
    """
    # (So that a round fills them; that they hold whatever their bounds are is shown elsewhere.)
    monkeypatch.setattr(ledgers, "MOST_IDLE", 1000)
    monkeypatch.setattr(ledgers, "MOST_BELOW", 1000)
    monkeypatch.setattr("memotier.engine.versions.MOST_TOKENS", 5000)
    cache = make_cache(
        kind,
        l1_config=CacheLevelConfig(max_size=ENTRIES, max_bytes=MEMORY),
        **({"l2_config": CacheLevelConfig(max_bytes=DISK)} if kind == "disk" else {}),
    )
    CacheAnalytics(cache)
    options = {"cache": cache, "name": "tool", "scope": ("who",), "quota": QUOTA, "ttl": 600}
    engine = cache._keyed.engine
    if is_async:

        @tiered_cache(**options)
        async def twin(who, text):
            return [who, text * 3]

        f = twin

        def go(begin, end):
            async def run():
                for n in range(begin, end):
                    await f("mallory" if n % 2 else f"made-up {n}", f"{n} " + "x" * (n % 300))

            asyncio.run(run())
    else:

        @tiered_cache(**options)
        def tool(who, text):
            return [who, text * 3]

        f = tool

        def go(begin, end):
            attack(f, begin, end)

    count = ROUNDS[kind]
    go(0, count)
    before, began = tables(engine, f._self_memo), rss()
    go(count, 2 * count)
    after, grown = tables(engine, f._self_memo), rss() - began

    assert engine.memory.bytes <= MEMORY
    if kind == "disk":
        assert used(tmp_path / "cache") <= DISK + 8 * 2**20
    assert {} == {
        name: (before[name], now)
        for name, now in after.items()
        if now > max(before[name] + SLACK, BOUNDS.get(name, ENTRIES))
    }
    assert 0 == len(engine.flights.table) == len(engine.flights.beside)
    assert grown < 32 * 2**20
    told = f.scope_info("mallory")
    assert told.stored <= 50 and told.stored_bytes <= 100_000
    assert told.evicted >= count - 60
    assert count == told.computed
    assert 1 == f.scope_info(f"made-up {2 * count - 2}").stored


def test_fault_47_what_others_have_is_not_evicted(make_cache):
    """
    A scope with a quota that makes keys without end takes nothing from another: what that has
    stays in memory, which has room for both.
    """
    cache = make_cache("disk", l1_config=CacheLevelConfig(max_size=200))

    @tiered_cache(cache=cache, name="tool", scope=("who",), quota=Quota(entries=50))
    def tool(who, text):
        return [who, text]

    for n in range(100):
        if n < 50:
            tool("ann", n)
    attack(tool, 0, 200)  # half of them are of a scope each
    for n in range(examples(1000)):
        tool("mallory", n)

    assert 50 == tool.scope_info("ann").stored
    assert 50 == sum(tool.lookup("ann", n) is not None for n in range(50))


def test_fault_47_computations_without_end(make_cache, clock):
    """
    However many keys a scope makes up, the function runs as often as its quota says.
    """
    runs = Counter()

    @tiered_cache(
        cache=make_cache(), scope=("who",), quota=Quota(computations_per_second=10, burst=20)
    )
    def tool(who, n):
        runs[who] += 1
        return n

    for n in range(examples(5000)):
        for who in ("mallory", f"made-up {n % 50}"):
            try:
                tool(who, n)
            except QuotaExceeded:
                continue
        clock.advance(0.001)

    seconds = examples(5000) / 1000
    assert 20 + 10 * seconds - 1 <= runs["mallory"] <= 20 + 10 * seconds + 1
    assert max(runs.values()) <= 20 + 10 * seconds + 1
