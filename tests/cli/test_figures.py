"""
``memotier stats``, ``top``, ``inspect``, ``invalidate``, ``clear``, ``doctor`` and ``explain``, as
a user runs them beside a program.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.extras

_PROJECT = """
[tool.memotier]
directory = "cache"
"""

_TOOLS = """
from memotier import tiered_cache

@tiered_cache(namespace="tool.search", ttl="1h", tags=["web", "user:{user}"])
def search(q, user="ann"):
    return [q, user]

@tiered_cache(namespace="tool.prices.of.all.regions", ttl="1h")
def the_price_of_a_thing_with_a_long_name(x):
    return {"price": x}

@tiered_cache(namespace="tool.async", ttl="1h")
async def find(q):
    return q

@tiered_cache(namespace="tool.pickled", ttl="1h", codec="pickle")
def pickled(x):
    return complex(x, x)

def plain(x):
    return x
"""

_USE = """
import tools
for n in range(10):
    tools.search("q1"); tools.search(f"q{n % 2}", user="bob")
for n in range(3): tools.the_price_of_a_thing_with_a_long_name(n)
"""


@pytest.fixture
def project(memotier):
    """
    A project whose program has run and ended.
    """
    memotier.write(_PROJECT)
    (memotier.cwd / "tools.py").write_text(_TOOLS)
    _python(memotier, _USE)
    return memotier


def _environ(shell):
    plain = {k: v for k, v in os.environ.items() if not k.startswith("MEMOTIER_")}
    return plain | {"PYTHONPATH": f"{shell.root}:{shell.cwd}"} | shell.environ


def _python(shell, code):
    subprocess.run([sys.executable, "-c", code], cwd=shell.cwd, env=_environ(shell), check=True)


def _data(done):
    assert (0, "") == (done.code, done.err)
    return json.loads(done.out)


# -- stats and top -------------------------------------------------------------------------------


def test_a_running_process_is_seen_from_outside(memotier):
    """
    Its own calls, within the 3 seconds that are promised.
    """
    memotier.write(_PROJECT)
    (memotier.cwd / "tools.py").write_text(_TOOLS)
    running = subprocess.Popen(
        [sys.executable, "-c", _USE + "print('used', flush=True); input()"],
        cwd=memotier.cwd,
        env=_environ(memotier),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert running.stdout is not None
        running.stdout.readline()
        for _ in range(200):
            if (memotier.cwd / "cache" / "snapshots-v1").exists():
                break
            time.sleep(0.05)
        data = _data(memotier("stats", "--json"))
    finally:
        running.communicate(b"\n")

    assert [False] == [one["ended"] for one in data["processes"]]
    assert (23, 17, 6) == tuple(data["total"][name] for name in ("calls", "hits", "misses"))


def test_stats_for_programs_have_these_fields(project):
    """
    They are documented, and stay.
    """
    data = _data(project("stats", "--json", "--namespace", "tool.search"))

    assert {
        *("cache", "taken", "since", "processes", "total", "windows", "tiers"),
        *("pending_writes", "failures", "latency", "functions", "scopes"),
    } == set(data)
    (one,) = data["functions"]
    assert "tools.search" == one["function"]
    assert "tool.search" == one["namespace"]
    assert (20, 17) == (one["calls"], one["hits"])
    assert 20 == one["windows"]["1h"]["calls"] == data["windows"]["1m"]["calls"]
    assert data["total"]["hit_rate"] == pytest.approx(17 / 20)
    assert [True] == [process["ended"] for process in data["processes"]]
    assert 6 == data["tiers"]["l2"]["size"]
    assert "disk" == data["tiers"]["l2"]["kind"]


@pytest.mark.parametrize("columns", ["80", "60", "200"])
@pytest.mark.parametrize("words", [("stats",), ("top", "--once"), ("inspect",)])
def test_what_people_see_fits_the_terminal(project, words, columns):
    """
    No line is longer than it is wide, none is broken, and there is no colour in a pipe.
    """
    project.environ["COLUMNS"] = columns
    done = project(*words)

    assert (0, "") == (done.code, done.err)
    assert max(map(len, done.out.splitlines())) <= int(columns)
    assert "\x1b" not in done.out
    if columns != "60":
        assert re.search(r"^(\w+ +)?search +tool\.se", done.out, re.M)
    if columns == "80":
        assert re.search(r"^(\w+ +)?the_.*…", done.out, re.M)


def test_scopes_are_shown_by_their_digests(project):
    """
    ``--by scope`` lists them, ``--scope`` finds one by its value, which is printed nowhere.
    """
    _python(
        project,
        """
