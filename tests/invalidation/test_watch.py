"""
Files that are watched: real files, real watchfiles, and waiting for what is heard.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import watchfiles

from memotier import CacheInvalidator, ConfigError
from memotier.errors import MissingExtra
from memotier.invalidation import watching

assert watchfiles.__version__  # all of these need it

#: Seconds after which something that should have been heard counts as missed.
PATIENCE = 20


class Heard:
    """
    The tags that were invalidated, and a way to wait for them.
    """

    def __init__(self, invalidator):
        self.tags = []
        self.batches = []
        self._changed = threading.Condition()
        core = invalidator._core
        original = core.invalidate_tags

        def invalidate_tags(tags):
            found = yield from original(tags)
            with self._changed:
                self.tags.extend(tags)
                self.batches.append(tags)
                self._changed.notify_all()
            return found

        core.invalidate_tags = invalidate_tags

    def wait_for(self, *tags):
        with self._changed:
            assert self._changed.wait_for(lambda: set(tags) <= set(self.tags), PATIENCE), self.tags

    def __contains__(self, tag):
        return tag in self.tags


@pytest.fixture
def place(tmp_path):
    place = tmp_path / "watched"
    place.mkdir()
    return place


@pytest.fixture(params=["memory", "disk"])
def cache(request, make_cache):
    return make_cache(request.param)


@pytest.fixture
def invalidator(cache):
    with CacheInvalidator(cache) as made:
        yield made


@pytest.fixture
def heard(invalidator):
    return Heard(invalidator)


@pytest.mark.parametrize("polling", [False, True])
def test_a_change_invalidates_the_tags(cache, invalidator, heard, place, polling):
    """
    A file that is made, written or removed takes what carries the tags, and nothing else.
    """
    (place / "there").write_text("1")

    def write():
        (place / "there").write_text("2")
        # Polling sees no more than whole seconds, and only later ones.
        os.utime(place / "there", (2_000_000_000, 2_000_000_000))

    changes = [lambda: (place / "new").write_text("1"), write, lambda: (place / "new").unlink()]
    with invalidator.watch(place, tags=["config", "all"], debounce_ms=50, polling=polling):
        for change in changes:
            cache.sync.set("k", 1, tags=["config"])
            cache.sync.set("other", 1, tags=["t"])
            heard.tags.clear()
            change()
            heard.wait_for("config", "all")
            assert cache.sync.get("k") is None
            assert 1 == cache.sync.get("other")


def test_templates_name_what_has_changed(invalidator, heard, place):
    """
    ``{path}`` and ``{name}``, of every changed file below the directory that matches.
    """
    deep = place / "a" / "b"
    deep.mkdir(parents=True)
    with invalidator.watch(place, tags=["file:{path}", "{name}!", "{{x}}"], match="*.py"):
        (deep / "one.txt").write_text("1")
        (deep / "two.py").write_text("1")
        heard.wait_for(f"file:{deep / 'two.py'}", "two.py!", "{x}")

    assert f"file:{deep / 'one.txt'}" not in heard


def test_a_single_file_is_watched_when_it_is_replaced(invalidator, heard, place):
    """
    Editors write another file and rename it; that and the next change are heard, and nothing
    that happens to other files beside it.
    """
    file = place / "conf.toml"
    file.write_text("1")
    with invalidator.watch(file, tags=["conf", "{path}"], debounce_ms=50):
        (place / "other").write_text("1")
        for number in range(3):
            heard.tags.clear()
            (place / "conf.toml.new").write_text(f"{number}")
            os.replace(place / "conf.toml.new", file)
            heard.wait_for("conf", str(file))
    assert {"conf", str(file)} == {tag for batch in heard.batches for tag in batch}


def test_a_link_is_watched_where_it_leads(invalidator, heard, place):
    """
    A link to a file: what is written into the file is heard, under the name that was given.
    """
    target = place / "real" / "conf"
    target.parent.mkdir()
    target.write_text("1")
    link = place / "link"
    link.symlink_to(target)
    with invalidator.watch(link, tags=["{path}"]):
        target.write_text("2")
        heard.wait_for(str(link))


def test_many_changes_are_gathered(invalidator, heard, place):
    """
    Two hundred files at once are a few invalidations, not two hundred.
    """
    with invalidator.watch(place, tags=["t", "{name}"], debounce_ms=1000):
        for number in range(200):
            (place / f"f{number}").write_text("1")
        heard.wait_for("t", *(f"f{number}" for number in range(200)))

    assert len(heard.batches) < 20


def test_what_the_cache_writes_is_no_change(make_cache, place, monkeypatch):
    """
    A cache inside of the watched directory does not invalidate itself for ever.
    """
    cache = make_cache("disk", directory=place / ".cache" / "memotier")
    with CacheInvalidator(cache) as invalidator:
        heard = Heard(invalidator)
        with invalidator.watch(place, tags=["t", "{path}"], debounce_ms=50) as watcher:
            for number in range(5):
                cache.sync.set(f"k{number}", 1, tags=["t"])
                cache.sync.delete(f"k{number}")
            (place / "mark").write_text("1")
            heard.wait_for(str(place / "mark"))
            (place / "mark2").write_text("1")
            heard.wait_for(str(place / "mark2"))
            assert not any("memotier" in tag for tag in heard.tags if tag != "t")
            assert watcher.changes <= 4
        with pytest.raises(ConfigError, match="the cache's own directory"):
            invalidator.watch(place / ".cache" / "memotier", tags=["t"])


def test_it_can_be_stopped(cache, invalidator, place):
    """
    By itself, with the invalidator, with the cache: its thread is gone, and stopping again is
    nothing.
    """
    watcher = invalidator.watch(place, tags=["t"])
    assert watcher.is_running
    assert "running" in repr(watcher)
    assert "memotier-watch" in [thread.name for thread in threading.enumerate()]
    watcher.stop()
    assert not watcher.is_running
    watcher.stop()

    second = invalidator.sync.watch(place, tags=["t"])
    assert 1 == invalidator.get_stats()["watchers"]["running"]
    invalidator.close()
    assert not second.is_running

    third = CacheInvalidator(cache).watch(place, tags=["t"])
    listeners = cache._keyed.engine.events.listeners
    assert 1 == len(listeners)
    cache.sync.close()
    third._thread.join(PATIENCE)
    assert not third.is_running
    assert [] == listeners
    with pytest.raises(ConfigError, match="the cache is closed"):
        CacheInvalidator(cache).watch(place, tags=["t"])


async def test_in_a_loop(invalidator, heard, place):
    """
    Async code watches the same way; the loop is not needed by the watcher.
    """
    async with invalidator:
        invalidator.watch(str(place), tags=["t"])
        (place / "f").write_text("1")
        heard.wait_for("t")
    assert 0 == invalidator.get_stats()["watchers"]["running"]


def test_an_invalidation_that_fails_is_counted_and_the_next_is_made(
    invalidator, place, caplog, monkeypatch
):
    """
    One failure does not end the watching.
    """
    heard = Heard(invalidator)
    good = invalidator._core.invalidate_tags
    tried = threading.Event()

    def bad(tags):
        tried.set()
        raise OSError("secret text")
        yield

    invalidator._core.invalidate_tags = bad
    with invalidator.watch(place, tags=["t"], debounce_ms=50) as watcher:
        (place / "f").write_text("1")
        assert tried.wait(PATIENCE)
        invalidator._core.invalidate_tags = good
        (place / "g").write_text("1")
        heard.wait_for("t")
        assert watcher.is_running
    assert 1 <= invalidator.get_stats()["watchers"]["failed"]
    assert "OSError" in caplog.text and "secret" not in caplog.text


def test_a_watcher_that_ends_says_so(invalidator, place, caplog, monkeypatch):
    """
    If watchfiles gives up, one line is logged, and ``is_running`` tells.
    """

    def watch(*roots, stop_event, **options):
        stop_event.is_set()
        raise OSError("secret")
        yield

    monkeypatch.setattr(watching, "_watchfiles", lambda: watch)
    watcher = invalidator.watch(place, tags=["t"])
    watcher._thread.join(PATIENCE)

    assert not watcher.is_running
    assert "is no longer watched" in caplog.text and "secret" not in caplog.text


def test_one_that_cannot_begin_raises(invalidator, place, monkeypatch):
    """
    An error before the first look is the caller's.
    """

    def watch(*roots, **options):
        raise PermissionError
        yield

    monkeypatch.setattr(watching, "_watchfiles", lambda: watch)
    with pytest.raises(ConfigError, match="cannot be watched: PermissionError"):
        invalidator.watch(place, tags=["t"])
    assert 0 == invalidator.get_stats()["watchers"]["running"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "missing"}, "there is no such path"),
        ({"path": 7}, r"watch\(7\) cannot be used"),
        ({"path": "a\0b"}, "cannot be used"),
        ({"tags": []}, r"watch\(\) takes tags="),
        ({"tags": "t"}, "is one string"),
        ({"tags": ["{user}"]}, r"names \{user\}; there are \{path\} and \{name\}"),
        ({"tags": ["{path!r}"]}, r"names \{path\}"),
        ({"tags": ["{path"]}, "is not a template"),
        ({"match": ""}, "match=''"),
        ({"debounce_ms": 0}, "debounce_ms=0"),
        ({"debounce_ms": 1.5}, "debounce_ms=1.5"),
        ({"polling": 1}, "polling=1"),
    ],
)
def test_misuse_is_refused(invalidator, place, arguments, message):
    """
    At once, with the value, and without a thread.
    """
    with pytest.raises(ConfigError, match=message):
        invalidator.watch(**{"path": place, "tags": ["t"], **arguments})
    assert "memotier-watch" not in [thread.name for thread in threading.enumerate()]


def test_without_watchfiles_the_extra_is_named(invalidator, place, monkeypatch):
    """
    The error says what to install; it is an ImportError.
    """
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(MissingExtra, match=r"pip install memotier\[watch\]"):
        invalidator.watch(place, tags=["t"])
    assert issubclass(MissingExtra, ImportError)


FORKS = """
import os, sys, time
from pathlib import Path
from memotier import CacheInvalidator, MultiLevelCache

