from __future__ import annotations

import pytest

from memotier import CacheAnalytics, CacheLevelConfig, tiered_cache
from memotier.analytics import snapshot

from .browser import Browser


@pytest.fixture
def browser(tmp_path_factory):
    return Browser(tmp_path_factory.mktemp("browser"))


@pytest.fixture
def used(make_cache, clock):
    """
    A cache with a second tier in which everything happened that a report shows; its snapshot.
    """
    cache = make_cache("disk", l1_config=CacheLevelConfig(max_size=20), name="prices")
    CacheAnalytics(cache)

    @tiered_cache(cache=cache, name="app.search", namespace="tool.search", tags=["city:{x}"])
    def search(x):
        clock.advance(1.5)
        return [x]

    @tiered_cache(cache=cache, name="app.once", namespace="web", cost=lambda result: 2)
    def once(x):
        clock.advance(0.01)
        return x

    @tiered_cache(cache=cache, name="app.broken", namespace="web")
    def broken(x):
        raise OSError("away")

    for minute in range(10):
        for x in range(8):
            search(x)
            search(x)
            once(x % 2)
        for x in range(15):
            once(f"{minute}-{x}")
        if minute != 5:
            with pytest.raises(OSError, match="away"):
                broken(minute)
        clock.advance(40)
        if minute == 5:
            clock.advance(180)

    @tiered_cache(cache=cache, name="app.mail", namespace="web", scope=("who",))
    def mail(who):
        return who

    mail("ann"), mail("ann"), mail("bob")
    cache.sync.invalidate_tags("city:1")
    cache._keyed.engine.meter.failed("l2.get")
    return snapshot(cache)
