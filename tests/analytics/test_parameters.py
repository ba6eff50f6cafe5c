"""
Which argument ruins the hit rate, beside what a count of all calls says.
"""

from __future__ import annotations

import itertools
import math
import random

import pytest

from memotier import CacheAnalytics, ConfigError, tiered_cache
from memotier.analytics import arguments


def brute(calls, names):
    """
    The hit rates without each argument, by keeping every key.
    """
    found = {}
    for name in names:
        keys = {tuple(value for at, value in call.items() if at != name) for call in calls}
        found[name] = 1 - len(keys) / len(calls)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_estimates_are_those_of_counting_everything(make_cache, seed):
    """
    Random patterns of calls, with the hits that nobody sees one by one: within a few points.
    """
    chance = random.Random(seed)
    cache = make_cache(l1_maxsize=100_000, default_ttl=math.inf)

    @tiered_cache(cache=cache)
    def price(sku, currency, request_id, tier=None):
        return 1

    arguments(price)
    many = [chance.choice((3, 40, 600)) for _ in range(4)]
    calls = [
        {
            "sku": f"sku{int(many[0] * chance.random() ** 2)}",
            "currency": chance.choice("abc"),
            "request_id": chance.randrange(many[2] * 10),
            "tier": chance.choice((None, 1, 1.0, True, "1", (1, 2), -1, -2)),
        }
        for _ in range(3000)
    ]
    for one in calls:
        price(**one)
    report = arguments(price)
    expected = brute([{**c, "tier": repr(c["tier"])} for c in calls], calls[0])

    assert 3000 == report.calls
    assert {"sku", "currency", "request_id", "tier"} == {one.name for one in report.arguments}
    for one in report.arguments:
        values = len({repr(c[one.name]) for c in calls})
        assert values == pytest.approx(one.values, rel=0.06)
        assert expected[one.name] == pytest.approx(one.hit_rate_without, abs=0.05), one


def test_a_request_id_is_found_and_said(call, tiers):
    """
    In words, with what the hit rate would become; no value is shown.
    """

    @call.cached(cache=tiers, name="weather", redact=("request_id",))
    def weather(city, request_id):
        return city

    arguments(weather)
    for at in range(120):
        call(weather(f"city{at % 30}", f"secret-{at}"))
    call(weather("city0", "secret-0"))
    report = arguments(weather)

    assert "request_id" == report.worst.name
    assert (121, 120, 0) == (report.calls, report.keys, report.left_out)
    assert (
        "`request_id`: 120 values in 121 calls; without it hits would rise from 1% to 75%"
        in str(report)
    )
    assert "secret" not in str(report) + repr(report)
    assert "city0" not in str(report) + repr(report)


def test_two_that_both_tell_calls_apart_are_found_together(cache):
    """
    Without one of them the other still does, so that either alone would change nothing.
    """

    @tiered_cache(cache=cache)
    def search(text, request_id, now):
        return text

    arguments(search)
    for at in range(3000):
        search("abc"[at % 3], at, float(at))
    report = arguments(search)

    assert all(one.hit_rate_without < 0.05 for one in report.arguments if one.name != "text")
    assert "request_id, now" == report.worst.name
    assert 0.99 == pytest.approx(report.worst.hit_rate_without, abs=0.01)
    assert "`request_id` and `now`: " in str(report)


def test_an_argument_that_matters_is_not_accused(cache):
    """
    A function of one argument would always hit without it; and calls that repeat are no trouble.
    """

    @tiered_cache(cache=cache)
    def one(x):
        return x

    @tiered_cache(cache=cache)
    def two(x, y):
        return x

    arguments(one)
    for x, y in itertools.product(range(20), range(20)):
        one(20 * x + y)
        two(x, y)

    assert arguments(one).worst is None
    assert arguments(two).worst is None


