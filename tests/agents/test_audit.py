"""
``memotier.audit()``: what a function does while it is computed, and has not declared.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import memotier
from memotier import ConfigError, MultiLevelCache, Undeclared, tiered_cache
from memotier.auditing import audits
from memotier.testing import assert_computed_once
from memotier.watched import KINDS

TRUE = shutil.which("true")
WRITES = [kind for kind in KINDS if kind != "file_read"]


@pytest.fixture
def here(tmp_path):
    (tmp_path / "text").write_text("x")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.fixture
def server():
    """
    The address of something that accepts connections.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()


def kinds_of(audit):
    return {one.kind for one in audit}


def open_for(mode):
    return lambda path: open(path / "text", mode).close()


def open_by_flags(path):
    os.close(os.open(path / "new", os.O_WRONLY | os.O_CREAT, 0o600))


def change_environment(path):
    os.environ["MEMOTIER_NOT_A_SETTING"] = "x"
    del os.environ["MEMOTIER_NOT_A_SETTING"]


def signal_itself(path):
    os.kill(os.getpid(), 0)


def fork(path):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def open_database(path):
    sqlite3.connect(path / "text.db").close()


def in_memory_database(path):
    sqlite3.connect(":memory:").close()


#: What is done, and the kinds of things that this is.
DONE = {
    "r": (open_for("r"), "file_read"),
    "rb": (open_for("rb"), "file_read"),
    "read_text": (lambda path: (path / "text").read_text(), "file_read"),
    "listdir": (os.listdir, "file_read"),
    "scandir": (lambda path: list(path.iterdir()), "file_read"),
    **{mode: (open_for(mode), "file_written") for mode in ("w", "a", "r+", "wb", "ab+")},
    "x": (lambda path: open(path / "new", "x").close(), "file_written"),
    "os.open": (open_by_flags, "file_written"),
    "write_text": (lambda path: (path / "text").write_text("y"), "file_written"),
    "truncate": (lambda path: os.truncate(path / "text", 0), "file_written"),
    "remove": (lambda path: os.remove(path / "text"), "file_changed"),
    "unlink": (lambda path: (path / "text").unlink(), "file_changed"),
    "rename": (lambda path: (path / "text").rename(path / "other"), "file_changed"),
    "replace": (lambda path: os.replace(path / "text", path / "other"), "file_changed"),
    "mkdir": (lambda path: (path / "new").mkdir(), "file_changed"),
    "rmdir": (lambda path: (path / "folder").rmdir(), "file_changed"),
    "link": (lambda path: os.link(path / "text", path / "other"), "file_changed"),
    "symlink": (lambda path: (path / "other").symlink_to(path / "text"), "file_changed"),
    "chmod": (lambda path: (path / "text").chmod(0o600), "file_changed"),
    "utime": (lambda path: os.utime(path / "text"), "file_changed"),
    "run": (lambda path: subprocess.run([TRUE], check=True), "process"),
    "system": (lambda path: os.system(TRUE), "process"),
    "spawn": (lambda path: os.waitpid(os.posix_spawn(TRUE, [TRUE], {}), 0), "process"),
    "kill": (signal_itself, "process"),
    "pthread_kill": (lambda _: signal.pthread_kill(threading.get_ident(), 0), "process"),
    "putenv": (change_environment, "environment"),
    "chdir": (lambda path: os.chdir("."), "environment"),
    "sqlite3": (open_database, "database"),
}
#: What is none of it.
NOT_DONE = {
    "nothing": lambda path: None,
    "devnull": lambda path: subprocess.DEVNULL and open(os.devnull, "w").close(),
    "descriptor": lambda path: open(os.dup(1), "w").close(),
    "memory": in_memory_database,
    "stat": lambda path: (path / "text").stat(),
    "random": lambda path: (random.random(), os.urandom(4)),
    "environ": lambda path: os.environ.get("HOME"),
    "socket": lambda path: socket.socket().close(),
    "threads": lambda path: threading.Thread(target=print).start(),
}


