"""
Epochs of a session: a write tool makes old what its own session has read, and nothing else.
"""

from __future__ import annotations

import contextvars
import os
import subprocess
import sys
import textwrap
import threading

import pytest

from memotier import ConfigError, env, epoch, file, mutates, tiered_cache
from memotier.engine import names
from memotier.scopes import canonical

from ..engine.worlds import Gate

user = contextvars.ContextVar("user")
SESSIONS = ("ann", "bob")


@pytest.fixture(autouse=True)
def _nobody(monkeypatch):
    monkeypatch.setenv("MEMOTIER_KEY", "5a" * 32)  # a Redis takes one for tools of agents
    token = user.set(None)
    yield
    user.reset(token)


class Notes:
    """
    Two tools of agents, one that reads and one that writes, in three ways to tell the session.
    """

    def __init__(self, way, call, cache, **options):
        self._call, self._by_name = call, way == "names"
        self.state, self.asked = {}, []
        scope = {"variable": user, "callable": lambda: user.get(), "names": ("who",)}[way]
        self.read = call.cached(
            cache=cache,
            name="read",
            agent=True,
            effects="read",
            scope=scope,
            **{"depends_on": [epoch("session")], **options},
        )(self._read)
        self.write = mutates(epochs=[epoch("session")], scope=scope, cache=cache)(
            call.define(self._write)
        )

    def _read(self, x, who=None):
        session = who or user.get()
        self.asked.append(session)
        return [self.state.get(session), x]

    def _write(self, text, who=None):
        self.state[who or user.get()] = text
        return f"wrote {text}"

    def _as(self, name, function, x):
        user.set(name)
        return self._call(function(x, *([name] if self._by_name else [])))

    def reads(self, name, x=1):
        return self._as(name, self.read, x)[0]

    def writes(self, name, text):
        assert f"wrote {text}" == self._as(name, self.write, text)


@pytest.fixture(params=["variable", "callable", "names"])
def way(request):
    return request.param


@pytest.fixture
def notes(way, call, tiers):
    return Notes(way, call, tiers)


def test_a_session_never_sees_what_it_read_before_its_own_write(notes):
    """
    All its results are old at once; those of the other session stay.
    """
    for _ in range(2):
        assert [None] * 4 == [notes.reads(name, x) for name in SESSIONS for x in (1, 2)]
    for turn in range(3):
        notes.asked.clear()
        notes.writes("ann", f"text {turn}")
        assert [f"text {turn}"] * 2 == [notes.reads("ann", x) for x in (1, 2)]
        assert [None, None] == [notes.reads("bob", x) for x in (1, 2)]
        assert ["ann", "ann"] == notes.asked


def test_other_caches_on_the_same_tier_hear_of_it(way, call, make_cache):
    """
    What another cache on the same directory holds in memory is old for this session as well.
    """
    here, there = (Notes(way, call, make_cache("disk")) for _ in range(2))
    there.state = here.state
    for notes in (here, there):
        assert [None, None] == [notes.reads(name) for name in SESSIONS]
    here.writes("ann", "new")
    assert ["new", None] == [there.reads(name) for name in SESSIONS]
    assert ["ann"] == there.asked


def test_files_variables_and_the_session_are_all_looked_at(way, call, tiers, tmp_path, monkeypatch):
    """
    A tool of agents with a scope depends on all three: each change computes anew, once.
    """
    path = tmp_path / "settings.toml"
    path.write_text("one")
    depends_on = [file(path), env("NOTES_URL"), epoch("session")]
    notes = Notes(way, call, tiers, depends_on=depends_on)

    def computed():
        notes.asked.clear()
        for _ in range(2):
            for name in SESSIONS:
                notes.reads(name)
        return notes.asked[:]

    assert ["ann", "bob"] == computed()
    assert [] == computed()
    path.write_text("two")
    assert ["ann", "bob"] == computed()
    monkeypatch.setenv("NOTES_URL", "http://localhost")
    assert ["ann", "bob"] == computed()
    notes.writes("bob", "new")
    assert ["bob"] == computed()
    assert "new" == notes.reads("bob")


def test_a_reader_of_the_session_that_is_on_its_way_keeps_nothing(cache):
    """
    It began before the write ended: its caller gets what it read, nobody else does. A reader of
    another session is kept.
    """
    gate, state, threads = Gate(), {}, []

    @tiered_cache(cache=cache, scope=("who",), depends_on=[epoch("session")])
    def read(who):
        found = state.get(who, "old")
        gate.wait()
        return found

    @mutates(epochs=[epoch("session")], scope=("who",), cache=cache)
    def write(who):
        state[who] = "new"

    for name in SESSIONS:
        threads.append(threading.Thread(target=read, args=(name,)))
        threads[-1].start()
        gate.entered.wait(10)
        gate.entered.clear()
    write("ann")
    gate.open()
    for one in threads:
        one.join(10)
    assert read.lookup("ann") is None and "old" == read.lookup("bob").value
    assert "new" == read("ann")


