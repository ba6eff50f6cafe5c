"""
What a semantic cache serves, and what it never does.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading

import pytest

import memotier
from memotier import ConfigError, MultiLevelCache, SemanticCache, UnkeyableArgument


@pytest.fixture(params=["memory", "disk", pytest.param("redis", marks=pytest.mark.extras)])
def cache(request, make):
    return make(request.param)


def test_exact_and_near(cache, call, face, angles):
    """
    The very text is found without the embedder, a near one with it, a far one not at all; each hit
    says where it comes from.
    """
    it = face(cache)
    call(it.put("text", {"answer": 1}))
    angles.asked.clear()

    assert {"answer": 1} == call(it.get("text"))
    assert [] == angles.asked
    assert call(it.get("near")) is None
    exact, near = call(it.find("text")), call(it.find("near"))
    assert ("exact", 1.0, "text", "") == (exact.kind, exact.score, exact.matched, exact.embedder)
    assert ("semantic", "text", "angles") == (near.kind, near.matched, near.embedder)
    assert pytest.approx(0.98481, abs=1e-4) == near.score
    assert call(it.find("far")) is None
    assert "else" == call(it.get_similar("far", default="else"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        near.score = 1.0


def test_the_nearest_is_served(cache, call, face):
    """
    Of two near texts the nearer one answers.
    """
    it = face(cache)
    call(it.put_many({"near": 10, "nearer": 5}))
    assert 5 == call(it.get_similar("text"))


def test_none_is_an_answer(cache, call, face):
    """
    A stored None is found, exactly and nearly, and told from nothing.
    """
    it = face(cache)
    call(it.put("text", None))
    assert call(it.get("text", default=0)) is None
    assert call(it.get_similar("near", default=0)) is None
    assert call(it.find("near")).value is None


def test_threshold_of_one_query(cache, call, face):
    """
    A query can be stricter or more lenient than the cache.
    """
    it = face(cache)
    call(it.put("text", 1))
    assert call(it.get_similar("near", threshold=0.99)) is None
    assert 1 == call(it.get_similar("nearer", threshold=0.99))
    assert 1 == call(it.get_similar("near", 0.5))


def test_a_tag_removes_from_similarity(cache, call, face):
    """
    What a tag has invalidated is not served, neither exactly nor nearly.
    """
    it = face(cache)
    call(it.put("text", 1, tags=["t"]))
    assert 1 == call(it.get_similar("near"))
    call(it.invalidate_tags("t"))

    assert call(it.get_similar("near")) is None
    assert call(it.get("text")) is None
    assert 0 == cache.get_stats()["size"]


def test_the_time_of_an_entry_is_not_prolonged(cache, call, face, clock):
    """
    However often it is hit, an answer is gone when its ttl is over.
    """
    it = face(cache)
    call(it.put("text", 1, ttl=100))
    for _ in range(9):
        clock.advance(11)
        assert 1 == call(it.get_similar("near"))
    assert pytest.approx(99) == call(it.find("near")).age
    clock.advance(2)

    assert call(it.find("near")) is None
    assert call(it.find("text")) is None


def test_default_ttl(make, call, face, clock):
    """
    Answers live as long as *default_ttl* says, unless they say something else.
    """
    it = face(make(default_ttl="10m"))
    call(it.put("text", 1))
    call(it.put("far", 2, ttl="20m"))
    clock.advance(601)
    assert call(it.get("text")) is None
    assert call(it.get_similar("near")) is None
    assert 2 == call(it.get_similar("far"))


def test_an_evicted_answer_is_not_served(make, make_cache, call, face):
    """
    What memory had no room for is found by nobody, and leaves the index when a search meets it.
    """
    cache = make(cache=make_cache(l1_maxsize=1))
    it = face(cache)
    call(it.put("text", 1))
    call(it.put("far", 2))
    assert call(it.find("near")) is None
    assert 1 == cache.get_stats()["size"]


def test_scopes_are_apart(cache, call, face):
    """
    The answer of one user is not found by another, exactly or nearly.
    """
    it = face(cache)
    call(it.put("text", "mine", scope=("tenant", 7)))
    for other in (None, ("tenant", 8), "tenant", ["tenant", 7]):
        assert call(it.find("text", scope=other)) is None
        assert call(it.find("near", scope=other)) is None
    assert "mine" == call(it.get_similar("near", scope=("tenant", 7)))
    with pytest.raises(UnkeyableArgument):
        call(it.get("text", scope=object()))


def test_messages(cache, call, face):
    """
    The last message's text may be near; its role, its other fields and those before are exact.
    """

    def chat(text, system="be brief", **more):
        return [
            {"role": "system", "content": system},
            {"role": "user", "content": text, **more},
        ]

    it = face(cache)
    call(it.put(chat("text"), 1))
    assert 1 == call(it.get_similar(chat("near")))
    assert 1 == call(it.get(chat("text")))
    for other in (chat("near", "be long"), chat("near", name="x"), chat("near")[1:], "near"):
        assert call(it.get_similar(other)) is None


@dataclasses.dataclass
class Message:
    role: str
    content: str


class PlainMessage:
    def __init__(self, role, content):
        self.role, self.content = role, content


@pytest.mark.parametrize("kind", [Message, PlainMessage])
def test_messages_are_objects_too(make, kind):
    """
    All fields of an object count, and its type.
    """
    cache = make().sync
    cache.put([kind("user", "text")], 1)
    assert 1 == cache.get_similar([kind("user", "near")])
    assert cache.get_similar([kind("assistant", "near")]) is None
    assert cache.get_similar([{"role": "user", "content": "near"}]) is None


@pytest.mark.parametrize("query", [None, 7, [], [{"role": "user"}], [{"content": ["x"]}], [3]])
def test_what_is_no_query(make, query):
    """
    Something without a text is refused, also with an entry that it could never find.
    """
    with pytest.raises(ConfigError):
        make().sync.get_similar(query)


def test_many(cache, call, face, angles):
    """
    A batch asks the embedder once for all that are not there exactly.
    """
    it = face(cache)
    call(it.put_many([("text", 1), ("far", 2)], tags=["t"]))
    assert [["text", "far"]] == angles.asked
    hits = call(it.get_many(["near", "far", "nowhere", "nearer"]))

    assert ["near", "nowhere", "nearer"] == angles.asked[-1]
    assert [1, 2, None, 1] == [hit and hit.value for hit in hits]
    assert ["semantic", "exact", "semantic"] == [hit.kind for hit in hits if hit]
    with pytest.raises(ConfigError, match="one text"):
        call(it.get_many("text"))


def test_batch_size(make, angles):
    """
    The embedder is given at most *batch_size* texts at once.
    """
    make(batch_size=2).sync.put_many({"a": 1, "b": 2, "c": 3})
    assert [["a", "b"], ["c"]] == angles.asked


def test_values_are_isolated(make):
    """
    What a caller does to an answer, nobody else sees.
    """
    cache = make().sync
    value = {"list": [1]}
    cache.put("text", value)
    value["list"].append(2)
    cache.get_similar("near")["list"].append(3)
    assert {"list": [1]} == cache.get_similar("near") == cache.get("text")


def test_replaced_answer(cache, call, face):
    """
    A new answer to the same text takes the place of the old one.
    """
    it = face(cache)
    call(it.put("text", 1))
    call(it.put("text", 2))
    assert 2 == call(it.get_similar("near"))
    assert 1 == cache.get_stats()["size"]


def test_delete_and_clear(cache, call, face):
    """
    Single answers and all can be removed; those of other namespaces stay.
    """
    it = face(cache)
    cache.cache.sync.set("other", 1)
    call(it.put_many({"text": 1, "far": 2}))
    assert call(it.delete("text")) is True
    assert call(it.delete("text")) is False
    assert call(it.find("near")) is None
    assert 1 <= call(it.clear())
    assert call(it.find("far")) is None
    assert 1 == cache.cache.sync.get("other")


def test_max_size_bounds_the_index(make):
    """
    Beyond *max_size* the text that was of use longest ago is not found by similarity any more.
    """
    cache = make(max_size=2)
    cache.sync.put_many({"text": 1, "far": 2})
    assert 1 == cache.sync.get_similar("near")
    cache.sync.put("nowhere", 3)
    assert 2 == cache.get_stats()["size"]
    assert 1 == cache.sync.get_similar("near")
    assert 2 == cache.sync.get("far")


def test_without_exact_match(make, angles):
    """
    With enable_exact_match_fallback=False the same text is found by its vector.
    """
    cache = make(enable_exact_match_fallback=False)
    cache.sync.put("text", 1)
    hit = cache.sync.find("text")
    assert ("semantic", 1) == (hit.kind, hit.value)
    assert 1 == cache.sync.get("text")


def test_disabled_keeps_and_finds_nothing(make):
    """
    Inside disabled() the embedder is not called; afterwards everything is there as before.
    """
    cache = make()
    cache.sync.put("text", 1)
    before = cache.get_stats()
    with memotier.disabled():
        cache.sync.put("far", 2)
        assert cache.sync.find("text") is cache.sync.find("near") is None
    assert before == cache.get_stats()
    assert 1 == cache.sync.get_similar("near")
    assert cache.sync.get("far") is None


def test_stats(make):
    """
    Exact and semantic hits, misses and refusals are told apart.
    """
    cache = make()
    cache.sync.put("text", 1)
    for query in ("text", "near", "nearer", "far"):
        cache.sync.get_similar(query)
    stats = cache.get_stats()
    assert (1, 2, 1) == (stats["exact_hits"], stats["semantic_hits"], stats["misses"])
    assert (0.75, 0.5) == (stats["hit_rate"], stats["semantic_hit_rate"])
    assert (1, 1000) == (stats["size"], stats["max_size"])


def test_invalidated_while_embedded_is_not_kept(make, angles):
    """
    An answer whose tag is invalidated while its text is embedded is not stored.
    """

    def slow(texts):
        if texts == ["text"] and not angles.asked:
            cache.sync.invalidate_tags("t")
        return angles(texts)

    cache = make(embedder=slow, embedding_model="slow")
    cache.sync.put("text", 1, tags=["t"])
    assert cache.sync.find("text") is None
    cache.sync.put("text", 2, tags=["t"])
    assert 2 == cache.sync.get_similar("near")


def test_invalidated_while_verified_is_not_served(make):
    """
    The engine is asked after verify=, which may take long.
    """

    def verify(query, candidate, score):
        cache.sync.invalidate_tags("t")
        return True

    cache = make(verify=verify)
    cache.sync.put("text", 1, tags=["t"])
    assert cache.sync.find("near") is None


def test_threads(make):
    """
    Threads that put, search and invalidate at once neither fail nor find another's answer.
    """
    from memotier.semantic.ngrams import NgramEmbedder

    cache, wrong = make(embedder=NgramEmbedder(), max_size=20), []

    def work(number):
        for round_ in range(60):
            text = f"question number{number} about thing{round_ % 7}"
            cache.sync.put(text, (number, round_ % 7), scope=number, tags=[f"t{round_ % 3}"])
            hit = cache.sync.find(text + " please", scope=number)
            if hit is not None and hit.value[0] != number:
                wrong.append(hit)
            if round_ % 10 == 9:
                cache.sync.invalidate_tags(f"t{round_ % 3}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [] == wrong
    assert cache.get_stats()["size"] <= 20
    assert cache.get_stats()["semantic_hits"] > 0


@pytest.mark.parametrize(
    "arguments",
    [
        *({"similarity_threshold": value} for value in (0, 1.1, True, "x", None, float("nan"))),
        *({"max_size": value} for value in (0, 1.5, True, None)),
        *({"batch_size": value} for value in (0, "1")),
        *({"embedder": value} for value in ("model", 7, dict)),
        *({"guards": value} for value in ("numbers", ["numbres"], 7)),
        {"embedding_model": 7},
        {"embedding_model": ""},
        {"verify": "x"},
        {"equal": None},
        {"shadow": 1},
        {"enable_exact_match_fallback": None},
        {"cache": 7},
        {"namespace": "a b"},
        {"default_ttl": "soon"},
    ],
    ids=str,
)
def test_misuse(arguments):
    """
    What cannot be used is refused at once.
    """
    with pytest.raises(ConfigError):
        SemanticCache(**arguments)


def test_a_nameless_embedder_needs_a_name_in_a_shared_cache(cache):
    """
    Two lambdas have one name, and their vectors must not meet.
    """
    with pytest.raises(ConfigError, match="embedding_model"):
        SemanticCache(cache=cache.cache, embedder=lambda texts: texts)
    SemanticCache(embedder=lambda texts: texts)


def test_closing(tmp_path):
    """
    Its own cache is closed with it, one that it was given is not.
    """
    with SemanticCache() as own:
        own.sync.put("text", 1)
    assert own.cache.closed
    assert own.sync.find("text") is None

    async def main():
        shared = MultiLevelCache()
        async with SemanticCache(cache=shared):
            pass
        assert not shared.closed
        shared.sync.close()

    asyncio.run(main())


def test_a_named_cache(face, call):
    """
    The cache can be given by the name of its settings, and is found again after configure().
    """
    cache = SemanticCache(cache="default")
    call(face(cache).put("the same text", 1))
    assert 1 == memotier.get_cache()._keyed.engine.memory.size
    memotier.configure(default_ttl=10)
    call(face(cache).put("the same text", 2))
    assert 2 == call(face(cache).get("the same text"))


def test_nothing_is_forgotten_while_the_second_tier_fails(make, make_cache, call, face, clock):
    """
    An answer that memory has evicted is near again when the store can be read again.
    """
    from memotier.testing import FaultyStore

    store = FaultyStore()
    cache = make(cache=make_cache(l2_store=store, l1_maxsize=1))
    it = face(cache)
    call(it.put("text", 1))
    call(it.put("far", 2))
    store.down = True
    assert call(it.find("near")) is None
    assert 2 == cache.get_stats()["size"]
    store.down = False
    clock.advance(10)
    assert 1 == call(it.get_similar("near"))


def test_a_list_that_cannot_be_read_is_not_written_over(make, make_cache, call, face, clock):
    """
    What others have added stays in the list when the store fails for a moment.
    """
    from memotier.testing import FaultyStore

    store = FaultyStore()
    first = make(cache=make_cache(l2_store=store))
    call(face(first).put("text", 1))
    second = make(cache=make_cache(l2_store=store))
    store.fail_at(1, "get")
    call(face(second).put("far", 2))
    clock.advance(100)
    third = make(cache=make_cache(l2_store=store))
    assert 1 == call(face(third).get_similar("near"))
