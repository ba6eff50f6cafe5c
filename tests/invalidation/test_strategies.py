"""
The five strategies: what each does by itself, and what contradicts it.
"""

from __future__ import annotations

import pytest

from memotier import CacheInvalidator, ConfigError, InvalidationStrategy, MultiLevelCache

STRATEGIES = list(InvalidationStrategy)


def test_there_are_five():
    """
    The names are those that are written down in the guide.
    """
    assert ["TTL", "EVENT_BASED", "MANUAL", "PREDICTIVE", "HYBRID"] == [s.name for s in STRATEGIES]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_asked_for_works_with_all(make_cache, strategy):
    """
    Keys, tags, dependencies and namespaces are forgotten on demand under every strategy.
    """
    cache = make_cache()
    invalidator = CacheInvalidator(cache=cache, strategy=strategy)
    cache.sync.set_many({"a": 1, "b": 2, "c": 3, "d": 4}, namespace="n")
    invalidator.tag("a", "n", ["t"])
    invalidator.add_dependency("b", "n", "r")

    assert 1 == invalidator.sync.invalidate_tag("t")
    assert 1 == invalidator.sync.invalidate_dependents("r")
    assert invalidator.sync.invalidate("c", "n") is True
    assert 1 == invalidator.sync.invalidate_namespace("n")
    assert strategy.value == invalidator.get_stats()["strategy"]
    assert strategy is invalidator.config.strategy
    assert CacheInvalidator(cache, strategy.value).config.strategy is strategy


@pytest.mark.parametrize("tiers", ["memory", "disk"])
@pytest.mark.parametrize("name", ["TTL", "HYBRID"])
def test_default_ttl(make_cache, clock, tiers, name):
    """
    Entries that say nothing end after it, those that say something when they say.
    """
    cache = make_cache(tiers)
    with CacheInvalidator(cache, InvalidationStrategy[name], default_ttl="1h") as invalidator:
        assert 3600 == invalidator.config.default_ttl
        cache.sync.set("mine", 1)
        cache.sync.set("own", 1, ttl=7200)
        clock.advance(3599)
        assert 1 == cache.sync.get("mine")
        clock.advance(2)
        assert cache.sync.get("mine") is None
        assert 1 == cache.sync.get("own")
    cache.sync.set("after", 1)
    clock.advance(3601 if tiers == "disk" else 301)
    assert cache.sync.get("after") is None


def test_a_short_default_ttl_holds_in_memory_too(make_cache, clock):
    """
    Memory never keeps an entry longer than the second tier.
    """
    cache = make_cache("disk")
    CacheInvalidator(cache, default_ttl=10)
    cache.sync.set("k", 1)
    clock.advance(11)

    assert cache.sync.get("k") is None


@pytest.mark.parametrize("order", ["0123", "3210", "1032", "2130"])
def test_closing_in_any_order_leaves_the_cache_as_it_was(cache, order):
    """
    Of several with a default_ttl, the last one that is open holds, and none is left at the end.
    """
    engine = cache._keyed.engine
    before = engine.options
    made = [CacheInvalidator(cache, default_ttl=ttl) for ttl in (10, 20, None, 30)]
    for at in map(int, order):
        made[at].close()
        made[at].close()
        assert engine.options is made[3]._core._options or order.index("3") <= order.index(str(at))

    assert before is engine.options