@pytest.mark.parametrize("done", DONE)
def test_what_is_done_is_noted(call, cache, here, done):
    """
    By its kind, once, at the line of code that did it, and counted.
    """
    do, kind = DONE[done]
    f = call.cached(cache=cache, name="f", effects="pure", key=str)(lambda path: [do(path)] and 1)
    with memotier.audit() as audit:
        call(f(here))
    assert {kind} == kinds_of(audit)
    for one in audit.found:
        assert ("pure", 1) == (one.declared, one.count) and isinstance(one, Undeclared)
        assert one.at.rpartition(":")[0] == __file__
        assert "lambda" in one.function or "f" == one.function
    assert 1 == cache.get_stats()["undeclared_effects"]
    assert str(here) not in str(audit) and "text" not in str(audit)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_fork_is_a_process(call, cache, here):
    """
    It begins one.
    """
    f = call.cached(cache=cache, effects="read", key=str)(fork)
    with memotier.audit() as audit:
        call(f(here))
    assert {"process"} == kinds_of(audit)


@pytest.mark.parametrize("done", NOT_DONE)
def test_what_is_not_done_is_not_noted(call, cache, here, done):
    """
    Nor what reads what everybody may, or writes to what is open already.
    """
    f = call.cached(cache=cache, effects="pure", key=str)(NOT_DONE[done])
    with memotier.audit() as audit:
        call(f(here))
    assert () == audit.found and "nothing undeclared" == str(audit)
    assert 0 == cache.get_stats()["undeclared_effects"]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [("pure", KINDS), ("read", WRITES), (None, WRITES), ("idempotent", ())],
)
def test_what_was_declared_is_not_noted(call, cache, here, server, declared, expected):
    """
    Who reads may read files, who is idempotent may write, and who says nothing may read.
    """

    def everything(path):
        for do, kind in DONE.values():
            if kind in ("file_read", "database", "process", "environment"):
                do(path)
        (path / "text").write_text("y")
        (path / "text").unlink()
        socket.create_connection(server).close()

    f = call.cached(cache=cache, effects=declared, key=str)(everything)
    with memotier.audit() as audit:
        call(f(here))
    assert set(expected) == kinds_of(audit)


def test_sockets(call, cache, server):
    """
    To connect, to send, to listen; also over a connection that is open already.
    """

    def datagram(address):
        with socket.socket(type=socket.SOCK_DGRAM) as made:
            made.sendto(b"x", address)

    def listen(address):
        socket.create_server(("127.0.0.1", 0)).close()

    for do, event in (
        (lambda address: socket.create_connection(address).close(), "socket.connect"),
        (datagram, "socket.sendto"),
        (listen, "socket.bind"),
    ):
        f = call.cached(cache=cache, effects="read")(do)
        with memotier.audit() as audit:
            call(f(server))
        assert {("socket", event)} == {(one.kind, one.event) for one in audit}
        assert "127.0.0.1" not in str(audit)