place = Path(sys.argv[1])
cache = MultiLevelCache()
invalidator = CacheInvalidator(cache)
watcher = invalidator.watch(place, tags=["t"], debounce_ms=50)
cache.sync.set("k", 1, tags=["t"])
child = os.fork()
if child == 0:
    assert watcher.is_running and watcher._stop.begun.wait(20)
    assert cache.sync.get("k") is None  # what changed meanwhile, nobody knows
    cache.sync.set("k", 2, tags=["t"])
    (place / "f").write_text("1")
    end = time.monotonic() + 20
    while cache.sync.get("k") is not None and time.monotonic() < end:
        time.sleep(0.01)
    ok = cache.sync.get("k") is None
    watcher.stop()
    os._exit(0 if ok and not watcher.is_running else 3)
status = os.waitpid(child, 0)[1]
assert watcher.is_running
print("child", status, "parent", "running")
"""


def test_a_forked_child_watches_again(place):
    """
    The child's own thread hears of changes, and the parent's goes on; both end with the process.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS, str(place)],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ("child 0 parent running\n", "", 0) == (done.stdout, done.stderr, done.returncode)


def test_the_interpreter_ends_while_something_is_watched(place):
    """
    Nobody has to stop a watcher before the program ends.
    """
    code = (
        "import sys; from memotier import CacheInvalidator, MultiLevelCache\n"
        "CacheInvalidator(MultiLevelCache()).watch(sys.argv[1], tags=['t'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)], capture_output=True, text=True, timeout=60
    )

    assert ("", "", 0) == (done.stdout, done.stderr, done.returncode)
