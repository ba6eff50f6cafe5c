"""
``CacheWarmer``: accesses of keys, a loader, and the recorded calls of functions.
"""

from __future__ import annotations

import asyncio
import threading

import pytest

from memotier import CacheWarmer, ConfigError, WarmingConfig, WarmingStrategy, tiered_cache


class Loader:
    def __init__(self, is_async):
        self.asked = []
        self.error = None
        self.load = self._later if is_async else self._now

    def _now(self, key, namespace):
        self.asked.append((key, namespace))
        if self.error is not None:
            raise self.error
        return f"{namespace}:{key}"

    async def _later(self, key, namespace):
        return self._now(key, namespace)


@pytest.fixture(params=["sync", "async"])
def loader(request):
    return Loader(request.param == "async")


async def accessed(warmer, counts, **more):
    for key, count in counts.items():
        for _ in range(count):
            await warmer.record_access(key, "tool", **more)


async def test_the_most_asked_for_are_loaded(tiers, loader):
    """
    And then they are there, without having been asked for.
    """
    warmer = CacheWarmer(tiers, WarmingStrategy.FREQUENCY, value_loader=loader.load)
    await accessed(warmer, {"a": 3, "b": 2, "c": 1})

    assert 2 == await warmer.warm_top_items(n=2)
    assert {"a": "tool:a", "b": "tool:b"} == await tiers.get_many("abc", namespace="tool")
    assert 1 == await warmer.warm_top_items()
    assert 0 == await warmer.warm_top_items()
    assert 3 == len(loader.asked)


async def test_what_somebody_set_is_not_replaced(tiers, loader):
    """
    A loader fills what is missing.
    """
    warmer = CacheWarmer(tiers, value_loader=loader.load)
    await accessed(warmer, {"a": 1})
    await tiers.set("a", "mine", namespace="tool")

    assert 0 == await warmer.warm_top_items()
    assert "mine" == await tiers.get("a", namespace="tool")


async def test_patterns_outlive_the_process(lives, loader):
    """
    Two warmers that save add up.
    """
    cache = lives()
    for _ in range(2):
        warmer = CacheWarmer(cache)
        await accessed(warmer, {"a": 2, "b": 1}, user_id="ann")
        assert 2 == await warmer.save_patterns_to_history()
        assert 0 == await warmer.save_patterns_to_history()
    cache = lives()
    warmer = CacheWarmer(cache, value_loader=loader.load)

    assert 0 == await warmer.warm_top_items()
    assert 2 == await warmer.load_patterns_from_history()
    assert 4 == max(one.pattern.hits for one in warmer.accesses.all())
    assert 2 == await warmer.warm_top_items(user_id="ann", namespace="tool")
    assert 0 == await warmer.warm_top_items(user_id="bob")


async def test_recorded_calls_need_no_loader(lives):
    """
    Functions and keys are ranked together.
    """
    cache = lives()

    @tiered_cache(cache=cache, name="f", record=True)
    async def f(x):
        return x

    await f(1)
    cache = lives(emptied=True)
    called = []

    @tiered_cache(cache=cache, name="f", record=True)
    async def again(x):
        called.append(x)
        return x

    warmer = CacheWarmer(cache)
    await warmer.load_patterns_from_history()

    assert (1, [1]) == (await warmer.warm_top_items(), called)
    assert 1 == warmer.get_stats()["recorded_calls"]


async def test_a_loader_that_fails_stops_nothing(tiers, loader, caplog):
    """
    Counted by kind, said once, without what its text may show.
    """
    loader.error = LookupError("CANARY")
    warmer = CacheWarmer(tiers, value_loader=loader.load)
    await accessed(warmer, {"a": 1, "b": 1})

    assert 0 == await warmer.warm_top_items()
    assert (2, {"LookupError": 2}) == tuple(warmer.get_stats()[k] for k in ("failed", "errors"))
    assert 1 == caplog.text.count("LookupError") and "CANARY" not in caplog.text


async def test_an_invalidation_wins_over_a_load(tiers):
    """
    What was read before it is not kept.
    """

    async def load(key, namespace):
        await tiers.delete("a", namespace="tool")
        return "old"

    warmer = CacheWarmer(tiers, value_loader=load)
    await accessed(warmer, {"a": 1})
    await warmer.warm_top_items()

    assert None is await tiers.get("a", namespace="tool")


async def test_without_a_loader_keys_are_counted(cache):
    """
    The stats say why nothing was warmed.
    """
    warmer = CacheWarmer(cache)
    await accessed(warmer, {"a": 1})

    assert 0 == await warmer.warm_top_items()
    assert 1 == warmer.get_stats()["without_loader"]