def test_what_expires_is_counted_for_each_time(clock, make_cache):
    """
    Computed anew every minute, with or without the argument that changes once a day.
    """
    cache = make_cache(default_ttl=60)

    @tiered_cache(cache=cache)
    def rate(currency, day):
        return 1

    arguments(rate)
    for minute in range(600):
        for currency in "abcd":
            rate(currency, minute // 300)
            rate(currency, minute // 300)
        clock.advance(60)
    report = arguments(rate)
    by_name = {one.name: one for one in report.arguments}

    assert 0.5 == report.hit_rate
    assert 0.5 == pytest.approx(by_name["day"].hit_rate_without, abs=0.02)
    assert 0.875 == pytest.approx(by_name["currency"].hit_rate_without, abs=0.02)


@pytest.mark.parametrize("size", [20, 60, 200])
def test_with_evictions_the_estimate_is_cautious(make_cache, size):
    """
    Beside a function that does leave the argument out, in a memory of the same size: never more
    hits than that has, and not fewer than now.
    """
    chance = random.Random(size)
    calls = [(int(150 * chance.random() ** 2), chance.randrange(6)) for _ in range(3000)]

    @tiered_cache(cache=make_cache(l1_maxsize=size, default_ttl=math.inf))
    def now(sku, page):
        return sku

    @tiered_cache(cache=make_cache(l1_maxsize=size, default_ttl=math.inf), ignore=("page",))
    def then(sku, page=0):
        return sku

    arguments(now)
    for one in calls:
        now(*one)
        then(*one)
    report = arguments(now)
    (found,) = [one for one in report.arguments if "page" == one.name]
    info = then.cache_info()

    assert report.hit_rate <= found.hit_rate_without + 0.02
    assert found.hit_rate_without <= info.hits / (info.hits + info.misses) + 0.05


def test_hits_of_before_do_not_count(cache):
    """
    Counting begins when it is first asked.
    """

    @tiered_cache(cache=cache)
    def double(x, y=0):
        return 2 * x

    for _ in range(50):
        double(1)
    assert 0 == arguments(double).calls
    double(2)
    double(1)

    assert (2, 0.5) == (arguments(double).calls, arguments(double).hit_rate)
    assert [1, 1] == [one.values for one in arguments(double).arguments]


def test_the_instance_counts(cache):
    """
    Of objects that are known only by themselves each has results of its own, and that is seen.
    """

    class Client:
        @tiered_cache(cache=cache)
        def fetch(self, x):
            return x

    arguments(Client.fetch)
    clients = [Client() for _ in range(30)]
    for client in clients:
        client.fetch(1)
    report = arguments(Client.fetch)

    assert ("self", 30) == (report.worst.name, report.worst.values)


def test_a_hook_that_raises_leaves_the_call_alone(cache):
    """
    The result comes; the call is counted as left out.
    """

    class Odd:
        asked = 0

        def __cache_key__(self):
            Odd.asked += 1
            if Odd.asked % 2 == 0:
                raise ValueError
            return 1

    @tiered_cache(cache=cache)
    def double(x, odd):
        return 2 * x

    arguments(double)

    assert 4 == double(2, Odd())
    assert 1 == arguments(double).left_out


def test_misuse_is_said(cache):
    """
    What is no cached function, and one whose key= decides.
    """

    @tiered_cache(cache=cache, key=lambda x: x)
    def double(x):
        return 2 * x

    with pytest.raises(ConfigError, match="key="):
        arguments(double)
    with pytest.raises(ConfigError, match="tiered_cache"):
        arguments(len)


def test_analytics_counts_from_when_it_is_made(cache):
    """
    And has the reports among all its figures.
    """
    analytics = CacheAnalytics(cache)

    @tiered_cache(cache=cache, namespace="a")
    def search(text, request_id):
        return text

    for at in range(300):
        search("abc"[at % 3], at)
    (report,) = analytics.get_comprehensive_stats()["arguments"]
    (found,) = [one for one in analytics.get_recommendations() if one.kind == "argument"]

    assert "request_id" == report.worst.name
    assert "ignore=('request_id',)" in found.action
    assert "a" == found.namespace
    assert 300 == pytest.approx(found.evidence["values"], rel=0.06)
    assert 0.99 == pytest.approx(found.predicted["hit_rate"], abs=0.001)
