"""
Caches that may not write, or not ask: what they find, what they keep, and what they leave alone.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import memotier
from memotier import (
    MISS,
    CacheLevelConfig,
    ConfigError,
    InvalidationNotDurable,
    MultiLevelCache,
    WritePolicy,
    tiered_cache,
)
from memotier.errors import StoreError
from memotier.stores import reader

from ..redis.server import Server
from ..redis.support import soon


@pytest.fixture
def place(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def processes(place, call, tmp_path):
    """
    A function that makes a cached function as another process would have it, in a mode.
    """
    made = []

    def make(mode="on", **options):
        given = {"directory": place, "mode": mode, "name": "x", **options}
        cache = MultiLevelCache(**given)
        made.append(cache)
        seen = []

        @call.cached(cache=cache, namespace="n", name="f", version=1, ttl=3600, tags=["t"])
        def f(x):
            seen.append(x)
            return [x, mode]

        f.seen, f.cache = seen, cache
        return f

    yield make
    for cache in made:
        cache.sync.close()


def closed(f):
    f.cache.sync.close()


def files(place):
    """
    Everything that lies there, with all that a write would change.
    """
    found = {}
    for path in sorted(place.rglob("*")):
        had = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (had.st_ino, had.st_mode, had.st_mtime_ns, data)
    return found


WAYS = ["key", "tag", "softly", "function", "namespace", "all"]


def invalidate(f, call, what):
    """
    Invalidate ``f(1)`` in one of the ways.
    """
    if what == "key":
        return call(f.invalidate(1))
    if what == "function":
        return call(f.cache_clear())
    if what == "tag":
        return f.cache.sync.invalidate_tags("t")
    if what == "namespace":
        return f.cache.sync.clear_namespace("n")
    return f.cache.sync.clear(soft=what == "softly")


# -- readonly ---------------------------------------------------------------------------------


def test_readonly_makes_nothing(processes, call, place):
    """
    Where no directory is none comes to be, whatever is called; memory works.
    """
    f = processes("readonly")
    assert [1, "readonly"] == call(f(1)) == call(f(1)) == call(f.refresh(1))
    assert call(f.seed([2], 2)) is None
    f.cache.sync.set("k", 1)
    assert 1 == f.cache.sync.get("k")
    with pytest.raises(InvalidationNotDurable):
        call(f.invalidate(1))
    f.cache.sync.flush()
    f.cache.get_stats()
    closed(f)
    assert [1, 1] == f.seen
    assert not place.exists()


def test_readonly_finds_what_others_keep_and_changes_nothing(processes, call, place):
    """
    Not a byte, not a time of any file, with nobody else there; its own results stay in memory.
    """
    writer = processes()
    assert [[1, "on"], [2, "on"]] == [call(writer(1)), call(writer(2))]
    closed(writer)
    before = files(place)

    f = processes("readonly")
    assert [1, "on"] == call(f(1)) == call(f(1))
    assert [3, "readonly"] == call(f(3)) == call(f(3))
    assert [3] == f.seen
    assert (1, 1) == (f.cache.get_stats()["l2"]["hits"], f.cache.get_stats()["l2"]["misses"])
    assert 0 == f.cache.get_stats()["l2"]["errors"]
    closed(f)
    assert before == files(place)
    assert [2, "on"] == call(processes()(2))


def test_readonly_beside_a_writer(processes, call):
    """
    What the writer stores is found, what it invalidates is gone from memory at the next call,
    by key and by tag.
    """
    writer, f = processes(), processes("readonly")
    call(writer(1)), call(writer(2))
    assert [[1, "on"], [2, "on"]] == [call(f(1)), call(f(2))]
    assert [1, "on"] == f.peek(1)

    assert call(writer.invalidate(1))
    assert f.peek(1) is MISS
    assert [[1, "readonly"], [2, "on"]] == [call(f(1)), call(f(2))]
    writer.cache.sync.invalidate_tags("t")
    assert f.peek(1) is MISS
    assert [[1, "readonly"], [2, "readonly"]] == [call(f(1)), call(f(2))]
    assert [1, 1, 2] == f.seen


def test_readonly_before_anybody_wrote(processes, call):
    """
    A directory that comes to be later is noticed by a hit in memory, before anything that was
    invalidated in it could be missed.
    """
    f = processes("readonly")
    assert [1, "readonly"] == call(f(1)) == call(f(1))
    writer = processes()
    call(writer(1))
    writer.cache.sync.invalidate_tags("t")
    call(writer(1))
    assert [1, "on"] == call(f(1))
    assert [1] == f.seen


def test_readonly_follows_a_writer_that_comes_and_goes(processes, call):
    """
    From a database that nobody has open to one that somebody has, and back.
    """
    closed_writer = processes()
    call(closed_writer(1))
    closed(closed_writer)
    f = processes("readonly")
    assert [1, "on"] == call(f(1))
    for _ in range(3):
        writer = processes()
        call(writer.refresh(1))
        assert call(writer.invalidate(1))
        closed(writer)
        assert f.peek(1) is MISS
        writer = processes()
        call(writer(1))
        closed(writer)
        assert [1, "on"] == call(f(1))
    assert [] == f.seen


@pytest.mark.parametrize("what", WAYS)
def test_readonly_invalidations_hold_here_and_are_said_not_to_hold_elsewhere(processes, call, what):
    """
    The caller hears of it; this process does not use what it named, the others do.
    """
    writer, f = processes(), processes("readonly")
    call(writer(1)), call(f(1))
    with pytest.raises(InvalidationNotDurable, match="readonly"):
        invalidate(f, call, what)
    assert [1, "readonly"] == call(f(1)) == call(f(1))
    assert [1] == f.seen
    assert [1, "on"] == call(processes()(1))


def test_readonly_refresh_is_never_followed_by_what_it_replaced(processes, call):
    """
    What lies below is older than what the caller has had, so it is not read any more.
    """
    call(processes()(1))
    f = processes("readonly", l1_maxsize=1)
    assert [1, "on"] == call(f(1))
    assert [1, "readonly"] == call(f.refresh(1))
    call(f(2))  # takes its room
    assert f.peek(1) is MISS
    assert [1, "readonly"] == call(f(1))


def test_readonly_set_stays_in_memory(processes):
    """
    The value is there for this process, in place of what is below; not for others.
    """
    writer, f = processes(), processes("readonly", l1_maxsize=2)
    writer.cache.sync.set("k", "old")
    assert "old" == f.cache.sync.get("k")
    f.cache.sync.set("k", "new")
    assert "new" == f.cache.sync.get("k")
    f.cache.sync.set_many({"a": 1, "b": 2})
    assert f.cache.sync.get("k") is None
    assert "old" == writer.cache.sync.get("k")


@pytest.mark.parametrize("policy", list(WritePolicy))
def test_readonly_owes_nothing(processes, call, place, policy):
    """
    Also with write-back and write-around results are kept in memory, and none is written.
    """
    f = processes("readonly", write_policy=policy)
    assert [1, "readonly"] == call(f(1)) == call(f(1))
    assert ([1], 0) == (f.seen, f.cache.get_stats()["pending_writes"])
    assert 0 == f.cache.sync.flush()
    closed(f)
    assert not place.exists()


def test_readonly_tags_in_memory_alone(processes, call):
    """
    An entry of its own can be tagged; one that lies below cannot, and is not used any more.
    """
    writer, f = processes(), processes("readonly")
    f.cache.sync.set("mine", 1)
    assert f.cache.sync.add_tags("mine", "u")
    writer.cache.sync.set("shared", 1)
    assert 1 == f.cache.sync.get("shared")
    with pytest.raises(InvalidationNotDurable):
        f.cache.sync.add_tags("shared", "u")
    assert f.cache.sync.get("shared") is None


def test_readonly_leaves_a_damaged_record_where_it_is(processes, call, place):
    """
    It is a miss, and stays for whoever looks into it.
    """
    writer = processes()
    call(writer(1))
    closed(writer)
    with sqlite3.connect(place / "v1" / "cache.db") as db:
        db.execute("UPDATE Cache SET value = x'00'")
    db.close()
    before = files(place)
    f = processes("readonly")
    assert [1, "readonly"] == call(f(1))
    closed(f)
    assert before == files(place)


def test_readonly_leaves_a_damaged_database_where_it_is(processes, call, place):
    """
    Nobody sets it aside; functions go on.
    """
    writer = processes()
    call(writer(1))
    closed(writer)
    (place / "v1" / "cache.db").write_bytes(b"no database" * 1000)
    (place / "v1" / "cache.db").chmod(0o600)
    before = files(place)
    f = processes("readonly")
    assert [1, "readonly"] == call(f(1)) == call(f(1))
    closed(f)
    assert before == files(place)


def test_readonly_does_not_read_a_copy_that_was_put_in_the_place(processes, call, place):
    """
    It may be older than an invalidation; until somebody who may write has opened it, nothing of
    it is believed, and memory is not either.
    """
    writer = processes()
    call(writer(1))
    closed(writer)
    copy = place.parent / "copy.db"
    shutil.copy(place / "v1" / "cache.db", copy)
    f = processes("readonly")
    assert [1, "on"] == call(f(1))
    writer = processes()
    assert call(writer.invalidate(1))
    closed(writer)
    database = place / "v1" / "cache.db"
    copy.chmod(0o600)
    for beside in ("-wal", "-shm"):
        database.with_name(database.name + beside).unlink(missing_ok=True)
    os.replace(copy, database)

    assert [1, "readonly"] == call(f(1))
    assert [2, "readonly"] == call(f(2))


def test_readonly_of_a_writer_that_died(processes, call, place):
    """
    Its log is read as it is: what it stored is there, and stays.
    """
    script = f"""
