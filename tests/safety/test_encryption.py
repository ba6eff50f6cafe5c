"""
``encrypt=True`` from end to end: whoever can read the second tier learns lengths, namespaces and
times, and everything works as without it.
"""

from __future__ import annotations

import os
import socket

import pytest

from memotier import MultiLevelCache, WritePolicy, tiered_cache

from .conftest import KEY, OTHER, refused, text

pytestmark = pytest.mark.extras


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("MEMOTIER_KEY", text(KEY))


def everything(tier, tmp_path, request, name) -> bytes:
    """
    All bytes that lie in the second tier.
    """
    if tier == "disk":
        files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
        return b"\n".join(str(path.name).encode() + path.read_bytes() for path in files)
    server = request.getfixturevalue("redis_server")
    found = []
    with server.client() as client:
        for one in client.keys(f"mt1:{{{name}}}:*"):
            found += [one, client.dump(one)]
            found += [client.get(one)] if client.type(one) == b"string" else []
    return b"\n".join(found)


@pytest.mark.parametrize("encrypt", [True, False])
def test_nothing_but_the_namespace_is_readable(
    open_cache, tier, tmp_path, request, name, encrypt, call
):
    """
    Results, tags, functions, arguments, keys, who computed it, by which codec: in no byte of the
    tier. Without encryption most of it is, so the search finds what there is to find.
    """
    cache = open_cache(encrypt=encrypt)

    @call.cached(cache=cache, name="canary-f", namespace="canary-space", tags=["canary-tag:{x}"])
    def canary_function(x):
        return {"canary-result": x * 3}

    call(canary_function("canary-argument"))
    cache.sync.set("canary-key", b"canary-bytes", "canary-space", tags=["canary-more"])
    cache.sync.add_tags("canary-key", "canary-late", namespace="canary-space")
    cache.sync.invalidate_tags("canary-other")
    there = everything(tier, tmp_path, request, name)

    canaries = (b"result", b"argument", b"f", b"tag", b"key", b"bytes", b"more", b"late")
    seen = {one for one in canaries if b"canary-" + one in there}
    host = f"{socket.gethostname()}:{os.getpid()}".encode()
    assert b"canary-space" in there
    if encrypt:
        assert set() == seen
        assert host not in there and b"safe" not in there.replace(name.encode(), b"")
    else:
        assert {b"result", b"tag", b"bytes", b"more", b"late"} <= seen and host in there
    assert "canary-result" in call(canary_function("canary-argument"))


def test_everything_works_as_without(open_cache, call, clock):
    """
    Hits of another process, batches, tags of before and added, ttl, invalidation, streams of keys.
    """
    calls = []

    def make(cache):
        @call.cached(cache=cache, name="f", version=1, namespace="ns", ttl=60, tags=["t:{x}"])
        def f(x):
            calls.append(x)
            return [x, {"n": x}]

        return f

    first = make(open_cache(encrypt=True))
    for x in range(5):
        call(first(x))
    cache = open_cache(encrypt=True)
    f = make(cache)
    assert [[x, {"n": x}] for x in range(5)] == call(f.map([(x,) for x in range(5)]))
    assert list(range(5)) == calls
    cache.sync.invalidate_tags("t:1")
    call(f.invalidate(2))
    call(make(open_cache(encrypt=True))(1))
    call(make(open_cache(encrypt=True))(2))
    assert [1, 2] == calls[5:]
    clock.advance(61)
    call(f(3))
    assert [3] == calls[7:]

    cache.sync.set_many({"a": 1, "b": None}, namespace="ns")
    cache.sync.add_tags("a", "late", namespace="ns")
    other = open_cache(encrypt=True)
    assert {"a": 1, "b": None} == other.sync.get_many(["a", "b", "c"], namespace="ns")
    other.sync.invalidate_tags("late")
    assert {"b": None} == open_cache(encrypt=True).sync.get_many(["a", "b"], namespace="ns")
    assert 0 == refused(cache) == refused(other)


def test_write_back_and_a_second_tier_in_memory(open_cache, make_cache):
    """
    What is written later is encrypted, too; so is what lies in this process as bytes.
    """
    cache = open_cache(encrypt=True, write_policy=WritePolicy.WRITE_BACK)
    cache.sync.set("k", "v")
    cache.sync.close()
    assert "v" == open_cache(encrypt=True).sync.get("k")
    assert open_cache().sync.get("k") is None

    from memotier import CacheLevelConfig

    inside = make_cache(encrypt=True, l2_config=CacheLevelConfig(), l1_maxsize=0)
    inside.sync.set("k", "canary")
    store = inside._keyed.engine.store.store
    assert b"canary" not in repr(vars(store)).encode()
    assert "canary" == inside.sync.get("k")


def test_values_up_to_the_limit_are_stored(open_cache):
    """
    What encryption adds takes nothing of max_value_bytes.
    """
    cache = open_cache(encrypt=True, max_value_bytes=10_000)
    cache.sync.set("k", b"x" * 9_998)

    assert b"x" * 9_998 == open_cache(encrypt=True, max_value_bytes=10_000).sync.get("k")


def test_named_caches_encrypt_by_their_settings(tmp_path, monkeypatch, clock):
    """
    Each cache as its own settings say, inherited from the top level.
    """
    import memotier

    memotier.configure(
        directory=str(tmp_path / "top"),
        encrypt=True,
        caches={"clear": {"encrypt": False, "directory": str(tmp_path / "clear")}},
    )

    @tiered_cache(name="f")
    def f(x):
        return "canary"

    @tiered_cache(name="g", cache="clear")
    def g(x):
        return "canary"

    f(1), g(1)
    for place, is_there in (("top", False), ("clear", True)):
        files = (tmp_path / place / "v1").iterdir()
        assert is_there is any(b"canary" in file.read_bytes() for file in files)


def test_the_history_of_calls_is_encrypted_too(open_cache, tier, tmp_path, monkeypatch):
    """
    Arguments, functions and users of recorded calls are in no byte of it; the calls are there for
    who has the key, also after a rotation, and for nobody else.
    """
    from memotier.recording.opening import history_of

    def cache_with(*keys, encrypt=True):
        monkeypatch.setenv("MEMOTIER_KEY", text(*keys))
        return open_cache(encrypt=encrypt)

    cache = cache_with(OTHER)

    @tiered_cache(cache=cache, record=True, name="canary.function", namespace="canary-space")
    def f(x):
        return x

    f("canary-argument")
    cache.sync.close()
    history = history_of(cache._keyed)
    files = [path for path in history.folder.iterdir() if path.is_file()]
    assert files and not any(b"canary" in path.read_bytes() for path in files)
    [one] = history.read().calls
    assert {"x": "canary-argument"} == one.signature.arguments()

    both = history_of(cache_with(KEY, OTHER)._keyed)
    assert 1 == len(both.read().calls)
    both.add(both.read().calls)
    new = history_of(cache_with(KEY)._keyed)
    [again] = new.read().calls
    assert 0 == new.read().refused and again.pattern.misses > one.pattern.misses
    assert 1 == both.forget(lambda _: True)
    assert ([], 0) == both.read()

    both.add([one])
    assert ([], 1) == history_of(cache_with(KEY, encrypt=False)._keyed).read()


def test_a_cache_says_what_it_is_without_its_key():
    """
    No repr of a cache, its options or its wiring shows the key.
    """
    cache = MultiLevelCache(encrypt=True)
    shown = repr(cache) + repr(cache._keyed.wiring) + repr(cache._keyed.engine.options)

    assert repr(KEY)[2:20] not in shown and text(KEY) not in shown
    assert "encrypt=True" in shown
