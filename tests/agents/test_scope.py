"""
``scope=``: whose a result is, as part of the key and of the record.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import linecache
import sqlite3
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

import memotier
from memotier import MISS, ConfigError, ScopeMissing, UnkeyableArgument, tiered_cache

USERS = ("alice", "bob")
user = contextvars.ContextVar("user")


@pytest.fixture(autouse=True)
def _nobody():
    token = user.set(None)
    yield
    user.reset(token)


def as_user(name, function, *args):
    """
    What *function* returns in a context of its own, in which *name* is the user.
    """

    def run():
        user.set(name)
        return function(*args)

    return contextvars.copy_context().run(run)


class Told:
    """
    The three ways in which a function is told for whom it is called.
    """

    def __init__(self, way, call, cache, **options):
        self.way, self._call = way, call
        self.seen = []
        scope = {"variable": user, "callable": lambda: user.get(), "names": ("who",)}[way]

        def read(x, who=None):
            self.seen.append((x, user.get()))
            return [x, user.get()]

        self.f = call.cached(cache=cache, name="read", scope=scope, **options)(read)

    def __call__(self, name, x=1):
        user.set(name)
        return self._call(self.f(x, *([name] if self.way == "names" else [])))

    def peek(self, name, x=1):
        user.set(name)
        return self.f.peek(x, *([name] if self.way == "names" else []))


@pytest.fixture(params=["variable", "callable", "names"])
def told(request, call, tiers):
    return Told(request.param, call, tiers)


def test_each_scope_has_its_own_result(told):
    """
    Two users with the same arguments never get each other's result, in whatever tier it is.
    """
    for _ in range(3):
        assert [[1, "alice"], [1, "bob"]] == [told("alice"), told("bob")]
    assert 2 == len(told.seen)


def test_a_call_of_nobody_raises(told):
    """
    Without a scope the function is not called, and nobody's result is served.
    """
    told("alice")
    for nobody in (None, "", (), b"", ("alice", None)):
        with pytest.raises(ScopeMissing, match="was not called"):
            told(nobody)
    assert 1 == len(told.seen)


def test_a_variable_without_a_value_raises_whatever_on_unkeyable_says(call, cache):
    """
    ``on_unkeyable="bypass"`` is about arguments; a missing scope raises all the same.
    """
    empty = contextvars.ContextVar("empty")
    f = call.cached(cache=cache, scope=empty, on_unkeyable="bypass")(lambda x: x)

    with pytest.raises(ScopeMissing, match="ContextVar that has no value here"):
        call(f(1))
    with pytest.raises(LookupError):
        f.peek(1)


def test_a_callable_that_raises_is_no_scope_and_shows_nothing(call, cache):
    """
    Its error is the cause, and its text, which may hold anything, is not in ours.
    """

    def fails():
        raise KeyError("secret-token")

    f = call.cached(cache=cache, scope=fails)(lambda x: x)

    with pytest.raises(ScopeMissing, match="raised KeyError") as caught:
        call(f(1))
    assert "secret-token" not in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_scope_without_a_stable_key_raises(call, cache):
    """
    An object that only its address tells apart is nobody's name.
    """
    f = call.cached(cache=cache, scope=user)(lambda x: x)
    user.set(object())

    with pytest.raises(ScopeMissing, match="is a object, which has no stable key") as caught:
        call(f(1))
    assert isinstance(caught.value.__cause__, UnkeyableArgument)


def test_scopes_are_told_apart_by_type(call, tiers):
    """
    1, "1", True, 1.0 and a UUID with the same text are five scopes.
    """
    f = call.cached(cache=tiers, name="typed", scope=user)(lambda: type(user.get()).__name__)
    one = uuid.UUID(int=1)
    for _ in range(2):
        for scope in (1, "1", True, 1.0, one, str(one), ("a", 1), frozenset(["a"])):
            user.set(scope)
            assert type(scope).__name__ == call(f())
    assert 8 == f.cache_info().misses


def test_the_key_of_the_user_gets_the_scope_added(call, tiers):
    """
    ``key=`` says what counts of the arguments, not for whom the call is.
    """
    by_context = call.cached(cache=tiers, name="c", scope=user, key=lambda x: x % 10)(
        lambda x: [x, user.get()]
    )
    by_name = call.cached(cache=tiers, name="n", scope=("who",), key=lambda x, who: x % 10)(
        lambda x, who: [x, who]
    )
    for name in USERS:
        user.set(name)
        assert [1, name] == call(by_context(1)) == call(by_context(11))
        assert [1, name] == call(by_name(1, name)) == call(by_name(11, name))


def test_public_is_as_without_a_scope(call, tiers):
    """
    ``"public"`` says that sharing is meant: one result for all.
    """
    f = call.cached(cache=tiers, name="public", scope="public")(lambda x: [x, user.get()])
    user.set("alice")
    call(f(1))
    user.set("bob")

    assert [1, "alice"] == call(f(1))


def test_methods_have_scopes(call, cache):
    """
    The scope counts beside the instance, also for an object that is known only by itself.
    """

    class Shop:
        @call.cached(cache=cache, scope=user)
        def price(self, x):
            return [id(self), x, user.get()]

    one, other = Shop(), Shop()
    for _ in range(2):
        for shop in (one, other):
            for name in USERS:
                user.set(name)
                assert [id(shop), 1, name] == call(shop.price(1))
    assert 4 == Shop.price.cache_info().misses


# -- what runs elsewhere -----------------------------------------------------------------


def test_two_users_at_once_in_threads(tiers):
    """
    Threads that ask for the same at the same moment each get their own user's result.
    """
    barrier = threading.Barrier(8)

    @tiered_cache(cache=tiers, name="threads", scope=user)
    def read(x):
        return x, user.get()

    def ask(name):
        barrier.wait(10)
        return [read(x) for x in range(20)]

    with ThreadPoolExecutor(8) as pool:
        names = [f"user-{n % 4}" for n in range(8)]
        jobs = [pool.submit(as_user, name, ask, name) for name in names]
        for name, job in zip(names, jobs, strict=True):
            assert [(x, name) for x in range(20)] == job.result(30)
    assert 80 == read.cache_info().currsize


def test_two_users_at_once_in_tasks(tiers):
    """
    Tasks of one loop each have the user of their own context, while they wait and afterwards.
    """

    @tiered_cache(cache=tiers, name="tasks", scope=user)
    async def read(x):
        await asyncio.sleep(0)
        return x, user.get()

    async def ask(name):
        user.set(name)
        return [await read(x) for x in range(10)]

    async def main():
        return await asyncio.gather(*(ask(name) for name in USERS * 2))

    for name, found in zip(USERS * 2, asyncio.run(main()), strict=True):
        assert [(x, name) for x in range(10)] == found


def test_nested_contexts(call, cache):
    """
    Inside a context in which another user was set it is his, and outside the first one's again.
    """
    f = call.cached(cache=cache, scope=user)(lambda: user.get())
    user.set("alice")
    assert "alice" == call(f())
    assert "bob" == as_user("bob", lambda: call(f()))
    assert "alice" == call(f())


def test_map_computes_in_the_context_of_its_caller(told, call):
    """
    Workers of ``map`` compute and keep for whom the caller asked.
    """
    if told.way == "names":
        pytest.skip("told by arguments")
    for name in USERS:
        user.set(name)
        assert [[x, name] for x in range(5)] == call(told.f.map(range(5), limit=3))
        assert [4, name] == told.peek(name, 4)


def test_a_refresh_in_the_background_is_for_whom_the_caller_asked(call, tiers, clock):
    """
    The old result is served, and the new one is computed and kept under the same user.
    """
    told = Told("variable", call, tiers, ttl=10, stale_while_revalidate=20)
    told("alice"), told("bob")
    clock.advance(15)
    assert [[1, "alice"], [1, "bob"]] == [told("alice"), told("bob")]
    settle(tiers, call)

    assert sorted([(1, "alice"), (1, "bob")] * 2) == sorted(told.seen)
    assert [[1, "alice"], [1, "bob"]] == [told.peek("alice"), told.peek("bob")]


def settle(cache, call):
    background = cache._keyed.engine.background

    async def wait():
        while background._tasks:
            await asyncio.wait(set(background._tasks), timeout=10)
            await asyncio.sleep(0)

    if call.is_async:
        call(wait())
    for thread in list(background._threads):
        thread.join(10)
    assert 0 == background.running


def test_a_scope_that_a_helping_thread_does_not_have_is_never_mixed_up(cache, clock):
    """
    A thread-local user is nobody in the thread of a refresh: it computes nothing, for nobody.
    """
    here, seen = threading.local(), []

    @tiered_cache(cache=cache, scope=lambda: here.user, ttl=10, stale_while_revalidate=20)
    def read():
        seen.append(getattr(here, "user", "nobody"))
        return seen[-1]

    here.user = "alice"
    assert "alice" == read()
    clock.advance(15)
    assert "alice" == read()
    for thread in list(cache._keyed.engine.background._threads):
        thread.join(10)

    assert ["alice"] == seen
    assert 1 == cache.get_stats()["background"]["failed"]


def test_many_reads_the_scope_once_for_all_ids(call, tiers):
    """
    A batch is asked for by one caller, and each id has an entry for each user.
    """
    asked = []

    def who():
        asked.append(user.get())
        return user.get()

    def load(ids: list[int]) -> dict[int, str]:
        return {one: f"{user.get()} {one}" for one in ids}

    f = tiered_cache.many(cache=tiers, name="load", scope=who)(call.define(load))
    for name in USERS:
        user.set(name)
        assert {1: f"{name} 1", 2: f"{name} 2"} == call(f([1, 2]))
        assert {2: f"{name} 2", 3: f"{name} 3"} == call(f([2, 3]))
    assert ["alice", "alice", "bob", "bob"] == asked


def test_streams_have_scopes_by_name(cache):
    """
    A stream is somebody's by its arguments; who reads on in another context gets no say.
    """

    @tiered_cache(cache=cache, scope=("who",))
    def read(who):
        yield who
        yield from range(2)

    assert [["alice", 0, 1], ["bob", 0, 1]] == [list(read(name)) for name in USERS]
    with pytest.raises(ScopeMissing):
        list(read(None))
    with pytest.raises(ConfigError, match="who reads on may be another one"):
        tiered_cache(scope=user)(read.__wrapped__)


# -- memory and below --------------------------------------------------------------------


def _source(f):
    call = type(f).__call__
    code = inspect.unwrap(call).__code__
    return "".join(linecache.getlines(code.co_filename))


def test_a_function_without_a_scope_has_the_hit_path_it_had(cache):
    """
    Without ``scope=``, with "public" and with names the generated source is one and the same; a
    scope of the moment costs one line.
    """

    def one(x, who="alice"):
        return x

    plain = tiered_cache(cache=cache)(one)
    public = tiered_cache(cache=cache, scope="public")(one)
    names = tiered_cache(cache=cache, scope=("who",))(one)
    moment = tiered_cache(cache=cache, scope=lambda: "alice")(one)
    for f in (plain, public, names, moment):
        assert [1, 1] == [f(1), f(1)]

    assert "_mt_scope" not in _source(plain)
    assert _source(plain) == _source(public) == _source(names)
    assert 1 == _source(moment).count("_mt_reads")


def test_a_hit_in_memory_needs_no_plan(cache, monkeypatch):
    """
    A scope of the moment is part of the native key: hits stay on the generated path.
    """
    f = tiered_cache(cache=cache, scope=user)(lambda x: [x, user.get()])
    user.set("alice")
    f(1)
    monkeypatch.setattr(f._self_memo.keys, "locate", None)

    assert [1, "alice"] == f(1)
    user.set("bob")
    with pytest.raises(TypeError):
        f(1)


@pytest.mark.parametrize("way", ["variable", "names"])
def test_a_record_of_another_scope_is_a_miss(make_cache, tmp_path, way):
    """
    Somebody swaps the rows of two users in the database: neither gets the other's result.
    """

    def sync(answer):
        return answer

    sync.cached = tiered_cache
    first = make_cache("disk")
    told = Told(way, sync, first)
    told("alice"), told("bob")
    first.sync.close()
    (file,) = (tmp_path / "cache").rglob("*.db")
    with sqlite3.connect(file) as db:
        rows = db.execute("SELECT rowid, value FROM Cache WHERE length(key) = 16").fetchall()
        assert 2 == len(rows)
        (a, alice), (b, bob) = rows
        db.execute("UPDATE Cache SET value = ? WHERE rowid = ?", (bob, a))
        db.execute("UPDATE Cache SET value = ? WHERE rowid = ?", (alice, b))
    db.close()
    again = Told(way, sync, make_cache("disk"))

    assert [[1, "alice"], [1, "bob"]] == [again("alice"), again("bob")]
    assert 2 == len(again.seen)


def test_a_record_without_the_scope_is_a_miss(make_cache):
    """
    What was written before the function had its scope cannot be forgotten by it: not used.
    """
    before = tiered_cache(cache=make_cache("disk"), name="f")(lambda who: ["old", who])
    before("alice")
    after = tiered_cache(cache=make_cache("disk"), name="f", version="auto", scope=("who",))(
        before.__wrapped__
    )

    assert before.cache_key("alice") == after.cache_key("alice")
    after("alice")
    assert 1 == after.cache_info().misses


def test_the_text_of_a_scope_is_nowhere_in_the_store(make_cache, tmp_path):
    """
    The database knows digests only.
    """
    cache = make_cache("disk")
    f = tiered_cache(cache=cache, name="f", scope=user)(lambda x: x)
    user.set("canary-9f3a")
    f(1)
    cache.sync.forget("canary-9f3a")
    cache.sync.close()

    for file in (tmp_path / "cache").rglob("*"):
        if file.is_file():
            assert b"canary-9f3a" not in file.read_bytes()


# -- forgetting --------------------------------------------------------------------------


def test_forget_leaves_others_alone(told, call, tiers):
    """
    All of one user's results go, in both tiers, and nobody else's.
    """
    for name in USERS:
        told(name, 1), told(name, 2)
    assert call(told.f.forget("alice")) is None

    assert MISS is told.peek("alice", 1)
    told("bob", 1), told("bob", 2)
    assert 4 == len(told.seen)
    told("alice", 1), told("alice", 2)
    assert 6 == len(told.seen)


def test_forget_of_a_function_leaves_other_functions_alone(call, tiers):
    """
    ``f.forget`` is about f; that of the cache about all functions, however they are told.
    """
    one = Told("variable", call, tiers)
    other = call.cached(cache=tiers, name="other", scope=("who",))(lambda who: [who])
    one("alice"), call(other("alice"))

    call(one.f.forget("alice"))
    assert MISS is one.peek("alice")
    one("alice"), call(other("alice"))
    assert [2, 1] == [one.f.cache_info().misses, other.cache_info().misses]
    tiers.sync.forget("alice")
    assert MISS is one.peek("alice")
    assert MISS is other.peek("alice")


def test_forget_of_several_names_takes_a_tuple(call, cache):
    """
    The scope of several parameters is the tuple of their values, in the order of ``scope=``.
    """
    f = call.cached(cache=cache, scope=("team", "who"))(lambda who, team: [who, team])
    call(f("alice", 1)), call(f("alice", 2))
    call(f.forget((1, "alice")))

    assert MISS is f.peek("alice", 1)
    assert ["alice", 2] == f.peek("alice", 2)


def test_forget_reaches_other_processes_and_lasts(make_cache):
    """
    Another cache over the same directory forgets: a third one, opened later, finds nothing.
    """
    one = make_cache("disk")
    f = tiered_cache(cache=one, name="f", scope=("who",))(lambda who: [who])
    f("alice"), f("bob")
    asyncio.run(make_cache("disk").forget("alice"))
    late = tiered_cache(cache=make_cache("disk"), name="f", scope=("who",))(f.__wrapped__)

    assert [["alice"], ["bob"]] == [late("alice"), late("bob")]
    assert 1 == late.cache_info().misses
    assert ["alice"] == f("alice")
    # Not what its memory had, but what the third one wrote since.
    assert (0, 1) == (f.cache_info().l1_hits, f.cache_info().l2_hits)


def test_forget_reaches_who_has_the_former_key(make_cache, monkeypatch):
    """
    While keys change, a process that has only the former one forgets what the new one wrote.
    """
    old, new = "6d" * 32, "5a" * 32
    monkeypatch.setenv("MEMOTIER_KEY", f"{new},{old}")
    ahead = tiered_cache(cache=make_cache("disk"), name="f", scope=("who",))(lambda who: [who])
    ahead("alice")
    monkeypatch.setenv("MEMOTIER_KEY", old)
    make_cache("disk").sync.forget("alice")
    ahead("alice")

    assert 2 == ahead.cache_info().misses


def test_the_module_forgets_in_all_named_caches(call):
    """
    ``memotier.forget`` is about every named cache in use.
    """
    f = call.cached(scope=user)(lambda: user.get())
    user.set("alice")
    call(f())
    memotier.forget("alice")

    assert MISS is f.peek()


def test_what_is_being_computed_is_forgotten_too(cache):
    """
    A result that was begun before ``forget`` is given to who waits for it and not kept.
    """
    user.set("alice")

    @tiered_cache(cache=cache, scope=user)
    def read():
        cache.sync.forget("alice")
        return user.get()

    assert "alice" == read()
    assert MISS is read.peek()


@pytest.mark.parametrize("nobody", [None, "", (), (None, 1)])
def test_nobody_cannot_be_forgotten(nobody, cache):
    """
    A forgotten user id is a mistake, not a wish to forget nothing.
    """
    with pytest.raises(ConfigError, match="nobody's scope"):
        cache.sync.forget(nobody)


@pytest.mark.parametrize("options", [{}, {"scope": "public"}])
def test_forget_of_a_function_without_a_scope_says_what_to_do(options, cache):
    """
    Its results are nobody's own.
    """
    f = tiered_cache(cache=cache, **options)(lambda x: x)
    with pytest.raises(ConfigError, match="cache_clear"):
        f.forget("alice")


# -- the option --------------------------------------------------------------------------


async def _awaited():
    return 1


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("who", r"write scope=\('who',\)"),
        ("required", "ContextVar"),
        ((), "names nobody"),
        (("nobody",), "is not a parameter; there are: x, who, rest"),
        (("rest",), "does not count"),
        (7, "ContextVar"),
        (_awaited, "without await"),
        (lambda who: who, "without arguments"),
    ],
)
def test_a_scope_that_cannot_be_used_is_refused(scope, said):
    """
    Misuse is told at decoration, with the value and the way out.
    """
    with pytest.raises(ConfigError, match=said):

        @tiered_cache(scope=scope, ignore=("rest",))
        def read(x, who, rest=None):
            return x


def test_what_depends_on_a_scope_has_to_have_one(cache):
    """
    Who names a function whose results are somebody's says whose his own are; also at one remove.
    """
    inner = tiered_cache(cache=cache, scope=user)(lambda: user.get())
    for scope in (user, "public"):
        outer = tiered_cache(cache=cache, scope=scope, depends_on=[inner])(lambda: inner())
    for one in (inner, outer):
        with pytest.raises(ConfigError, match="needs a scope="):
            tiered_cache(cache=cache, depends_on=[one])(lambda: one())
    public = tiered_cache(cache=cache, scope="public")(lambda: 1)
    assert 1 == tiered_cache(cache=cache, depends_on=[public])(lambda: public())()


def test_explain_tells_that_the_scope_differs_and_shows_nobody_elses_arguments(told):
    """
    Why a call missed is told without what another user asked for.
    """
    told("alice", "canary-question")
    user.set("bob")
    asked = ("canary-question",) if told.way != "names" else ("canary-question", "bob")
    told.f._self_memo.ready()
    found = told._call(told.f.explain(*asked))

    assert "scope" in str(found)
    assert "alice" not in str(found) + repr(found)
    found = told._call(told.f.explain("canary-questions", *asked[1:]))
    assert "canary-question," not in str(found) and "alice" not in str(found) + repr(found)


def test_calls_of_a_scope_are_not_recorded(make_cache, monkeypatch):
    """
    ``record=True`` is refused, and what the settings say does not count for scoped functions.
    """
    with pytest.raises(ConfigError, match="record=True"):
        tiered_cache(scope=user, record=True)(lambda x: x)
    memotier.configure(directory="here", warming={"record": True})
    scoped = tiered_cache(name="scoped", scope=("x",))(lambda x: x)
    public = tiered_cache(name="public", scope="public")(lambda x: x)
    scoped(1), public(1)

    assert not scoped.cache_parameters()["record"]
    assert public.cache_parameters()["record"]


def test_parameters_show_the_scope():
    """
    As it was given.
    """
    assert user is tiered_cache(scope=user)(lambda: 1).cache_parameters()["scope"]
    shown = tiered_cache(scope=["x"], agent=True, effects="read")(lambda x: 1).cache_parameters()
    assert (("x",), True) == (shown["scope"], shown["agent"])
    assert tiered_cache(lambda: 1).cache_parameters()["scope"] is None