import os
from memotier import MultiLevelCache, tiered_cache
cache = MultiLevelCache(directory={str(place)!r}, name="x")
@tiered_cache(cache=cache, namespace="n", name="f", version=1, ttl=3600, tags=["t"])
def f(x):
    return [x, "died"]
f(1)
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert (place / "v1" / "cache.db-wal").stat().st_size
    f = processes("readonly")
    assert [1, "died"] == call(f(1))
    closed(f)

    (place / "v1" / "cache.db-shm").unlink()
    before = files(place)
    f = processes("readonly")
    assert [1, "readonly"] == call(f(1))
    closed(f)
    assert before == files(place)


AS_NOBODY = """
import os, sys
import memotier.stores.reader, memotier.stores.modes, memotier.stores.wrap, memotier.stores.open
from memotier import MultiLevelCache, tiered_cache
# Everything that is imported later, while the packages can still be read.
with MultiLevelCache(mode="readonly", directory="/nonexistent/x") as warm:
    warm.sync.get_or_compute(1, lambda: 1)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
cache = MultiLevelCache(directory=sys.argv[1], name="x", mode="readonly")
@tiered_cache(cache=cache, namespace="n", name="f", version=1, ttl=3600, tags=["t"])
def f(x):
    return [x, "computed"]
print(f(1), f(1), f(3), os.access(sys.argv[1], os.W_OK))
print(cache.get_stats()["l2"]["hits"])
for line in sys.stdin:
    print(f(1), flush=True)
"""


