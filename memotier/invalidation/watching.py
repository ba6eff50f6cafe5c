"""
Files and directories that are watched: what changes there invalidates tags, and nothing else.

One daemon thread per watcher, in which watchfiles (the only place that imports it) waits and
gathers. ``watch`` returns when it has begun to look, so that no later change is missed.

States: running, until ``stop()``, the invalidator or the cache is closed, or the system takes the
files away; then it has ended, for good, and says so (``is_running``, one log line). The thread
stays behind in a fork: the child begins anew.

A single file is watched through its directory, because editors replace files, and a watch of the
old one would hear nothing more. What the cache itself writes is not a change.
"""

from __future__ import annotations

import atexit
import fnmatch
import os
import string
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from ..durations import short
from ..engine.drive import drive
from ..engine.events import kind_and_place, logger
from ..errors import ConfigError, MissingExtra
from ..keyed import check_tags
from ..templates import fill
from ..types import Seconds
from .core import Core

#: Milliseconds between two looks at whether to stop, and of quiet that end a gathering early.
STEP: Final = 50
#: Seconds to wait for the thread to begin, and to end.
PATIENCE: Final[Seconds] = 5.0
_FIELDS: Final = ("path", "name")

_running: weakref.WeakSet[Watcher] = weakref.WeakSet()


