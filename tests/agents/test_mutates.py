"""
``@mutates``: a function that writes is run, and what it changes is forgotten, whatever comes of it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import copy
import functools
import inspect
import logging
import pickle
import threading
import types
import typing

import pytest

import memotier
from memotier import (
    ConfigError,
    InvalidationNotDurable,
    ScopeMissing,
    UnkeyableArgument,
    disabled,
    epoch,
    mutates,
    tiered_cache,
)
from memotier.mutations import Mutating
from memotier.testing import FaultyStore

from ..engine.worlds import Gate

user = contextvars.ContextVar("user")


class World:
    """
    Something that is read through a cache and written past it.
    """

    def __init__(self, call, cache):
        self._call = call
        self.content = "old"
        self.read = call.cached(cache=cache, name="read", tags=["file:{path}"])(self._read)

    def _read(self, path):
        return [path, self.content]

    def sees(self, path="a"):
        return self._call(self.read(path))[1]

    def write(self, path, text):
        self.content = text
        return f"wrote {path}"


@pytest.fixture
def world(call, tiers):
    return World(call, tiers)


@pytest.fixture
def faulty(make_cache):
    cache = make_cache("disk")
    engine = cache._keyed.engine
    engine.store = FaultyStore(engine.store)
    yield cache
    engine.store.failing = set()


# -- what is forgotten -----------------------------------------------------------------


@pytest.mark.parametrize(
    "tags",
    [["file:{path}"], lambda path, text: [f"file:{path}"], ["other", "file:a"]],
    ids=["template", "callable", "text"],
)
def test_a_write_runs_each_time_and_what_it_changed_is_read_anew(world, call, tiers, tags):
    """
    Every call runs, with its result; readers of that file see it, others keep theirs.
    """
    write = mutates(tags=tags, cache=tiers)(call.define(world.write))
    assert ["old", "old"] == [world.sees("a"), world.sees("b")]
    for text in ("new", "new", "newer"):
        world.content = "behind our back"
        assert "wrote a" == call(write("a", text))
        assert [text, "old"] == [world.sees("a"), world.sees("b")]


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, SystemExit])
def test_what_raised_may_have_written_half(world, call, tiers, error):
    """
    After an error, or an interrupt, the results are forgotten as well, and the error is the
    function's own.
    """
    raised = error("half")

    def write(path):
        world.content = "half"
        raise raised

    assert "old" == world.sees()
    with pytest.raises(error) as caught:
        call(mutates(tags=["file:{path}"], cache=tiers)(call.define(write))("a"))
    assert raised is caught.value
    assert "half" == world.sees()


def test_a_reader_that_began_during_a_write_keeps_nothing(cache):
    """
    It read what was there before; its own caller gets that, nobody else does.
    """
    gate, content = Gate(), ["old"]

    @tiered_cache(cache=cache, tags=["doc"])
    def read():
        found = content[0]
        if found == "old":
            gate.wait()
        return [found]

    @mutates(tags=["doc"], cache=cache)
    def write():
        reader.start()
        gate.entered.wait(10)
        content[0] = "new"

    answers = []
    reader = threading.Thread(target=lambda: answers.append(read()))
    write()
    gate.open()
    reader.join(10)
    assert [["old"]] == answers
    assert ["new"] == read()


def test_what_was_kept_during_a_write_is_forgotten(world, call, tiers):
    """
    A result that was computed and kept while the function ran is not served after it.
    """

    kept = []

    @mutates(tags=["file:{path}"], cache=tiers)
    def write(path):
        kept.append(world.read(path))
        world.content = "new"

    @mutates(tags=["file:{path}"], cache=tiers)
    async def awrite(path):
        kept.append(await world.read(path))
        world.content = "new"

    call((awrite if call.is_async else write)("a"))
    assert [["a", "old"]] == kept
    assert "new" == world.sees()


def test_the_arguments_are_read_before_the_function_changes_them(world, tiers):
    """
    The tags are those of the call, though the function takes its argument apart.
    """

    @mutates(tags=lambda paths: [f"file:{one}" for one in paths], cache=tiers)
    def write(paths):
        world.content = "new"
        paths.clear()

    world.sees("a")
    write(["a"])
    assert "new" == world.sees("a")


def test_epochs_are_bumped_by_name_and_by_template(call, tiers):
    """
    ``epochs=`` reaches what ``depends_on=`` names in the same words.
    """
    asked = []

    @call.cached(cache=tiers, name="notes", depends_on=[epoch("notes:{who}"), epoch("all")])
    def notes(who):
        asked.append(who)
        return [who]

    one = mutates(epochs=[epoch("notes:{who}")], cache=tiers)(call.define(lambda who: None))
    all_ = mutates(epochs=[epoch("all")], cache=tiers)(call.define(lambda: None))
    for _ in range(2):
        call(notes("ann")), call(notes("bob"))
    call(one("ann"))
    call(notes("ann")), call(notes("bob"))
    assert ["ann", "bob", "ann"] == asked
    call(all_())
    call(notes("ann")), call(notes("bob"))
    assert ["ann", "bob", "ann", "ann", "bob"] == asked


def test_all_results_of_functions_are_forgotten(call, tiers, make_cache):
    """
    Those that are named, in the cache where they are, also of methods; others are not.
    """
    elsewhere = make_cache()

    @call.cached(cache=tiers, name="one")
    def one(x):
        return [x]

    @call.cached(cache=elsewhere, name="two")
    def two(x):
        return [x]

    @call.cached(cache=tiers, name="three")
    def three(x):
        return [x]

    write = mutates(functions=[one, two])(call.define(lambda: None))
    for function in (one, two, three):
        call(function(1))
    call(write())
    assert [None, None] == [call(one.lookup(1)), call(two.lookup(1))]
    assert call(three.lookup(1)) is not None


def test_remembered_errors_are_forgotten_too(call, tiers):
    """
    What failed before the write is asked again after it.
    """
    state = {"fails": True}

    @call.cached(cache=tiers, name="read", tags=["t"], cache_exceptions=KeyError, error_ttl=60)
    def read():
        if state["fails"]:
            raise KeyError("missing")
        return ["there"]

    with pytest.raises(KeyError):
        call(read())
    state["fails"] = False
    with pytest.raises(KeyError):
        call(read())
    call(mutates(tags=["t"], cache=tiers)(call.define(lambda: None))())
    assert ["there"] == call(read())


def test_without_a_cache_every_named_one_hears_of_it(call):
    """
    The default cache and others that are in use, without being named.
    """
    memotier.configure(caches={"tools": {}})
    found = []
    for name in ("default", "tools"):
        f = call.cached(cache=name, name=f"read_{name}", tags=["t"])(lambda: [1])
        call(f())
        found.append(f)
    call(mutates(tags=["t"])(call.define(lambda: None))())
    assert [None, None] == [call(f.lookup()) for f in found]


def test_it_works_while_caching_is_off(world, call, tiers):
    """
    A block with ``disabled()`` writes: what was kept before it is not served after it.
    """
    write = mutates(tags=["file:{path}"], cache=tiers)(call.define(world.write))
    world.sees()
    with disabled():
        call(write("a", "new"))
    assert "new" == world.sees()


def test_a_cached_function_is_not_kept_that_wrote_on_its_way(cache):
    """
    A reader that calls the writer has computed across the write.
    """

    @mutates(tags=["t"], cache=cache)
    def write():
        pass

    @tiered_cache(cache=cache, tags=["t"])
    def read():
        write()
        return [1]

    read()
    assert read.lookup() is None


# -- what cannot be told ---------------------------------------------------------------


def messages(caplog):
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.parametrize("how", ["tags", "epochs", "functions"])
def test_a_write_that_happened_does_not_look_failed(faulty, call, caplog, clock, how):
    """
    The second tier cannot be told: the result is returned, this process does not serve the old
    one, one warning says so, and the second tier is told when it can be.
    """
    engine, content = faulty._keyed.engine, ["old"]
    cached = call.cached(cache=faulty, name="read", tags=["t"], depends_on=[epoch("e")])
    read = cached(lambda: content[0])
    changes = {"tags": {"tags": ["t"], "cache": faulty}}
    changes["epochs"] = {"epochs": [epoch("e")], "cache": faulty}
    changes["functions"] = {"functions": [read]}

    def write(text):
        content[0] = text
        return f"wrote {text}"

    write = mutates(**changes[how])(call.define(write))
    call(read())
    engine.store.failing = {"bump"}
    assert ["wrote 1", "wrote 2"] == [call(write("1")), call(write("2"))]
    assert "2" == call(read())
    (said,) = [one for one in messages(caplog) if "write() has run" in one]
    assert "not forgotten everywhere: the invalidation holds in this process" in said

    engine.store.failing = set()
    clock.advance(10)
    call(call.cached(cache=faulty, name="other")(lambda: 1)())
    assert not engine.versions.is_behind
    call(write("3"))
    assert 1 == sum("write() has run" in one for one in messages(caplog))
    engine.store.failing = {"bump"}
    call(write("4"))
    assert 2 == sum("write() has run" in one for one in messages(caplog))


def test_who_wants_an_error_gets_one_after_the_write(faulty, call, caplog):
    """
    ``on_untold="raise"``: the write has happened, its own errors come first.
    """
    written = []

    def write(fails=False):
        written.append(fails)
        if fails:
            raise KeyError("mine")

    write = mutates(tags=["t"], cache=faulty, on_untold="raise")(call.define(write))
    faulty._keyed.engine.store.failing = {"bump"}
    with pytest.raises(InvalidationNotDurable, match=r"write\(\) has run.*not forgotten every"):
        call(write())
    with pytest.raises(KeyError, match="mine"):
        call(write(fails=True))
    assert [False, True] == written
    assert any("write() has run" in one for one in messages(caplog))


def test_one_cache_that_cannot_be_told_does_not_keep_the_others_from_it(call, caplog):
    """
    Every named cache hears of it, also after one has failed.
    """
    memotier.configure(directory="d", caches={"a": {"directory": "a"}, "b": {"directory": "b"}})
    found = {}
    for name in ("default", "a", "b"):
        found[name] = call.cached(cache=name, name=f"read_{name}", tags=["t"])(lambda: [1])
        call(found[name]())
        engine = memotier.get_cache(name)._keyed.engine
        engine.store = FaultyStore(engine.store)
        engine.store.failing = {"bump"} if name != "b" else set()
    call(mutates(tags=["t"])(call.define(lambda: None))())
    engine = memotier.get_cache("b")._keyed.engine
    assert "bump" in engine.store.calls
    assert [None] * 3 == [call(f.lookup()) for f in found.values()]
    assert 1 == sum("has run" in one for one in messages(caplog))


def test_a_closed_cache_with_a_second_tier_is_not_passed_over_in_silence(call, make_cache, caplog):
    """
    Others still use what lies there: that they were not told is said.
    """
    closed = make_cache("disk")
    closed.sync.close()
    write = mutates(tags=["t"], cache=closed)(call.define(lambda: "done"))
    assert "done" == call(write())
    assert any("nobody was told of the invalidation: cache" in one for one in messages(caplog))


@pytest.mark.parametrize("mode", ["readonly", "offline"])
def test_modes_that_may_not_tell_say_so(call, make_cache, caplog, mode):
    """
    A process that must not write below runs the function, and says that nobody hears of it.
    """
    make_cache("disk").sync.set("k", 1)
    cache = make_cache("disk", mode=mode)
    write = mutates(tags=["t"], cache=cache)(call.define(lambda: "done"))
    assert ["done", "done"] == [call(write()), call(write())]
    assert 1 == sum("has run" in one for one in messages(caplog))


def test_an_interrupt_while_others_are_told_ends_after_all_were(call, make_cache, monkeypatch):
    """
    Who is interrupted in the first cache is not let go before the second heard of it.
    """
    one, two = (make_cache() for _ in range(2))
    kept = {}
    for name, cache in (("one", one), ("two", two)):
        kept[name] = call.cached(cache=cache, name=name)(lambda: [1])
        call(kept[name]())
    clear = kept["one"]._self_memo.clear

    def interrupted():
        yield from clear()
        raise KeyboardInterrupt

    monkeypatch.setattr(kept["one"]._self_memo, "clear", interrupted)
    write = mutates(functions=[kept["one"], kept["two"]])(call.define(lambda: None))
    with pytest.raises(KeyboardInterrupt):
        call(write())
    assert call(kept["two"].lookup()) is None


# -- before the write ------------------------------------------------------------------


def _raises(path):
    raise RuntimeError("secret")


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        (
            {"tags": _raises},
            ConfigError,
            r"write\(\) was not called: its tags= raised Runtime",
        ),
        ({"tags": lambda path: "one"}, ConfigError, r"write\(\) was not called: tags= is one"),
        ({"tags": ["file:{path}"]}, UnkeyableArgument, "argument 'path' is a object"),
        ({"epochs": [epoch("e:{path}")]}, UnkeyableArgument, "Pass a text or a number"),
        ({"epochs": [epoch("e")], "scope": user}, ScopeMissing, r"write\(\) was not called"),
        ({"epochs": [epoch("e")], "scope": ("path",)}, ScopeMissing, "no stable key"),
    ],
)
def test_what_nobody_can_say_is_said_before_anything_was_written(
    call, cache, options, error, match
):
    """
    If it is not known what a call changes, it does not run.
    """
    ran = []

    def write(path):
        ran.append(path)

    with pytest.raises(error, match=match) as caught:
        call(mutates(cache=cache, **options)(call.define(write))(object()))
    assert [] == ran
    assert "secret" not in str(caught.value)


def test_settings_that_cannot_be_used_are_heard_of_before_the_write(call):
    """
    A cache that nobody configured is misuse, which is not to be found out when it is too late.
    """
    ran = []
    write = mutates(tags=["t"], cache="nobody")(call.define(lambda: ran.append(1)))
    with pytest.raises(ConfigError):
        call(write())
    assert [] == ran


def test_settings_that_break_during_the_write_do_not_hide_it(call, monkeypatch, caplog):
    """
    The result of the write is returned, and it is said that nobody was told.
    """
    from memotier import changes

    def broken():
        raise ConfigError("broken meanwhile")

    def write():
        monkeypatch.setattr(changes, "caches_in_use", broken)
        return "done"

    assert "done" == call(mutates(tags=["t"])(call.define(write))())
    assert any("broken meanwhile" in one for one in messages(caplog))


# -- cancellation ----------------------------------------------------------------------


def test_a_cancelled_write_is_followed_by_its_invalidation(make_cache):
    """
    It may have written half; the task ends cancelled, and its results are forgotten.
    """
    cache = make_cache("disk")
    content = ["old"]

    @tiered_cache(cache=cache, name="read", tags=["t"])
    async def read():
        return content[0]

    @mutates(tags=["t"], cache=cache)
    async def write():
        content[0] = "half"
        await asyncio.Event().wait()

    async def main():
        await read()
        task = asyncio.create_task(write())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await read.lookup() is None
        return await read()

    assert "half" == asyncio.run(main())


def test_a_write_that_is_cancelled_at_every_wait_is_still_told_below(make_cache):
    """
    Cancelled again while others are told: this process has forgotten at once, and the second
    tier is told all the same.
    """
    cache, other = make_cache("disk"), make_cache("disk")
    content = ["old"]

    def reader(cache):
        return tiered_cache(cache=cache, name="read", tags=["t"])(lambda: content[0])

    here, there = reader(cache), reader(other)

    @mutates(tags=["t"], cache=cache)
    async def write():
        content[0] = "new"
        await asyncio.Event().wait()

    async def main():
        here(), there()
        task = asyncio.create_task(write())
        await asyncio.sleep(0)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled()

    asyncio.run(main())
    assert "new" == here()
    cache.sync.close()
    assert "new" == there()


@pytest.mark.parametrize("when", ["in the function", "while telling"])
def test_a_coroutine_that_is_closed_is_followed_by_its_invalidation(make_cache, when):
    """
    Nothing can be awaited in a coroutine that is closed: it is told in this thread.
    """
    cache = make_cache("disk")
    content = ["old"]

    @tiered_cache(cache=cache, name="read", tags=["t"])
    def read():
        return content[0]

    @types.coroutine
    def pause():
        yield

    @mutates(tags=["t"], cache=cache)
    async def write():
        content[0] = "half"
        if when == "in the function":
            await pause()

    async def main():
        coroutine = write()
        coroutine.send(None)
        coroutine.close()

    read()
    asyncio.run(main())
    assert not cache._keyed.engine.versions.is_behind
    assert "half" == read()


# -- what it stays ---------------------------------------------------------------------


def save(path: str, text: str = "", *, force: bool = False) -> int:
    """Save it."""
    return len(text)


SAVED = mutates(tags=["file:{path}"])(save)


class Store:
    """
    Every kind of method, with the decorator above and below the other one.
    """

    made: typing.ClassVar[list] = []

    @mutates(tags=lambda self, path: [path])
    def method(self, path: str) -> str:
        """A method."""
        self.made.append(path)
        return path

    @mutates(tags=["{path}"])
    async def amethod(self, path: str) -> str:
        return path

    @mutates(tags=["{path}"])
    @classmethod
    def above_class(cls, path: str) -> tuple:
        return cls, path

    @classmethod
    @mutates(tags=["{path}"])
    def below_class(cls, path: str) -> tuple:
        return cls, path

    @mutates(tags=["{path}"])
    @staticmethod
    def above_static(path: str) -> str:
        return path

    @staticmethod
    @mutates(tags=["{path}"])
    def below_static(path: str) -> str:
        return path


class Sub(Store):
    pass


def told(monkeypatch):
    """
    The tags of all calls from now on.
    """
    from memotier.changes import Changes

    seen = []
    of = Changes.of

    def noted(self, args, kwargs):
        found = of(self, args, kwargs)
        seen.extend(found.tags)
        return found

    monkeypatch.setattr(Changes, "of", noted)
    return seen


def test_methods_of_every_kind(monkeypatch):
    """
    They are bound as they would be, through classes, instances and subclasses, and their
    arguments stand in the tags.
    """
    seen, store = told(monkeypatch), Sub()
    assert ["1", "2"] == [store.method("1"), Store.method(store, path="2")]
    assert [(Sub, "3"), (Sub, "4")] == [store.above_class("3"), Sub.below_class("4")]
    assert [(Store, "5"), (Store, "6")] == [Store.above_class("5"), Store.below_class(path="6")]
    assert ["7", "8"] == [store.above_static("7"), Sub.below_static("8")]
    assert "9" == asyncio.run(store.amethod("9"))
    assert [str(n) for n in range(1, 10)] == seen
    assert store.method == store.method and store.method != Sub().method


def test_other_callables(monkeypatch):
    """
    Partials, callable objects and bound methods are decorated as well, sync and async.
    """

    class Saver:
        def __call__(self, path):
            return path

        async def asave(self, path):
            return path

    seen, option = told(monkeypatch), mutates(tags=["{path}"])
    assert "1" == option(Saver())("1")
    assert 2 == option(functools.partial(save, text="ab"))(path="2")
    assert "3" == asyncio.run(option(Saver().asave)("3"))
    assert ["1", "2", "3"] == seen


def test_it_looks_like_the_function():
    """
    Name, text, signature, annotations and kind are those that frameworks ask for.
    """
    assert ("save", "Save it.", __name__) == (SAVED.__name__, SAVED.__doc__, SAVED.__module__)
    assert inspect.signature(save) == inspect.signature(SAVED)
    assert typing.get_type_hints(save) == typing.get_type_hints(SAVED)
    assert inspect.isfunction(SAVED) and save is inspect.unwrap(SAVED)
    assert inspect.getsource(save) == inspect.getsource(SAVED)
    assert inspect.iscoroutinefunction(Store.amethod)
    assert inspect.iscoroutinefunction(Store().amethod) and inspect.ismethod(Store().amethod)
    assert ["path"] == list(inspect.signature(Store().method).parameters)
    assert "A method." == Store().method.__doc__
    assert "<mutates of save>" == repr(SAVED)
    assert SAVED is copy.copy(SAVED) is copy.deepcopy(SAVED)


def test_it_is_pickled_by_its_name(monkeypatch):
    """
    A worker process finds it decorated; one that cannot be found is not taken for another.
    """
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(SAVED)
    monkeypatch.setitem(globals(), "save", SAVED)
    assert SAVED is pickle.loads(pickle.dumps(SAVED))
    assert Store.above_static is pickle.loads(pickle.dumps(Store.above_static))
    assert Store.above_class == pickle.loads(pickle.dumps(Store.above_class))


# -- work that is done later -----------------------------------------------------------


def test_a_coroutine_that_a_plain_function_returns_is_followed_to_its_end(cache):
    """
    It is awaited before the results are forgotten, also if it raises.
    """
    content = ["old"]
    read = tiered_cache(cache=cache, name="read", tags=["t"])(lambda: content[0])

    async def later(text, fails):
        read()
        content[0] = text
        if fails:
            raise KeyError(text)
        return text

    write = mutates(tags=["t"], cache=cache)(lambda text, fails=False: later(text, fails))
    assert "new" == asyncio.run(write("new"))
    assert "new" == read()
    with pytest.raises(KeyError):
        asyncio.run(write("newer", fails=True))
    assert "newer" == read()


def test_a_coroutine_that_was_returned_runs_before_an_error_is_raised(faulty):
    """
    ``on_untold="raise"`` is about what has happened: the work is done, then the error comes.
    """
    done = []

    async def later():
        done.append(1)

    write = mutates(tags=["t"], cache=faulty, on_untold="raise")(lambda: later())
    faulty._keyed.engine.store.failing = {"bump"}
    with pytest.raises(InvalidationNotDurable):
        asyncio.run(write())
    assert [1] == done


def test_work_that_nobody_can_follow_is_said(cache, caplog):
    """
    A future or a generator that was returned may write later: one warning, with the way out.
    """
    future = concurrent.futures.Future()
    write = mutates(tags=["t"], cache=cache)(lambda: future)
    assert future is write() is write()
    (said,) = messages(caplog)
    assert "returned a Future" in said and "Put @mutates on the function that does it" in said


# -- refusals --------------------------------------------------------------------------


def stream(x):
    yield x


async def astream(x):
    yield x


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "needs to know what it changes: write tags="),
        ({"tags": "one"}, r"write tags=\['one'\]"),
        ({"tags": ["{other}"]}, r"names \{other\}.*there are: \{path\}"),
        ({"tags": [7]}, "tags="),
        ({"epochs": epoch("e")}, "epochs=.*give a list"),
        ({"epochs": ["session"]}, r"epochs='session' cannot be used: give epoch\(...\)"),
        ({"epochs": "session"}, "epochs='session' cannot be used: give a list"),
        ({"epochs": [epoch("e:{no}")]}, r"names \{no\}"),
        ({"functions": [save]}, "functions=.*not a function with @tiered_cache"),
        ({"functions": save}, "give a list of cached functions"),
        ({"tags": ["t"], "cache": 7}, "cache=7 cannot be used"),
        ({"tags": ["t"], "cache": ""}, "cache='' cannot be used"),
        ({"tags": ["t"], "scope": user}, "scope=.*there are none"),
        ({"epochs": [epoch("e")], "scope": ("no",)}, "'no' is not a parameter"),
        ({"tags": ["t"], "on_untold": "ignore"}, "on_untold='ignore' cannot be used: \"log\" or"),
    ],
)
def test_options_that_cannot_be_used(options, match):
    """
    Each is refused when the function is decorated, with its value.
    """

    def write(path):
        pass

    with pytest.raises(ConfigError, match=match):
        mutates(**options)(write)


def test_a_cache_of_functions_alone_is_refused(cache):
    """
    It would be ignored: functions know where their results are.
    """
    read = tiered_cache(cache=cache)(lambda: 1)
    with pytest.raises(ConfigError, match=r"cache=.*functions= know"):
        mutates(functions=[read], cache=cache)(lambda: None)


async def _tags(path):
    return []


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (stream, "generator function"),
        (astream, "generator function"),
        (Store, "is a class"),
        (property(save), "a property"),
        (7, "is a int"),
        (tiered_cache(name="f")(save), "is cached, and what writes has to run"),
        (print, None),
    ],
)
def test_what_cannot_be_decorated(function, match):
    """
    Refused with the reason; what can be called is taken.
    """
    if match is None:
        assert mutates(tags=["t"])(function)() is None
        return
    with pytest.raises(ConfigError, match=match):
        mutates(tags=["t"])(function)
    with pytest.raises(ConfigError, match="without await"):
        mutates(tags=_tags)(save)


def test_without_brackets_it_says_nothing():
    """
    The bare decorator has nothing to forget.
    """
    with pytest.raises(ConfigError, match=r"write tags=\["):
        mutates(save)


@pytest.mark.parametrize("effects", [None, "pure", "read"])
@pytest.mark.parametrize("how", ["direct", "wraps", "partial", "classmethod"])
def test_a_writer_is_not_cached_by_mistake(effects, how):
    """
    ``@tiered_cache`` above ``@mutates`` is refused, also through a wrapper in between.
    """

    @functools.wraps(SAVED)
    def wrapper(*args, **kwargs):
        return SAVED(*args, **kwargs)

    given = {"direct": SAVED, "wraps": wrapper, "partial": functools.partial(SAVED, text="")}
    given["classmethod"] = classmethod(SAVED)
    with pytest.raises(ConfigError, match="has @mutates, so it has to run at every call"):
        tiered_cache(effects=effects, name="f")(given[how])


def test_once_may_be_as_good_as_often(cache):
    """
    An idempotent write is cached, and what it changes is forgotten when it runs.
    """
    read = tiered_cache(cache=cache, name="read", tags=["t"])(lambda: [1])
    made = []

    @tiered_cache(cache=cache, name="ensure", effects="idempotent")
    @mutates(tags=["t"], cache=cache)
    def ensure(table):
        made.append(table)
        return table

    read()
    assert ["x", "x"] == [ensure("x"), ensure("x")]
    assert ["x"] == made
    assert read.lookup() is None
    assert isinstance(ensure.__wrapped__, Mutating)


@pytest.mark.parametrize("how", ["mutates", "bump", "invalidate_tags", "forget"])
def test_a_cache_that_was_not_opened_yet_hears_of_it(call, how):
    """
    The first thing that a process does is a write: what lies in the second tier of a cache that
    only its functions name is not served after it.
    """
    memotier.configure(caches={"tools": {"directory": "tools"}})
    content = ["old"]
    options = {"scope": ("who",), "depends_on": [epoch("e")], "cache": "tools", "name": "read"}
    read = call.cached(tags=["t"], **options)(lambda who: content[0])
    assert "old" == call(read("ann"))
    memotier.configure(default_ttl="1h")  # closes all caches, as a restart would
    content[0] = "new"
    write = mutates(tags=["t"])(call.define(lambda: None))
    {
        "mutates": lambda: call(write()),
        "bump": epoch("e").bump,
        "invalidate_tags": lambda: memotier.invalidate_tags("t"),
        "forget": lambda: memotier.forget("ann"),
    }[how]()
    assert "new" == call(read("ann"))


def test_a_function_whose_cache_nobody_configured_keeps_no_write_from_the_others(call):
    """
    Nobody can open it; its own calls say so.
    """
    tiered_cache(cache="nobody-configured-it")(lambda: 1)
    read = call.cached(name="read", tags=["t"])(lambda: [1])
    call(read())
    assert "done" == call(mutates(tags=["t"])(call.define(lambda: "done"))())
    assert call(read.lookup()) is None


@pytest.mark.parametrize("on_untold", ["log", "raise"])
def test_fault_27_no_argument_is_in_what_is_said(faulty, call, caplog, on_untold):
    """
    Neither the warning nor the error shows an argument, a result, a tag or a scope.
    """
    caplog.set_level(logging.DEBUG)
    options = {"tags": ["file:{path}"], "epochs": [epoch("notes:{path}")], "scope": ("path",)}
    write = mutates(cache=faulty, on_untold=on_untold, **options)(call.define(lambda path: [path]))
    faulty._keyed.engine.store.failing = {"bump"}
    said = []
    try:
        call(write("canary-4711"))
    except InvalidationNotDurable as error:
        said += [str(error), str(error.__cause__), repr(error)]
    assert (on_untold == "raise") is bool(said)
    said += [one.getMessage() for one in caplog.records]
    assert said and not any("canary" in one for one in said)