def as_nobody(place):
    """
    A process of a user who owns the directory and may not write to it: root may do all.
    """
    assert os.geteuid() == 0
    for path in [place, *place.rglob("*")]:
        os.chown(path, 65534, 65534)
        path.chmod(stat.S_IMODE(path.lstat().st_mode) & 0o555)
    return subprocess.Popen(
        [sys.executable, "-u", "-c", AS_NOBODY, str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def reachable():
    """
    A directory that other users can get to, as those of tests cannot.
    """
    place = tempfile.mkdtemp()
    os.chmod(place, 0o755)
    yield Path(place) / "cache"
    shutil.rmtree(place)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")


@needs_root
def test_readonly_without_permission_to_write(processes, call, reachable):
    """
    As in an image whose cache was filled when it was built: nobody has it open.
    """
    writer = processes(directory=reachable)
    call(writer(1))
    closed(writer)
    child = as_nobody(reachable)
    out, err = child.communicate(timeout=60)
    said = "[1, 'on'] [1, 'on'] [3, 'computed'] False\n1\n"
    assert (said, "") == (out, err)


@needs_root
def test_readonly_without_permission_to_write_beside_a_writer(processes, call, reachable):
    """
    The log and its memory can be read, so what is stored and invalidated meanwhile is seen.
    """
    writer = processes(directory=reachable)
    call(writer(1))
    child = as_nobody(reachable)
    try:
        assert "[1, 'on'] [1, 'on'] [3, 'computed'] False\n" == child.stdout.readline()
        assert "1\n" == child.stdout.readline()
        assert call(writer.invalidate(1))
        child.stdin.write("\n")
        child.stdin.flush()
        assert "[1, 'computed']\n" == child.stdout.readline()
    finally:
        child.kill()
        child.communicate(timeout=60)


# -- what is read while it changes --------------------------------------------------------------


def test_a_file_that_changed_just_now_is_looked_at_again(processes, call, monkeypatch, place):
    """
    Two changes in one tick of the file system have one time, so no such time is relied on.
    """
    writer = processes()
    call(writer(1))
    closed(writer)
    database = place / "v1" / "cache.db"
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        os.utime(database, (1, 1))

    now = database.stat().st_mtime
    monkeypatch.setattr(reader.time, "sleep", sleep)
    monkeypatch.setattr(reader.time, "time", lambda: now if not slept else now + 10)
    assert [1, "on"] == call(processes("readonly")(1))
    assert [reader.TICK] == slept


def test_what_changes_under_a_reading_is_not_believed(processes, call, monkeypatch, place):
    """
    A writer that comes, invalidates and goes while the file is read: what was read is thrown away,
    because nobody knows of what moments it is.
    """
    writer = processes()
    call(writer(1))
    engine = writer.cache._keyed.engine
    address = next(one.stamp.address for one in engine.local_residents(None))
    closed(writer)
    store = reader.DiskReader(place, max_record_bytes=2**20)
    assert store.get([address]).records[0]
    read_one, done = reader.read_one, []

    def meanwhile(*arguments):
        found = read_one(*arguments)
        if not done:
            done.append(True)
            with MultiLevelCache(directory=place, name="x") as cache:
                assert cache._keyed.engine.store.delete([address]) == [True]
        return found

    monkeypatch.setattr(reader, "read_one", meanwhile)
    assert store.get([address]).records == [None]
    store.close()


# -- offline ------------------------------------------------------------------------------------


def test_offline_asks_nobody(processes, call, place):
    """
    What lies on disk is not read, and nothing is written; memory works as ever.
    """
    writer = processes()
    call(writer(1))
    closed(writer)
    before = files(place)
    f = processes("offline")
    assert [1, "offline"] == call(f(1)) == call(f(1))
    assert [1] == f.seen
    f.cache.sync.set("k", 1)
    assert 1 == f.cache.sync.get("k")
    closed(f)
    assert before == files(place)


@pytest.mark.extras
def test_offline_opens_no_connection(make_cache, call):
    """
    A server that is not there is no matter, and nothing is said of it.
    """
    cache = make_cache(redis_url="redis://127.0.0.1:1/0", mode="offline")

    @call.cached(cache=cache)
    def f(x):
        return [x]

    assert [1] == call(f(1)) == call(f(1)) == f.peek(1)
    assert cache._keyed.engine.store is None


@pytest.mark.parametrize("what", WAYS)
def test_offline_invalidations_hold_here_and_are_said_not_to_hold_elsewhere(processes, call, what):
    """
    As for a second tier that is away.
    """
    f = processes("offline")
    call(f(1))
    with pytest.raises(InvalidationNotDurable, match="offline"):
        invalidate(f, call, what)
    assert f.peek(1) is MISS
    call(f(1))
    assert [1, 1] == f.seen


def test_a_result_that_nobody_else_can_have_is_invalidated_for_good(processes, call):
    """
    A method of an object that only this process knows: there is nobody to tell.
    """
    for mode in ("readonly", "offline"):
        cache = processes(mode).cache

        class Shop:
            @call.cached(cache=cache)
            def price(self, item):
                return [item]

        shop = Shop()
        call(shop.price(1))
        assert call(shop.price.invalidate(1))


@pytest.mark.parametrize("mode", ["readonly", "offline"])
@pytest.mark.parametrize("below", [{}, {"l2_config": CacheLevelConfig()}], ids=["none", "local"])
def test_who_shares_nothing_may_do_all(mode, below, call):
    """
    A cache in this process's memory alone is as in mode "on".
    """
    with MultiLevelCache(mode=mode, **below) as cache:
        cache.sync.set("k", 1)
        assert cache.sync.delete("k")
        cache.sync.clear()


# -- off ------------------------------------------------------------------------------------------


def test_off_keeps_nothing_and_tells_others(processes, call):
    """
    As ``disabled()``: what this process invalidates, others do not serve any more.
    """
    writer, f = processes(), processes("off")
    call(writer(1)), call(writer(2))
    writer.cache.sync.set("k", 1)
    assert [1, "off"] == call(f(1)) == call(f(1)) == call(f.refresh(1))
    assert f.cache.sync.get("k") is None
    f.cache.sync.set("new", 1)
    assert [1, 1, 1] == f.seen

    assert call(f.invalidate(1))
    assert writer.peek(1) is MISS
    assert [2, "on"] == writer.peek(2)
    f.cache.sync.invalidate_tags("t")
    assert writer.peek(2) is MISS
    assert f.cache.sync.delete("k")
    assert writer.cache.sync.get("k") is None
    assert writer.cache.sync.get("new") is None
    call(writer(1))
    call(f.cache_clear())
    assert writer.peek(1) is MISS
    writer.cache.sync.set("k", 1)
    assert f.cache.sync.clear() >= 1
    assert writer.cache.sync.get("k") is None


def test_off_does_not_take_what_it_cannot_see_for_nothing(processes, call, tmp_path):
    """
    A place that cannot be looked into may have what is invalidated: that is an error.
    """
    target = tmp_path / "loop"
    target.symlink_to(target)
    f = processes("off", directory=target / "cache")
    with pytest.raises(InvalidationNotDurable):
        call(f.invalidate(1))


def test_off_makes_nothing(processes, call, place):
    """
    Where nobody has anything there is nobody to tell.
    """
    f = processes("off")
    call(f(1))
    assert call(f.invalidate(1)) is False
    f.cache.sync.invalidate_tags("t")
    assert 0 == f.cache.sync.clear()
    f.cache.get_stats()
    closed(f)
    assert not place.exists()


@pytest.mark.extras
def test_off_with_a_server(make_cache, call):
    """
    The same where the second tier is a Redis; one that is away is an error of the invalidation.
    """
    writer, off = make_cache("redis"), make_cache("redis", mode="off")
    writer.sync.set("k", 1)
    assert off.sync.get("k") is None
    assert off.sync.delete("k")
    assert not writer._keyed.engine.store.get([writer._keyed.call("k", "default").address]).records[
        0
    ]
    away = make_cache(redis_url="redis://127.0.0.1:1/0", mode="off")
    assert 1 == away.sync.get_or_compute("k", lambda: 1)
    with pytest.raises(InvalidationNotDurable):
        away.sync.invalidate_tags("t")


@pytest.mark.extras
def test_readonly_with_a_server(make_cache, call, redis_server):
    """
    It reads and hears, and leaves no key behind, also where there is none.
    """
    f = make_cache("redis", mode="readonly")
    name = f._keyed.engine.options.name
    assert 1 == f.sync.get_or_compute("k", lambda: 1)
    with redis_server.client() as client:
        assert [] == client.keys(f"mt1:{{{name}}}:*")
        writer = make_cache("redis")
        writer.sync.set("k", 2)
        before = {key: client.dump(key) for key in client.keys(f"mt1:{{{name}}}:*")}
        other = make_cache("redis", mode="readonly")
        assert 2 == other.sync.get("k")
        with pytest.raises(InvalidationNotDurable):
            other.sync.delete("k")
        other.sync.set("new", 1)
        assert 1 == other.sync.get_or_compute("third", lambda: 1)
        assert before == {key: client.dump(key) for key in client.keys(f"mt1:{{{name}}}:*")}


READER = "reader on >secret ~mt1:* &mt1:* +@read +@connection +@pubsub +@scripting -@dangerous"


@pytest.mark.extras
def test_readonly_with_a_user_who_may_only_read(call, place):
    """
    The commands of the guide are enough, and the user could not write.
    """
    page = Path(__file__).parents[2] / "docs" / "guide" / "modes.md"
    assert f"ACL SETUSER {READER.replace('secret', 'PASSWORD')}" in page.read_text()
    server = Server()
    try:
        with server.client() as client:
            client.execute_command("ACL", "SETUSER", *READER.split())
        writer = MultiLevelCache(redis_url=server.url, name="x")
        writer.sync.set("k", 1)
        url = server.url.replace("redis://", "redis://reader:secret@")
        f = MultiLevelCache(redis_url=url, name="x", mode="readonly")
        assert 1 == f.sync.get("k")
        store = f._keyed.engine.store.store
        assert 1 == store.count()
        store.store.watch.start(5)
        assert soon(lambda: store.store.watch.is_subscribed)
        writer.sync.delete("k")
        assert soon(lambda: f.sync.get("k") is None)
        assert 0 == f.get_stats()["l2"]["errors"]
        writer.sync.set("k", 2)
        with pytest.raises(StoreError, match="invalidate at"):
            store.delete([f._keyed.call("k", "default").address])
        writer.sync.close(), f.sync.close()
    finally:
        server.stop()


@needs_root
def test_readonly_on_a_file_system_that_is(processes, call, place):
    """
    Mounted read-only, by who may do all.
    """
    writer = processes()
    call(writer(1))
    closed(writer)
    script = f"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
os.unshare(0x20000) if hasattr(os, "unshare") else libc.unshare(0x20000)
def mount(source, target, kind, flags):
    code = libc.mount(source, target, kind, flags, None)
    assert code == 0, os.strerror(ctypes.get_errno())
mount(None, b"/", None, 0x44000)  # private, with all below
place = {os.fsencode(place)!r}
mount(place, place, None, 0x1000)
mount(None, place, None, 0x1000 | 0x20 | 0x1)
try:
    open(place + b"/new", "w")
except OSError:
    pass
else:
    raise AssertionError("it is not read-only")
from memotier import MultiLevelCache, tiered_cache
cache = MultiLevelCache(directory=os.fsdecode(place), name="x", mode="readonly")
@tiered_cache(cache=cache, namespace="n", name="f", version=1, ttl=3600, tags=["t"])
def f(x):
    return [x, "computed"]
print(f(1), f(2))
"""
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ("[1, 'on'] [2, 'computed']\n", "") == (child.stdout, child.stderr)


# -- saying it ------------------------------------------------------------------------------------


def test_the_variable_holds_for_every_cache_that_does_not_say(monkeypatch, place):
    """
    Of settings, and of arguments; what a program says itself counts more.
    """
    monkeypatch.setenv("MEMOTIER_MODE", "readonly")
    memotier.configure(directory=str(place), caches={"other": {"directory": str(place / "o")}})
    for cache in (
        memotier.get_cache(),
        memotier.get_cache("other"),
        MultiLevelCache(directory=place),
    ):
        assert cache._keyed.engine.options.reads_only
        cache.sync.set("k", 1)
    with MultiLevelCache(directory=place, mode="on") as cache:
        assert not place.exists()
        cache.sync.set("k", 1)
    assert place.exists()


def test_a_mode_that_is_none(monkeypatch):
    """
    The error names the source, the value and what there is.
    """
    with pytest.raises(ConfigError, match=r"mode = 'ro' cannot be used.*readonly"):
        MultiLevelCache(mode="ro")
    monkeypatch.setenv("MEMOTIER_MODE", "ro")
    with pytest.raises(ConfigError, match="MEMOTIER_MODE = 'ro' cannot be used"):
        MultiLevelCache()


@pytest.mark.parametrize("mode", ["readonly", "offline", "off"])
def test_calls_are_not_recorded(mode, place, monkeypatch):
    """
    Also if the function or the settings ask for it.
    """
    memotier.configure(directory=str(place), mode=mode, warming={"record": True})

    @tiered_cache(record=True, name="f")
    def f(x):
        return x

    f(1)
    memotier.get_cache().sync.close()
    assert not place.exists()
    assert f.cache_parameters()["record"] is False
