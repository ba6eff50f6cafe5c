"""
A second tier brings the vectors back: in another process, after a restart, on another machine.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from ..redis.support import soon

pytestmark = pytest.mark.extras


@pytest.fixture(params=["disk", pytest.param("redis", marks=pytest.mark.extras)])
def tier(request):
    return request.param


def test_found_after_a_restart(make, tier, call, face, angles):
    """
    Another cache on the same store finds a near text, and embeds only what is asked.
    """
    first = make(tier)
    call(face(first).put("text", {"a": 1}, tags=["t"]))
    call(face(first).put("far", 2))
    call(face(first).close())
    angles.asked.clear()
    second = face(make(tier))

    assert {"a": 1} == call(second.get_similar("near"))
    assert 2 == call(second.get("far"))
    assert [["near"]] == angles.asked


def test_invalidated_elsewhere(make, tier, call, face):
    """
    A tag that one process invalidates makes the answer unreachable in the other, also nearly.
    """
    first, second = face(make(tier)), face(make(tier))
    call(first.put("text", 1, tags=["t"]))
    assert 1 == call(second.get_similar("near"))
    call(first.invalidate_tags("t"))
    if tier == "redis":  # its message is on the way
        soon(lambda: call(second.get("text")) is None)
    assert call(second.get("text")) is None
    assert call(second.get_similar("near")) is None


def test_new_ones_are_found_within_a_minute(make, tier, call, face, clock):
    """
    What another process adds later is found by similarity when the list is read again.
    """
    first, second = face(make(tier)), face(make(tier))
    call(first.put("far", 1))
    assert 1 == call(second.get_similar("far"))
    call(first.put("text", 2))
    call(first.save())
    assert 2 == call(second.get("text"))
    clock.advance(61)
    assert 2 == call(second.get_similar("near"))


def test_two_writers_do_not_lose_each_other(make, tier, call, face, clock):
    """
    The list of one process has what the other wrote before.
    """
    first, second = make(tier), make(tier)
    call(face(first).put("text", 1))
    call(face(second).put("far", 2))
    for one in (first, second, first):
        clock.advance(61)
        call(face(one).put("nowhere", 3))
        call(face(one).save())
    third = face(make(tier, max_size=10))
    assert 1 == call(third.get_similar("near"))
    assert 2 == call(third.get_similar("far", 0.9))


def test_another_embedder_finds_nothing(make, make_cache, tier, call, face):
    """
    Answers of one model are not found, nearly or exactly, by a cache that has another.
    """
    from memotier.semantic.ngrams import NgramEmbedder

    call(face(make(tier)).put("text", 1))
    for other in (
        make(tier, embedder=NgramEmbedder()),
        make(tier, embedder=NgramEmbedder(64)),
        make(tier, embedding_model="angles-2"),
    ):
        assert call(face(other).find("text")) is None
        assert 0 == other.get_stats()["size"]


def test_max_size_bounds_what_is_read(make, tier, call, face):
    """
    A small index takes the newest of a long list, and no more.
    """
    first = make(tier)
    call(face(first).put_many({"far": 0, **{f"x{n}": n for n in range(9)}, "text": 1}))
    call(face(first).close())
    second = make(tier, max_size=3)
    assert 1 == call(face(second).get_similar("near"))
    assert 3 == second.get_stats()["size"]


def test_a_small_index_does_not_shorten_the_list(make, tier, call, face):
    """
    A process that can know one answer leaves those of others in the list.
    """
    first, small = make(tier), make(tier, max_size=1)
    call(face(first).put_many({"text": 1, "nowhere": 3}))
    call(face(small).put("far", 2))
    third = make(tier)
    assert 1 == call(face(third).get_similar("near"))
    assert 2 == call(face(third).get_similar("far", 0.99))


def test_a_broken_list_is_no_list(make, make_cache, tier, call, face):
    """
    Whatever stands under the catalogue's key is at worst of no use.
    """
    first = make(tier)
    store = make_cache(tier)
    for value in (b"odd", 7, b"\x00" * 64, ["x"]):
        store.sync.set("catalogue", value, namespace=first.namespace)
        cache = make(tier)
        assert call(face(cache).find("near")) is None
        assert 0 == cache.get_stats()["size"]


def test_in_another_process(make, make_cache, tmp_path):
    """
    A real process finds by similarity what this one stored.
    """
    from memotier.semantic.ngrams import NgramEmbedder

    cache = make("disk", embedder=NgramEmbedder(), max_size=50)
    cache.sync.put("How do I parse JSON in Python?", "json.loads()", ttl=10**9)
    cache.sync.close()
    cache.cache.sync.close()
    code = (
        "from memotier import MultiLevelCache, SemanticCache\n"
        f"cache = SemanticCache(cache=MultiLevelCache(directory={str(tmp_path / 'cache')!r}))\n"
        "print(cache.sync.get_similar('How can I parse JSON in Python?'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ("json.loads()\n", "") == (done.stdout, done.stderr)


def test_what_memory_cannot_write_down(make, tier, call, face):
    """
    An answer that no codec can carry is found in this process, near and exact.
    """

    class Own:
        pass

    it = face(make(tier))
    call(it.put("text", Own()))
    assert isinstance(call(it.get_similar("near")), Own)