import memotier
@memotier.tiered_cache(namespace="tool.mail", ttl="1h", scope=("user",))
def inbox(user, x): return x
inbox("ann", 1); inbox("ann", 1); inbox((7, "bob"), 1)
""",
    )
    data = _data(project("stats", "--json"))
    (ann,) = _data(project("stats", "--json", "--scope", "ann"))["scopes"]
    (bob,) = _data(project("stats", "--json", "--scope", "(7, 'bob')"))["scopes"]

    assert [ann, bob] == data["scopes"]
    assert (1, 1, 1) == tuple(ann[name] for name in ("entries", "hits", "misses"))
    assert [] == _data(project("stats", "--json", "--scope", "eve"))["scopes"]
    done = project("stats", "--by", "scope")
    assert ann["scope"] in done.out and bob["scope"] in done.out
    assert "ann" not in done.out
    assert ann["scope"] not in project("stats").out
    assert "Nothing is known" in project("stats", "--scope", "eve").out
    assert 1 == project("stats", "--scope", "").code


def test_functions_are_sorted_and_limited(project):
    """
    By what was asked; the rest is said to be there.
    """
    done = project("stats", "--sort", "misses", "--limit", "1")

    assert "tool.prices" in done.out
    assert "tool.search" not in done.out
    assert "1 more: --limit 2" in done.out
    assert ["tools.search", "tools.the_price_of_a_thing_with_a_long_name"] == [
        one["function"] for one in _data(project("stats", "--json", "--sort", "rate"))["functions"]
    ]


def test_nothing_was_asked_yet(memotier):
    """
    Is said, and is no error; nothing is made for it.
    """
    memotier.write(_PROJECT)

    assert "Nothing was asked of this cache" in memotier("stats").out
    assert [] == _data(memotier("stats", "--json"))["functions"]
    assert not (memotier.cwd / "cache").exists()


def test_a_name_from_a_file_does_not_steer_the_terminal(project):
    """
    Whoever wrote it: nothing is printed that is not printable, nothing taken for markup.
    """
    (file,) = (project.cwd / "cache" / "snapshots-v1").glob("*.json")
    text = file.read_text().replace('"label":"search"', '"label":"\\u001b[31m[red]x\\u202e"')
    file.write_text(text)

    done = project("stats")

    assert "?[31m[red]x?" in done.out
    assert "\x1b" not in done.out


def test_top_shows_changes_and_ends_with_q(project):
    """
    On a terminal; keys sort.
    """
    leader, follower = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "memotier", "top"],
        cwd=project.cwd,
        env=_environ(project) | {"TERM": "xterm", "LINES": "24", "COLUMNS": "80"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    try:
        assert "by calls" in _until(leader, "tool.search")
        os.write(leader, b"h")
        assert "by hits" in _until(leader, "by hits")
        _until(leader, "calls/s")
        os.write(leader, b"q")
        assert 0 == running.wait(20)
    finally:
        running.kill()
        running.wait()
        os.close(leader)


def _until(terminal, wanted):
    seen = ""
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], 30)
        assert ready, seen
        seen += os.read(terminal, 65536).decode("utf-8", "replace")
        seen = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen)
    return seen


# -- inspect -------------------------------------------------------------------------------------


def test_entries_are_listed_with_what_is_known(project):
    """
    Filtered by tag, function, namespace and key.
    """
    whole = _data(project("inspect", "--json"))
    assert 6 == len(whole)
    assert {"fresh"} == {one["state"] for one in whole}

    (one,) = _data(project("inspect", "--json", "--tag", "user:ann"))
    assert {
        *("key", "namespace", "state", "size", "function", "tags", "age", "ttl_left", "cost"),
        *("writer", "codec"),
    } == set(one)
    assert "tools.search" == one["function"]
    assert ["web", "user:ann"] == one["tags"]
    assert 3500 < one["ttl_left"] <= 3600
    assert re.fullmatch(r".+:\d+", one["writer"])

    for words, count in (
        (["--namespace", "tool"], 6),
        (["--namespace", "tool.search"], 3),
        (["--function", "search"], 3),
        (["--function", "tools.search", "--tag", "user:bob"], 2),
        (["--key", one["key"][:10]], 1),
        (["--limit", "2"], 2),
        (["--namespace", "tool.sea"], 0),
    ):
        assert count == len(_data(project("inspect", "--json", *words))), words


def test_values_are_shown_only_on_request(project):
    """
    And those alone that can be read without running anything.
    """
    project.environ["MEMOTIER_KEY"] = "a2V5" * 12
    _python(project, "import tools; tools.pickled(1)")
    assert "q1" not in project("inspect").out
    assert "q1" not in project("inspect", "--json").out

    shown = project("inspect", "--value").out
    assert "(not shown: the value of" in shown
    assert "codec 'pickle'" in shown
    assert "(1+1j)" not in shown

    del project.environ["MEMOTIER_KEY"]
    assert "['q1', 'ann']" in project("inspect", "--value", "--tag", "user:ann").out


def test_the_value_of_a_damaged_entry_is_not_read(project):
    """
    It is listed as what it is.
    """
    project.environ["MEMOTIER_KEY"] = "a2V5" * 12

    whole = _data(project("inspect", "--json", "--value"))

    assert {"unreadable"} == {one["state"] for one in whole}
    assert all("cannot be read" in one["value"] for one in whole)


# -- invalidate and clear --------------------------------------------------------------------------


def test_invalidating_reaches_running_processes(project):
    """
    By tag: a process that holds the result in memory computes it anew.
    """
    running = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import tools\ntools.search('q1')\nprint('ready', flush=True); input()\n"
            "before = tools.search.cache_info().hits\ntools.search('q1')\n"
            "print(tools.search.cache_info().hits - before, flush=True)",
        ],
        cwd=project.cwd,
        env=_environ(project),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert "ready\n" == running.stdout.readline()

    assert "1 entry of the second tier invalidated\n" == project("invalidate", "user:ann").out

    out, _ = running.communicate("\n", timeout=60)
    assert "0\n" == out


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["web"], 3),
        (["user:ann", "user:bob"], 3),
        (["--function", "search"], 3),
        (["--namespace", "tool"], 6),
        (["--namespace", "tool.search", "--function", "the_price_of_a_thing_with_a_long_name"], 6),
        (["no such tag"], 0),
    ],
)
def test_a_dry_run_counts_what_will_go(project, words, count):
    """
    It changes nothing; then just those go.
    """
    assert {"entries": count, "dry_run": True} == _data(
        project("invalidate", *words, "--dry-run", "--json")
    )
    assert 6 == len(_fresh(project))

    assert {"entries": count, "dry_run": False} == _data(project("invalidate", *words, "--json"))
    assert 6 - count == len(_fresh(project))


def _fresh(project):
    return [one for one in _data(project("inspect", "--json")) if one["state"] == "fresh"]


def test_one_entry_is_invalidated_by_its_key(project):
    """
    Its first digits are enough, if no other begins so.
    """
    key = _data(project("inspect", "--json", "--limit", "1"))[0]["key"]

    assert "1 entry of the second tier invalidated\n" == project("invalidate", "--key", key).out
    assert 5 == len(_data(project("inspect", "--json")))
    assert "no key begins with" in project("invalidate", "--key", key).err


def test_softly_invalidated_entries_are_stale(project):
    """
    Not gone.
    """
    project("invalidate", "user:ann", "--soft")

    assert "stale" == _data(project("inspect", "--json", "--tag", "user:ann"))[0]["state"]


def test_tags_come_from_stdin(project):
    """
    One a line, in the place of -.
    """
    done = subprocess.run(
        [sys.executable, "-m", "memotier", "invalidate", "-"],
        cwd=project.cwd,
        env=_environ(project),
        input="user:ann\n\nuser:bob\n",
        capture_output=True,
        text=True,
    )

    assert "3 entries of the second tier invalidated\n" == done.stdout


def test_clearing_asks_and_counts(project):
    """
    Nobody to ask is no consent.
    """
    refused = project("clear")
    assert 1 == refused.code
    assert "--yes" in refused.err

    assert "6 entries would be removed\n" == project("clear", "--dry-run").out
    assert {"entries": 6, "dry_run": False} == _data(project("clear", "--yes", "--json"))
    assert "Nothing of that lies in the second tier.\n" == project("inspect").out


def test_looking_and_removing_are_none_of_the_figures(project):
    """
    The command is no process that uses the cache.
    """
    for words in (["inspect"], ["invalidate", "web"], ["doctor"], ["clear", "--yes"], ["stats"]):
        project(*words)

    assert 1 == len(_data(project("stats", "--json"))["processes"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["stats", "--cache", "nope"], "nope"),
        (["inspect", "--limit", "0"], "--limit 0 cannot be used"),
        (["inspect", "--key", "xyz"], "hexadecimal"),
        (["inspect", "--namespace", "a..b"], "a..b"),
        (["inspect", "--function", "nope"], "'nope'"),
        (["invalidate"], "say what"),
        (["invalidate", ""], "is empty"),
        (["invalidate", "web", "--namespace", ""], "is empty"),
        (["explain", "tools:plain"], "not decorated"),
        (["explain", "tools:search", "[1"], "neither a Python literal nor JSON"),
        (["explain", "nope:search"], "cannot be imported"),
        (["explain", "tools"], "module:name"),
        (["explain", "tools:search", "q=1", "q=2"], "given twice"),
    ],
)
def test_what_cannot_be_is_one_line(project, words, told):
    """
    And nothing has changed.
    """
    done = project(*words)

    assert (1, "") == done[:2]
    assert re.fullmatch(r"memotier: .*\n", done.err)
    assert told in done.err
    assert 6 == len(_fresh(project))


@pytest.mark.parametrize("words", [("stats",), ("top", "--once"), ("inspect",), ("clear", "--yes")])
def test_a_cache_in_memory_alone_cannot_be_seen(memotier, words):
    """
    Which says what to set.
    """
    done = memotier(*words)

    assert 1 == done.code
    assert "set directory or redis_url" in done.err


# -- explain ---------------------------------------------------------------------------------------


def test_a_call_is_explained_from_outside(project):
    """
    Whether the second tier has its result; the function is not called.
    """
    assert "would hit" in project("explain", "tools:search", "q1").out
    assert "would miss" in project("explain", "tools:search", "Q1").out
    assert _data(project("explain", "tools:search", '"q0"', "user=bob", "--json"))["would_hit"]
    assert not _data(project("explain", "tools:find", "x", "--json"))["would_hit"]


@pytest.mark.parametrize("colour", ["", "async "])
def test_a_call_is_explained_for_a_scope(project, colour):
    """
    That of a ContextVar is said with --scope; what tells in another way cannot be.
    """
    (project.cwd / "mine.py").write_text(
        f"""
