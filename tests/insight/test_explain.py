"""
``f.explain()``: one test for every reason, told by what a user does to get there.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import threading
import weakref

import pytest

import memotier
from memotier import (
    CacheLevelConfig,
    EvictionPolicy,
    Explanation,
    MultiLevelCache,
    tiered_cache,
)
from memotier.engine import evidence
from memotier.errors import StoreUnavailable
from memotier.explanation import Reason
from memotier.known import MOST


def make(call, cache, function=None, **options):
    """*function* (the identity) with a namespace of its own, cached in *cache*."""

    def same(x, unit="c"):
        return [x, unit]

    options = {"name": "f", "namespace": "tool.i", "ttl": 60, "cache": cache, **options}
    return call.cached(**options)(function or same)


def reason(call, f, *args, **kwargs):
    return call(f.explain(*args, **kwargs)).reason


# -- what answers ----------------------------------------------------------------------


def test_in_memory(call, cache, clock):
    """
    A result in memory is told with its age, the time that is left, and what it saves.
    """
    f = make(call, cache)
    call(f("NYC"))
    clock.advance(20)

    told = call(f.explain("NYC"))

    assert ("in_memory", "l1", True) == (told.reason, told.tier, told.would_hit)
    assert 20 == pytest.approx(told.age, abs=0.01)
    assert 40 == pytest.approx(told.ttl_left, abs=0.01)
    assert told.compute_seconds > 0
    assert "would hit" in str(told) and "20s ago" in str(told) and "40s" in str(told)


def test_second_tier(call, make_cache, clock):
    """
    Another process finds the result in the second tier, and is told who computed it and when.
    """
    call(make(call, make_cache("disk"))("NYC"))
    other = make_cache("disk")
    other._keyed.engine.writer = "there:1"
    clock.advance(5)

    told = call(make(call, other).explain("NYC"))

    assert (Reason.SECOND_TIER, "l2", "another process") == (told.reason, told.tier, told.by)
    assert 5 == pytest.approx(told.age, abs=0.01)
    assert "the second tier has the result" in str(told)


def test_owed(call, make_cache, clock):
    """
    In write-back a result that has left memory unwritten answers still, until its end.
    """
    cache = make_cache("disk", l1_maxsize=1, write_policy="write_back", flush_interval=3600)
    f = make(call, cache, tags=["x:{x}"])
    for x in (1, 2, 3):
        call(f(x))

    told = call(f.explain(1))
    assert (Reason.IN_MEMORY, "l1", True) == (told.reason, told.tier, told.would_hit)
    cache.sync.invalidate_tags("x:1")
    told = call(f.explain(1))
    assert (Reason.INVALIDATED, "x:1") == (told.reason, told.which)
    clock.advance(70)
    assert Reason.EXPIRED == reason(call, f, 2)


def test_joins(cache):
    """
    While somebody computes the result, a call would wait for that.
    """
    entered, leave = threading.Event(), threading.Event()

    @tiered_cache(cache=cache, name="slow")
    def slow(x):
        entered.set()
        assert leave.wait(10)
        return x

    thread = threading.Thread(target=slow, args=(1,))
    thread.start()
    try:
        assert entered.wait(10)
        told = slow.explain(1)
    finally:
        leave.set()
        thread.join()

    assert Reason.JOINS == told.reason
    assert "computed right now" in str(told)


def test_stale_while_revalidate(call, cache, clock):
    """
    Within its window a stale result answers, and a refresh runs in the background.
    """
    f = make(call, cache, stale_while_revalidate=100)
    call(f("NYC"))
    clock.advance(70)

    told = call(f.explain("NYC"))

    assert (Reason.STALE, "l1", True) == (told.reason, told.tier, told.refreshes)
    assert -10 == pytest.approx(told.ttl_left, abs=0.01)
    assert "stale" in str(told) and "background" in str(told)


def test_stale_if_error_alone_is_a_miss(call, cache, clock):
    """
    A result that is served only if the function fails does not answer, and that is said.
    """
    f = make(call, cache, stale_if_error=100)
    call(f("NYC"))
    clock.advance(70)

    told = call(f.explain("NYC"))

    assert (Reason.EXPIRED, False) == (told.reason, told.would_hit)
    assert "If the function fails" in str(told)


def test_remembered_error(call, cache):
    """
    An error that is remembered is raised again: the function would not be called.
    """

    def fails(x):
        raise ValueError("a secret")

    f = make(call, cache, fails, cache_exceptions=ValueError, error_ttl=30)
    with pytest.raises(ValueError, match="a secret"):
        call(f(1))

    told = call(f.explain(1))

    assert (Reason.REMEMBERED_ERROR, "ValueError") == (told.reason, told.detail)
    assert 30 == pytest.approx(told.ttl_left, abs=0.01)
    assert "a secret" not in str(told)


# -- why nothing answers ---------------------------------------------------------------


def test_never_seen(call, tiers):
    """
    Before any call nothing is known.
    """
    told = call(make(call, tiers).explain("NYC"))

    assert (Reason.NEVER_SEEN, 0) == (told.reason, told.known_calls)
    assert "no call of this function is known" in str(told)


def test_argument_differs(call, tiers):
    """
    The argument that differs from the nearest call is named, with both values.
    """
    f = make(call, tiers)
    call(f("NYC"))
    call(f("Oslo", "f"))

    told = call(f.explain("nyc"))

    (one,) = told.differences
    assert Reason.ARGUMENT_DIFFERS == told.reason
    assert ("x", "'nyc'", "'NYC'", "case") == dataclasses.astuple(one)
    assert "differs in 1 of 2 arguments" in str(told) and "'NYC'" in str(told)


@pytest.mark.parametrize(
    ("known", "asked", "how"),
    [("a b", "a  b", "space"), (1, "1", "type"), (1, 1.0, "type"), (1, True, "type"), (-1, -2, "")],
)
def test_arguments_differ_in_what_people_overlook(call, cache, known, asked, how):
    """
    Spaces and types are told; two numbers whose hashes are equal are two calls.
    """
    f = make(call, cache)
    call(f(known))

    told = call(f.explain(asked))

    assert [how] == [one.how for one in told.differences]
    assert how == "" or repr(asked) in str(told)


def test_argument_differs_in_containers(call, cache):
    """
    Arguments that are no plain values are compared by content and shown by short texts.
    """
    f = make(call, cache)
    call(f([1, 2], unit={"k": 1}))

    assert Reason.IN_MEMORY == reason(call, f, [1, 2], unit={"k": 1})
    (one,) = call(f.explain([1, 3], unit={"k": 1})).differences
    assert ("x", "[1, 3]", "[1, 2]") == (one.name, one.here, one.there)


def test_scope_differs(call, cache):
    """
    If only the part of the key differs that says for whom the call is, that is the reason.
    """
    f = make(call, cache)
    f._self_memo.scopes = frozenset(("unit",))
    call(f("NYC", unit="ann"))

    assert Reason.SCOPE_DIFFERS == reason(call, f, "NYC", unit="bob")
    assert Reason.NEVER_SEEN == reason(call, f, "Oslo", unit="bob")


@pytest.mark.parametrize("is_called", [False, True], ids=["in place", "removed"])
def test_expired(call, cache, clock, is_called):
    """
    An expired result is told with the moment it expired, also when it has left memory.
    """
    f = make(call, cache)
    call(f("NYC"))
    clock.advance(70)
    if is_called:
        call(f.lookup("NYC"))

    told = call(f.explain("NYC"))

    assert Reason.EXPIRED == told.reason
    assert 10 == pytest.approx(told.now - told.at, abs=0.01)
    assert "expired 10s ago" in str(told)


def test_expired_in_the_second_tier(call, make_cache, clock):
    """
    A record that has expired says when, to a process that never had it in memory.
    """
    call(make(call, make_cache("disk"), stale_if_error=1000)("NYC"))
    clock.advance(70)

    told = call(make(call, make_cache("disk"), stale_if_error=1000).explain("NYC"))

    assert Reason.EXPIRED == told.reason
    assert 10 == pytest.approx(told.now - told.at, abs=0.01)


def test_evicted(call, make_cache, clock):
    """
    A result that had to make room says when.
    """
    f = make(call, make_cache(l1_maxsize=2))
    for x in range(3):
        call(f(x))
    clock.advance(3)

    told = call(f.explain(0))

    assert Reason.EVICTED == told.reason
    assert 3 == pytest.approx(told.now - told.at, abs=0.01)
    assert "evicted from memory" in str(told) and "l1.max_size" in str(told)


@pytest.mark.parametrize("is_called", [False, True], ids=["in place", "removed"])
@pytest.mark.parametrize(
    ("how", "what", "which"),
    [
        (lambda call, cache, f: cache.sync.invalidate_tags("city:NYC"), "tag", "city:NYC"),
        (lambda call, cache, f: cache.sync.invalidate_tags("web"), "tag", "web"),
        (lambda call, cache, f: call(f.invalidate("NYC")), "key", ""),
        (lambda call, cache, f: call(f.cache_clear()), "function", "make.<locals>.same"),
        (lambda call, cache, f: cache.sync.clear_namespace("tool"), "namespace", "tool"),
        (lambda call, cache, f: cache.sync.clear(), "everything", ""),
        (lambda call, cache, f: memotier.epoch("db").bump(cache=cache), "epoch", "db"),
    ],
    ids=["tag", "fixed tag", "key", "function", "namespace", "clear", "epoch"],
)
def test_invalidated(call, tiers, clock, how, what, which, is_called):
    """
    What was invalidated is named, with when and by whom; whether memory has looked since or not.
    """
    f = make(call, tiers, tags=["web", "city:{x}"], depends_on=[memotier.epoch("db")])
    call(f("NYC"))
    call(f("Oslo"))
    clock.advance(7)
    how(call, tiers, f)
    clock.advance(5)
    if is_called:
        call(f.lookup("NYC"))

    told = call(f.explain("NYC"))

    assert (Reason.INVALIDATED, what, which) == (told.reason, told.what, told.which)
    assert "this process" == told.by
    assert 5 == pytest.approx(told.now - told.at, abs=0.01)


def test_invalidated_by_another_process(call, make_cache):
    """
    A tag that another process invalidated is named from the record, in memory and below.
    """
    here, there = make_cache("disk"), make_cache("disk")
    f = make(call, here, tags=["city:{x}"])
    call(f("NYC"))
    there.sync.invalidate_tags("city:NYC")

    for told in (
        call(f.explain("NYC")),
        call(make(call, make_cache("disk"), tags=["city:{x}"]).explain("NYC")),
    ):
        assert (Reason.INVALIDATED, "tag", "city:NYC") == (told.reason, told.what, told.which)
        assert "another process" == told.by


def test_who_did_it_last(call, make_cache, clock):
    """
    A tag that this process invalidated before the result was computed was not invalidated by it.
    """
    here, there = make_cache("disk"), make_cache("disk")
    f = make(call, here, tags=["web"])
    here.sync.invalidate_tags("web")
    clock.advance(5)
    call(f("NYC"))
    there.sync.invalidate_tags("web")

    assert "another process" == call(f.explain("NYC")).by
    call(f.lookup("NYC"))
    assert "another process" == call(f.explain("NYC")).by


def test_invalidated_softly(call, tiers, clock):
    """
    A soft invalidation makes a result stale where the function has windows; else it is a miss.
    """
    windows = make(call, tiers, name="w", tags=["web"], stale_while_revalidate=100)
    none = make(call, tiers, name="n", tags=["web"])
    for f in (windows, none):
        call(f("NYC"))
    tiers.sync.invalidate_tags("web", soft=True)

    told = call(windows.explain("NYC"))
    assert (Reason.STALE, True) == (told.reason, told.soft)
    told = call(none.explain("NYC"))
    assert (Reason.INVALIDATED, "tag", "web") == (told.reason, told.what, told.which)


BELOW = ["disk", pytest.param("redis", marks=pytest.mark.extras)]


@pytest.mark.parametrize("below", BELOW)
def test_code_changed(call, make_cache, below):
    """
    A result of an older version is told with both versions, after a restart.
    """
    call(make(call, make_cache(below), version=1)("NYC"))

    told = call(make(call, make_cache(below), version=2).explain("NYC"))

    assert (Reason.CODE_CHANGED, "int:1", "int:2") == (told.reason, told.old_version, told.version)
    assert "from version int:1 to int:2" in str(told)
    assert Reason.NEVER_SEEN == reason(call, make(call, make_cache(below), version=2), "Oslo")


def test_code_changed_in_this_process(call, cache):
    """
    The same where there is no second tier and a function was defined anew.
    """
    first = make(call, cache, version=1)
    call(first("NYC"))

    told = call(make(call, cache, version=2).explain("NYC"))

    assert (Reason.CODE_CHANGED, "int:1") == (told.reason, told.old_version)


def test_other_caches_have_no_say(call, make_cache):
    """
    A function of the same name in another cache tells nothing of this one.
    """
    first = make(call, make_cache(), version=1)
    call(first("NYC"))

    assert Reason.NEVER_SEEN == reason(call, make(call, make_cache(), version=2), "NYC")


@pytest.mark.parametrize("is_called", [False, True], ids=["in memory", "below"])
def test_dependency_changed(call, make_cache, monkeypatch, is_called):
    """
    Which of the files and variables has changed is named, and their content is not.
    """
    monkeypatch.setenv("MODE", "hush-1")
    options = {"depends_on": [memotier.env("OTHER"), memotier.env("MODE")]}
    f = make(call, make_cache("disk"), **options)
    call(f("NYC"))
    if is_called:
        f = make(call, make_cache("disk"), **options)
    monkeypatch.setenv("MODE", "hush-2")

    told = call(f.explain("NYC"))

    assert (Reason.DEPENDENCY_CHANGED, "env('MODE')") == (told.reason, told.which)
    assert "hush" not in repr(told)


def test_refused(call, tiers):
    """
    A result that cache_if= did not want says so.
    """
    f = make(call, tiers, cache_if=lambda result: result[0] != "NYC")
    call(f("NYC"))

    told = call(f.explain("NYC"))

    assert Reason.REFUSED == told.reason
    assert "cache_if=" in str(told)


def test_skipped(call, tiers):
    """
    So does one that the function itself did not want stored.
    """

    def skips(x):
        memotier.current().skip()
        return x

    f = make(call, tiers, skips)
    call(f(1))

    assert Reason.SKIPPED == reason(call, f, 1)
    assert "skip()" in str(call(f.explain(1)))


def test_unstored(call, make_cache):
    """
    A result that the second tier cannot have and memory has not any more says why.
    """
    f = make(call, make_cache("disk", l1_maxsize=1, max_value_bytes=1000), lambda x: "a" * x)
    call(f(5000))
    call(f(1))

    told = call(f.explain(5000))

    assert Reason.EVICTED == told.reason
    assert "max_value_bytes" in str(told)


def test_failed(call, cache):
    """
    A call whose function raised says so, by the type of the error alone.
    """

    def fails(x):
        raise ValueError("a secret")

    f = make(call, cache, fails)
    with pytest.raises(ValueError, match="a secret"):
        call(f(1))

    told = call(f.explain(1))

    assert (Reason.FAILED, "ValueError") == (told.reason, told.detail)
    assert "a secret" not in repr(told) + str(told)


def test_second_tier_away(call, make_cache, monkeypatch):
    """
    If memory has left the result and the second tier does not answer, that is the reason.
    """
    cache = make_cache("disk", l1_maxsize=1)
    f = make(call, cache)
    call(f(1))
    call(f(2))

    def away(*_):
        raise StoreUnavailable("it is gone")

    monkeypatch.setattr(cache._keyed.engine.store.store, "look", away)
    told = call(f.explain(1))

    assert Reason.SECOND_TIER_AWAY == told.reason
    assert "it is gone" in str(told) and "lack of room" in str(told)


def test_unreadable(call, make_cache):
    """
    A record that is damaged says so.
    """
    cache = make_cache("disk")
    f = make(call, cache)
    call(f(1))
    other = make_cache("disk")
    store = other._keyed.engine.store
    look = store.store.look
    store.store.look = lambda at: (found := look(at))._replace(
        records=[found.records[0][:-1] + b"?"]
    )

    told = call(make(call, other).explain(1))

    assert Reason.UNREADABLE == told.reason


def test_gone(call, make_cache):
    """
    A call that was made, of whose entry nothing is remembered, is not called new.
    """
    cache = make_cache(l1_maxsize=1)
    f = make(call, cache)
    call(f(1))
    call(f(2))
    cache._keyed.engine.evidence._ring.clear()

    told = call(f.explain(1))

    assert Reason.GONE == told.reason
    assert told.nearest_at is not None


# -- where there is no cache -------------------------------------------------------------


def test_unkeyable(call, cache):
    """
    A call without a key says which argument it is, and what to do.
    """
    told = call(make(call, cache, on_unkeyable="bypass").explain(object()))

    assert Reason.UNKEYABLE == told.reason
    assert "'x'" in str(told)


def test_disabled_off_and_closed(call, make_cache):
    """
    Where nothing is cached that is the reason.
    """
    cache = make_cache()
    f = make(call, cache)
    call(f(1))
    with memotier.disabled():
        assert Reason.DISABLED == reason(call, f, 1)
    cache.sync.close()
    assert Reason.CLOSED == reason(call, f, 1)
    memotier.configure(mode="off")
    assert Reason.OFF == reason(call, make(call, "default"), 1)


# -- what never happens ------------------------------------------------------------------


def test_nothing_is_changed(call, make_cache, clock):
    """
    Explaining computes, stores and counts nothing, whatever the state of the entry.
    """
    seen = []

    def same(x):
        seen.append(x)
        return x

    cache = make_cache("disk", l1_maxsize=2)
    f = make(call, cache, same, tags=["t:{x}"])
    for x in range(4):
        call(f(x))
    cache.sync.invalidate_tags("t:3")
    clock.advance(1)
    before = (f.cache_info(), cache.get_stats())

    for x in range(6):
        call(f.explain(x))

    assert before == (f.cache_info(), cache.get_stats())
    assert [0, 1, 2, 3] == seen


def test_the_least_used_stays_the_least_used(call, make_cache):
    """
    Explaining is no use of an entry: the same one is evicted next.
    """
    f = make(call, make_cache(l1_maxsize=2))
    call(f(1))
    call(f(2))
    call(f.explain(1))
    call(f(3))

    assert [Reason.EVICTED, Reason.IN_MEMORY] == [reason(call, f, 1), reason(call, f, 2)]


@pytest.mark.parametrize("is_used", [False, True])
def test_the_least_used_of_the_second_tier_stays_that(call, make_cache, clock, is_used):
    """
    The same below: a call is a use of the record, an explanation is none.
    """
    level = CacheLevelConfig(max_size=2, eviction_policy=EvictionPolicy.LRU)
    f = make(call, make_cache("disk", l1_maxsize=0, l2_config=level))
    for x in (1, 2):
        call(f(x))
        clock.advance(5)
    call(f(1) if is_used else f.explain(1))
    clock.advance(5)
    call(f(3))

    found = [x for x in (1, 2, 3) if reason(call, f, x) == Reason.SECOND_TIER]
    assert ([1, 3] if is_used else [2, 3]) == found


def test_no_argument_is_kept_alive(cache):
    """
    What is known of calls holds no reference to their arguments.
    """

    class Point:
        def __cache_key__(self):
            return 7

    @tiered_cache(cache=cache, name="f")
    def f(x):
        return 1

    point = Point()
    f(point)
    gone = weakref.ref(point)
    del point
    gc.collect()

    assert gone() is None
    assert len(f._self_memo.shelf.known) == 1


def test_memory_is_bounded(cache):
    """
    However many calls and removals there are, only the last ones are remembered.
    """

    @tiered_cache(cache=cache, name="f")
    def f(x):
        return x

    for x in range(20_000):
        f(x)

    known = f._self_memo.shelf.known
    assert known.most // 2 <= len(known) <= known.most <= MOST
    assert evidence.MOST == len(cache._keyed.engine.evidence)
    assert Reason.NEVER_SEEN == f.explain(1).reason or "differs" in f.explain(1).reason


SECRETS = ("hunter2-abcdef", "sk-abcdefabcdef1234")


class SecretStr:
    def __init__(self, text):
        self._text = text

    def __cache_key__(self):
        return self._text

    def __repr__(self):
        return self._text

    __str__ = __repr__


@pytest.mark.parametrize(
    "options",
    [{}, {"key": lambda who, password, extra: (who, password)}, {"tags": ["p:{password}"]}],
    ids=["arguments", "key=", "tags"],
)
def test_no_secret_is_shown(call, cache, options):
    """
    Neither redacted parameters, nor secrets by their name, type or look, in any form of it.
    """

    def login(who, password, extra=None):
        return 1

    f = make(call, cache, login, redact=("who",), **options)
    values = [
        (SECRETS[0], SECRETS[1], None),
        (SECRETS[1], SECRETS[0], SecretStr(SECRETS[0])),
        ("b", "c", {"api_key": SECRETS[0], "x": [("token", SECRETS[1])]}),
        ("b", "c", f"https://user:{SECRETS[0]}@host/"),
        ("b", "c", f"Bearer {SECRETS[1]}"),
    ]
    for one in values[:3]:
        call(f(*one))
    # (A text that is called nothing suspicious is kept, and hidden when it is shown.)
    assert not [one for one in SECRETS if one in repr(list(f._self_memo.shelf.known))]
    for one in values:
        call(f(*one))
        cache.sync.invalidate_tags(f"p:{one[1]}")
        for other in [*values, ("x", "y", "z")]:
            told = call(f.explain(*other))
            shown = str(told) + repr(told) + json.dumps(told.as_dict())
            assert not [secret for secret in SECRETS if secret in shown]


def test_the_hit_path_knows_nothing_of_it(cache):
    """
    The generated function is the same, and touches neither evidence nor known calls.
    """
    import linecache

    f = tiered_cache(cache=cache, name="f")(lambda x: x)
    f(1)
    source = "".join(linecache.getlines(type(f).__call__.__code__.co_filename))

    assert "hits += 1" in source
    assert not [word for word in ("known", "evidence", "trac", "explain") if word in source]


# -- its form ----------------------------------------------------------------------------


def test_methods_through_instance_and_class(call, cache):
    """
    On methods it is reached like the other attributes, and the instance is part of the call.
    """

    class Shop:
        @call.cached(cache=cache, name="price", ttl=60)
        def price(self, x):
            return x

    shop, other = Shop(), Shop()
    call(shop.price(1))

    assert Reason.IN_MEMORY == call(shop.price.explain(1)).reason
    assert Reason.IN_MEMORY == call(Shop.price.explain(shop, 1)).reason
    assert ["self"] == [one.name for one in call(other.price.explain(1)).differences]


def test_batches_and_streams(cache):
    """
    Of a batch it is asked with one id; of a stream as of any call.
    """

    @tiered_cache.many(cache=cache, name="users")
    def users(ids: list[int]) -> dict:
        return {one: one for one in ids}

    @tiered_cache(cache=cache, name="words")
    def words(text):
        yield from text

    users([1, 2])
    list(words("ab"))

    assert [Reason.IN_MEMORY, Reason.ARGUMENT_DIFFERS] == [
        users.explain(1).reason,
        words.explain("aB").reason,
    ]
    assert Reason.IN_MEMORY == words.explain("ab").reason
    assert 2 == users.explain(3).known_calls


def test_frozen_and_for_programs(cache):
    """
    An explanation cannot be changed, and its facts fit into JSON.
    """
    f = tiered_cache(cache=cache, name="f", ttl=float("inf"))(lambda x: x)
    f(1)
    told = f.explain(1)

    assert isinstance(told, Explanation) and not hasattr(told, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        told.reason = Reason.OFF
    facts = json.loads(json.dumps(told.as_dict()))
    assert ("in_memory", True, None) == (facts["reason"], facts["would_hit"], facts["ttl_left"])
    assert 2 <= len(str(told).splitlines()) <= 6


def test_provenance(call, cache, clock):
    """
    ``lookup`` tells by which code an entry was made, whether it is stale and what it has saved.
    """
    f = make(call, cache, version="v1")
    call(f(1))
    for _ in range(3):
        call(f(1))
    entry = call(f.lookup(1))

    assert ("str:v1", False, 3) == (entry.version, entry.stale, entry.hits)
    assert 3 * entry.compute_seconds == pytest.approx(entry.saved_seconds)


def test_a_cache_alone_is_needed():
    """
    It works without any settings, on the default cache.
    """
    assert isinstance(memotier.get_cache(), MultiLevelCache)
    f = tiered_cache(lambda x: x)
    assert Reason.NEVER_SEEN == f.explain(1).reason