def test_requests_over_http(call, cache):
    """
    The line of the user's code is told, not that of the library.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    def get(port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/secret") as response:
            return response.status

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        f = call.cached(cache=cache, effects="read")(get)
        with memotier.audit() as audit:
            assert 204 == call(f(running.server_port))
        running.shutdown()
    assert {"socket.connect", "http.client.send"} == {one.event for one in audit}
    assert {__file__} == {one.at.rpartition(":")[0] for one in audit}
    assert "secret" not in str(audit)


# -- when ------------------------------------------------------------------------------


def test_only_what_is_computed_in_the_block(call, cache, here):
    """
    Hits do nothing; before and after the block nobody looks.
    """
    f = call.cached(cache=cache, effects="read")(lambda _: (here / "text").write_text("y"))
    call(f(0))
    with memotier.audit() as audit:
        call(f(0))
        assert 0 == len(audit)
        (here / "text").write_text("z")  # not by a function
        call(f(1)), call(f(2))
        assert [2] == [one.count for one in audit]
        assert "open found=1" in repr(audit) and "2 times" in str(audit)
    call(f(3))
    assert [2] == [one.count for one in audit]
    assert "over" in repr(audit)


def test_a_call_past_the_cache_is_not_watched(call, cache, here):
    """
    Nothing is kept of it, so it may do what it likes.
    """
    f = call.cached(cache=cache, effects="read")(lambda: (here / "text").write_text("y"))
    with memotier.audit() as audit:
        call(f.bypass())
        assert 0 == len(audit)
        call(f.refresh())
        assert 1 == len(audit)


def test_a_batch_past_the_cache_is_not_watched(call, cache, here):
    """
    Neither is what a batch computes past the cache for one id.
    """

    def load(ids):
        (here / "text").write_text("y")
        return dict.fromkeys(ids, 1)

    many = tiered_cache.many(cache=cache, effects="read")(call.define(load))
    with memotier.audit() as audit:
        call(many.bypass([1]))
        with memotier.disabled():
            call(many([1])), call(many.refresh(1))
        assert 0 == len(audit)
        call(many([1]))
        assert 1 == len(audit)


def test_one_line_in_the_log_for_each_function_and_kind(call, cache, here, caplog):
    """
    With what it declares and the line that did it, and nothing of arguments or paths.
    """

    def write(name):
        (here / name).write_text("y")
        (here / name).open("a").close()
        (here / name).unlink()

    f = call.cached(cache=cache, effects="read")(write)
    with caplog.at_level(logging.WARNING, "memotier"), memotier.audit() as audit:
        for number in range(3):
            call(f(f"secret-{number}"))
    assert 3 == len(audit) and [3, 3, 3] == [one.count for one in audit]
    assert 2 == len(caplog.messages)
    assert "opened a file for writing while it was computed: open at" in caplog.messages[0]
    assert 'effects="read"' in caplog.messages[0] and "changed what files" in caplog.messages[1]
    assert "secret" not in caplog.text and str(here) not in caplog.text
    assert 3 == cache.get_stats()["undeclared_effects"]


def test_kinds_can_be_left_out(call, cache, here, server):
    """
    ``ignore=`` takes kinds that are known to be right.
    """

    def f(_):
        socket.create_connection(server).close()
        (here / "text").write_text("y")

    f = call.cached(cache=cache, effects="read")(f)
    with memotier.audit() as outer:
        with memotier.audit(ignore=["socket"]) as audit:
            call(f(1))
        call(f(2))
    assert {"file_written"} == kinds_of(audit)
    assert {"file_written", "socket"} == kinds_of(outer)
    assert {2} == {one.count for one in outer}
    for wrong in ("socket", ["sockets"], [1], 7):
        with pytest.raises(ConfigError, match=r"ignore=.*cannot be used"):
            memotier.audit(ignore=wrong)


def test_the_hook_costs_the_function_nothing_it_notices(call, cache, here):
    """
    Errors pass as they are, also those of what is audited.
    """
    f = call.cached(cache=cache, effects="pure")(lambda: (here / "no" / "x").write_text("y"))
    with memotier.audit() as audit, pytest.raises(FileNotFoundError):
        call(f())
    assert {"file_written"} == kinds_of(audit)  # it has tried


# -- whose it is -----------------------------------------------------------------------


def test_others_are_not_taken_for_the_function(cache, here):
    """
    Another thread that writes while it is computed is none of its business.
    """
    inside, done = threading.Event(), threading.Event()

    def other():
        inside.wait(10)
        (here / "text").write_text("y")
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    f = tiered_cache(cache=cache, effects="pure")(lambda: inside.set() or done.wait(10))
    with memotier.audit() as audit:
        assert f()
    thread.join()
    assert () == audit.found


def test_its_tasks_and_threads_are(cache, here, server):
    """
    Tasks, task groups and ``asyncio.to_thread`` belong to the function, and a task beside it does
    not.
    """

    async def connect():
        _, writer = await asyncio.open_connection(*server)
        writer.close()
        await writer.wait_closed()

    async def beside():
        (here / "folder").rmdir()

    @tiered_cache(cache=cache, effects="read")
    async def f(x):
        async with asyncio.TaskGroup() as group:
            group.create_task(connect())
            group.create_task(asyncio.to_thread((here / "text").write_text, "y"))
        process = await asyncio.create_subprocess_exec(TRUE)
        await process.wait()
        return x

    async def main():
        with memotier.audit() as audit:
            await asyncio.gather(f(1), asyncio.create_task(beside()))
        return audit

    audit = asyncio.run(main())
    assert {"socket", "file_written", "process"} == kinds_of(audit)


def test_a_task_that_goes_on(cache, here):
    """
    What it does after the function has returned counts, until the block ends.
    """
    go_on = {number: asyncio.Event() for number in (1, 2)}

    async def write():
        for one in go_on.values():
            await one.wait()
            (here / "text").write_text("y")

    tasks = []

    @tiered_cache(cache=cache, effects="read")
    async def f(x):
        tasks.append(asyncio.create_task(write()))
        return x

    async def main():
        with memotier.audit() as audit:
            await f(1)
            assert () == audit.found
            go_on[1].set()
            await asyncio.sleep(0), await asyncio.sleep(0)
            assert [1] == [one.count for one in audit]
        go_on[2].set()
        await tasks[0]
        assert [1] == [one.count for one in audit]

    asyncio.run(main())


def test_a_program_that_runs_while_it_is_imported(tmp_path, monkeypatch):
    """
    What an event loop runs was not called by the import that has started the loop.
    """
    (tmp_path / "run_by_import.py").write_text(
        "import asyncio, memotier\n"
        "cache = memotier.MultiLevelCache()\n"
        "async def write():\n"
        f"    open({str(tmp_path / 'new')!r}, 'w').close()\n"
        "@memotier.tiered_cache(cache=cache, effects='read')\n"
        "async def f(x):\n"
        "    await asyncio.create_task(write())\n"
        "async def main():\n"
        "    await f(1)\n"
        "with memotier.audit() as audit:\n"
        "    asyncio.run(main())\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        module = importlib.import_module("run_by_import")
    finally:
        sys.modules.pop("run_by_import", None)
    module.cache.sync.close()
    assert ["file_written"] == [one.kind for one in module.audit]


def test_a_function_that_is_called_inside_answers_for_itself(call, cache, here):
    """
    Each is told by its own declaration: what an idempotent one does, is right.
    """

    def write(_):
        (here / "text").write_text("y")

    inner = tiered_cache(cache=cache, effects="read", name="inner")(write)
    right = tiered_cache(cache=cache, effects="idempotent", name="right")(write)

    def outer(x):
        right(x)
        inner(x)
        (here / "text").unlink()

    f = call.cached(cache=cache, effects="pure", name="outer")(outer)
    with memotier.audit() as audit:
        call(f(1))
    found = {(one.declared, one.kind) for one in audit}
    assert {("read", "file_written"), ("pure", "file_changed")} == found


def test_memotiers_own_files_are_not_the_functions(call, tmp_path, monkeypatch):
    """
    A pure function calls others for the first time, whose caches then read settings, make
    directories, open databases, and look at files; nothing of that is told.
    """
    monkeypatch.setenv("MEMOTIER_DIRECTORY", str(tmp_path / "named"))
    own = MultiLevelCache(directory=tmp_path / "own")
    text = tmp_path / "text"
    text.write_text("x")
    seen = []

    @tiered_cache(effects="pure")
    def named(x):
        return [x]

    @tiered_cache(cache=own, effects="pure", depends_on=[memotier.file(str(text), content=True)])
    def watching(x):
        return [x]

    @tiered_cache(cache=own, effects="pure")
    async def awaited(x):
        return [x]

    @tiered_cache(effects="pure")
    def outer(x):
        seen.append(x)
        own.sync.set("key", x)
        named.invalidate(x)
        return named(x), watching(x), asyncio.run(_of(awaited, x)), named(x)

    with memotier.audit() as audit:
        assert (([1],) * 4) == outer(1)
        outer.invalidate(1)
        outer(1)
    own.sync.close()
    assert () == audit.found
    assert [1, 1] == seen and any((tmp_path / "named").rglob("*.db"))


async def _of(function, x):
    return await function(x)


def test_imports_are_not_the_functions(call, cache, tmp_path, monkeypatch):
    """
    What an import reads and writes (``__pycache__``) happens once, whoever is first; what a
    function of that module does later is told.
    """
    package = tmp_path / "code"
    package.mkdir()
    (package / "lazily_imported.py").write_text(
        "import os\nos.listdir('.')\ndef work(path):\n    open(path, 'w').close()\n"
    )
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)

    def f(path):
        module = importlib.import_module("lazily_imported")
        if path:
            module.work(path)

    f = call.cached(cache=cache, effects="pure")(f)
    try:
        with memotier.audit() as audit:
            call(f(""))
            assert () == audit.found
            assert (package / "__pycache__").exists()
            call(f(str(tmp_path / "new")))
    finally:
        sys.modules.pop("lazily_imported", None)
    assert [("file_written", str(package / "lazily_imported.py") + ":4")] == [
        (one.kind, one.at) for one in audit
    ]


def test_a_log_file_that_is_open_is_written_to(call, cache, tmp_path):
    """
    Logging is no effect of a function, and neither are the sources that a traceback shows.
    """
    handler = logging.FileHandler(tmp_path / "log")
    logger = logging.getLogger("tests.agents.audit")
    logger.addHandler(handler)

    def f():
        try:
            compile("1 +", "<text>", "exec")
        except SyntaxError:
            logger.exception("it went wrong")

    try:
        f = call.cached(cache=cache, effects="pure")(f)
        with memotier.audit() as audit:
            call(f())
    finally:
        logger.removeHandler(handler)
        handler.close()
    assert () == audit.found
    assert "SyntaxError" in (tmp_path / "log").read_text()


def test_a_function_whose_calls_are_counted(call, cache, here):
    """
    What stands around it in a test does not hide it.
    """
    f = call.cached(cache=cache, effects="read")(lambda: (here / "text").write_text("y"))
    with memotier.audit() as audit, assert_computed_once(f):
        call(f()), call(f())
    assert {"file_written"} == kinds_of(audit)


# -- every kind of function --------------------------------------------------------------


def test_methods_and_many(call, cache, here):
    """
    Methods, class methods, batches with one call and single ids.
    """

    class Shop:
        @call.cached(cache=cache, effects="read")
        def method(self):
            (here / "text").write_text("y")

        @classmethod
        @call.cached(cache=cache, effects="read")
        def of_class(cls):
            (here / "text").write_text("y")

    def load(ids):
        (here / "text").write_text("y")
        return dict.fromkeys(ids, 1)

    many = tiered_cache.many(cache=cache, effects="read")(call.define(load))
    with memotier.audit() as audit:
        call(Shop().method()), call(Shop.of_class())
        call(many([1, 2]))
        call(many.refresh(1))
    counts = {one.function.rpartition(".")[2]: one.count for one in audit}
    assert {"method": 1, "of_class": 1, "load": 2} == counts


def test_streams(cache, here):
    """
    Each step of a generator, up to its end or its being closed; between them the reader's own
    doing is his.
    """

    @tiered_cache(cache=cache, effects="read")
    def stream(n):
        try:
            for number in range(n):
                (here / "text").write_text("y")
                yield number
            return "end"
        finally:
            (here / "folder").chmod(0o700)

    with memotier.audit() as audit:
        assert [0, 1] == list(stream(2))
        assert [0, 1] == list(stream(2))
        reading = stream(3)
        next(reading)
        (here / "text").unlink()
        reading.close()
    counts = {one.event: one.count for one in audit}
    assert {"open": 3, "os.chmod": 2} == counts
    assert 2 == cache.get_stats()["undeclared_effects"]


def test_async_streams(cache, here):
    """
    The same of async ones.
    """

    @tiered_cache(cache=cache, effects="read")
    async def stream(n):
        try:
            for number in range(n):
                await asyncio.to_thread((here / "text").write_text, "y")
                yield number
        finally:
            (here / "folder").chmod(0o700)

    async def main():
        assert [0, 1] == [one async for one in stream(2)]
        reading = stream(3)
        await anext(reading)
        (here / "text").unlink()
        await reading.aclose()

    with memotier.audit() as audit:
        asyncio.run(main())
    assert {"open": 3, "os.chmod": 2} == {one.event: one.count for one in audit}


def test_a_refresh_in_the_background(cache, clock, here):
    """
    Whoever computes, and wherever.
    """
    f = tiered_cache(cache=cache, effects="read", ttl=10, stale_while_revalidate=20)(
        lambda: (here / "text").write_text("y")
    )
    f()
    clock.advance(10)
    with memotier.audit() as audit:
        f()
        for thread in list(cache._keyed.engine.background._threads):
            thread.join(10)
    assert {"file_written"} == kinds_of(audit)


# -- the setting -------------------------------------------------------------------------


def test_the_setting_reports_without_a_block(call, here, monkeypatch, caplog):
    """
    ``MEMOTIER_AUDIT=report``: functions of that cache are watched for as long as the process runs.
    """
    monkeypatch.setenv("MEMOTIER_AUDIT", "report")
    monkeypatch.setattr(audits, "standing", None)  # it has told each function and kind once
    f = call.cached(effects="read", name="f")(lambda x: (here / "text").write_text("y"))
    with caplog.at_level(logging.WARNING, "memotier"):
        call(f(1)), call(f(2))
    (line,) = caplog.messages
    assert "opened a file for writing" in line
    assert 2 == memotier.get_cache().get_stats()["undeclared_effects"]


def test_without_it_nothing_is_watched(call, here, caplog):
    """
    Off is the default.
    """
    f = call.cached(effects="read", name="f")(lambda x: (here / "text").write_text("y"))
    with caplog.at_level(logging.WARNING, "memotier"):
        call(f(1))
    assert [] == caplog.messages
    assert 0 == memotier.get_cache().get_stats()["undeclared_effects"]


def test_there_is_no_hook_before_somebody_asks(tmp_path):
    """
    CPython never lets go of a hook, so a process that does not audit has none.
    """
    code = (
        "import sys\nhooks = []\nadd = sys.addaudithook\n"
        "sys.addaudithook = lambda hook: (hooks.append(hook), add(hook))\n"
        "import memotier\n"
        "f = memotier.tiered_cache(effects='pure')(lambda x: open(x, 'w').close())\n"
        f"f({str(tmp_path / 'a')!r}); assert not hooks\n"
        f"with memotier.audit() as audit: f({str(tmp_path / 'b')!r})\n"
        "with memotier.audit(): pass\n"
        "assert 1 == len(hooks) == len(audit), audit\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(Path(memotier.__file__).parents[1]), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
    )
    assert (0, "") == (done.returncode, done.stderr)


def test_a_function_that_does_too_much_is_bounded(cache, here, monkeypatch):
    """
    An audit remembers so many lines of code, and counts what it leaves out.
    """
    monkeypatch.setattr("memotier.auditing.MOST", 1)

    def f():
        (here / "text").write_text("y")
        (here / "text").unlink()
        (here / "text").write_text("y")

    with memotier.audit() as audit:
        tiered_cache(cache=cache, effects="read")(f)()
    assert (1, 2) == (len(audit), audit.left_out)