async def test_stats(cache):
    """
    The names of the guide, and more.
    """
    warmer = CacheWarmer(cache, strategy="time_based", preload_count=7)
    await accessed(warmer, {"a": 2, "b": 1}, user_id="ann")
    await accessed(warmer, {"a": 2}, user_id="bob", hit=False)
    await warmer.record_access(object(), "tool")
    stats = warmer.get_stats()

    expected = {
        "strategy": "time_based",
        "total_patterns": 3,
        "unique_keys": 2,
        "users_tracked": 2,
        "background_running": False,
        "unrecordable": 1,
    }
    assert expected == {name: stats[name] for name in expected}


async def test_background_warming(tiers, loader):
    """
    Starts, warms, saves, stops.
    """
    warmer = CacheWarmer(tiers, value_loader=loader.load, warm_interval=3600)
    await accessed(warmer, {"a": 1})
    await warmer.start_background_warming()
    await warmer.start_background_warming()
    background = warmer._background
    assert warmer.get_stats()["background_running"]
    while not background.rounds:
        assert not background.failures
        await asyncio.sleep(0.001)
    await warmer.stop_background_warming()

    assert "tool:a" == await tiers.get("a", namespace="tool")
    assert not warmer.get_stats()["background_running"]
    assert 1 == await CacheWarmer(tiers).load_patterns_from_history()


def test_the_same_for_threads(tiers, loader):
    """
    ``warmer.sync`` has every method, without await.
    """
    warmer = CacheWarmer(tiers, value_loader=loader.load, warm_interval=3600)
    warmer.sync.record_access("a", "tool")
    assert 1 == warmer.sync.save_patterns_to_history()
    assert 1 == warmer.sync.load_patterns_from_history()
    assert 1 == warmer.sync.warm_top_items()
    warmer.sync.warm_item("b", 2, namespace="tool", ttl=60)
    assert {"a": "tool:a", "b": 2} == tiers.sync.get_many("ab", namespace="tool")
    warmer.sync.start_background_warming()
    assert warmer.sync.get_stats()["background_running"]
    warmer.sync.stop_background_warming()

    assert not warmer.sync.get_stats()["background_running"]


def test_threads_and_tasks_may_tell_at_once(cache):
    """
    No access is lost.
    """
    warmer = CacheWarmer(cache)

    def tell():
        for n in range(200):
            warmer.sync.record_access(n % 10, "tool")

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 800 == sum(one.pattern.hits for one in warmer.accesses.all())


def test_hours_and_users_can_be_left_out(cache):
    """
    What is not wanted is not kept.
    """
    config = WarmingConfig(enable_time_based=False, enable_user_specific=False)
    warmer = CacheWarmer(cache, config=config)
    warmer.sync.record_access("a", "tool", user_id="ann")
    ((signature, pattern),) = warmer.accesses.all()

    assert ("", 0.0) == (signature.user, sum(pattern.hours))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"strategy": "best"}, "strategy='best'"),
        ({"preload_count": 0}, "top=0"),
        ({"recency_weight": 3}, "recency_weight=3"),
        ({"warm_interval": "soon"}, "warm_interval"),
        ({"value_loader": 5}, "value_loader=5"),
        ({"cache": {}}, "give a MultiLevelCache"),
    ],
)
def test_what_cannot_be_used(cache, arguments, told):
    """
    Is said when the warmer is made.
    """
    with pytest.raises(ConfigError, match=told):
        CacheWarmer(**{"cache": cache, **arguments})


async def test_a_secret_key_is_not_given_to_the_loader(tiers, loader):
    """
    What was written in its place is a fingerprint, and no key of anything.
    """
    warmer = CacheWarmer(tiers, value_loader=loader.load)
    await warmer.record_access({"token": "CANARY"}, "users")
    await warmer.record_access("ann", "users")
    await warmer.record_access("bob", "users", user_id="\ud800")
    await warmer.save_patterns_to_history()

    assert 1 == await warmer.warm_top_items()
    assert [("ann", "users")] == loader.asked
    assert 2 == warmer.get_stats()["unrecordable"]


async def test_a_history_that_cannot_be_written_stops_no_warming(make_cache, loader, tmp_path):
    """
    What is known in memory is warmed all the same.
    """
    tiers = make_cache("disk")
    (tmp_path / "history").write_text("in the way")
    warmer = CacheWarmer(tiers, value_loader=loader.load, history=tmp_path / "history")
    await accessed(warmer, {"a": 1})

    assert 1 == (await warmer._new_background()._warm_once()).replayed


@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError])
async def test_a_loader_that_would_end_the_process_stops_nothing(tiers, loader, error):
    """
    It is counted like any other error.
    """
    loader.error = error
    warmer = CacheWarmer(tiers, value_loader=loader.load)
    await accessed(warmer, {"a": 1})

    assert 0 == await warmer.warm_top_items()
    assert {error.__qualname__: 1} == warmer.get_stats()["errors"]
