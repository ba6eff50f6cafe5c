"""
Soft invalidation wins the races that a hard one wins, and loses nothing that is still of use.
"""

from __future__ import annotations

import pytest

from memotier import MISS, MultiLevelCache, tiered_cache

from ..engine.worlds import Background, Faulty, Gate
from .conftest import engine_of
from .softly import HARD, SOFT, TTL, WINDOW, WINDOWS, Down, defined, each_way


class Paused:
    """
    A source that can be held in the middle of an answer.
    """

    def __init__(self):
        self.gate = None
        self.asked = 0
        self.error = None

    def read(self, x):
        self.asked += 1
        number, gate = self.asked, self.gate
        if gate is not None:
            self.gate = None
            gate.wait()
        if self.error is not None:
            raise self.error
        return f"value {number}"


@pytest.fixture
def paused():
    return Paused()


@each_way
@pytest.mark.parametrize("options", WINDOWS.values(), ids=WINDOWS)
def test_a_computation_that_began_before_is_not_kept_as_fresh(tiers, paused, way, options):
    """
    Its caller gets it; who comes later has the function asked again.
    """
    read = tiered_cache(
        cache=tiers, name="read", version=1, ttl=TTL, tags=["t"], namespace="soft.deep", **options
    )(paused.read)
    gate = paused.gate = Gate()
    before = Background(lambda: read(1))
    gate.entered.wait(10)
    SOFT[way](tiers, read)
    later = Background(lambda: read(1))
    assert "value 2" == later.result()
    gate.open()
    assert "value 1" == before.result()

    assert "value 1" != read.peek(1)
    assert read(1) in ("value 2", "value 3")
    assert paused.asked >= 2


@each_way
@pytest.mark.parametrize("tier", ["memory", "disk"])
def test_what_was_overtaken_is_kept_as_stale(make_cache, paused, way, tier):
    """
    A result that a soft invalidation has overtaken covers a failure, but is not fresh. (By its
    call, on disk, the mark of the slot tells no difference from a hard one.)
    """
    cache = make_cache(tier)
    read = tiered_cache(
        cache=cache, name="read", version=1, ttl=TTL, tags=["t"], namespace="soft.deep",
        **WINDOWS["if_error"],
    )(paused.read)  # fmt: skip
    gate = paused.gate = Gate()
    before = Background(lambda: read(1))
    gate.entered.wait(10)
    SOFT[way](cache, read)
    gate.open()
    assert "value 1" == before.result()

    assert read.peek(1) is MISS
    paused.error = Down()
    if (way, tier) == ("call", "disk"):
        with pytest.raises(Down):
            read(1)
    else:
        assert "value 1" == read(1)
    assert 2 == paused.asked


@each_way
def test_an_overtaken_refresh_leaves_a_stale_result(make_cache, paused, way):
    """
    Invalidated softly again and again while it is refreshed, an entry is never lost on the way.
    """
    cache = make_cache("disk")
    read = tiered_cache(
        cache=cache, name="read", version=1, ttl=TTL, tags=["t"], namespace="soft.deep",
        stale_if_error=WINDOW,
    )(paused.read)  # fmt: skip
    read(1)
    for _ in range(3):
        SOFT[way](cache, read)
        gate = paused.gate = Gate()
        refresh = Background(lambda: read(1))
        gate.entered.wait(10)
        if way != "call":
            SOFT[way](cache, read)
        gate.open()
        refresh.result()
    paused.error = Down()
    SOFT[way](cache, read)
    assert "value 4" == read(1)


@pytest.mark.parametrize("hard", HARD)
def test_a_hard_one_during_the_computation_leaves_nothing(tiers, paused, hard):
    """
    Softly first and then hard, while the function runs: neither the old result nor the new one
    is of any use.
    """
    read = tiered_cache(
        cache=tiers, name="read", version=1, ttl=TTL, tags=["t"], namespace="soft.deep",
        stale_if_error=WINDOW,
    )(paused.read)  # fmt: skip
    read(1)
    tiers.sync.invalidate_tags("t", soft=True)
    gate = paused.gate = Gate()
    before = Background(lambda: read(1))
    gate.entered.wait(10)
    tiers.sync.invalidate_tags("t", soft=True)
    HARD[hard](tiers, read)
    gate.open()
    before.result()
    paused.error = Down()
    with pytest.raises(Down):
        read(1)


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_the_old_result_covers_a_failure_that_a_soft_one_has_overtaken(tiers, paused, kind):
    """
    While the function runs and then raises, a soft invalidation leaves the caller the old
    result, and a hard one does not.
    """
    read = tiered_cache(
        cache=tiers, name="read", version=1, ttl=TTL, tags=["t"], namespace="soft.deep",
        stale_if_error=WINDOW,
    )(paused.read)  # fmt: skip
    read(1)
    tiers.sync.invalidate_tags("t", soft=True)
    gate, paused.error = Gate(), Down()
    paused.gate = gate
    before = Background(lambda: read(1))
    gate.entered.wait(10)
    tiers.sync.invalidate_tags("t", soft=kind == "soft")
    gate.open()
    if kind == "soft":
        assert "value 1" == before.result()
    else:
        with pytest.raises(Down):
            before.result()


