"""
Fault 27: a secret among the arguments is nowhere but in the memory of the process.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid

import pydantic
import pytest

import memotier
from memotier import CacheAnalytics, ConfigError, InvalidationNotDurable, tiered_cache
from memotier.analytics import record_trace
from memotier.integrations import logs
from memotier.keys.digest import Digester
from memotier.stores.local import LocalStore
from memotier.testing import FaultyStore

from .conftest import KEY, OTHER, text
from .listening import Told, ask_analytics, forms, run_commands, where_lying, where_said
from .secretive import CANARY, NUMBER, Functions, use, user

ALL = {
    f"{secret}: {form}": found
    for secret in (CANARY, NUMBER)
    for form, found in forms(secret).items()
}


@pytest.fixture(params=["bare", "signed", "encrypted"])
def protected(request, monkeypatch):
    """
    The arguments of a cache without a key, with one, and with encryption.
    """
    monkeypatch.setenv("REGION", "eu")
    if request.param != "bare":
        monkeypatch.setenv("MEMOTIER_KEY", text(KEY))
    return {"encrypt": True} if request.param == "encrypted" else {}


@pytest.fixture(params=["memory", "disk", "redis", "failing"])
def place(request, protected, make_cache, monkeypatch):
    """
    A cache of each kind, and one whose second tier fails every other time; and all that is stored.
    """
    if request.param in ("memory", "failing") and protected:
        pytest.skip("the same without a file")
    if request.param == "memory":
        return make_cache(), bytes
    if request.param == "failing":
        store = FaultyStore(LocalStore(None))
        for at in range(1, 400, 2):
            store.fail_at(at)
        return make_cache(l2_store=store, **protected), bytes
    if request.param == "disk":
        return make_cache("disk", **protected), bytes
    if not protected:
        monkeypatch.setenv("MEMOTIER_KEY", text(KEY))  # as agent=True asks
    cache = make_cache("redis", **protected)
    return cache, lambda: dumped(request.getfixturevalue("redis_server"))


def dumped(server) -> bytes:
    """
    All that a server has: the names of the keys, and what they hold.
    """
    found, at = [], "0"
    while True:
        at, keys = server.run("SCAN", at, "COUNT", "1000")
        for key in keys:
            found += [key, server.run("DUMP", key) or b""]
        if int(at) == 0:
            return b"\n".join(found)


def test_fault_27_no_output_holds_a_secret(place, call, clock, tmp_path):
    """
    With everything turned on, and in every way in which a function can be given a secret: no log,
    event, trace, span, figure, page, error or file has it, nor has a server.
    """
    cache, stored = place
    user.set(CANARY)
    with Told() as told:
        logs.listen(cache, lambda event: told.add("event", event))
        analytics = CacheAnalytics(cache, show_keys=True)
        recorder = record_trace(cache, tmp_path / "calls.mttrace").start()
        functions = Functions(call, cache=cache)
        use(functions, told, clock)
        ask_analytics(cache, analytics, told)
        told.add("recorded", recorder, recorder.stop())
        try:
            cache.sync.forget(CANARY)
            cache.sync.flush()
        except InvalidationNotDurable as error:
            told.error(error)
        cache.sync.close()
        told.telemetry()

    assert [] == where_said(told, ALL)
    assert [] == where_lying(tmp_path, ALL)
    everything = stored()
    assert [] == [form for form, found in ALL.items() if found in everything]


@pytest.mark.parametrize("kind", ["disk", "redis"])
def test_fault_27_no_command_shows_a_secret(kind, protected, call, tmp_path, request, monkeypatch):
    """
    Whatever the command shows of a cache, with its figures of the processes and its history.
    """
    settings = {"warming": {"record": True}, **protected}
    if kind == "redis":
        monkeypatch.setenv("MEMOTIER_KEY", text(KEY))
        settings["redis_url"] = request.getfixturevalue("redis_server").url
    else:
        settings["directory"] = str(tmp_path / "cache")
    name = f"secretive-{uuid.uuid4().hex[:8]}"
    memotier.configure(caches={name: settings})
    user.set(CANARY)
    functions = Functions(call, cache=name)
    with Told() as told:
        with record_trace(name, tmp_path / "calls.mttrace"):
            use(functions, told, None)
        memotier.get_cache(name).sync.flush()
        run_commands(told, tmp_path, name)
        memotier.configure()
        run_commands(told, tmp_path, name)

    said = "".join(one for where, one in told.texts if where.startswith("memotier "))
    assert "plain" in said and "pin" in said  # it was recorded, and they have looked
    assert [] == where_said(told, ALL)


def test_fault_27_what_is_no_secret_is_found(call, make_cache, clock, tmp_path):
    """
    The tests above can fail: of an argument that nobody called a secret the text is in explain(),
    in a trace and in the history, and a result is in the file.
    """
    cache = make_cache("disk")
    f = call.cached(cache=cache, name="f", record=True)(lambda q: f"result {q}")
    with Told() as told, memotier.trace() as trace:
        call(f(CANARY))
        told.add("trace", trace)
        told.add("explain", call(f.explain(CANARY)))
    cache.sync.close()

    wanted = {"text": CANARY.encode()}
    assert ["explain: text", "trace: text"] == where_said(told, wanted)
    assert {"cache", "history-v1"} & {
        part for one in where_lying(tmp_path, wanted) for part in one.split("/")
    } == {"cache", "history-v1"}


def test_fault_27_encrypted_results_are_in_no_file(call, make_cache, tmp_path, monkeypatch):
    """
    With ``encrypt=True`` a result that has the secret is not to be found, either; nor are tags.
    """
    monkeypatch.setenv("MEMOTIER_KEY", text(KEY))
    cache = make_cache("disk", encrypt=True)
    f = call.cached(cache=cache, name="f", record=True, tags=["of:{q}"])(lambda q: f"result {q}")
    call(f(CANARY))
    cache.sync.set(CANARY, CANARY, tags=[CANARY])
    cache.sync.close()

    assert [] == where_lying(tmp_path, ALL)
    again = call.cached(cache=make_cache("disk", encrypt=True), name="f")(f.__wrapped__)
    assert f"result {CANARY}" == call(again(CANARY))
    assert 1 == again.cache_info().l2_hits


# -- guessing ----------------------------------------------------------------------------


def pin_of(pin: str) -> str:
    return "ok"


HIDING = {
    "redact": ({"redact": ("pin",)}, lambda pin: pin),
    "key": ({"redact": ("pin",), "key": lambda pin: (1, pin)}, lambda pin: pin),
    "typed": ({}, pydantic.SecretStr),
    "inside": ({}, lambda pin: [{"a": (pydantic.SecretStr(pin),)}]),
    "named": ({}, lambda pin: pin),
    "scope": ({"scope": ("pin",)}, lambda pin: pin),
    "variable": ({"scope": user}, lambda pin: (user.set(pin), "x")[1]),
}
WITHOUT_KEY = ("redact", "key", "typed", "inside")


def hiding(cache, way):
    options, made = HIDING[way]
    function = (lambda api_key: "ok") if way == "named" else (lambda pin: "ok")
    made_of = tiered_cache(cache=cache, name="f", version=1, namespace="ns", **options)(function)
    return made_of, made


def unkeyed(f, argument) -> list[bytes]:
    """
    What who knows the function and guesses the argument can compute.
    """
    memo = f._self_memo
    canonical = memo.locate((argument,)).canonical
    digester = Digester("ns", memo.identity.name, memo.version)
    digests = [digester.address(canonical), digester.fingerprint(canonical)]
    return [*digests, *(one.hex().encode() for one in digests)]


@pytest.mark.parametrize("way", HIDING)
@pytest.mark.parametrize("with_key", [True, False])
def test_fault_27_a_secret_cannot_be_found_by_trying(
    open_cache, tier, with_key, way, monkeypatch, tmp_path, request
):
    """
    Nothing in the store, and no key that is shown, is a digest that can be made without a key; in a
    directory without MEMOTIER_KEY it is the user's own. And others with the key find the result.
    """
    if not with_key and (tier == "redis" or way not in WITHOUT_KEY):
        pytest.skip("there is no key that others have")
    if with_key:
        monkeypatch.setenv("MEMOTIER_KEY", text(KEY))
    cache = open_cache()
    f, made = hiding(cache, way)
    argument = made("1234")
    f(argument)
    with memotier.trace() as trace:
        f(argument)
    shown = f"{f.cache_key(argument)} {f.explain(argument)!r} {list(trace.calls)!r}".encode()
    guessed = unkeyed(f, argument)
    cache.sync.close()
    if tier == "disk":
        lying = {str(at): one for at, one in enumerate(guessed)}
        assert [] == where_lying(tmp_path / "cache", lying)
    else:
        lying = dumped(request.getfixturevalue("redis_server"))
        assert not any(one in lying for one in guessed)
    assert not any(one in shown for one in guessed)

    again, made = hiding(open_cache(), way)
    assert "ok" == again(made("1234")) and 1 == again.cache_info().l2_hits
    again(made("4321"))
    assert 1 == again.cache_info().l2_hits


def test_fault_27_without_a_second_tier_the_key_is_of_the_process(cache):
    """
    ``cache_key()`` of a function in memory is stable there, and cannot be computed elsewhere.
    """
    f, made = hiding(cache, "redact")
    f(made("1234"))

    assert f.cache_key("1234") == f.cache_key("1234") != f.cache_key("4321")
    assert f.cache_key("1234").partition(":")[2].encode() not in unkeyed(f, "1234")


def test_without_a_key_of_the_user_it_is_said_and_works(open_cache, tier, tmp_path, caplog):
    """
    A home that others can read: results are shared all the same, and one line says what to do.
    """
    if tier == "redis":
        pytest.skip("it has said so when the cache was made")
    (tmp_path / "home" / ".config" / "memotier").mkdir(parents=True, mode=0o755)
    (tmp_path / "home" / ".config" / "memotier").chmod(0o755)
    with caplog.at_level(logging.WARNING, "memotier"):
        for count in range(2):
            f, made = hiding(open_cache(), "redact")
            assert "ok" == f(made("1234"))
            assert count == f.cache_info().l2_hits

    assert any("set MEMOTIER_KEY" in one.getMessage() for one in caplog.records)


# -- while keys are rotated ----------------------------------------------------------------


@pytest.mark.parametrize("way", ["redact", "typed", "scope"])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ((OTHER,), (KEY, OTHER)),
        ((KEY, OTHER), (OTHER,)),
        ((KEY, OTHER), (KEY,)),
        ((KEY,), (KEY, OTHER)),
    ],
    ids=["old by new", "new by old", "both by new", "new by both"],
)
def test_fault_30_invalidating_reaches_who_has_one_of_the_keys(
    open_cache, monkeypatch, way, mine, theirs, soft
):
    """
    A call that hides something lies at another address for who has other keys: invalidated by its
    arguments it is gone all the same, in memory and below.
    """

    def opened(keys):
        monkeypatch.setenv("MEMOTIER_KEY", text(*keys))
        return hiding(open_cache(), way)[0]

    made, before = HIDING[way][1], opened(mine)
    before(made("1234")), before(made("4321"))
    other = opened(theirs)
    (other.expire if soft else other.invalidate)(made("1234"))

    # A Redis tells it a moment later.
    until = time.monotonic() + 10
    while before.cache_info().misses < 3 and time.monotonic() < until:
        before(made("1234"))
    assert 3 == before.cache_info().misses and 0 == before.cache_info().l2_hits
    assert before.lookup(made("4321")) is not None


@pytest.mark.parametrize("way", ["redact", "typed"])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("mine", ["home", "elsewhere"])
def test_invalidating_reaches_who_has_another_home(
    make_cache, monkeypatch, tmp_path, way, soft, mine
):
    """
    Two who share a directory, each with a key of his own, and none that is set: the second one
    goes without, and either is reached by what the other one invalidates.
    """

    def opened(home):
        monkeypatch.setenv("HOME", str(tmp_path / home))
        f = hiding(make_cache("disk"), way)[0]
        f(made("0"))  # now it has looked for a key
        return f

    made = HIDING[way][1]
    both = {home: opened(home) for home in ("home", "elsewhere")}
    before, other = both.pop(mine), both.popitem()[1]
    before(made("1234")), other(made("1234"))
    assert 2 == before.cache_info().misses
    (other.expire if soft else other.invalidate)(made("1234"))

    before(made("1234"))
    assert 3 == before.cache_info().misses and 0 == before.cache_info().l2_hits


# -- options -------------------------------------------------------------------------------


def test_redact_and_a_near_text(cache):
    """
    A text that is never written down cannot be the one that may be near: matches are shown.
    """
    from memotier.semantic.ngrams import NgramEmbedder

    near = memotier.Semantic("question", embedder=NgramEmbedder())
    with pytest.raises(ConfigError, match=r"semantic='question' cannot be used: redact= has it"):
        tiered_cache(cache=cache, semantic=near, redact=("question",))(lambda question: 1)


def test_fault_27_a_timeout_says_nothing(call, cache):
    """
    The error about a function that takes too long names the function.
    """
    gate = threading.Event()

    async def alate(q, pin):
        await asyncio.to_thread(gate.wait)

    late = alate if call.is_async else lambda q, pin: gate.wait()
    f = tiered_cache(cache=cache, redact=("pin",), hard_timeout=0.01)(late)
    with pytest.raises(memotier.ComputeTimeout) as caught, Told() as told:
        call(f("q", CANARY))
    gate.set()
    told.error(caught.value)

    assert [] == where_said(told, ALL)
