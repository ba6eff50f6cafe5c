"""
Why entries left memory, by function; and figures that are taken while everybody is at work.
"""

from __future__ import annotations

import threading

from memotier import CacheAnalytics, MultiLevelCache, tiered_cache
from memotier.analytics import figures, snapshot


def causes(cache, function):
    counters = next(
        one["counters"] for one in snapshot(cache)["functions"] if one["function"] == function
    )
    names = ("evictions", "expirations", "invalidations", "replacements")
    return tuple(counters[name] for name in names)


def test_four_causes_of_two_functions(call, make_cache, clock):
    """
    Evicted, expired, invalidated, replaced: each is counted for the function whose entry it was,
    whoever made it go; the sums are those of the tier.
    """
    cache = make_cache(l1_maxsize=3)

    @call.cached(cache=cache, name="f", ttl=10)
    def f(x):
        return x

    @call.cached(cache=cache, name="g")
    def g(x):
        return x

    for x in range(4):
        call(f(x))  # the last one makes f(0) go
    call(g(1))  # makes f(1) go
    assert ((2, 0, 0, 0), (0, 0, 0, 0)) == (causes(cache, "f"), causes(cache, "g"))
    call(f.invalidate(2))
    call(f.refresh(3))
    assert (2, 0, 1, 1) == causes(cache, "f")
    clock.advance(11)
    call(f(3))
    assert (2, 1, 1, 1) == causes(cache, "f")
    assert (0, 0, 0, 0) == causes(cache, "g")
    tier = snapshot(cache)["tiers"]["l1"]
    names = ("evictions", "expirations", "invalidations", "replacements")
    assert (2, 1, 1, 1) == tuple(tier[name] for name in names)


def test_figures_are_taken_while_everybody_works():
    """
    Eight threads call while another asks for everything again and again: nothing raises, and in
    the end each call is counted once.
    """
    with MultiLevelCache(l1_maxsize=50) as cache:
        analytics = CacheAnalytics(cache, hot_key_window=20)

        @tiered_cache(cache=cache, name="f", tags=["t:{x}"])
        def f(x):
            return x

        done, errors, calls = threading.Event(), [], 600

        def work(first):
            try:
                for number in range(calls):
                    f(first + number % 97)
            except Exception as error:
                errors.append(error)

        def ask():
            try:
                while not done.is_set():
                    analytics.get_comprehensive_stats()
                    analytics.sync.export_to_prometheus()
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(10 * n,)) for n in range(8)]
        asker = threading.Thread(target=ask)
        for thread in (asker, *threads):
            thread.start()
        for thread in threads:
            thread.join(60)
        done.set()
        asker.join(60)
        counters = figures.total(snapshot(cache))

        assert [] == errors
        # A hit takes no lock: two at the same moment may be counted as one.
        assert 0.98 * 8 * calls <= counters["hits"] + counters["misses"] <= 8 * calls
        assert len(cache._keyed.engine.meter.watcher.hot.known) <= 40
