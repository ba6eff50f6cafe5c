"""
Looking at intervals, in a thread and in a task.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import subprocess
import sys
import threading
import weakref

import pytest

from memotier import CacheAnalytics, ConfigError, MultiLevelCache

PATIENCE = 20


@pytest.fixture
def busy(cache):
    """
    A cache whose hit rate is 0, and its analytics.
    """
    analytics = CacheAnalytics(cache)
    for x in range(30):
        cache.sync.get(f"no {x}")
    return analytics


def test_an_alert_arrives_from_a_thread(busy):
    """
    Within the interval, in another thread, once; then it is stopped.
    """
    told, where = threading.Event(), []

    def on_alert(name, data):
        where.append((name, data["severity"], threading.current_thread().name))
        told.set()

    busy.register_alert_callback(on_alert)
    busy.sync.start_monitoring(interval_seconds=0.1)
    assert busy.monitoring and "monitoring" in repr(busy)
    assert told.wait(PATIENCE)
    busy.sync.stop_monitoring()

    assert not busy.monitoring
    assert ("low_hit_rate", "critical", "memotier-analytics") == where[0]


def test_an_alert_arrives_in_a_task(busy):
    """
    In the event loop that started it; a coroutine function is awaited there.
    """

    async def main():
        told = asyncio.get_running_loop().create_future()

        async def on_alert(name, data):
            await asyncio.sleep(0)
            told.set_result((name, threading.current_thread()))

        busy.register_alert_callback(on_alert)
        await busy.start_monitoring(interval_seconds=0.1)
        found = await asyncio.wait_for(told, PATIENCE)
        await busy.stop_monitoring()
        return found

    assert ("low_hit_rate", threading.current_thread()) == asyncio.run(main())
    assert not busy.monitoring


def test_a_coroutine_function_is_heard_from_a_thread(busy):
    """
    It runs in an event loop of its own there.
    """
    told = threading.Event()

    async def on_alert(name, data):
        await asyncio.sleep(0)
        told.set()

    busy.register_alert_callback(on_alert)
    busy.sync.start_monitoring(interval_seconds=0.1)
    assert told.wait(PATIENCE)
    busy.sync.stop_monitoring()


def test_a_callback_that_raises_stops_nothing(busy, caplog):
    """
    The next callback is called, the next round is made; the log has its type and no data.
    """
    heard = []

    def broken(name, data):
        raise LookupError("secret")

    async def broken_later(name, data):
        raise KeyError("secret")

    busy.register_alert_callback(broken)
    busy.register_alert_callback(broken_later)
    busy.register_alert_callback(lambda name, _: heard.append(name))
    monitor = busy._state.new_monitor(60)
    with caplog.at_level(logging.WARNING, "memotier"):
        for answer in monitor.round():
            with pytest.raises(KeyError):
                asyncio.run(_awaited(answer))
    busy._state.alerts.levels.clear()  # as if it were new
    for answer in monitor.round():
        answer.close()

    assert ["low_hit_rate"] * 2 == heard
    assert "LookupError" in caplog.text and "secret" not in caplog.text
    assert 2 == monitor.rounds


async def _awaited(answer):
    return await answer


def test_only_who_wants_to_hears_of_the_end(busy, cache):
    """
    ``resolved=True``.
    """
    some, every = [], []
    busy.register_alert_callback(lambda name, data: some.append(data["severity"]))
    busy.register_alert_callback(lambda name, data: every.append(data["severity"]), resolved=True)
    monitor = busy._state.new_monitor(60)
    monitor.round()
    cache.sync.set("k", 1)
    for _ in range(1000):
        cache.sync.get("k")
    monitor.round()

    assert (["critical"], ["critical", "ok"]) == (some, every)


def test_starting_twice_is_starting_once(busy):
    """
    The second start changes nothing.
    """
    busy.sync.start_monitoring(interval_seconds=100)
    first = busy._state.monitor
    busy.sync.start_monitoring(interval_seconds=100)
    assert first is busy._state.monitor
    busy.sync.stop_monitoring()
    busy.sync.stop_monitoring()
    busy.sync.start_monitoring(interval_seconds=100)
    assert busy.monitoring
    busy.sync.stop_monitoring()


def test_it_ends_with_its_cache_and_with_its_analytics(cache):
    """
    Whoever forgets to stop it keeps neither alive.
    """
    analytics = CacheAnalytics(cache)
    analytics.sync.start_monitoring(interval_seconds=0.1)
    thread = analytics._state.monitor._thread
    cache.sync.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()

    with MultiLevelCache() as other:
        analytics = CacheAnalytics(other)
        analytics.sync.start_monitoring(interval_seconds=0.1)
        thread, gone = analytics._state.monitor._thread, weakref.ref(analytics)
        del analytics
        gc.collect()
        thread.join(PATIENCE)
        assert gone() is None and not thread.is_alive()


def test_its_loop_may_die(busy):
    """
    A task whose event loop has ended is over, and monitoring can be started anew.
    """
    asyncio.run(busy.start_monitoring(interval_seconds=100))
    assert not busy.monitoring
    busy.sync.start_monitoring(interval_seconds=100)
    assert busy.monitoring
    busy.sync.stop_monitoring()


def test_a_process_ends_while_it_monitors():
    """
    The thread is a daemon.
    """
    program = (
        "from memotier import CacheAnalytics, MultiLevelCache\n"
        "analytics = CacheAnalytics(MultiLevelCache())\n"
        "analytics.sync.start_monitoring(interval_seconds=3600)\n"
        "print(analytics.monitoring)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ},
    )

    assert ("True\n", "") == (done.stdout, done.stderr)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_can_ask(busy, cache):
    """
    Whatever lock a thread held at the fork, the child gets its figures; it has no monitoring.
    """
    tracker = cache._keyed.engine.meter.watcher
    held, let_go = threading.Event(), threading.Event()

    def hold():
        with tracker._lock:
            held.set()
            let_go.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(PATIENCE)
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if 0.0 == busy.get_hit_rate("1m") and not busy.monitoring else 2
        finally:
            os._exit(code)
    let_go.set()
    thread.join(PATIENCE)

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("interval", [0, 0.01, -1, "soon", None, float("inf")])
def test_an_interval_is_a_duration(busy, interval):
    """
    Too short, none, or for ever: refused with the value.
    """
    with pytest.raises(ConfigError, match="interval_seconds"):
        busy.sync.start_monitoring(interval_seconds=interval)
