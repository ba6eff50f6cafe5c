"""
``memotier.warm``: recorded calls are made again, and nothing else is.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
from types import SimpleNamespace

import pytest

import memotier
from memotier import ConfigError, registry, tiered_cache
from memotier.recording.opening import history_of
from memotier.warming import pace


class App:
    """
    Functions that remember how they were called; one App is one process.
    """

    def __init__(self, call, cache, **options):
        self.called = []
        options = {"record": True, "namespace": "tool.w", "ttl": "1h"} | options

        @call.cached(cache=cache, name="square", **options)
        def square(x, *, k=1):
            self.called.append(x)
            return x * x * k

        self.square = square


def used(call, app, counts):
    for x, count in counts.items():
        for _ in range(count):
            call(app.square(x))
    app.called.clear()


def warm(call, cache, **options):
    """
    In both colours.
    """
    if call.is_async:
        return call(memotier.awarm(cache=cache, **options))
    return memotier.warm(cache=cache, **options)


def test_the_next_process_makes_the_hottest_calls_again(call, lives):
    """
    Best first, and then whoever asks gets them without a computation.
    """
    cache = lives()
    used(call, App(call, cache), {1: 5, 2: 4, 3: 3, 4: 2, 5: 1})
    cache = lives(emptied=True)
    app = App(call, cache)
    report = warm(call, cache, top=3, concurrency=1, strategy="frequency")

    assert [1, 2, 3] == app.called
    assert (3, 3, 0, 0) == (report.planned, report.replayed, report.skipped, report.failed)
    assert [1, 4, 9] == [call(app.square(x)) for x in (1, 2, 3)]
    assert [1, 2, 3] == app.called


def test_what_is_fresh_is_only_brought_into_memory(call, lives):
    """
    The second tier kept it over the restart.
    """
    cache = lives()
    used(call, App(call, cache), {1: 2, 2: 2})
    cache = lives()
    app = App(call, cache)
    report = warm(call, cache)

    assert ([], 2, 0) == (app.called, report.fresh, report.replayed)
    assert 1 == app.square.peek(1)


def test_what_is_about_to_expire_is_refreshed(call, lives, clock):
    """
    A result with a few minutes left would not last until it is needed.
    """
    cache = lives()
    app = App(call, cache)
    used(call, app, {1: 2})
    clock.advance(3600 * 0.7)
    assert 1 == warm(call, cache).fresh
    clock.advance(3600 * 0.2)
    report = warm(call, cache)

    assert (1, 1) == (report.replayed, report.refreshed)
    assert [1] == app.called


def test_an_error_is_counted_and_stops_nothing(call, lives):
    """
    By its kind; its text may show data.
    """
    cache = lives()
    used(call, App(call, cache), {1: 3, 2: 2, 3: 1})
    cache = lives(emptied=True)

    @call.cached(cache=cache, name="square", record=True, namespace="tool.w")
    def square(x, *, k=1):
        if x == 2:
            raise LookupError("CANARY")
        return x

    report = warm(call, cache)

    assert (2, 1, {"LookupError": 1}) == (report.replayed, report.failed, report.errors)
    assert "CANARY" not in str(report.as_dict())


@pytest.mark.parametrize(
    ("define", "reason"),
    [
        (lambda call, cache: None, "vanished"),
        (
            lambda call, cache: call.cached(
                cache=cache, name="square", namespace="tool.w", record=True
            )(lambda y, k=1: y),
            "changed",
        ),
        (
            lambda call, cache: call.cached(
                cache=cache, name="square", namespace="tool.w", record=True
            )(lambda x, other, *, k=1: x),
            "changed",
        ),
        (
            lambda call, cache: call.cached(
                cache=cache, name="square", namespace="tool.w", record=False
            )(lambda x, *, k=1: x),
            "vanished",
        ),
        (
            lambda call, cache: call.cached(cache=cache, name="square", namespace="tool.w")(
                lambda x, *, k=1: x
            ),
            "vanished",
        ),
    ],
)
def test_a_function_that_is_not_what_it_was_is_reported(call, lives, define, reason):
    """
    Gone, with other parameters, or no longer declared safe to call again.
    """
    cache = lives()
    used(call, App(call, cache), {1: 3})
    cache = lives(emptied=True)
    function = define(call, cache)
    report = warm(call, cache)

    assert (1, 0) == (getattr(report, reason), report.planned)
    assert reason in report.as_dict() and function is function


def test_a_new_parameter_with_a_default_is_the_same_call(call, lives):
    """
    A function that has learnt something is warmed as before.
    """
    cache = lives()
    used(call, App(call, cache), {1: 3})
    cache = lives(emptied=True)
    called = []

    @call.cached(cache=cache, name="square", record=True, namespace="tool.w")
    def square(extra=None, x=0, *, k=1):
        called.append((extra, x, k))
        return x

    assert 1 == warm(call, cache).replayed
    assert [(None, 1, 1)] == called


def test_other_caches_are_left_alone(call, lives):
    """
    A function of another cache does not have that one opened, nor fail the warming of this.
    """
    cache = lives()
    used(call, App(call, cache), {1: 2})
    cache = lives(emptied=True)
    app = App(call, cache)
    others = [call.cached(cache=name)(lambda x: x) for name in ("default", "no_such_cache")]
    report = warm(call, cache)

    assert (1, [1]) == (report.replayed, app.called)
    assert {} == registry._caches and others


def test_secrets_are_not_replayed_and_counted(call, lives):
    """
    The report says how many calls were left out.
    """
    cache = lives()

    @call.cached(cache=cache, name="login", record=True, namespace="tool.w")
    def login(user, password):
        return user

    call(login("ann", "CANARY"))

    assert 1 == warm(call, cache).redacted


def test_namespaces_and_users_choose(call, lives):
    """
    ``namespace=`` is a hierarchy; ``user=`` is whose calls they were.
    """
    cache = lives()
    called, functions = [], []
    for name, namespace in (("a", "tool.a"), ("b", "tool.b.c"), ("c", "toolbox")):

        @call.cached(cache=cache, name=name, namespace=namespace, record=True, record_user="user")
        def function(user, name=name):
            called.append((name, user))
            return name

        functions.append(function)
        call(function("ann"))
        call(function("bob"))
    call(cache.clear()) if call.is_async else cache.sync.clear()
    called.clear()

    warm(call, cache, namespace="tool", user="ann", concurrency=1)
    assert [("a", "ann"), ("b", "ann")] == sorted(called)
    called.clear()
    warm(call, cache, user="bob", strategy="user_specific", concurrency=1)
    assert [("a", "bob"), ("b", "bob"), ("c", "bob")] == sorted(called)


def test_a_dry_run_calls_nothing(call, lives):
    """
    It tells what it would do.
    """
    cache = lives()
    used(call, App(call, cache), {1: 3, 2: 1})
    cache = lives(emptied=True)
    app = App(call, cache)
    report = warm(call, cache, dry_run=True)

    assert ([], 2, 0, 2) == (app.called, report.planned, report.replayed, report.left)


def test_a_budget_of_computing_ends_it(call, lives, clock):
    """
    What was spent counts, not what time it is.
    """
    cache = lives()
    used(call, App(call, cache), dict.fromkeys(range(1, 7), 1))
    cache = lives(emptied=True)

    @call.cached(cache=cache, name="square", record=True, namespace="tool.w", ttl="1d")
    def square(x, *, k=1):
        clock.advance(10)
        return x

    report = warm(call, cache, budget="25s", concurrency=1)

    assert ("budget", 3, 3) == (report.stopped, report.replayed, report.left)
    assert 30 <= report.saved < 31


def test_a_deadline_ends_it_although_a_function_hangs(call, lives):
    """
    The thread is left to itself, the task is cancelled.
    """
    cache = lives()
    used(call, App(call, cache), {1: 2, 2: 1})
    cache = lives(emptied=True)
    stuck = threading.Event()

    if call.is_async:

        @tiered_cache(cache=cache, name="square", record=True, namespace="tool.w")
        async def square(x, *, k=1):
            await asyncio.sleep(3600)
    else:

        @tiered_cache(cache=cache, name="square", record=True, namespace="tool.w")
        def square(x, *, k=1):
            stuck.wait(30)

    report = warm(call, cache, deadline="100ms", concurrency=1)
    stuck.set()

    assert ("deadline", 0, 2) == (report.stopped, report.replayed, report.left)


async def test_a_cancelled_warming_leaves_nothing_running(lives):
    """
    Its tasks end with it, and the cache works on.
    """
    cache = lives()
    entered, ended = asyncio.Event(), asyncio.Event()
    goes_on = asyncio.Event()
    goes_on.set()

    @tiered_cache(cache=cache, name="slow", record=True)
    async def slow(x):
        entered.set()
        try:
            await goes_on.wait()
        finally:
            ended.set()
        return x

    await slow(1)
    await slow.invalidate(1)
    for event in (entered, ended, goes_on):
        event.clear()
    before = asyncio.all_tasks()
    task = asyncio.create_task(memotier.awarm(cache=cache))
    await asyncio.wait_for(entered.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended.is_set()
    assert before == asyncio.all_tasks()
    goes_on.set()
    assert 1 == await slow(1)


def test_at_most_so_many_run_at_once(call, lives):
    """
    ``concurrency`` is a bound, for threads and for tasks.
    """
    cache = lives()
    used(call, App(call, cache), dict.fromkeys(range(12), 1))
    cache = lives(emptied=True)
    running, most = set(), 0
    lock = threading.Lock()

    def enter(x):
        nonlocal most
        with lock:
            running.add(x)
            most = max(most, len(running))

    if call.is_async:

        @tiered_cache(cache=cache, name="square", record=True, namespace="tool.w")
        async def square(x, *, k=1):
            enter(x)
            await asyncio.sleep(0.01)
            running.discard(x)
    else:
        all_there = threading.Barrier(3)

        @tiered_cache(cache=cache, name="square", record=True, namespace="tool.w")
        def square(x, *, k=1):
            enter(x)
            all_there.wait(10)  # three at once do run
            with lock:
                running.discard(x)

    assert 12 == warm(call, cache, concurrency=3).replayed
    assert 3 == most


def test_a_replayed_call_is_nobodys_request(call, lives):
    """
    Context variables of whoever warms do not reach it, and it is no use of the call.
    """
    user = contextvars.ContextVar("user", default=None)
    cache = lives()
    used(call, App(call, cache), {1: 2})
    cache = lives(emptied=True)
    seen = []

    @call.cached(cache=cache, name="square", record=True, namespace="tool.w")
    def square(x, *, k=1):
        seen.append(user.get())
        return x

    user.set("ann")
    warm(call, cache)
    cache._keyed.recorder.save()

    assert [None] == seen
    ((_, pattern),) = history_of(cache._keyed).read().calls
    assert (1, 1) == (pattern.hits, pattern.misses)


def test_only_named_modules_are_imported(lives, tmp_path, monkeypatch):
    """
    A name in a history imports nothing; a module that is named is imported.
    """
    (tmp_path / "app_of_this_test.py").write_text(
        "from memotier import tiered_cache\n"
        "@tiered_cache(record=True, namespace='tool.w')\n"
        "def f(x): return x\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with open("pyproject.toml", "w") as file:
        file.write('[tool.memotier]\ndirectory = "c"\n')
    import app_of_this_test as app

    app.f(1)
    memotier.get_cache().sync.close()
    del sys.modules["app_of_this_test"], app
    gc.collect()

    assert 1 == memotier.warm().vanished
    assert "app_of_this_test" not in sys.modules
    assert 1 == memotier.warm("app_of_this_test").fresh
    assert 1 == memotier.warm(sys.modules["app_of_this_test"]).fresh
    sys.modules.pop("app_of_this_test")


def test_modules_of_the_settings_are_imported(tmp_path, monkeypatch):
    """
    So that ``memotier.warm()`` needs no arguments.
    """
    (tmp_path / "app_in_settings.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with open("pyproject.toml", "w") as file:
        file.write('[tool.memotier.warming]\nmodules = ["app_in_settings"]\n')

    memotier.warm()
    assert sys.modules.pop("app_in_settings")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"strategy": "best"}, "strategy='best'.*frequency, recency"),
        ({"strategy": "user_specific"}, "user="),
        ({"top": 0}, "top=0"),
        ({"top": True}, "top=True"),
        ({"concurrency": "8"}, "concurrency='8'"),
        ({"recency_weight": 2}, "recency_weight=2"),
        ({"hour": 24}, "hour=24"),
        ({"limit": "fast"}, 'limit=.fast.*"50/s"'),
        ({"limit": 0}, "limit=0"),
        ({"budget": "x"}, "budget"),
        ({"deadline": -1}, "deadline"),
        ({"user": 7}, "user=7"),
        ({"namespace": "../x"}, "namespace"),
        ({"every": "5m"}, "on_start=True"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_read(cache, options, told):
    """
    With the value and the way out.
    """
    with pytest.raises(ConfigError, match=told):
        memotier.warm(cache=cache, **options)


def test_a_module_that_is_not_there_is_said(cache):
    """
    With a hint at the usual reason.
    """
    with pytest.raises(ConfigError, match="'no_such_module' cannot be imported"):
        memotier.warm("no_such_module", cache=cache)


async def test_warm_does_not_block_an_event_loop(cache):
    """
    It says what to write instead.
    """
    with pytest.raises(RuntimeError, match=r"await memotier.awarm\(...\)"):
        memotier.warm(cache=cache)


def test_a_rate_is_one_after_the_other(call, lives, monkeypatch):
    """
    Eight workers that wait for their turn do not begin all at once, nor wait when all is done.
    """
    cache = lives()
    used(call, App(call, cache), dict.fromkeys(range(5), 1))
    cache = lives(emptied=True)
    slept, sleep = [], asyncio.sleep

    async def noted(seconds, *more):
        slept.append(seconds)
        monotonic.advance(seconds)
        await sleep(0)

    monotonic = cache._keyed.engine.clock
    app = App(call, cache)
    monkeypatch.setattr(pace, "asyncio", SimpleNamespace(sleep=noted))

    assert 5 == warm(call, cache, limit="10/min").replayed
    assert [pytest.approx(6, abs=0.1)] * 4 == slept
    assert 5 == len(app.called)


@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError])
def test_an_error_that_would_end_the_process_is_counted(call, lives, error):
    """
    Neither ends the service that warms, nor the other calls.
    """
    cache = lives()
    used(call, App(call, cache), {1: 3, 2: 2})
    cache = lives(emptied=True)

    @call.cached(cache=cache, name="square", record=True, namespace="tool.w")
    def square(x, *, k=1):
        if x == 1:
            raise error
        return x

    report = warm(call, cache, concurrency=1)

    assert (1, 1, {error.__qualname__: 1}) == (report.replayed, report.failed, report.errors)


def test_nothing_is_computed_for_a_cache_that_was_closed(call, lives):
    """
    Nobody would keep it.
    """
    cache = lives()
    used(call, App(call, cache), {1: 3, 2: 2, 3: 1})
    cache = lives(emptied=True)
    called = []

    @call.cached(cache=cache, name="square", record=True, namespace="tool.w")
    def square(x, *, k=1):
        called.append(x)
        return x

    def close(report):
        thread = threading.Thread(target=cache.sync.close)
        thread.start()
        thread.join(30)

    report = warm(call, cache, concurrency=1, strategy="frequency", on_progress=close)

    assert ([1], 1, 2, "closed") == (called, report.replayed, report.left, report.stopped)


@pytest.mark.parametrize("is_soft", [False, True], ids=["expired", "invalidated softly"])
@pytest.mark.parametrize("restarts", [False, True], ids=["same process", "next process"])
def test_what_is_served_stale_is_computed_and_waited_for(call, lives, clock, is_soft, restarts):
    """
    Not served stale to a warming that nobody waits with for the refresh behind it.
    """
    options = {"stale_while_revalidate": "1h", "tags": ["t"]}
    cache = lives()
    app = App(call, cache, **options)
    used(call, app, {3: 1})
    if is_soft:
        cache.sync.invalidate_tags("t", soft=True)
    else:
        clock.advance(3601)
    if restarts:
        cache = lives()
        app = App(call, cache, **options)
    report = warm(call, cache)

    assert ([3], 1) == (app.called, report.replayed)
    assert call(app.square.lookup(3)).ttl_left > 3000
    assert 9 == call(app.square(3)) and [3] == app.called