from contextvars import ContextVar
from memotier import tiered_cache

user = ContextVar("user")

@tiered_cache(scope=user, ttl="1h")
{colour}def inbox(folder):
    return folder

@tiered_cache(scope=("who",))
def by_name(who):
    return who

@tiered_cache(scope=lambda: "ann")
def by_callable():
    return 1
"""
    )
    call = 'mine.inbox("new")'
    call = f"__import__('asyncio').run({call})" if colour else call
    _python(project, f"import mine\nmine.user.set('ann')\n{call}")

    assert "would hit" in project("explain", "mine:inbox", "new", "--scope", "ann").out
    assert "would miss" in project("explain", "mine:inbox", "new", "--scope", "bob").out
    told = project("explain", "mine:inbox", "new")
    assert 1 == told.code and "say with --scope for whom" in told.err
    for name in ("mine:by_name", "mine:by_callable", "tools:search"):
        told = project("explain", name, "x", "--scope", "ann")
        assert 1 == told.code and "is no ContextVar" in told.err


def test_arguments_are_read_and_never_run():
    """
    Literals, JSON, or text.
    """
    from memotier.cli.explain import read_arguments

    args, kwargs = read_arguments(
        ["3", "true", "None", "[1, 2]", '{"a": null}', '"3"', "NYC", "k=3", "x='3'", "print(1)"]
    )

    assert [3, True, None, [1, 2], {"a": None}, "3", "NYC", "print(1)"] == args
    assert {"k": 3, "x": "3"} == kwargs


_COUNTS = """
import memotier, sys, time, tools
memotier.snapshots.FIRST = memotier.snapshots.EVERY = 0.05
memotier.CacheAnalytics()
for n in range(200):
    tools.search("q", user=f"user{n}")