@each_way
def test_what_is_read_from_disk_meanwhile_is_stale(tmp_path, clock, source, call, way):
    """
    A record that was read before a soft invalidation and is promoted after it is not fresh.
    """
    first = MultiLevelCache(directory=tmp_path / "cache", clock=clock)
    call(defined(first, call, source, stale_while_revalidate=WINDOW)(1))
    first.sync.close()
    cache = MultiLevelCache(directory=tmp_path / "cache", clock=clock)
    engine = engine_of(cache)
    engine.store = store = Faulty(engine.store)
    read = defined(cache, call, source, stale_while_revalidate=WINDOW)
    sync = defined(cache, type(call)(False), source, stale_while_revalidate=WINDOW)
    done = []

    def invalidate():
        store.after.clear()
        done.append(SOFT[way](cache, sync))

    sync.peek(1)
    store.after["get"] = invalidate
    assert call(read(1)) in ("value 1", "value 2")
    assert done
    assert read.peek(1) in (MISS, "value 2", "value 3")
    cache.sync.close()


@pytest.mark.parametrize("soft", [True, False])
def test_the_board_and_the_entries_in_memory(make_cache, call, source, soft):
    """
    Of 100 entries with a tag one write makes all stale, and each is told when it is asked for.
    """
    cache = make_cache("disk")
    engine = engine_of(cache)
    read = defined(cache, call, source, stale_if_error=WINDOW)
    for number in range(100):
        call(read(number))
    engine.store = store = Faulty(engine.store)
    cache.sync.invalidate_tags("t", soft=soft)
    assert ["bump"] == store.calls
    assert 100 == cache.get_stats()["l1"]["size"]
    source.error = Down()
    if soft:
        assert "value 8" == call(read(7))
    else:
        with pytest.raises(Down):
            call(read(7))


@pytest.fixture
def raced(make_cache, paused):
    """
    A function that is held while another cache on the directory does something, and what its
    caller got.
    """
    here, there = make_cache("disk"), make_cache("disk")
    read, seen = (
        tiered_cache(
            cache=cache, name="read", version=1, ttl=TTL, tags=["t"], namespace="soft.deep",
            stale_if_error=WINDOW,
        )(paused.read)
        for cache in (here, there)
    )  # fmt: skip

    def race(*, way, error=None):
        gate = paused.gate = Gate()
        caller = Background(lambda: read(1))
        gate.entered.wait(10)
        paused.error = error
        way(there, seen)
        gate.open()
        return caller

    return read, race


@each_way
def test_another_process_overtakes_a_computation_softly(raced, paused, way):
    """
    Its result is not fresh here, and covers a failure; unless the other process named the key,
    which looks the same as a removal.
    """
    read, race = raced
    assert "value 1" == race(way=SOFT[way]).result()
    assert read.peek(1) is MISS
    paused.error = Down()
    if way == "call":
        with pytest.raises(Down):
            read(1)
    else:
        assert "value 1" == read(1)


@pytest.mark.parametrize("hard", HARD)
def test_another_process_overtakes_a_computation_for_good(raced, paused, hard):
    """
    Softly and then hard: nothing of it is left.
    """
    read, race = raced

    def both(cache, seen):
        cache.sync.invalidate_tags("t", soft=True)
        HARD[hard](cache, seen)

    assert "value 1" == race(way=both).result()
    paused.error = Down()
    with pytest.raises(Down):
        read(1)


@pytest.mark.parametrize("hard", HARD)
def test_another_process_takes_away_what_would_have_covered_a_failure(raced, hard):
    """
    While the function runs and then raises, the old result is invalidated hard elsewhere.
    """
    read, race = raced
    read(1)
    read.expire(1)
    with pytest.raises(Down):
        race(way=HARD[hard], error=Down()).result()


@pytest.mark.parametrize("tier", ["memory", "disk"])
def test_what_comes_late_does_not_replace_what_is_newer(make_cache, paused, tier):
    """
    Two refreshes, the first of them overtaken: the result of the second stays, and is fresh.
    """
    cache = make_cache(tier)
    read = tiered_cache(
        cache=cache, name="read", version=1, ttl=TTL, tags=["t"], namespace="soft.deep",
        stale_while_revalidate=WINDOW,
    )(paused.read)  # fmt: skip
    read(1)
    cache.sync.invalidate_tags("t", soft=True)
    gate = paused.gate = Gate()
    assert "value 1" == read(1)
    gate.entered.wait(10)
    threads = list(engine_of(cache).background._threads)
    cache.sync.invalidate_tags("t", soft=True)
    assert "value 1" == read(1)
    for thread in set(engine_of(cache).background._threads) - set(threads):
        thread.join(10)
    assert "value 3" == read(1)
    gate.open()
    for thread in threads:
        thread.join(10)
    assert "value 3" == read.peek(1) == read(1)
    assert 3 == paused.asked


@pytest.mark.parametrize("hard", HARD)
@pytest.mark.parametrize("tier", ["memory", "disk"])
def test_a_refresh_that_was_left_behind_hears_of_a_hard_one(make_cache, paused, tier, hard):
    """
    Another refresh took the place of one that a soft invalidation had overtaken; then a hard one
    takes everything: what the first brings is not even kept as stale.
    """
    cache = make_cache(tier)
    read = tiered_cache(
        cache=cache, name="read", version=1, ttl=TTL, tags=["t"], namespace="soft.deep",
        stale_while_revalidate=WINDOW, stale_if_error=WINDOW,
    )(paused.read)  # fmt: skip
    read(1)
    cache.sync.invalidate_tags("t", soft=True)
    gate = paused.gate = Gate()
    assert "value 1" == read(1)
    gate.entered.wait(10)
    engine = engine_of(cache)
    first = set(engine.background._threads)
    cache.sync.invalidate_tags("t", soft=True)
    second = paused.gate = Gate()
    assert "value 1" == read(1)
    second.entered.wait(10)
    HARD[hard](cache, read)
    second.open()
    for thread in set(engine.background._threads) - first:
        thread.join(10)
    gate.open()
    for thread in first:
        thread.join(10)
    paused.error = Down()
    with pytest.raises(Down):
        read(1)
    assert not engine.flights.beside
