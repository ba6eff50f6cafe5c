"""
Events as dicts.
"""

from __future__ import annotations

import json
import logging

import pytest

from memotier import tiered_cache
from memotier.errors import ConfigError, StoreError
from memotier.integrations import logs


@pytest.fixture
def cache(make_cache):
    """
    With a second tier: what happens in memory alone is no event.
    """
    return make_cache("disk")


@pytest.fixture
def told(cache):
    events = []
    stop = logs.listen(cache, events.append)
    yield events
    stop()


def test_events_are_dicts_of_json(cache, told, clock):
    """
    Each with its name, the cache, the time, and whether somebody should look.
    """
    cache.sync.invalidate_tags("a", "b")
    cache._keyed.engine.fault(StoreError("away"))
    cache.sync.close()

    assert ["invalidated", "fault", "closed"] == [event["event"] for event in told]
    assert {
        "event": "invalidated",
        "cache": "cache",
        "level": "info",
        "at": clock.wall(),
        "names": 2,
    } == told[0]
    assert ("warning", "l2", "away") == (told[1]["level"], told[1]["tier"], told[1]["error"])
    assert told == json.loads(json.dumps(told))


def test_a_result_that_cannot_be_stored(make_cache):
    """
    The function and the reason, and nothing of the value.
    """
    cache, events = make_cache("disk"), []
    logs.listen(cache, events.append)

    @tiered_cache(cache=cache, name="app.f", copy=False)
    def f(secret):
        return lambda: secret

    f("sesame")

    (event,) = [event for event in events if event["event"] == "unstored"]
    assert "warning" == event["level"]
    assert "f" in event["label"]
    assert "sesame" not in json.dumps(events)


def test_by_default_a_line_of_json(cache, caplog):
    """
    By a logger of its own, at the level of the event.
    """
    caplog.set_level(logging.INFO, logger="memotier.events")
    stop = logs.listen(cache)
    cache.sync.invalidate_tags("a")
    stop()
    stop()
    cache.sync.invalidate_tags("a")

    (record,) = [one for one in caplog.records if one.name == "memotier.events"]
    assert logging.INFO == record.levelno
    assert "invalidated" == json.loads(record.message)["event"]


def test_what_is_no_json_is_told_by_its_type():
    """
    An object in an event is not shown: it might show data.
    """
    assert {"a": [1, "object"], "b": {"3": None}} == logs.plain(
        {"a": (1, object()), "b": {3: None}}
    )


def test_misuse(cache):
    """
    A sink that cannot be called, a cache that is none.
    """
    with pytest.raises(ConfigError, match="sink=3"):
        logs.listen(cache, 3)
    with pytest.raises(ConfigError, match="cache=3"):
        logs.listen(3)
