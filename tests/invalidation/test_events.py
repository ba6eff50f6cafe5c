"""
Events and their handlers.
"""

from __future__ import annotations

import asyncio

import pytest

from memotier import CacheInvalidator, ConfigError


@pytest.fixture
def invalidator(make_cache):
    return CacheInvalidator(make_cache())


def test_handlers_run_in_order_with_the_values(invalidator, call, face):
    """
    All handlers of the event, and of no other; sync and async functions alike.
    """
    heard = []

    async def later(user_id):
        await asyncio.sleep(0)
        heard.append(("later", user_id))

    invalidator.register_event_handler("logout", lambda user_id: heard.append(("now", user_id)))
    face(invalidator).register_event_handler("logout", later)
    invalidator.register_event_handler("login", lambda **_: heard.append("login"))

    assert 2 == call(face(invalidator).trigger_event("logout", user_id="u1"))
    assert [("now", "u1"), ("later", "u1")] == heard
    assert 0 == call(face(invalidator).trigger_event("nobody's"))


def test_a_handler_may_invalidate(make_cache, call, face):
    """
    The usual handler: an async function that awaits the invalidator, triggered either way.
    """
    cache = make_cache()
    invalidator = CacheInvalidator(cache)

    async def on_logout(user_id):
        await invalidator.invalidate_namespace(f"user_{user_id}")

    invalidator.register_event_handler("logout", on_logout)
    cache.sync.set("k", 1, namespace="user_7")
    assert 1 == call(face(invalidator).trigger_event("logout", user_id=7))

    assert cache.sync.get("k", namespace="user_7") is None


def test_one_that_raises_stops_nobody(invalidator, call, face, caplog):
    """
    It is counted, and logged by type and place; its text, which may show data, is not.
    """
    heard = []

    async def also_bad(**_):
        raise KeyError("secret-2")

    def bad(**_):
        raise ValueError("secret-1")

    for handler in (bad, also_bad, lambda **_: heard.append("good")):
        invalidator.register_event_handler("e", handler)
    assert 1 == call(face(invalidator).trigger_event("e", value="secret-3"))

    assert ["good"] == heard
    assert {"triggered": 1, "handlers": 3, "handlers_failed": 2} == (
        invalidator.get_stats()["events"]
    )
    assert "ValueError" in caplog.text and "KeyError" in caplog.text
    assert "secret" not in caplog.text


async def test_a_cancelled_trigger_is_cancelled(invalidator):
    """
    What ends the caller is not taken for a failure of the handler.
    """
    entered = asyncio.Event()

    async def waits():
        entered.set()
        await asyncio.Event().wait()

    invalidator.register_event_handler("e", waits)
    task = asyncio.create_task(invalidator.trigger_event("e"))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_sync_in_a_loop_cannot_await(invalidator, caplog):
    """
    A coroutine function that is triggered without await in a running loop counts as failed, and
    the log says what to do.
    """

    async def handler():
        raise AssertionError("not reached")

    invalidator.register_event_handler("e", handler)
    assert 0 == invalidator.sync.trigger_event("e")

    assert 1 == invalidator.get_stats()["events"]["handlers_failed"]
    assert "LoopIsRunning" in caplog.text


def test_values_may_have_any_name(invalidator):
    """
    ``name`` and ``self`` are values like others.
    """
    heard = []
    invalidator.register_event_handler("e", lambda **values: heard.append(values))
    invalidator.sync.trigger_event("e", name="n", self="s", values=1)

    assert [{"name": "n", "self": "s", "values": 1}] == heard


def test_a_handler_may_register_another(invalidator):
    """
    It is called from the next time on.
    """
    heard = []

    def first():
        invalidator.register_event_handler("e", lambda: heard.append("second"))

    invalidator.register_event_handler("e", first)

    assert [1, 2, 3] == [invalidator.sync.trigger_event("e") for _ in range(3)]
    assert 3 == len(heard)


@pytest.mark.parametrize(
    ("name", "handler", "message"),
    [
        ("", print, "the name of an event is ''"),
        (7, print, "the name of an event is 7"),
        ("e", None, "the handler of event 'e' is a NoneType"),
        ("e", "print", "the handler of event 'e' is a str"),
    ],
)
def test_misuse_is_refused(invalidator, name, handler, message):
    """
    At registration, not when the event comes.
    """
    with pytest.raises(ConfigError, match=message):
        invalidator.register_event_handler(name, handler)