def test_what_is_everybodys_hears_of_every_session(call, tiers):
    """
    A function without a scope, or with a public one, may have read what any of them wrote.
    """
    options = {"cache": tiers, "depends_on": [epoch("session")]}
    plain = call.cached(name="plain", **options)(lambda: [1])
    public = call.cached(name="public", scope="public", **options)(lambda: [1])
    by_name = [epoch("session:{x}")]
    filled = call.cached(name="filled", cache=tiers, depends_on=by_name)(lambda x: [x])

    def kept():
        for made in (plain(), public(), filled(1), filled(2)):
            call(made)
        write("ann")
        looked = (plain.lookup(), public.lookup(), filled.lookup(1), filled.lookup(2))
        return [call(one) is not None for one in looked]

    def write(who):
        call(told(who))

    told = mutates(epochs=[epoch("session")], scope=("who",), cache=tiers)(
        call.define(lambda who: None)
    )
    assert [False, False, True, True] == kept()
    told = mutates(epochs=[epoch("session:1")], scope=("who",), cache=tiers)(
        call.define(lambda who: None)
    )
    assert [True, True, False, True] == kept()


@pytest.mark.parametrize("scope", [None, "public"])
def test_a_write_of_nobody_in_particular_reaches_every_session(notes, call, tiers, scope):
    """
    Without a scope, or a public one, the epoch is bumped for everybody.
    """
    assert [None, None] == [notes.reads(name) for name in SESSIONS]
    notes.asked.clear()
    write = mutates(epochs=[epoch("session")], scope=scope, cache=tiers)(call.define(lambda: None))
    call(write())
    assert [None, None] == [notes.reads(name) for name in SESSIONS]
    assert ["ann", "bob"] == notes.asked


def test_an_epoch_is_bumped_for_a_session_by_hand(notes, call, tiers):
    """
    ``bump(scope=...)`` and ``abump(scope=...)`` do what the decorator does.
    """
    assert [None, None] == [notes.reads(name) for name in SESSIONS]
    notes.asked.clear()
    one = epoch("session")
    if call.is_async:
        call(one.abump(scope="ann", cache=tiers))
    else:
        one.bump(scope="ann", cache=tiers)
    assert [None, None] == [notes.reads(name) for name in SESSIONS]
    assert ["ann"] == notes.asked


@pytest.mark.parametrize("scope", ["", (), (1, None), object()])
def test_nobodys_scope_is_refused(call, cache, scope):
    """
    A value that is no scope cannot be the one that is meant; it is not taken for everybody.
    """
    one = epoch("session")
    bump = (lambda **options: call(one.abump(**options))) if call.is_async else one.bump
    with pytest.raises(ConfigError, match=r"bump\(\) was given"):
        bump(scope=scope, cache=cache)


def test_several_parameters_are_one_session(call, tiers):
    """
    Reader and writer name the same parameters; their values are the scope, in that order.
    """
    options = {"cache": tiers, "name": "read", "key": lambda **_: 1}
    read = call.cached(scope=("tenant", "who"), depends_on=[epoch("e")], **options)(
        lambda *, tenant, who: [tenant, who]
    )
    write = mutates(epochs=[epoch("e")], scope=("tenant", "who"), cache=tiers)(
        call.define(lambda who, tenant: None)
    )
    one, other = {"tenant": 1, "who": "ann"}, {"tenant": 2, "who": "ann"}
    assert [[1, "ann"], [2, "ann"]] == [call(read(**one)), call(read(**other))]
    call(write("ann", 1))
    assert call(read.lookup(**one)) is None and call(read.lookup(**other)) is not None


def test_templates_of_a_session_are_filled_and_told_apart(notes, way, call, tiers):
    """
    ``epoch("folder:{x}")`` of one session is one for each folder in it.
    """
    notes = Notes(way, call, tiers, depends_on=[epoch("folder:{x}")])
    assert [None] * 4 == [notes.reads(name, x) for name in SESSIONS for x in (1, 2)]
    notes.asked.clear()
    epoch("folder:1").bump(scope="ann", cache=tiers)
    assert [None] * 4 == [notes.reads(name, x) for name in SESSIONS for x in (1, 2)]
    assert ["ann"] == notes.asked


def test_dependents_hear_of_every_session(call, tiers):
    """
    What was made of another function's results is made of those of nobody knows which session.
    """
    inner = call.cached(cache=tiers, name="in", scope=("who",), depends_on=[epoch("e")])(
        lambda who: [who]
    )
    outer = call.cached(cache=tiers, name="out", scope=("team",), depends_on=[inner])(
        lambda team: [team]
    )
    over = call.cached(cache=tiers, name="over", scope=("team",), depends_on=[outer])(
        lambda team: [team]
    )
    write = mutates(epochs=[epoch("e")], scope=("who",), cache=tiers)(call.define(lambda who: 0))
    for made in (inner("ann"), inner("bob"), outer("red"), over("red")):
        call(made)
    call(write("ann"))
    looked = (inner.lookup("ann"), inner.lookup("bob"), outer.lookup("red"), over.lookup("red"))
    assert [False, True, False, False] == [call(one) is not None for one in looked]


