"""
A hit costs the same with analytics as without: the very same code runs.
"""

from __future__ import annotations

import sys

import pytest

from memotier import CacheAnalytics, tiered_cache
from memotier.analytics import snapshot


def steps(function, *args):
    """
    The lines that Python runs for one call, by file and number.
    """
    seen = []

    def trace(frame, event, _):
        if event == "line":
            seen.append((frame.f_code.co_filename.rpartition("/")[2], frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        function(*args)
    finally:
        sys.settrace(None)
    return seen


@pytest.mark.parametrize("tiers_", ["memory", "disk"])
def test_a_hit_runs_the_same_lines(make_cache, tiers_):
    """
    Line by line, with analytics attached, hot keys tracked and figures taken, and also while
    monitoring runs; with ``cost=`` as without.
    """
    cache = make_cache(tiers_)

    def define(name, **options):
        @tiered_cache(cache=cache, name=name, namespace="a", **options)
        def double(x):
            return [x]

        return double

    plain, priced = define("plain"), define("priced", cost=len)
    for function in (plain, priced):
        for _ in range(2):
            function(1)
    before = steps(plain, 1)

    analytics = CacheAnalytics(cache, hot_key_window=10)
    snapshot(cache)
    assert before == steps(plain, 1)
    analytics.sync.start_monitoring(interval_seconds=1000)
    try:
        assert before == steps(plain, 1)
        assert len(before) == len(steps(priced, 1))
    finally:
        analytics.sync.stop_monitoring()
    assert 4 == plain.cache_info().l1_hits
