"""
Alerts: raised once, worse once more, over only when it is really over.
"""

from __future__ import annotations

import pytest

from memotier import CacheAnalytics, ConfigError
from memotier.analytics.alerts import ENOUGH, Alerts

GOOD = {"hit_rate": 0.9, "latency_avg_ms": 0.1, "eviction_rate": 0.0}


def judged(alerts, **figures):
    found = alerts.judge({**GOOD, **figures}, accesses=100, seconds=60)
    return [(name, data["severity"]) for name, data in found]


@pytest.mark.parametrize(
    ("figure", "alert", "bad", "worse", "between", "good"),
    [
        ("hit_rate", "low_hit_rate", 0.29, 0.19, 0.33, 0.36),
        ("latency_avg_ms", "high_latency", 10.1, 20.1, 9.0, 7.9),
        ("eviction_rate", "high_eviction_rate", 0.21, None, 0.18, 0.14),
    ],
)
def test_each_alert(figure, alert, bad, worse, between, good):
    """
    Quiet, warning, critical, and quiet again: one call for each change, none in between.
    """
    alerts = Alerts()
    assert [] == judged(alerts)
    assert [(alert, "warning")] == judged(alerts, **{figure: bad})
    assert [] == judged(alerts, **{figure: bad})
    if worse is not None:
        assert [(alert, "critical")] == judged(alerts, **{figure: worse})
        assert [] == judged(alerts, **{figure: bad})
    assert [] == judged(alerts, **{figure: between})
    assert [] == judged(alerts, **{figure: bad})
    assert [(alert, "ok")] == judged(alerts, **{figure: good})
    assert [] == judged(alerts, **{figure: between})
    assert [(alert, "warning")] == judged(alerts, **{figure: bad})


def test_what_moves_around_a_bound_calls_once():
    """
    Hysteresis: a hit rate that goes up and down between 29 % and 31 % is one alert.
    """
    alerts = Alerts()
    called = [judged(alerts, hit_rate=rate) for rate in (0.29, 0.31) * 20]

    assert 1 == sum(map(len, called))


def test_straight_to_critical():
    """
    What is critical at once is told so, once.
    """
    assert [("low_hit_rate", "critical")] == judged(Alerts(), hit_rate=0.0)


def test_an_idle_cache_is_neither_good_nor_bad():
    """
    Few accesses say nothing: no alert begins, and none ends.
    """
    alerts = Alerts()
    bad = {**GOOD, "hit_rate": 0.0}

    assert [] == list(alerts.judge(bad, accesses=ENOUGH - 1, seconds=60))
    assert 1 == len(list(alerts.judge(bad, accesses=ENOUGH, seconds=60)))
    assert [] == list(alerts.judge({**GOOD, "hit_rate": 0.0}, accesses=0, seconds=60))
    assert [] == list(alerts.judge(GOOD, accesses=0, seconds=60))
    assert 1 == len(list(alerts.judge(GOOD, accesses=ENOUGH, seconds=60)))


def test_the_data_says_what_is_the_matter():
    """
    Figure, value, bound, and a sentence for people.
    """
    [(_, data)] = Alerts().judge({**GOOD, "hit_rate": 0.25}, accesses=200, seconds=61)

    assert (0.25, 0.30, "hit_rate", 200, 61, False) == tuple(
        data[name] for name in ("value", "threshold", "figure", "accesses", "seconds", "resolved")
    )
    assert "The hit rate is at 25%, below 30%, over 200 accesses in 61 s." == data["message"]


@pytest.fixture
def bad(call, cache, clock):
    """
    A cache whose last minute was one of misses.
    """
    analytics = CacheAnalytics(cache)

    @call.cached(cache=cache, name="f")
    def f(x):
        return x

    for x in range(ENOUGH):
        call(f(x))
    return analytics, f


def test_figures_are_of_the_last_minute(call, bad, clock):
    """
    An hour of hits before does not hide a minute of misses, and the other way around.
    """
    analytics, f = bad
    assert [("low_hit_rate", "critical")] == [
        (name, data["severity"]) for name, data in analytics._state.check()
    ]
    clock.advance(61)
    analytics._state.check()
    clock.advance(61)
    for _ in range(ENOUGH):
        call(f(1))
    assert [("low_hit_rate", "ok")] == [
        (name, data["severity"]) for name, data in analytics._state.check()
    ]


def test_slow_look_ups_and_evictions(call, make_cache, clock, slow):
    """
    From real calls: a slow second tier, and a memory that is too small.
    """
    cache = make_cache("disk", l1_maxsize=1)
    analytics = CacheAnalytics(cache)
    cache.sync.set("k", 1)
    slow(cache, get=0.015)
    for x in range(ENOUGH):
        cache.sync.set(x, x)
        cache.sync.get(x - 1)

    assert {"high_latency": "warning", "high_eviction_rate": "warning"} == {
        name: data["severity"] for name, data in analytics._state.check() if name != "low_hit_rate"
    }


def test_what_cannot_be_called_is_refused(cache):
    """
    With the value.
    """
    with pytest.raises(ConfigError, match="register_alert_callback"):
        CacheAnalytics(cache).register_alert_callback("slack")