class Watchers:
    """
    The watchers of one invalidator.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._all: list[Watcher] = []

    def watch(
        self, path: Any, tags: Iterable[str], *, match: Any, debounce_ms: Any, polling: Any
    ) -> Watcher:
        """
        A watcher that runs. See ``CacheInvalidator.watch``.
        """
        core = self._core
        core.check_events("watch()")
        core.check_enabled("tagging", "watch()")
        if core.engine.closed:
            raise ConfigError("watch() cannot be used: the cache is closed")
        watcher = Watcher(
            core,
            _path(path),
            _templates(tags),
            match=_text("match", match),
            debounce_ms=_milliseconds(debounce_ms),
            polling=_flag("polling", polling),
        )
        watcher._start()
        self._all = [one for one in self._all if one.is_running]
        self._all.append(watcher)
        return watcher

    def figures(self) -> dict[str, int]:
        """
        Those that run, the changes they were told of, the invalidations that failed.
        """
        return {
            "running": sum(one.is_running for one in self._all),
            "changes": sum(one.changes for one in self._all),
            "failed": sum(one.failed for one in self._all),
        }

    def close(self) -> None:
        for one in self._all:
            one.stop()


class Watcher:
    """
    One path that is watched. Stop it with ``stop()``, or use it as a context manager.
    """

    def __init__(
        self,
        core: Core,
        path: Path,
        templates: tuple[str, ...],
        *,
        match: str,
        debounce_ms: int,
        polling: bool,
    ) -> None:
        self.path = path
        #: Gatherings of changes that were acted upon, and invalidations that failed.
        self.changes = self.failed = 0
        self._core = core
        self._templates = templates
        self._match = match
        self._debounce = debounce_ms
        self._polling = polling
        self._is_single = not path.is_dir()
        # Where it is, and where a link leads.
        self._names = {str(path), str(path.resolve())}
        self._own = _directory_of(core)
        if self._own is not None and any(_lies_in(one, self._own) for one in self._names):
            raise ConfigError(
                f"watch({short(str(path))}) cannot be used: it is the cache's own directory"
            )
        self._stop: _Stop | None = None
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def __repr__(self) -> str:
        state = "running" if self.is_running else "ended"
        return f"<Watcher {str(self.path)!r} {state} changes={self.changes}>"

    @property
    def is_running(self) -> bool:
        """
        Whether changes are still heard of.
        """
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """
        Watch no longer. Waits some milliseconds for the thread. May be called twice.
        """
        self._let_go()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(PATIENCE)

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    def _let_go(self) -> None:
        if self._stop is not None:
            self._stop.wanted = True

    # -- the thread ---------------------------------------------------------------------

    def _start(self) -> None:
        watch = _watchfiles()
        self._core.engine.events.listeners.append(self._hear)
        stop = self._begin(watch, _Stop())
        _running.add(self)
        stop.begun.wait(PATIENCE)
        if self._error is not None:
            error, self._error = self._error, None
            raise ConfigError(
                f"{short(str(self.path))} cannot be watched: {type(error).__qualname__}"
            ) from error

    def _begin(self, watch: Any, stop: _Stop) -> _Stop:
        self._stop = stop
        self._thread = threading.Thread(
            target=self._run, args=(watch, stop), name="memotier-watch", daemon=True
        )
        self._thread.start()
        return stop

    def _run(self, watch: Any, stop: _Stop) -> None:
        try:
            for changes in watch(
                *self._roots(),
                watch_filter=self._counts,
                debounce=self._debounce,
                step=min(STEP, self._debounce),
                stop_event=stop,
                rust_timeout=0,
                raise_interrupt=False,
                force_polling=True if self._polling else None,
                recursive=not self._is_single,
            ):
                self._tell({path for _, path in changes})
        except Exception as error:
            if not stop.begun.is_set():
                self._error = error
            else:
                logger.error(
                    "a path is no longer watched, and its changes invalidate nothing: %s",
                    kind_and_place(error),
                )
        finally:
            stop.begun.set()
            if stop is self._stop:
                self._core.engine.events.listeners.remove(self._hear)

    def _roots(self) -> Iterator[Path]:
        if self._is_single:
            yield from {Path(name).parent for name in self._names}
        else:
            yield self.path

    def _counts(self, change: Any, path: str) -> bool:
        if self._is_single:
            return path in self._names
        if self._own is not None and _lies_in(path, self._own):
            return False
        return fnmatch.fnmatchcase(os.path.basename(path), self._match)

    def _tell(self, paths: Iterable[str]) -> None:
        if self._is_single:
            paths = [str(self.path)]
        tags = dict.fromkeys(
            fill("watch()", template, {"path": path, "name": os.path.basename(path)})
            for path in sorted(paths)
            for template in self._templates
        )
        self._invalidate(tags)
        self.changes += 1

    def _invalidate(self, tags: Iterable[str]) -> None:
        try:
            drive(self._core.invalidate_tags(tuple(tags)))
        except Exception as error:
            # Not durable, if anything: the cache will try again, and does not trust what it names.
            self.failed += 1
            logger.error("an invalidation for a changed file failed: %s", kind_and_place(error))

    # -- others ---------------------------------------------------------------------------

    def _hear(self, event: str, detail: Any) -> None:
        if event == "closed":
            self._let_go()

    def _after_fork_in_child(self) -> None:
        before, self._thread = self._stop, None
        if before is None or before.wanted or self._core.engine.closed:
            return
        # What changed since the fork nobody has heard of. With a second tier the parent has.
        alone = self._core.engine.store is None
        try:
            self._begin(_watchfiles(), _Stop(self._forget_all if alone else None))
        except RuntimeError as error:
            logger.error("a forked process does not watch files: %s", kind_and_place(error))

    def _forget_all(self) -> None:
        self._invalidate(tag for tag in self._templates if "{" not in tag)


class _Stop:
    """
    What watchfiles asks at every step: whether to stop. That it asks shows that it has begun.
    """

    __slots__ = ("_on_begun", "begun", "wanted")

    def __init__(self, on_begun: Callable[[], None] | None = None) -> None:
        self.wanted = False
        self.begun = threading.Event()
        self._on_begun = on_begun

    def is_set(self) -> bool:
        if not self.begun.is_set():
            if self._on_begun is not None:
                self._on_begun()
            self.begun.set()
        return self.wanted


def _watchfiles() -> Any:
    try:
        from watchfiles import watch
    except ImportError:
        raise MissingExtra("watch() takes watchfiles: pip install memotier[watch]") from None
    return watch


def _path(path: Any) -> Path:
    try:
        absolute = Path(os.path.abspath(os.fspath(path)))
        exists = absolute.exists()
    except (TypeError, ValueError):
        raise ConfigError(
            f"watch({short(path)}) cannot be used: give a pathlib.Path or a text"
        ) from None
    if not exists:
        raise ConfigError(f"watch({short(str(path))}) cannot be used: there is no such path")
    return absolute


def _templates(tags: Any) -> tuple[str, ...]:
    found = check_tags(tags)
    if not found:
        raise ConfigError("watch() takes tags=[...], which is what a change invalidates")
    for tag in found:
        try:
            fields = [part[1:] for part in string.Formatter().parse(tag) if part[1] is not None]
        except ValueError as error:
            raise ConfigError(f"watch(): tag {short(tag)} is not a template: {error}") from None
        for field, spec, conversion in fields:
            if field not in _FIELDS or spec or conversion:
                raise ConfigError(
                    f"watch(): tag {short(tag)} names {{{field}}}; there are {{path}} and {{name}}"
                )
    return found


def _text(option: str, value: Any) -> str:
    if type(value) is not str or not value:
        raise ConfigError(f'watch(): {option}={short(value)} cannot be used: a text such as "*.py"')
    return value


def _milliseconds(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= 60_000:
        raise ConfigError(
            f"watch(): debounce_ms={short(value)} cannot be used: give 1 to 60000 milliseconds"
        )
    return value


def _flag(option: str, value: Any) -> bool:
    if type(value) is not bool:
        raise ConfigError(f"watch(): {option}={short(value)} cannot be used: give True or False")
    return value


def _directory_of(core: Core) -> str | None:
    directory = core.keyed.wiring.directory
    return None if directory is None else str(directory.resolve())


def _lies_in(path: str, directory: str) -> bool:
    real = os.path.realpath(path)
    return real == directory or real.startswith(directory + os.sep)


def _at_exit() -> None:
    # A thread inside of watchfiles must not be there any more when the interpreter goes.
    running = list(_running)
    for one in running:
        one._let_go()
    for one in running:
        one.stop()


def _in_child() -> None:
    for one in list(_running):
        one._after_fork_in_child()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_in_child)