@pytest.mark.parametrize("strategy", [s for s in STRATEGIES if not s.has_events])
def test_without_events(make_cache, strategy, tmp_path):
    """
    Strategies without events have no handlers and watch nothing.
    """
    invalidator = CacheInvalidator(make_cache(), strategy)
    for use in (
        lambda: invalidator.register_event_handler("e", print),
        lambda: invalidator.sync.trigger_event("e"),
        lambda: invalidator.watch(tmp_path, tags=["t"]),
    ):
        with pytest.raises(ConfigError, match=f"{strategy.name}; give EVENT_BASED or HYBRID"):
            use()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cache": "default"}, "cache is a str: give a MultiLevelCache"),
        ({"strategy": "soon"}, "strategy='soon' cannot be used: give one of"),
        ({"strategy": "manual", "default_ttl": 60}, "MANUAL has no use for it; give strategy TTL"),
        ({"strategy": "event_based", "default_ttl": 60}, "default_ttl=60"),
        ({"strategy": "predictive", "default_ttl": 60}, "default_ttl=60"),
        ({"default_ttl": 0}, "default_ttl = 0 is not above zero"),
        ({"default_ttl": "soon"}, "default_ttl = 'soon' is not a duration"),
        ({"predictive_refresh_threshold": 0}, "predictive_refresh_threshold=0"),
        ({"predictive_refresh_threshold": True}, "predictive_refresh_threshold=True"),
        ({"predictive_refresh_threshold": 2.5}, "predictive_refresh_threshold=2.5"),
        ({"strategy": "predictive", "predictive_refresh_threshold": None}, "does nothing else"),
        ({"strategy": "ttl", "predictive_refresh_threshold": 5}, "give strategy PREDICTIVE or"),
        ({"enable_tagging": 1}, "enable_tagging=1"),
        ({"enable_dependencies": None}, "enable_dependencies=None"),
    ],
)
def test_contradictions_are_refused(make_cache, arguments, message):
    """
    When the invalidator is made, with the value and the way out; the cache stays as it is.
    """
    cache = make_cache()
    before = cache._keyed.engine.options
    with pytest.raises(ConfigError, match=message):
        CacheInvalidator(**{"cache": cache, **arguments})

    assert before is cache._keyed.engine.options
    assert cache._keyed.engine.index is None


def test_what_is_switched_off_says_so(make_cache, tmp_path):
    """
    Tags and dependencies can be switched off one by one.
    """
    invalidator = CacheInvalidator(make_cache(), enable_tagging=False, enable_dependencies=False)
    for use in (
        lambda: invalidator.tag("k", "n", ["t"]),
        lambda: invalidator.sync.invalidate_tag("t"),
        lambda: invalidator.watch(tmp_path, tags=["t"]),
    ):
        with pytest.raises(ConfigError, match="enable_tagging=False"):
            use()
    for use in (
        lambda: invalidator.add_dependency("k", "n", "r"),
        lambda: invalidator.sync.invalidate_dependents("r"),
    ):
        with pytest.raises(ConfigError, match="enable_dependencies=False"):
            use()
    assert {"tags", "dependencies"}.isdisjoint(invalidator.get_stats())


def test_a_closed_cache(make_cache, call, face):
    """
    Nothing is there to be forgotten, and nothing raises.
    """
    cache = make_cache("disk")
    invalidator = CacheInvalidator(cache)
    cache.sync.set("k", 1)
    cache.sync.close()
    one = face(invalidator)

    assert invalidator.tag("k", "default", ["t"]) is False
    assert invalidator.add_dependency("k", "default", "r") is False
    assert [False, 0, 0, 0, 0] == [
        call(one.invalidate("k")),
        call(one.invalidate_tag("t")),
        call(one.invalidate_dependents("r")),
        call(one.invalidate_namespace("n")),
        call(one.invalidate_all()),
    ]
    invalidator.close()
    invalidator.close()


async def test_context_managers(clock):
    """
    Both kinds close the invalidator and leave the cache open.
    """
    async with MultiLevelCache(clock=clock) as cache:
        with CacheInvalidator(cache, default_ttl=9):
            pass
        async with CacheInvalidator(cache, default_ttl=9) as invalidator:
            assert 9 == cache._keyed.engine.options.l1_ttl
        assert 300 == cache._keyed.engine.options.l1_ttl
        assert not cache.closed
        assert "hybrid" in repr(invalidator) and "hybrid" in repr(invalidator.sync)