print("ready", flush=True)
time.sleep(60)
"""


def test_the_argument_that_ruins_the_hit_rate_is_seen_from_outside(memotier):
    """
    ``doctor`` and ``report``, beside a running program that counts arguments, name it; its values
    are shown nowhere.
    """
    memotier.write(_PROJECT)
    (memotier.cwd / "tools.py").write_text(_TOOLS)
    code = f"import memotier.snapshots\n{_COUNTS}"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=memotier.cwd,
        env=_environ(memotier),
        stdout=subprocess.PIPE,
    ) as program:
        try:
            assert b"ready\n" == program.stdout.readline()
            found = _says(lambda: memotier("doctor").out, "user makes nearly every call")
            page = _says(lambda: memotier("report", "-o", "-").out, 'data-argument="')
        finally:
            program.kill()

    assert "ignore=('user',)" in found
    assert "user17" not in found + page
    assert "tools.search:user" in page


def _says(look, text):
    for _ in range(100):
        found = look()
        if text in found:
            return found
    raise AssertionError(found)


# -- doctor ----------------------------------------------------------------------------------------


def _checks(done):
    return {one["check"]: one for one in json.loads(done.out)}


def test_a_sound_cache_is_found_sound(project):
    """
    Every line with its sign, and exit code 0.
    """
    done = project("doctor")

    assert (0, "") == (done.code, done.err)
    assert "✔ settings  valid" in done.out
    assert "✔ records  6 looked at, all whole" in done.out
    assert "✔ processes  0 running, 1 ended" in done.out
    assert "✘" not in done.out


def test_a_directory_that_others_can_write_is_found(project):
    """
    With the command that mends it.
    """
    (project.cwd / "cache").chmod(0o777)

    done = project("doctor", "--json")

    assert 1 == done.code
    assert _checks(done)["directory"]["ok"] is False
    assert "chmod 700" in _checks(done)["directory"]["found"]


def test_settings_that_are_wrong_are_found(memotier):
    """
    As everywhere, and nothing else is looked at.
    """
    memotier.write("[tool.memotier]\nmode = 5\n")

    done = memotier("doctor", "--json")

    assert 1 == done.code
    assert ["settings"] == list(_checks(done))


def test_records_of_another_key_are_found(project):
    """
    They look like damaged ones, and the advice is about both.
    """
    project.environ["MEMOTIER_KEY"] = "a2V5" * 12

    done = project("doctor", "--json")

    assert 1 == done.code
    assert "6 of 6 cannot be read" in _checks(done)["records"]["found"]


def test_looking_makes_nothing(memotier):
    """
    A directory that is not there is no fault.
    """
    memotier.write(_PROJECT)

    done = memotier("doctor", "--json")

    assert 0 == done.code
    assert "will be made" in _checks(done)["directory"]["found"]
    assert not (memotier.cwd / "cache").exists()


def test_signs_are_plain_where_they_must_be(project):
    """
    Where the output cannot be UTF-8.
    """
    project.environ["PYTHONIOENCODING"] = "ascii"

    done = project("doctor")

    assert 0 == done.code
    assert "ok settings  valid" in done.out


def test_a_server_is_looked_at(project, redis_server):
    """
    Version, clock, room, and that nothing is signed.
    """
    project.write(f'[tool.memotier]\nredis_url = "{redis_server.url}"\n')

    done = project("doctor", "--json")

    found = _checks(done)
    assert 1 == done.code
    assert [True, True] == [found[name]["ok"] for name in ("server", "clock")]
    assert "room" in found
    assert found["signature"]["ok"] is False
    assert "MEMOTIER_KEY" in found["signature"]["advice"]


def test_a_server_that_is_away_is_found(project):
    """
    In one line.
    """
    project.write('[tool.memotier]\nredis_url = "redis://127.0.0.1:1/0"\n')

    done = project("doctor", "--json")

    assert 1 == done.code
    assert "cannot be reached" in _checks(done)["server"]["found"]


def test_all_commands_work_with_a_server(project, redis_server, monkeypatch):
    """
    As with a directory.
    """
    name = f"c{os.getpid()}"
    project.write(
        f'[tool.memotier.caches.{name}]\nredis_url = "{redis_server.url}"\n'
        f'[tool.memotier]\ndefault_ttl = "1h"\n'
    )
    shutil.rmtree(project.cwd / "cache")
    tools = (project.cwd / "tools.py").read_text()
    (project.cwd / "tools.py").write_text(
        tools.replace("tiered_cache(", f'tiered_cache(cache="{name}", ')
    )
    _python(project, _USE)
    of = ("--cache", name, "--json")

    assert 23 == _data(project("stats", *of))["total"]["calls"]
    assert {"tools.search"} == {
        one["function"] for one in _data(project("inspect", *of, "--namespace", "tool.search"))
    }
    assert {"entries": 3, "dry_run": False} == _data(project("invalidate", "web", *of))
    assert 6 >= _data(project("clear", "--yes", *of))["entries"] >= 3
    assert [] == _data(project("inspect", *of))