def test_streams_of_a_session(cache):
    """
    Generator functions, whose scope is named among their parameters, hear of it as well.
    """

    @tiered_cache(cache=cache, scope=("who",), depends_on=[epoch("session")])
    def lines(who):
        yield who

    for name in SESSIONS:
        assert [name] == list(lines(name))
    mutates(epochs=[epoch("session")], scope=("who",), cache=cache)(lambda who: None)("ann")
    assert lines.lookup("ann") is None and lines.lookup("bob") is not None


def test_explain_names_the_epoch_and_not_the_session(notes, tiers, call):
    """
    Why a call misses after a write of its session: the epoch, in words; no scope.
    """
    notes.reads("ann")
    notes.writes("ann", "new")
    args = (1, "ann") if notes._by_name else (1,)
    told = call(notes.read.explain(*args))
    assert ("epoch", "session") == (told.what, told.which)
    assert notes._by_name or "ann" not in str(told)  # (an argument is part of what was asked)


@pytest.mark.parametrize("key", [None, "5a" * 32])
def test_the_session_is_written_nowhere(way, call, make_cache, tmp_path, monkeypatch, key):
    """
    Neither its text nor an unkeyed digest of it, if there is a key, lies in the second tier.
    """
    if key is None:
        monkeypatch.delenv("MEMOTIER_KEY")
    notes = Notes(way, call, make_cache("disk"))
    notes.state["canary-4711"] = "x"
    notes.reads("canary-4711")
    notes.writes("canary-4711", "y")
    notes.reads("canary-4711")
    plain = names.scope(canonical("f", "canary-4711"), b"", names.epoch("session"))
    data = b"".join(p.read_bytes() for p in (tmp_path / "cache").rglob("*") if p.is_file())
    assert b"canary" not in data
    assert (plain in data) is (key is None)


def test_a_process_with_the_former_key_still_reaches_the_results(make_cache, monkeypatch):
    """
    While a key is replaced, a write is heard of by those who have the new one, and the other way.
    """
    made = {}
    for name, keys in (("old", "5a" * 32), ("new", "6b" * 32 + "," + "5a" * 32)):
        monkeypatch.setenv("MEMOTIER_KEY", keys)
        cache = make_cache("disk")
        options = {"cache": cache, "name": "read", "scope": ("who",)}
        read = tiered_cache(depends_on=[epoch("session")], **options)(lambda who: [who])
        write = mutates(epochs=[epoch("session")], scope=("who",), cache=cache)(lambda who: None)
        read("ann")
        made[name] = (read, write)
    for writer, reader in (("old", "new"), ("new", "old")):
        made[reader][0]("ann")
        made[writer][1]("ann")
        assert made[reader][0].lookup("ann") is None


WORKER = """
import sys
from contextvars import ContextVar
from memotier import MultiLevelCache, epoch, mutates, tiered_cache
from pathlib import Path

user = ContextVar("user")
cache = MultiLevelCache(directory=sys.argv[1])
state = Path(sys.argv[2])
calls = 0

@tiered_cache(cache=cache, name="read", agent=True, effects="read", scope=user,
              depends_on=[epoch("session")])
def read():
    global calls
    calls += 1
    return (state / user.get()).read_text()

@mutates(epochs=[epoch("session")], scope=user, cache=cache)
def write(text):
    (state / user.get()).write_text(text)
    if text == "half":
        raise KeyError(text)

for line in sys.stdin:
    act, name, text = line.split()
    user.set(name)
    before = calls
    try:
        found = read() if act == "read" else write(text)
    except KeyError:
        found = "raised"
    print(found, calls - before, flush=True)
"""


class Worker:
    """
    Another process with both tools.
    """

    def __init__(self, *arguments):
        self.child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WORKER), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ,
        )

    def __call__(self, act, name, text="-"):
        self.child.stdin.write(f"{act} {name} {text}\n")
        self.child.stdin.flush()
        found, computed = self.child.stdout.readline().split()
        return found, int(computed)

    def end(self):
        self.child.stdin.close()
        assert 0 == self.child.wait(20)
        self.child.stdout.close()


def test_processes_hear_of_the_writes_of_a_session(tmp_path):
    """
    What another process holds in memory or finds on the disk is old once the write has returned,
    or raised; that of the other session is not, and a restart changes nothing.
    """
    state = tmp_path / "state"
    state.mkdir()
    for name in SESSIONS:
        (state / name).write_text("old")
    one, two = (Worker(tmp_path / "cache", state) for _ in range(2))
    for name in SESSIONS:
        assert [("old", 1), ("old", 0)] == [one("read", name), two("read", name)]
    one("write", "ann", "new")
    assert [("new", 1), ("new", 0)] == [two("read", "ann"), one("read", "ann")]
    assert [("old", 0), ("old", 0)] == [two("read", "bob"), one("read", "bob")]
    assert ("raised", 0) == two("write", "bob", "half")
    assert [("half", 1), ("new", 0)] == [one("read", "bob"), one("read", "ann")]
    one.end()
    two("write", "ann", "newer")
    two.end()
    three = Worker(tmp_path / "cache", state)
    assert [("newer", 1), ("half", 0)] == [three("read", "ann"), three("read", "bob")]
    three.end()
