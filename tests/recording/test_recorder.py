"""
What is noted of calls: exact counts, bounded, and nothing on a hit.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import subprocess
import sys
import threading

import pytest

from memotier import ConfigError, MultiLevelCache, get_cache, tiered_cache
from memotier.recording import recorder as recorder_module
from memotier.recording.history import Limits
from memotier.recording.opening import history_of

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))


def remembered(cache):
    """
    By arguments, the hits and misses that the history of *cache* has.
    """
    found = {}
    for signature, pattern in history_of(cache._keyed).read().calls:
        found[repr(signature.arguments())] = (pattern.hits, pattern.misses)
    return found


def recorder(cache):
    return cache._keyed.recorder


def test_every_hit_is_counted_once(tiers, call):
    """
    Over savings, evictions and invalidations, for keys of atoms and of canonical bytes.
    """

    @call.cached(cache=tiers, record=True, name="f", namespace="tool.x", tags=["t"])
    def f(x):
        return x

    for x in (1, "a", [1, 2]):
        for _ in range(5):
            call(f(x))
    recorder(tiers).save()
    for x in (1, "a", [1, 2]):
        call(f(x))
    call(f.invalidate(1))
    call(f(1))
    recorder(tiers).save()
    recorder(tiers).save()

    assert {
        "{'x': 1}": (5, 2),
        "{'x': 'a'}": (5, 1),
        "{'x': [1, 2]}": (5, 1),
    } == remembered(tiers)


def test_closing_saves(make_cache, call):
    """
    A service that restarts is warm because its last minutes were not lost.
    """
    cache = make_cache("disk")

    @call.cached(cache=cache, record=True, name="f")
    def f(x):
        return x

    call(f(1))
    call(f(1))
    if call.is_async:
        call(cache.close())
    else:
        cache.sync.close()

    assert {"{'x': 1}": (1, 1)} == remembered(cache)


def test_arguments_are_those_of_the_moment_of_the_call(make_cache, call):
    """
    What its caller does to a list afterwards is another call.
    """
    cache = make_cache("disk")

    @call.cached(cache=cache, record=True, name="f")
    def f(x):
        return len(x)

    numbers = [1]
    call(f(numbers))
    numbers.append(2)
    recorder(cache).save()

    assert {"{'x': [1]}": (0, 1)} == remembered(cache)


def test_defaults_keywords_and_collected_arguments_are_part_of_it(make_cache, call):
    """
    A call is recorded as it is bound, not as it is written.
    """
    cache = make_cache("disk")

    @call.cached(cache=cache, record=True, name="f", ignore=("log",))
    def f(a, *more, b=2, log=None, **rest):
        return a

    call(f(1))
    call(f(1, b=2, log=print))
    call(f(1, 5, b=3, c=4))
    recorder(cache).save()

    assert {
        "{'a': 1, 'more': (), 'b': 2, 'rest': {}}": (1, 1),
        "{'a': 1, 'more': (5,), 'b': 3, 'rest': {'c': 4}}": (0, 1),
    } == remembered(cache)


def test_nothing_is_recorded_unless_asked_for(make_cache, tmp_path):
    """
    It keeps arguments on disk, so it is off.
    """
    cache = make_cache("disk")

    @tiered_cache(cache=cache, name="f")
    def f(x):
        return x

    f(1)
    cache.sync.close()

    assert cache._keyed.recorder is None
    assert not (tmp_path / "cache" / "history-v1").exists()


def test_the_settings_can_ask_for_it_and_a_function_can_say_no():
    """
    ``[tool.memotier.warming] record = true``, with ``record=False`` for one that may not be
    called again.
    """
    with open("pyproject.toml", "w") as file:
        file.write('[tool.memotier]\ndirectory = "c"\n[tool.memotier.warming]\nrecord = true\n')

    @tiered_cache(name="f")
    def f(x):
        return x

    @tiered_cache(name="g", record=False)
    def g(y):
        return y

    f(1)
    g(1)
    cache = get_cache()
    recorder(cache).save()

    assert {"{'x': 1}": (0, 1)} == remembered(cache)


def test_methods_are_recorded_if_their_instance_is_a_value(make_cache):
    """
    An instance that only this process knows cannot be called by another.
    """
    cache = make_cache("disk")

    class Plain:
        @tiered_cache(cache=cache, record=True, name="plain")
        def f(self, x):
            return x

        @tiered_cache(cache=cache, record=True, name="shared", ignore=("self",))
        def g(self, x):
            return x

    one = Plain()
    one.f(1)
    one.g(2)
    cache.sync.close()

    assert {} == remembered(cache)


def test_why_a_function_is_not_recorded_is_said_once(make_cache, caplog):
    """
    An argument that is no part of the key, and without which nobody can call.
    """
    cache = make_cache("disk")

    @tiered_cache(cache=cache, record=True, name="f", ignore=("session",))
    def f(x, session):
        return x

    f(1, object())
    f(2, object())

    assert 1 == caplog.text.count("'session' is not part of the key and has no default")


def test_a_call_that_cannot_be_written_down_is_counted_and_works(make_cache, call, caplog):
    """
    A result is cached all the same.
    """
    cache = make_cache("disk")

    class Odd:
        def __cache_key__(self):
            return "odd"

    @call.cached(cache=cache, record=True, name="f")
    def f(x):
        return 1

    assert [1, 1] == [call(f(Odd())), call(f(Odd()))]
    recorder(cache).save()

    assert {} == remembered(cache)
    assert 1 <= sum(recorder(cache).left_out.values())
    assert "some calls are not recorded" in caplog.text and "odd" not in caplog.text.lower()[60:]


def test_there_is_a_bound_to_the_calls_that_are_known(make_cache, monkeypatch, caplog):
    """
    A million keys of an attacker's choice do not fill memory; it is said once.
    """
    monkeypatch.setattr(recorder_module, "MOST_KNOWN", 10)
    cache = make_cache("disk")

    @tiered_cache(cache=cache, record=True, name="f")
    def f(x):
        return x

    for x in range(50):
        f(x)

    assert 10 == len(recorder(cache).known)
    assert 40 == recorder(cache).left_out["too many"]
    assert 1 == caplog.text.count("a process knows 10 at once")


def test_there_is_a_bound_to_their_bytes(make_cache):
    """
    Until what is known has left memory; then there is room again.
    """
    cache = make_cache("disk", l1_maxsize=3)

    @tiered_cache(cache=cache, record=True, name="f")
    def f(x):
        return x

    f(0)
    recorder(cache).history.limits = Limits(bytes=5_000)
    for n in range(20):
        f([n, "x" * 1_000])

    assert len(recorder(cache).known) < 7 and 0 < recorder(cache).left_out["too many"]
    recorder(cache).save()
    f([99, "x" * 1_000])
    recorder(cache).save()
    assert any("99" in call for call in remembered(cache))


def test_hits_of_what_leaves_memory_while_it_is_saved_are_counted(make_cache, monkeypatch):
    """
    It is forgotten here only when everything of it is written down.
    """
    cache = make_cache("disk")

    @tiered_cache(cache=cache, record=True, name="f")
    def f(x):
        return x

    f(1)
    add = recorder(cache).history.add

    def add_meanwhile(calls):
        add(calls)
        assert [1, 1] == [f(1), f(1)]
        f.invalidate(1)

    with monkeypatch.context() as patched:
        patched.setattr(recorder(cache).history, "add", add_meanwhile)
        recorder(cache).save()
    recorder(cache).save()

    assert {"{'x': 1}": (2, 1)} == remembered(cache)


def test_what_left_memory_is_forgotten_here_when_it_is_saved(make_cache):
    """
    The history knows it; this process need not.
    """
    cache = make_cache("disk", l1_maxsize=3)

    @tiered_cache(cache=cache, record=True, name="f")
    def f(x):
        return x

    for x in range(50):
        f(x)
    recorder(cache).save()

    assert 3 == len(recorder(cache).known)
    assert 50 == len(remembered(cache))


def test_a_history_that_cannot_be_written_fails_no_call(make_cache, tmp_path, caplog):
    """
    It is said, kept, and saved when it can be.
    """
    cache = make_cache("disk")
    place = tmp_path / "cache" / "history-v1"
    place.parent.mkdir(mode=0o700)
    place.write_text("in the way")

    @tiered_cache(cache=cache, record=True, name="f")
    def f(x):
        return x

    assert 1 == f(1)
    recorder(cache).save_quietly()
    recorder(cache).save_quietly()
    place.unlink()
    f(1)
    recorder(cache).save_quietly()

    assert {"{'x': 1}": (1, 1)} == remembered(cache)
    assert 1 == caplog.text.count("could not be saved")


def test_a_forked_child_does_not_save_what_its_parent_counted(make_cache):
    """
    Each counts its own.
    """
    cache = make_cache("disk")

    @tiered_cache(cache=cache, record=True, name="f")
    def f(x):
        return x

    f(1)
    f(1)

    def child():
        f(1)
        f(2)
        cache.sync.close()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(30)
    assert 0 == process.exitcode
    recorder(cache).save()

    assert {"{'x': 1}": (2, 1), "{'x': 2}": (0, 1)} == remembered(cache)


def test_the_interpreters_end_saves(tmp_path):
    """
    A script needs no close().
    """
    code = """
