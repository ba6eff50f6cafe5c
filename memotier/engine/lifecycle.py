"""
Beginning and ending: the interval flush, closing, interpreter exit, fork.

Write-back engines owe entries to the second tier. A daemon thread pays at every interval,
as long as something is owed; ``close()`` and the interpreter's exit pay the rest, within
``EXIT_WAIT`` seconds. A forked child owes nothing: its parent will pay.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref

from ..types import Seconds
from . import modes, writes
from .background import Rest
from .drive import Plan, drive
from .effects import Io
from .engine import Engine
from .events import kind_and_place, logger
from .instances import bury
from .telling import settle

#: Seconds that an exiting interpreter waits for what is owed.
EXIT_WAIT: Seconds = 2.0
#: Entries that are written at once while it waits.
EXIT_BATCH = 1000

_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


class Flusher:
    """
    Pays an engine's debts at intervals, in a thread that lives while there are any.
    """

    def __init__(self, engine: Engine, interval: Seconds) -> None:
        self._engine = weakref.ref(engine)
        self._interval = interval
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def wake(self) -> None:
        """
        Something is owed (called under the engine's lock).
        """
        if self._thread is None and not self._stop.is_set():
            thread = threading.Thread(target=self._run, name="memotier-flush", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return  # no more threads: the next debt tries again, and close() pays
            self._thread = thread

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            engine = self._engine()
            if engine is None:
                return
            try:
                drive(writes.flush(engine))
            except Exception as error:
                logger.error(
                    "writing down what memory holds failed (%s); it will be tried again",
                    kind_and_place(error),
                )
            with engine.lock:
                if not engine.debts.unwritten:
                    self._thread = None
                    return
            del engine


def register(engine: Engine) -> None:
    """
    Have *engine* flushed at intervals and at exit, and made usable in forked children.
    """
    _engines.add(engine)
    modes.register(engine)
    if engine.store is not None and engine.options.write_policy == "write_back":
        engine.flusher = Flusher(engine, engine.options.flush_interval)
        engine.debts.on_new = engine.flusher.wake


def close(engine: Engine) -> Plan:
    """
    Write what is owed, empty the memory, let the second tier go. May be called twice.
    """
    if engine.closed:
        return
    try:
        with engine.lock:
            told, engine.before_close = engine.before_close, []
        for one in told:
            yield Io(engine.offload, one)
        yield Rest(engine.background, engine.offload)
        yield Rest(engine.timed, engine.offload)
        yield from writes.flush(engine)
        yield from settle(engine, at_once=True)
    except Exception as error:
        logger.error("writing down %r failed: %s", engine.options.name, kind_and_place(error))
    with engine.lock:
        if engine.closed:
            return
        engine.closed = True
        if engine.flusher is not None:
            engine.flusher.stop()
        lost = len(engine.debts.unwritten)
        untold = _has_untold(engine)
        bury(engine)
        engine.versions.close()
        engine.flights.unwanted_all()
        engine.memory.drop(engine.local_residents(None))
        engine.failures.forget_all()
        engine.debts.forget()
    engine.sweep()
    if lost:
        logger.warning("%d entries of cache %r could not be written", lost, engine.options.name)
    if untold:
        _say_untold(engine)
    if engine.store is not None:
        yield Io(engine.offload, engine.store.close)
    engine.offload.close()
    engine.events.emit("closed", {"unwritten": lost})


def _has_untold(engine: Engine) -> bool:
    # Of a readonly cache whoever invalidated knows, and has nothing to hope for.
    return engine.versions.is_behind and not engine.options.reads_only


def _say_untold(engine: Engine) -> None:
    logger.warning(
        "cache %r: its second tier could not be told of invalidations; "
        "other processes may still find there what was invalidated",
        engine.options.name,
    )


def catch_up(engine: Engine) -> None:
    """
    The second tier can be reached: tell it of the invalidations that it could not be told of.
    """
    if not engine.versions.is_behind or engine.closed:
        return
    try:
        drive(settle(engine, at_once=True))
    except Exception as error:
        logger.error(
            "telling the second tier of %r of invalidations failed (%s); it will be tried again",
            engine.options.name,
            kind_and_place(error),
        )


def _at_exit() -> None:
    # Not in a thread: since Python 3.12 none can be started here. A store gives up by itself.
    for engine in list(_engines):
        # A refresh that runs is not waited for: its thread ends with the interpreter.
        engine.background.stop()
        engine.timed.stop()
    until = time.monotonic() + EXIT_WAIT
    left = 0
    for engine in [one for one in list(_engines) if _is_owing(one)]:
        try:
            drive(settle(engine, at_once=True))
            before = -1
            while time.monotonic() < until and len(engine.debts.unwritten) not in (0, before):
                before = len(engine.debts.unwritten)
                drive(writes.flush(engine, most=EXIT_BATCH))
            left += len(engine.debts.unwritten)
            if _has_untold(engine):
                _say_untold(engine)
            if engine.store is not None:
                engine.store.close()
        except Exception as error:
            logger.error("writing down %r failed: %s", engine.options.name, kind_and_place(error))
    if left:
        logger.warning("%d entries were not written before the interpreter ended", left)


def _is_owing(engine: Engine) -> bool:
    return not engine.closed and (bool(engine.debts.unwritten) or engine.versions.is_behind)


_held: list[Engine] = []


def _before_fork() -> None:
    _held[:] = sorted(_engines, key=id)
    for engine in _held:
        engine.lock.acquire()


def _after_fork_in_parent() -> None:
    for engine in reversed(_held):
        engine.lock.release()
    _held.clear()


def _after_fork_in_child() -> None:
    for engine in _held:
        # The leaders stayed in the parent, and so did the duty to write.
        engine.flights.forget()
        engine.streams.forget()
        engine.background.forget()
        engine.timed.forget()
        engine.versions.on_way.clear()
        for resident in list(engine.debts.unwritten.values()):
            engine.debts.forgive(resident)
        engine.writer = engine.writer.rpartition(":")[0] + f":{os.getpid()}"
        if engine.flusher is not None:
            engine.flusher = Flusher(engine, engine.options.flush_interval)
            engine.debts.on_new = engine.flusher.wake
    for engine in reversed(_held):
        engine.lock.release()
    _held.clear()


atexit.register(_at_exit)
os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
