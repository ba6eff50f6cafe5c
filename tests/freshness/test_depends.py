"""
``depends_on=``: a result is not used when what it was made of has changed.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import memotier
from memotier import MISS, ConfigError, UnkeyableArgument, env, epoch, file, tiered_cache, world
from memotier.engine import worlds
from memotier.engine.calls import Sight

from ..engine.worlds import Background, Gate, in_threads
from .conftest import engine_of


@pytest.fixture
def later(monkeypatch):
    """
    ``later(seconds)``: the files that there are become older by that.
    """

    def wait(seconds=10):
        monkeypatch.setattr(world, "_wall", lambda: time.time() + seconds)

    return wait


@pytest.fixture(params=["young", "mature"])
def age(request, later):
    """
    Files that were written just now, and such whose times can be trusted.
    """
    if request.param == "mature":
        later()


@pytest.fixture
def coarse(monkeypatch):
    """
    A file system whose clock goes in steps of an hour, and that knows no ctime.
    """
    of = world.Times.of

    def rounded(found):
        times = of(found)
        step = 3600 * 10**9
        return times._replace(mtime=times.mtime // step * step, ctime=0)

    monkeypatch.setattr(world.Times, "of", rounded)


def just_after_the_tick(monkeypatch, seconds):
    """
    It is *seconds* after the last step of the coarse clock.
    """
    monkeypatch.setattr(world, "_wall", lambda: time.time() // 3600 * 3600 + seconds)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("one")
    return path


@pytest.fixture
def key(monkeypatch):
    """
    For tests that count log lines: without a key there is one more at a Redis.
    """
    monkeypatch.setenv("MEMOTIER_KEY", "k" * 44)


@pytest.fixture
def reader(tiers, call, text, source):
    """
    ``reader(**options)``: a cached function that reads the file, and counts in ``source``.
    """

    def make(*depends_on, **options):
        def read(name="settings"):
            source.asked += 1
            return text.with_stem(name).read_text() if text.with_stem(name).exists() else None

        options = {"cache": tiers, "name": "read", **options}
        return call.cached(depends_on=depends_on, **options)(read)

    return make


# -- files -----------------------------------------------------------------------------


@pytest.mark.parametrize("content", [False, True])
def test_a_file_that_was_written_is_read_again(reader, text, call, source, tiers, age, content):
    """
    Each state is computed once; the old result counts as invalidated.
    """
    read = reader(file(text, content=content))
    assert ["one"] * 3 == [call(read()) for _ in range(3)]
    assert 1 == source.asked

    text.write_text("two")
    assert ["two"] * 3 == [call(read()) for _ in range(3)]
    assert 2 == source.asked
    assert 1 == tiers.get_stats()["l1"]["invalidations"]
    assert (4, 2) == (tiers.get_stats()["l1"]["hits"], call_misses(read))


def call_misses(read):
    return read.cache_info().misses


@pytest.mark.parametrize("content", [False, True])
def test_a_missing_file_is_a_state(reader, text, call, source, age, content):
    """
    It may come and go; no state is an error.
    """
    text.unlink()
    read = reader(file(text, content=content))
    assert [None, None] == [call(read()), call(read())]
    text.write_text("one")
    assert ["one", "one"] == [call(read()), call(read())]
    text.unlink()
    assert call(read()) is None
    assert 3 == source.asked


def test_a_replaced_file_of_equal_times_and_size_is_another(reader, text, call, later):
    """
    The inode tells them apart, as after ``rsync -t`` or ``mv``.
    """
    os.utime(text, ns=(10**18, 10**18))
    later()
    read = reader(file(text))
    call(read())
    other = text.with_suffix(".new")
    other.write_text("two")
    os.utime(other, ns=(10**18, 10**18))
    other.replace(text)

    assert "two" == call(read())


def test_times_that_were_set_back_do_not_deceive(reader, text, call, later):
    """
    Nobody sets a ctime.
    """
    os.utime(text, ns=(10**18, 10**18))
    later()
    read = reader(file(text))
    call(read())
    text.write_text("two")
    os.utime(text, ns=(10**18, 10**18))

    assert "two" == call(read())


def test_content_does_not_mind_times(reader, text, call, source, age):
    """
    A file that was touched, or written as it was, is the same; one with other content is not.
    """
    read = reader(file(text, content=True))
    call(read())
    os.utime(text, (1, 1))
    call(read())
    text.unlink()
    text.write_text("one")
    call(read())
    assert 1 == source.asked

    text.write_text("two")
    assert "two" == call(read())


def test_mature_content_is_read_once(reader, text, call, later, monkeypatch):
    """
    As long as its times stay, and again when they change.
    """
    later()
    reads = []
    real = world.read
    monkeypatch.setattr(world, "read", lambda *a, **k: reads.append(a[0]) or real(*a, **k))
    read = reader(file(text, content=True))
    for _ in range(5):
        call(read())
    assert 1 == len(reads)

    os.utime(text, (1, 1))
    call(read())
    assert 2 == len(reads)


@pytest.mark.parametrize("content", [False, True])
def test_two_writes_within_one_tick_are_seen(reader, text, call, coarse, monkeypatch, content):
    """
    A file whose times cannot be trusted yet is told by what it contains.
    """
    just_after_the_tick(monkeypatch, 1)
    read = reader(file(text, content=content))
    assert "one" == call(read())
    inode = text.stat().st_ino
    text.write_text("two")
    assert inode == text.stat().st_ino

    assert "two" == call(read())
    just_after_the_tick(monkeypatch, 100)
    text.write_text("six")
    assert "six" == call(read())  # noted when young, compared by content also when it is not


def test_a_young_ctime_is_young(reader, text, call, monkeypatch):
    """
    A file that was just given an old mtime can still be written within the tick.
    """
    of = world.Times.of
    monkeypatch.setattr(world.Times, "of", lambda f: of(f)._replace(mtime=0, ctime=3600 * 10**9))
    monkeypatch.setattr(world, "_wall", lambda: 3601.0)
    read = reader(file(text))
    call(read())
    text.write_text("two")

    assert "two" == call(read())


def test_the_coarse_clock_of_the_test_deceives(reader, text, call, coarse, monkeypatch):
    """
    What the test above would see without looking at the content.
    """
    just_after_the_tick(monkeypatch, 100)
    read = reader(file(text))
    call(read())
    text.write_text("two")

    assert "one" == call(read())


def test_growing_old_costs_no_computation(reader, text, call, source, later):
    """
    A result noted when the file was young is good when it no longer is.
    """
    read = reader(file(text))
    call(read())
    later()
    call(read())
    call(read())

    assert 1 == source.asked


def test_a_large_young_file_is_not_read_but_nothing_is_kept(
    reader, text, call, source, later, monkeypatch
):
    """
    Until it is old enough for its times to be trusted.
    """
    monkeypatch.setattr(world, "MOST_READ", 2)
    monkeypatch.setattr(world, "read", lambda *_, **__: pytest.fail("it was read"))
    read = reader(file(text))
    assert ["one", "one"] == [call(read()), call(read())]
    assert 2 == source.asked
    later()
    call(read())
    call(read())
    assert 3 == source.asked


@pytest.mark.parametrize("content", [False, True])
def test_a_directory_changes_with_its_entries(reader, text, call, source, age, content):
    """
    It has times; and as content its names.
    """
    read = reader(file(text.parent / "folder", content=content))
    (text.parent / "folder").mkdir()
    call(read())
    call(read())
    assert 1 == source.asked
    (text.parent / "folder" / "new").touch()
    call(read())
    assert 2 == source.asked


@pytest.mark.parametrize("content", [False, True])
@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "settings.toml/below", "/dev/null"])
def test_odd_paths_are_states(tiers, call, source, later, content, path):
    """
    A name that cannot be, one that is too long, a file taken for a directory, a device.
    """
    later(10**9)
    read = call.cached(cache=tiers, name="r", depends_on=[file("{name}", content=content)])(
        lambda name: source.read()
    )
    call(read(path))
    call(read(path))

    assert 1 == source.asked


def test_a_pipe_is_not_waited_for(reader, text, call, source, later):
    """
    What has no content of its own is told by its times.
    """
    os.mkfifo(text.with_name("pipe"))
    later()
    read = reader(file(text.with_name("pipe"), content=True))
    call(read())
    call(read())

    assert 1 == source.asked


def test_a_file_that_cannot_be_read_is_told_by_its_times(reader, text, call, source, monkeypatch):
    """
    Without an error, and with the content as soon as it can.
    """

    def refuse(*_):
        raise PermissionError(13, "no")

    read = reader(file(text, content=True))
    with monkeypatch.context() as patch:
        patch.setattr(world, "_digest", refuse)
        call(read())
        call(read())
    assert 1 == source.asked
    call(read())
    assert 2 == source.asked


def test_a_file_that_changes_while_it_is_read_is_not_relied_on(
    reader, text, call, source, monkeypatch
):
    """
    Nothing is kept with a content that was never there at one time.
    """
    real = world._digest

    def appended_to(path, state):
        before, after = real(path, state)
        return before, after._replace(mtime=after.mtime + 1)

    read = reader(file(text, content=True))
    with monkeypatch.context() as patch:
        patch.setattr(world, "_digest", appended_to)
        call(read())
        call(read())
    assert 2 == source.asked


def test_a_template_names_the_file_of_the_call(reader, text, call, source, age):
    """
    Only the result of the file that was written is computed anew.
    """
    read = reader(file(text.parent / "{name}.toml"))
    text.with_stem("other").write_text("other")
    call(read("settings")), call(read("other"))
    text.with_stem("other").write_text("changed")

    assert ["one", "changed"] == [call(read("settings")), call(read("other"))]
    assert 3 == source.asked


def test_a_callable_tells_the_path(reader, text, call, source, age):
    """
    It is given the arguments, as the function is.
    """
    read = reader(file(lambda name="settings": text.with_stem(name)))
    call(read()), call(read())
    text.write_text("two")

    assert "two" == call(read())
    assert 2 == source.asked


@pytest.mark.parametrize("returned", [None, b"bytes", 1])
def test_a_callable_that_does_not_tell_keeps_nothing(key, reader, call, source, caplog, returned):
    """
    The caller gets the result; one line says why it is not stored, without any argument.
    """

    def path(name="settings"):
        if returned is None:
            raise ValueError(name)
        return returned

    read = reader(file(path))
    with caplog.at_level(logging.WARNING, "memotier"):
        assert "one" == call(read()) == call(read())
    assert 2 == source.asked
    assert read.peek() is MISS
    assert call(read.lookup()) is None
    (said,) = caplog.records
    assert "depends_on" in said.getMessage() and "settings" not in said.getMessage()
    with pytest.raises(ConfigError, match="cannot be seeded"):
        call(read.seed("x"))


def test_a_relative_path_is_that_of_the_call(reader, text, call, monkeypatch, later):
    """
    As ``open()`` would see it, where the process is then.
    """
    later()
    for name in ("a", "b"):
        (text.parent / name).mkdir()
        (text.parent / name / "settings.toml").write_text(name)
    monkeypatch.chdir(text.parent / "a")
    read = reader(file("settings.toml"))
    call(read())
    text.write_text("two")
    assert "one" == call(read())

    monkeypatch.chdir(text.parent / "b")
    assert "two" == call(read())


def test_an_argument_without_a_text_has_no_key(reader, call, tiers):
    """
    As in a template of a tag; with ``on_unkeyable="bypass"`` the function is called.
    """
    with pytest.raises(UnkeyableArgument, match=r"file '\{name\}' cannot be made.*callable"):
        call(reader(file("{name}"), ignore=("name",))(["list"]))


# -- variables -------------------------------------------------------------------------


def test_a_variable_that_changed_is_seen(tiers, call, source, monkeypatch):
    """
    Not to be set, to be empty and each value are states.
    """
    monkeypatch.delenv("API_URL", raising=False)
    read = call.cached(cache=tiers, name="read", depends_on=[env("API_URL")])(source.read)
    for value in (None, "", "http://a", "http://b"):
        if value is not None:
            monkeypatch.setenv("API_URL", value)
        call(read(1)), call(read(1))
    assert 4 == source.asked


def test_a_value_is_nowhere(make_cache, tmp_path, call, source, monkeypatch, caplog):
    """
    Neither in the directory, nor in a log, nor in what is shown; nor is a digest that tells it.
    """
    monkeypatch.setenv("TOKEN", "canary-7391")
    with caplog.at_level(logging.DEBUG):
        cache = make_cache("disk")
        read = call.cached(cache=cache, name="read", depends_on=[env("TOKEN")])(source.read)
        call(read(1))
        shown = repr([read, read.cache_parameters(), call(read.lookup(1)), cache.get_stats()])
    cache.sync.close()

    assert "canary" not in shown + caplog.text
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"canary" not in path.read_bytes()
    keys = [b"k" * 32, b"l" * 32]
    one, two = (world.Variable(world.key_of(key), "TOKEN") for key in keys)
    assert one.look(None, reads=False, exact=False) != two.look(None, reads=False, exact=False)


# -- epochs ----------------------------------------------------------------------------


def bump(call, name, cache):
    if call.is_async:
        return call(epoch(name).abump(cache=cache))
    return epoch(name).bump(cache=cache)


def test_a_bumped_epoch_forgets_what_depends_on_it(tiers, call, source):
    """
    And nothing else.
    """
    session = call.cached(cache=tiers, name="s", depends_on=[epoch("session")])(source.read)
    other = call.cached(cache=tiers, name="o", depends_on=[epoch("other")], tags=["session"])(
        source.read
    )
    call(session(1)), call(other(1)), call(session(1))
    bump(call, "session", tiers)

    assert ["value 3", "value 2"] == [call(session(1)), call(other(1))]
    assert "value 3" == call(session(1))


def test_an_epoch_of_the_arguments(tiers, call, source):
    """
    A template over the parameters, as for tags; braces in a value are only braces.
    """
    read = call.cached(cache=tiers, name="r", depends_on=[epoch("session:{user}")])(
        lambda user: source.read()
    )
    call(read("a")), call(read("{b}"))
    bump(call, "session:{b}", tiers)

    assert ["value 1", "value 3"] == [call(read("a")), call(read("{b}"))]
    with pytest.raises(ConfigError, match="stands for many epochs"):
        bump(call, "session:{user}", tiers)


@pytest.mark.parametrize("option", [{"ignore": ("user",)}, {"key": lambda x, user: x}])
def test_an_epoch_that_the_key_does_not_tell(tiers, call, source, option):
    """
    One caller's result is not another's, whose epoch could not forget it.
    """
    read = call.cached(cache=tiers, name="r", depends_on=[epoch("s:{user}")], **option)(
        lambda x, user: source.read()
    )
    assert ["value 1", "value 1"] == [call(read(1, user="a")), call(read(1, user="a"))]
    assert "value 2" == call(read(1, user="b"))
    bump(call, "s:b", tiers)
    assert "value 3" == call(read(1, user="b"))


def test_without_a_cache_all_named_ones_are_told(call, source, tmp_path):
    """
    As ``invalidate_tags()`` does.
    """
    read = call.cached(name="r", depends_on=[epoch("e")])(source.read)
    call(read(1))
    bump(call, "e", None)
    assert "value 2" == call(read(1))
    bump(call, "e", "default")
    assert "value 3" == call(read(1))
    with pytest.raises(ConfigError, match="cache=3"):
        bump(call, "e", 3)


def test_an_epoch_bumped_during_the_computation_wins(tiers):
    """
    The result is returned and not kept.
    """
    answers = ["new", "old"]

    @tiered_cache(cache=tiers, name="r", depends_on=[epoch("e")])
    def read():
        found = answers.pop()
        if found == "old":
            epoch("e").bump(cache=tiers)
        return found

    assert ["old", "new", "new"] == [read(), read(), read()]


def test_another_cache_on_the_directory_sees_the_bump_at_once(make_cache, call, source):
    """
    As another process would, from a hit in memory.
    """
    one, two = make_cache("disk"), make_cache("disk")
    read = call.cached(cache=one, name="r", depends_on=[epoch("e")])(source.read)
    call(read(1)), call(read(1))
    bump(call, "e", two)

    assert "value 2" == call(read(1))


# -- functions -------------------------------------------------------------------------


@pytest.fixture
def chain(tiers, call, source, text):
    """
    ``top`` depends on ``middle``, which depends on ``base``, an epoch and a file.
    """

    def cached(name, *depends_on, **options):
        options = {"cache": tiers, "name": name, "depends_on": depends_on, **options}
        return call.cached(**options)(source.read)

    base = cached("base", namespace="deep.base", tags=["t"])
    middle = cached("middle", base, epoch("e"), file(text))
    return base, middle, cached("top", middle, namespace="other")


@pytest.mark.parametrize("what", ["base", "middle", "namespace", "tag", "epoch", "file"])
def test_what_a_function_depends_on_reaches_its_dependents(chain, tiers, call, text, what):
    """
    Clearing it, whatever the name by which that is done, and what it depends on itself.
    """
    base, middle, top = chain
    call(top(1)), call(top(1)), call(base(1)), call(middle(1))
    before = [call(each(1)) for each in chain]
    assert ["value 2", "value 3", "value 1"] == before
    {
        "base": lambda: call(base.cache_clear()),
        "middle": lambda: call(middle.cache_clear()),
        "namespace": lambda: tiers.sync.clear_namespace("deep"),
        "tag": lambda: tiers.sync.invalidate_tags("t"),
        "epoch": lambda: bump(call, "e", tiers),
        "file": lambda: text.write_text("two"),
    }[what]()

    assert "value 4" == call(top(1)) == call(top(1))
    kept = what in ("middle", "epoch", "file")
    assert ("value 2" == call(base(1))) is kept


def test_a_function_of_another_cache_is_refused(make_cache, source):
    """
    When it is decorated, or at the first call where only that can tell.
    """
    one, two = make_cache(), make_cache()
    base = tiered_cache(cache=one, name="b")(source.read)
    named = tiered_cache(name="n")(source.read)
    for wrong in (base, named):
        with pytest.raises(ConfigError, match="keeps its results in another cache"):
            tiered_cache(cache=two, name="t", depends_on=[wrong])(source.read)(1)
    ours = memotier.get_cache()
    top = tiered_cache(cache=ours, name="t", depends_on=[named])(source.read)
    assert "value 1" == top(1)
    named.cache_clear()
    assert "value 2" == top(1)


def test_a_method_can_be_named(cache, source):
    """
    In the class body, and by an instance.
    """

    class Service:
        @tiered_cache(cache=cache)
        def base(self):
            return source.read()

        @tiered_cache(cache=cache, depends_on=[base, epoch("{x}")])
        def top(self, x):
            return source.read()

    service = Service()
    free = tiered_cache(cache=cache, name="f", depends_on=[service.base])(source.read)
    assert ["value 1", "value 2"] == [service.top("a"), free(1)]
    service.base.cache_clear()
    assert ["value 3", "value 4"] == [service.top("a"), free(1)]
    epoch("a").bump(cache=cache)
    assert ["value 5", "value 4"] == [service.top("a"), free(1)]


def test_code_of_the_other_function_counts(make_cache, call, source):
    """
    A restart with another version of what it depends on finds nothing; with the same, all.
    """
    for version, expected in ((1, "value 1"), (1, "value 1"), (2, "value 2"), (2, "value 2")):
        cache = make_cache("disk")
        base = call.cached(cache=cache, name="base", version=version)(source.read)
        top = call.cached(cache=cache, name="top", version=1, depends_on=[base])(source.read)
        assert expected == call(top(1))
        cache.sync.close()


@pytest.mark.parametrize("make", [lambda f: f, lambda f: f.__get__(object(), object)])
def test_anything_that_can_be_cached_can_be_named(cache, make):
    """
    Lambdas, which have no name of their own, and callables.
    """
    base = tiered_cache(cache=cache)(make(lambda *_: 1))
    count = []
    top = tiered_cache(cache=cache, depends_on=[base])(lambda: count.append(1))
    top(), top()
    base.cache_clear()
    top()
    assert 2 == len(count)


# -- options that changed ----------------------------------------------------------------


def test_records_of_other_dependencies_are_not_used(make_cache, call, source, text, later):
    """
    What was stored under fewer, more or other dependencies cannot be checked: it is computed.
    """
    later()
    ways = [(), (epoch("e"),), (file(text),), (env("HOME"),), (file(text, content=True),), ()]
    for number, depends_on in enumerate(ways, 1):
        for _ in range(2):
            cache = make_cache("disk")
            read = call.cached(cache=cache, name="r", version=1, depends_on=depends_on)(source.read)
            assert f"value {number}" == call(read(1))
            cache.sync.close()


# -- races -----------------------------------------------------------------------------


@pytest.mark.parametrize("content", [False, True])
def test_what_changed_during_the_computation_is_not_kept(
    reader, tiers, call, text, source, age, content
):
    """
    Returned to who asked; and the next caller computes.
    """
    states = ["three", "two"]

    def read():
        source.asked += 1
        found = text.read_text()
        if states:
            text.write_text(states.pop())
        return found

    read = call.cached(cache=tiers, name="r", depends_on=[file(text, content=content)])(read)
    assert ["one", "two", "three", "three"] == [call(read()) for _ in range(4)]
    assert 3 == source.asked


def test_a_file_that_was_restored_meanwhile_is_not_trusted(tiers, call, text, source, later):
    """
    The content before and after is the same, but the function saw another.
    """
    later()

    def read():
        source.asked += 1
        if source.asked > 1:
            return text.read_text()
        text.write_text("two")
        found = text.read_text()
        text.write_text("one")
        return found

    read = call.cached(cache=tiers, name="r", depends_on=[file(text, content=True)])(read)
    assert ["two", "one", "one"] == [call(read()) for _ in range(3)]


def test_who_sees_a_newer_world_does_not_join(tiers, text, age):
    """
    Who waited already gets the old result; who comes after the change computes his own.
    """
    gate, calls = Gate(), []

    @tiered_cache(cache=tiers, name="r", depends_on=[file(text)])
    def read():
        found = text.read_text()
        calls.append(found)
        if found == "one":
            gate.wait()
        return found

    answers = {}

    def ask(who):
        answers[who] = read()

    first = threading.Thread(target=ask, args=("first",))
    first.start()
    gate.entered.wait(10)
    second = threading.Thread(target=ask, args=("second",))
    second.start()
    engine = engine_of(tiers)
    while not any(flight.future for flight in list(engine.flights.table.values())):
        time.sleep(0.001)
    text.write_text("two")
    assert "two" == read()
    gate.open()
    first.join(10), second.join(10)

    assert {"first": "one", "second": "one"} == answers
    assert ["two", "two"] == [read(), read()]
    assert ["one", "two"] == calls


def test_equal_worlds_are_computed_once(tiers, text, age):
    """
    Single-flight holds for functions that depend on files.
    """
    gate, calls = Gate(), []

    @tiered_cache(cache=tiers, name="r", depends_on=[file(text)])
    def read():
        calls.append(1)
        gate.wait()
        return text.read_text()

    opener = threading.Timer(0.2, gate.open)
    opener.start()
    assert ["one"] * 5 == in_threads(*[read] * 5)
    assert 1 == len(calls)


def test_two_worlds_at_hand_are_no_endless_look(tiers, clock, monkeypatch):
    """
    A stale entry of this world and a flight of another: the caller computes, and does not circle.
    """
    monkeypatch.setenv("X", "a")
    gate, calls = Gate(), []

    @tiered_cache(cache=tiers, name="r", ttl=10, stale_if_error=100, depends_on=[env("X")])
    def read():
        calls.append(os.environ["X"])
        if len(calls) == 2:
            gate.wait()
        return len(calls)

    assert 1 == read()
    clock.advance(11)
    real = worlds.note

    def note(engine, call, flight):
        os.environ["X"] = "b"
        yield from real(engine, call, flight)

    monkeypatch.setattr(worlds, "note", note)
    leader = threading.Thread(target=read)
    leader.start()
    gate.entered.wait(10)
    monkeypatch.setattr(worlds, "note", real)
    os.environ["X"] = "a"
    assert 3 == read()
    gate.open()
    leader.join(10)
    assert 3 == read()


def test_a_world_is_looked_at_again_once(cache):
    """
    Two things at hand that tell one world in different bytes do not send a caller back and forth.
    """
    call = cache._keyed.call("key", "default")
    call.sight = Sight((), None)
    call.sight.world = call.sight.prior = b"mine"

    assert worlds.is_ours(call, b"mine")
    assert worlds.is_ours(call, b"other") is None
    assert b"other" == call.sight.doubt
    assert worlds.is_ours(call, b"third") is False


# -- stale results ---------------------------------------------------------------------


@pytest.mark.parametrize("window", ["stale_while_revalidate", "stale_if_error"])
def test_a_result_of_another_world_is_never_served(tiers, call, text, source, clock, age, window):
    """
    Whatever the windows allow: it counts as invalidated, in memory and below.
    """
    read = call.cached(cache=tiers, name="r", ttl=10, depends_on=[file(text)], **{window: 100})(
        source.read
    )
    call(read(1))
    clock.advance(11)
    text.write_text("two")
    source.error = ValueError("down")
    with pytest.raises(ValueError, match="down"):
        call(read(1))


def test_the_world_counts_when_the_function_fails(tiers, call, text, source, clock, age):
    """
    An old result may be fallen back on, unless the file changed while the function ran.
    """
    read = call.cached(cache=tiers, name="r", ttl=10, stale_if_error=100, depends_on=[file(text)])(
        lambda: source.read()
    )
    call(read())
    clock.advance(11)
    source.error = ValueError("down")
    assert "value 1" == call(read())
    clock.advance(11)

    def change_and_fail():
        text.write_text("two")
        raise ValueError("changed")

    source.read = change_and_fail
    with pytest.raises(ValueError, match="changed"):
        call(read())


def test_a_refresh_in_the_background_notes_its_own_world(
    tiers, call, text, source, clock, settle, age
):
    """
    And what it brings is served without another computation.
    """
    read = call.cached(
        cache=tiers, name="r", ttl=10, stale_while_revalidate=100, depends_on=[file(text)]
    )(source.read)
    call(read(1))
    clock.advance(11)
    assert "value 1" == call(read(1))
    settle(tiers)
    assert ["value 2", "value 2"] == [call(read(1)), call(read(1))]
    text.write_text("two")
    assert "value 3" == call(read(1))


# -- attributes ------------------------------------------------------------------------


def test_attributes_know_the_world(reader, text, call, source, age):
    """
    ``peek`` and ``lookup`` find nothing once it has changed; ``seed`` and ``refresh`` note it.
    """
    read = reader(file(text))
    call(read())
    assert "one" == read.peek() == call(read.lookup()).value
    text.write_text("two")
    assert read.peek() is MISS
    assert call(read.lookup()) is None

    call(read.seed("seeded"))
    assert "seeded" == call(read()) == read.peek()
    assert "two" == call(read.refresh()) == call(read())
    assert call(read.invalidate())
    assert read.peek() is MISS
    assert "two" == call(read.bypass())
    text.write_text("six")
    assert "six" == call(read())


def test_parameters_show_what_was_given(cache, source):
    """
    As it was written, without any value.
    """
    given = (file("a", content=True), env("HOME"), epoch("e"))
    read = tiered_cache(cache=cache, name="r", depends_on=given)(source.read)

    assert given == read.cache_parameters()["depends_on"]
    assert () == tiered_cache(cache=cache, name="s")(source.read).cache_parameters()["depends_on"]
    assert "File(path='a', content=True)" == repr(given[0])


def test_names_keep_the_fast_way(cache, source):
    """
    A function with epochs and functions alone has the generated hit path; one with files has not.
    """
    base = tiered_cache(cache=cache, name="b")(source.read)
    fast = tiered_cache(cache=cache, name="f", depends_on=[epoch("e"), epoch("{x}"), base])(
        lambda x: source.read()
    )
    slow = tiered_cache(cache=cache, name="s", depends_on=[env("X")])(lambda x: source.read())
    fast(1), slow(1)

    assert "hit path" in fast._self_call.__code__.co_filename
    assert "hit path" not in slow._self_call.__code__.co_filename


def test_write_back_keeps_the_world(make_cache, call, text, age):
    """
    What is owed to the second tier is not taken from there in another world, nor after it was
    written.
    """
    cache = make_cache("disk", write_policy=memotier.WritePolicy.WRITE_BACK, l1_maxsize=1)
    read = call.cached(cache=cache, name="r", depends_on=[file(text)])(
        lambda x: (x, text.read_text())
    )
    for value in ("two", "three"):
        call(read(1)), call(read(2))  # the first has left memory
        text.write_text(value)
        assert (1, value) == call(read(1))
        cache.sync.flush()
        text.write_text(value + "!")
        call(read(2))
        assert (1, value + "!") == call(read(1))


def test_what_an_owed_result_was_to_replace_does_not_come_back(
    make_cache, call, source, monkeypatch
):
    """
    Write-back: a result was refreshed, and the world changed before that was written. In the old
    world again, the result from before the refresh is not served; what is computed is kept.
    """
    cache = make_cache("disk", write_policy=memotier.WritePolicy.WRITE_BACK)
    monkeypatch.setenv("W", "a")
    read = call.cached(cache=cache, name="r", depends_on=[env("W")])(source.read)
    call(read())
    cache.sync.flush()
    assert "value 2" == call(read.refresh())
    monkeypatch.setenv("W", "b")
    source.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        call(read())
    source.error = None
    monkeypatch.setenv("W", "a")
    assert ["value 4", "value 4"] == [call(read()), call(read())]


@pytest.mark.parametrize("newer", ["invalidate", "seed", "refresh"])
def test_a_computation_of_another_world_hears_of_its_key(tiers, monkeypatch, newer):
    """
    A call in a new world leaves an older computation behind; in the old world again, what then
    happens to the key wins against it.
    """
    gate, calls = Gate(), []
    monkeypatch.setenv("W", "a")

    @tiered_cache(cache=tiers, name="r", depends_on=[env("W")])
    def read():
        calls.append(1)
        number = len(calls)
        if number == 1:
            gate.wait()
        return number

    early = Background(read)
    gate.entered.wait(10)
    monkeypatch.setenv("W", "b")
    assert 2 == read()
    monkeypatch.setenv("W", "a")
    {"invalidate": read.invalidate, "seed": lambda: read.seed(100), "refresh": read.refresh}[
        newer
    ]()
    gate.open()
    assert 1 == early.result()
    assert {"invalidate": 3, "seed": 100, "refresh": 3}[newer] == read()
    assert not engine_of(tiers).flights.beside


def test_content_is_read_in_a_thread(make_cache, text, monkeypatch):
    """
    Not in the event loop, whose thread would stand still.
    """
    import asyncio

    threads = []
    real = world.read
    monkeypatch.setattr(
        world, "read", lambda *a, **k: threads.append(threading.get_ident()) or real(*a, **k)
    )

    @tiered_cache(cache=make_cache("disk"), name="r", depends_on=[file(text, content=True)])
    async def read():
        return text.read_text()

    async def main():
        assert "one" == await read() == await read()
        text.write_text("two")
        assert "two" == await read() == await read()
        await read.refresh()

    asyncio.run(main())
    assert threads and threading.get_ident() not in threads


# -- misuse ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: file(""), r"file\(''\) cannot be used"),
        (lambda: file(3), r"file\(3\) cannot be used"),
        (lambda: file(b"x"), r"cannot be used: give a path"),
        (lambda: file("a\0"), r"cannot be used: give a path"),
        (lambda: file("a", content=1), r"file\(content=1\): True or False"),
        (lambda: file(Path("a/{{x}}")), r"doubled braces"),
        (lambda: env(""), r"env\(''\) cannot be used"),
        (lambda: env("A=B"), r"the name of a variable"),
        (lambda: env(None), r"env\(None\)"),
        (lambda: epoch(""), r"epoch\(''\) cannot be used"),
        (lambda: epoch(1), r"epoch\(1\)"),
        (lambda: [env("X")][0], r"depends_on=.* give a list of file"),
        (lambda: "file", r"depends_on='file' cannot be used: give a list"),
        (lambda: 3, r"depends_on=3 cannot be used: give a list"),
        (lambda: ["a.txt"], r"depends_on='a.txt' cannot be used: what a result can depend on"),
        (lambda: [print], r"what a result can depend on is file"),
        (lambda: [file("{y}")], r"file '\{y\}' names \{y\}.* there are: \{x\}"),
        (lambda: [file("{x:d}")], r"file '\{x:d\}' names \{x\}"),
        (lambda: [file("{x")], r"file '\{x' is not a template"),
        (lambda: [epoch("{y}")], r"epoch '\{y\}' names \{y\}"),
    ],
)
def test_misuse_is_said_at_decoration(make, said):
    """
    With the value and the way out.
    """
    with pytest.raises(ConfigError, match=said):

        @tiered_cache(depends_on=make())
        def function(x):
            return x


def test_async_callables_and_dependencies_by_argument_are_refused(cache, source):
    """
    What could not be followed is not accepted.
    """

    async def path(x):
        return x

    with pytest.raises(ConfigError, match="without await"):
        file(path)
    base = tiered_cache(cache=cache, name="b", depends_on=[file("{x}")])(lambda x: x)
    with pytest.raises(ConfigError, match=r"its own arguments.*an epoch"):
        tiered_cache(cache=cache, name="t", depends_on=[base])(lambda x: x)


# -- other processes -------------------------------------------------------------------

WORKER = textwrap.dedent(
    """
    import sys
    from memotier import MultiLevelCache, env, epoch, file, tiered_cache
    cache = MultiLevelCache(directory=sys.argv[1])
    text = sys.argv[2]
    made = 0

    @tiered_cache(cache=cache, name="w", namespace="w", version=1,
                  depends_on=[file(text, content=sys.argv[3] == "content"), env("W_URL"),
                              epoch("w")])
    def read():
        global made
        made += 1
        return open(text).read()

    for line in sys.stdin:
        if line.strip() == "bump":
            epoch("w").bump(cache=cache)
        print(made, read(), made, flush=True)
    """
)


class Worker:
    """
    Another process that reads the file through the cache; ``ask()``: the result, and whether it
    had to be computed.
    """

    def __init__(self, directory, text, how, **environment):
        self.child = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(directory), str(text), how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def ask(self, act="read"):
        self.child.stdin.write(act + "\n")
        self.child.stdin.flush()
        before, found, after = self.child.stdout.readline().split()
        return found, before != after

    def end(self):
        self.child.stdin.close()
        assert 0 == self.child.wait(20)
        self.child.stdout.close()


@pytest.mark.parametrize("how", ["times", "content"])
def test_processes_agree_on_the_world(tmp_path, text, how):
    """
    What one computed another takes from the disk, in memory or after a restart, until the file,
    the variable or the epoch has changed: then none serves it.
    """
    one = Worker(tmp_path / "cache", text, how)
    two = Worker(tmp_path / "cache", text, how)
    assert ("one", True) == one.ask()
    assert ("one", False) == two.ask()
    text.write_text("two")
    assert ("two", True) == two.ask()
    assert ("two", False) == one.ask()
    assert ("two", True) == one.ask("bump")
    assert ("two", False) == two.ask()
    one.end()

    again = Worker(tmp_path / "cache", text, how)
    assert ("two", False) == again.ask()
    again.end()
    text.write_text("three")
    for expected in (True, False):
        again = Worker(tmp_path / "cache", text, how)
        assert ("three", expected) == again.ask()
        again.end()
    moved = Worker(tmp_path / "cache", text, how, W_URL="http://elsewhere")
    assert ("three", True) == moved.ask()
    moved.end()
    two.end()


def test_without_a_key_other_processes_compute(tmp_path, text, monkeypatch):
    """
    A key file that may not be used costs shared results, not the call.
    """
    home = tmp_path / "plain"
    home.mkdir()
    (home / ".config").write_text("in the way")
    monkeypatch.setenv("HOME", str(home))
    one = Worker(tmp_path / "cache", text, "times")
    two = Worker(tmp_path / "cache", text, "times")
    assert [("one", True), ("one", False)] == [one.ask(), one.ask()]
    assert [("one", True), ("one", False)] == [two.ask(), two.ask()]
    one.end(), two.end()


def test_a_batch_of_calls_sees_the_world_of_each(tiers, call, tmp_path):
    """
    ``map`` takes no result of a file that has changed, and keeps those of the others.
    """
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    read = []

    @call.cached(cache=tiers, name="read", depends_on=[file("{path}")])
    def text(path):
        read.append(os.path.basename(path))
        return Path(path).read_text()

    paths = [str(tmp_path / name) for name in ("a", "b", "a")]
    assert ["a", "b", "a"] == call(text.map(paths))
    (tmp_path / "b").write_text("changed")
    assert ["a", "changed", "a"] == call(text.map(paths))
    assert ["a", "b", "b"] == sorted(read)
