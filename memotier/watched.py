"""
Seeing what a function does while it is computed, by the audit events that CPython raises (PEP 578).

A *watch* lies in a context variable while the function runs, so it goes into the tasks that the
function starts and into ``asyncio.to_thread``, and what other threads do meanwhile is not taken for
the function's. The hook looks at that variable first: without a watch it returns at once. Hooks can
never be removed, so there is none before somebody asks (``install``).

What must never happen:
- the hook raises, waits, logs, or does anything that is audited itself: it runs in the middle of
  any operation. It writes into dicts and sets, without a lock;
- a path, an argument or an address is kept: only what kind of thing was done, and which line of
  code did it;
- what memotier or an import does is taken for the function's: the way up from the event to the
  function is looked at, and if it leads through one of these, that is not told.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from types import FrameType
from typing import Any, Final, Protocol

FILE_READ: Final = "file_read"
FILE_WRITTEN: Final = "file_written"
FILE_CHANGED: Final = "file_changed"
PROCESS: Final = "process"
SOCKET: Final = "socket"
DATABASE: Final = "database"
ENVIRONMENT: Final = "environment"

#: What it is called when somebody does it, by kind.
WORDS: Final = {
    FILE_READ: "read a file or directory",
    FILE_WRITTEN: "opened a file for writing",
    FILE_CHANGED: "changed what files there are",
    PROCESS: "started or signalled a process",
    SOCKET: "used a socket",
    DATABASE: "opened a database",
    ENVIRONMENT: "changed the environment",
}
KINDS: Final = tuple(WORDS)

_BY_KIND: Final = {
    FILE_READ: ("os.listdir", "os.scandir"),
    FILE_WRITTEN: ("os.truncate",),
    FILE_CHANGED: (
        *("os.chflags", "os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove"),
        *("os.removexattr", "os.rename", "os.rmdir", "os.setxattr", "os.symlink", "os.utime"),
    ),
    PROCESS: (
        *("os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.posix_spawn"),
        *("os.spawn", "os.startfile", "os.system", "pty.spawn", "signal.pthread_kill"),
        *("subprocess.Popen", "webbrowser.open"),
    ),
    SOCKET: (
        *("socket.bind", "socket.connect", "socket.sendmsg", "socket.sendto"),
        # Over a connection that is open already.
        *("ftplib.sendcmd", "http.client.send", "imaplib.send", "poplib.putline", "smtplib.send"),
    ),
    ENVIRONMENT: ("os.chdir", "os.putenv", "os.unsetenv", "socket.sethostname"),
}
_KIND_OF: Final = {event: kind for kind, events in _BY_KIND.items() for event in events}

#: What each declaration does not cover (None: nothing was declared). Who says nothing is free to
#: read; who connects may do anything over there, which nobody can see from here.
_WRITES: Final = frozenset(KINDS) - {FILE_READ}
UNDECLARED: Final[dict[str | None, frozenset[str]]] = {
    "pure": frozenset(KINDS),
    "read": _WRITES,
    None: _WRITES,
    "idempotent": frozenset(),
}

_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
_HERE: Final = (lambda: None).__code__.co_filename
#: Files of memotier, and of the machinery of imports.
_NOT_HIS: Final = (
    os.path.join(os.path.dirname(_HERE), ""),
    "<frozen importlib",
    "<frozen zipimport",
)
_LIBRARY: Final = os.path.join(os.path.dirname(os.__file__), "")
#: It may stand between the function and us, and has no files of its own.
_TESTING: Final = os.path.join(os.path.dirname(_HERE), "testing", "")
#: They read sources, so that a traceback can show its lines.
_READS_SOURCES: Final = (
    os.path.join(_LIBRARY, "linecache.py"),
    os.path.join(_LIBRARY, "traceback.py"),
)
#: Where an event loop begins to run something: what lies above has not called it.
_LOOP: Final = os.path.join(_LIBRARY, "asyncio", "events.py")


class Told(Protocol):
    """
    Who is told of what is undeclared.
    """

    def note(self, label: str, declared: str | None, kind: str, event: str, at: str) -> None: ...


class Watch:
    """
    One run of a function: what it has not declared, and who is told.
    """

    __slots__ = ("declared", "found", "is_counted", "label", "told", "undeclared")

    def __init__(self, label: str, declared: str | None, told: tuple[Told, ...]) -> None:
        self.label = label
        self.declared = declared
        self.undeclared = UNDECLARED[declared]
        self.told = told
        #: The kinds of things that were found.
        self.found: set[str] = set()
        self.is_counted = False

    def note(self, kind: str, event: str, at: str) -> None:
        self.found.add(kind)
        for one in self.told:
            one.note(self.label, self.declared, kind, event, at)


_watching: ContextVar[Watch | None] = ContextVar("memotier_watching", default=None)
_installed = False


def install() -> None:
    """
    Have CPython tell us. Twice is as good as once; never from two threads at a time.
    """
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_hook)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    watch = _watching.get()
    if watch is None:
        return
    try:
        kind = _kind_of(event, args)
        if kind in watch.undeclared:
            at = _place(sys._getframe(1))
            if at is not None:
                watch.note(kind, event, at)
    except Exception:  # noqa: S110 - it would end what the function is doing
        pass


def _kind_of(event: str, args: tuple[Any, ...]) -> str:
    """
    What kind of thing it is; "" if it is none that is looked for.
    """
    if event == "open":
        path, _, flags = args
        if type(path) is int:
            return ""  # it is open already
        if type(path) is str and (path == os.devnull or path[:1] + path[-1:] == "<>"):
            return ""  # nothing; or no file, as when code that is text has an error
        return FILE_WRITTEN if flags & _WRITING else FILE_READ
    if event == "sqlite3.connect":
        path = args[0]
        in_memory = type(path) is str and path in ("", ":memory:")
        return "" if in_memory else DATABASE
    return _KIND_OF.get(event, "")


def _place(frame: FrameType | None) -> str | None:
    """
    Which line did it, rather of the user's code than of a library that he calls. None if it was
    memotier, or an import.
    """
    shown, best = "?", 0
    while frame is not None:
        file = frame.f_code.co_filename
        if file in (_HERE, _LOOP):
            break
        if file.startswith(_NOT_HIS) and not file.startswith(_TESTING):
            return None
        if best < 2 and file in _READS_SOURCES:
            return None
        rank = _rank(file)
        if rank > best:
            shown, best = f"{file}:{frame.f_lineno}", rank
        frame = frame.f_back
    return shown


def _rank(file: str) -> int:
    if "-packages" in file:  # site-packages, dist-packages
        return 2
    return 1 if file.startswith((_LIBRARY, "<frozen ")) else 3


# -- running a function ----------------------------------------------------------------


def watched(
    function: Callable[..., Any],
    begin: Callable[[], Watch],
    end: Callable[[Watch], None],
    *,
    is_async: bool,
    is_stream: bool,
) -> Callable[..., Any]:
    """
    *function*, which is watched while it runs.

    Args:
        begin: Makes the watch of one run, and *end* is given it afterwards.

        is_stream: Whether it returns a generator, each of whose steps is watched.
    """
    if is_stream:
        kind = _AsyncSource if is_async else _Source
        return lambda *args, **kwargs: kind(function(*args, **kwargs), begin(), end)

    async def awaiting(*args: Any, **kwargs: Any) -> Any:
        with _Watching(begin(), end):
            return await function(*args, **kwargs)

    def calling(*args: Any, **kwargs: Any) -> Any:
        with _Watching(begin(), end):
            return function(*args, **kwargs)

    return awaiting if is_async else calling


class _Watching:
    """
    A block that is watched.
    """

    __slots__ = ("_end", "_mark", "_watch")

    def __init__(self, watch: Watch, end: Callable[[Watch], None]) -> None:
        self._watch = watch
        self._end = end

    def __enter__(self) -> None:
        self._mark = _watching.set(self._watch)

    def __exit__(self, *_: object) -> None:
        try:
            _watching.reset(self._mark)
        except ValueError:
            pass  # a coroutine that is closed from another context: nothing to restore there
        if self._watch.found:
            self._end(self._watch)


class _Source:
    """
    A generator whose steps are watched.
    """

    def __init__(self, source: Any, watch: Watch, end: Callable[[Watch], None]) -> None:
        self._source = source
        self._watch = watch
        self._end = end

    def __iter__(self) -> _Source:
        return self

    def __next__(self) -> Any:
        with _Watching(self._watch, self._end):
            return next(self._source)

    def close(self) -> None:
        with _Watching(self._watch, self._end):
            self._source.close()


class _AsyncSource(_Source):
    """
    The same of an async generator.
    """

    def __aiter__(self) -> _AsyncSource:
        return self

    async def __anext__(self) -> Any:
        with _Watching(self._watch, self._end):
            return await anext(self._source)

    async def aclose(self) -> None:
        with _Watching(self._watch, self._end):
            await self._source.aclose()