from memotier import MultiLevelCache, tiered_cache
cache = MultiLevelCache(directory="c")
@tiered_cache(cache=cache, record=True, name="f")
def f(x): return x
f(1); f(1)
"""
    subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, env=os.environ | {"PYTHONPATH": ROOT}
    )

    with MultiLevelCache(directory="c") as cache:
        assert {"{'x': 1}": (1, 1)} == remembered(cache)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"record": "yes"}, "record='yes'"),
        ({"record": 1}, "record=1"),
        ({"redact": "x"}, r"write redact=\('x',\)"),
        ({"redact": ("z",)}, "it is not a parameter; there are: x"),
        ({"record_user": "z"}, "it is not a parameter; there are: x"),
        ({"record_user": "x", "redact": ("x",)}, "redact= says that it is never written down"),
        ({"rewarm": True}, "record=True"),
        ({"rewarm": 1}, "rewarm=1"),
    ],
)
def test_options_that_cannot_be_used(options, told):
    """
    Said when the function is decorated.
    """
    with pytest.raises(ConfigError, match=told):
        tiered_cache(**options)(lambda x: x)


def test_users_and_secrets(make_cache):
    """
    For whom a call was is kept; what ``redact`` names, and what looks like a secret, is not.
    """
    cache = make_cache("disk")

    @tiered_cache(
        cache=cache, record=True, name="f", record_user="user", redact=("note",), namespace="t"
    )
    def f(x, user, note, password=None):
        return x

    f(1, "ann", "CANARY-1", password="CANARY-2")
    cache.sync.close()
    ((signature, _),) = history_of(cache._keyed).read().calls

    assert ("ann", ("note", "password")) == (signature.user, signature.redacted)
    folder = history_of(cache._keyed).folder
    assert b"CANARY" not in b"".join(file.read_bytes() for file in folder.iterdir())


def test_the_ttl_of_what_was_promoted_is_that_of_its_function(make_cache, call, clock):
    """
    What the second tier has brought back has part of its life behind it, and memory keeps it for
    less: it would look like a result that is not worth warming.
    """
    make = functools.partial(make_cache, "disk", l1_maxsize=10)

    def ttls(cache):
        @call.cached(cache=cache, record=True, name="f", ttl="1d")
        def f(x):
            return x

        call(f(1))
        recorder(cache).save()
        return [pattern.ttl for _, pattern in history_of(cache._keyed).read().calls]

    assert [86_400] == ttls(make())
    clock.advance(80_000)
    assert [86_400] == ttls(make())


@pytest.mark.parametrize("place", ["file", "link", "open"])
def test_a_key_that_cannot_be_used_fails_no_call(
    make_cache, call, tmp_path, monkeypatch, place, caplog
):
    """
    A home that nobody can write to is usual in containers; it is said once, and nothing is kept.
    """
    config = tmp_path / "config"
    if place == "file":
        config.write_text("")
    elif place == "link":
        config.mkdir()
        (config / "memotier").symlink_to(tmp_path)
    else:
        (config / "memotier").mkdir(parents=True)
        (config / "memotier").chmod(0o777)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    cache = make_cache("disk")

    @call.cached(cache=cache, record=True, name="f")
    def f(x):
        return x

    @call.cached(cache=cache, record=True, rewarm=True, name="g")
    def g(x):
        return x

    assert [1, 1, 2] == [call(f(1)), call(f(1)), call(g(2))]
    assert 1 == caplog.text.count("its calls are not recorded")
    with pytest.raises(ConfigError):
        history_of(cache._keyed)


def test_no_file_is_looked_for_under_the_engines_lock(make_cache, monkeypatch):
    """
    A first call that waits for a slow home keeps no other call waiting.
    """
    from memotier.recording import opening

    cache = make_cache("disk")
    held = []

    def looked(*arguments):
        held.append(cache._keyed.engine.lock._is_owned())
        return history_of(*arguments)

    monkeypatch.setattr(opening, "history_of", looked)

    @tiered_cache(cache=cache, record=True, name="f")
    def f(x):
        return x

    f(1)

    assert [False] == held


def test_no_child_is_forked_while_the_history_is_open(make_cache, monkeypatch):
    """
    A connection that crosses a fork leaves the child with locks that nobody gives back.
    """
    cache = make_cache("disk")

    @tiered_cache(cache=cache, record=True, name="f")
    def f(x):
        return x

    f(1)
    saving, go_on = threading.Event(), threading.Event()
    add = recorder(cache).history.add

    def slow_add(calls):
        saving.set()
        assert go_on.wait(30)
        add(calls)

    monkeypatch.setattr(recorder(cache).history, "add", slow_add)
    saver = threading.Thread(target=recorder(cache).save)
    saver.start()
    assert saving.wait(30)

    def child():
        os._exit(0 if recorder(cache)._saving.acquire(blocking=False) else 1)

    process = multiprocessing.get_context("fork").Process(target=child)
    forker = threading.Thread(target=process.start)
    forker.start()
    forker.join(0.2)
    assert process.pid is None  # it waits for the save
    go_on.set()
    for thread in (saver, forker):
        thread.join(30)
    process.join(30)

    assert 0 == process.exitcode


def test_no_call_waits_for_a_save(make_cache, monkeypatch):
    """
    Neither in a thread nor in a finalizer that runs in the middle of a save; also where no thread
    could be started before.
    """
    cache = make_cache("disk")

    @tiered_cache(cache=cache, record=True, name="f")
    def f(x):
        return x

    monkeypatch.setattr(threading.Thread, "start", refuse_to_start)
    f(1)
    assert recorder(cache).thread is None
    monkeypatch.undo()
    add = recorder(cache).history.add
    called = []

    def add_and_call(calls):
        called.append(f(2))
        add(calls)

    monkeypatch.setattr(recorder(cache).history, "add", add_and_call)
    saver = threading.Thread(target=recorder(cache).save, daemon=True)
    saver.start()
    saver.join(30)

    assert [2] == called and not saver.is_alive()


def refuse_to_start(thread):
    raise RuntimeError("can't start new thread")


def test_a_user_that_is_a_secret_is_not_written(make_cache):
    """
    ``record_user`` may name what identifies the user, and what proves it.
    """
    cache = make_cache("disk")

    @tiered_cache(cache=cache, record=True, name="f", record_user="auth_token")
    def f(x, auth_token):
        return x

    f(1, "CANARY")
    cache.sync.close()

    folder = history_of(cache._keyed).folder
    assert b"CANARY" not in b"".join(file.read_bytes() for file in folder.iterdir())


def test_a_user_that_cannot_be_written_keeps_nothing_else_from_being_saved(make_cache):
    """
    A lone surrogate, as JSON may bring it, would fail every save from then on.
    """
    cache = make_cache("disk")

    @tiered_cache(cache=cache, record=True, name="f", record_user="user")
    def f(x, user):
        return x

    f(1, "\ud800")
    f(2, "ann")
    recorder(cache).save()

    assert {"{'x': 2, 'user': 'ann'}": (0, 1)} == remembered(cache)


def test_cache_parameters_tell(make_cache):
    """
    Whether calls are recorded is what holds, not what was asked for.
    """
    cache = make_cache("disk")
    asked = {"record": True, "redact": ("x",), "record_user": "user", "rewarm": True}

    @tiered_cache(cache=cache, name="f", **asked)
    def f(x, user):
        return x

    @tiered_cache(cache=cache, record=True, ignore=("x",))
    def local(x):
        return x

    shown = f.cache_parameters()
    assert asked == {name: shown[name] for name in asked}
    assert local.cache_parameters()["record"] is False
