"""
A few threads of our own for the I/O of coroutines.

Not the loop's default executor, which the user's code can fill; and not ThreadPoolExecutor,
which waits for its threads at exit for as long as they take.

The threads belong to a crew and know only that, so an ``Offload`` that nobody has any more is
collected, and sends them home.
"""

from __future__ import annotations

import asyncio
import atexit
import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any, Final, TypeVar

from ..types import Seconds
from . import forks

T = TypeVar("T")

_THREADS: Final = 3
_PATIENCE: Seconds = 2.0

# The loop and the future of who waits, if anybody does; what to call.
_Job = tuple[
    "asyncio.AbstractEventLoop | None",
    "asyncio.Future[Any] | None",
    Callable[..., Any],
    tuple[Any, ...],
]
_Jobs = queue.SimpleQueue["_Job | None"]


class Offload:
    """
    Runs functions in at most three threads; the first call starts them, and they end with this.
    """

    def __init__(self) -> None:
        self._crew = _Crew()
        weakref.finalize(self, self._crew.send_home).atexit = False

    def run(
        self,
        function: Callable[..., T],
        *arguments: Any,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Future[T]:
        """
        Call *function* in a thread; the future belongs to *loop*, by default the running one.

        Cancelling the future does not take the call back: an invalidation that was asked for
        is made, whether anyone still waits or not. If the system has no thread for us, the call
        is made here and now.
        """
        loop = loop or asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._crew.take((loop, future, function, arguments))
        return future

    def leave(self, function: Callable[[], Any]) -> None:
        """
        Have *function* called in a thread, whatever becomes of any event loop.
        """
        self._crew.take((None, None, function, ()))

    def close(self) -> None:
        """
        Let the threads finish what was handed over, and wait up to 2 s for them.

        A call after that begins with new threads.
        """
        self._crew.dismiss()


class _Crew:
    """
    The threads of one ``Offload`` and what they have to do.
    """

    def __init__(self) -> None:
        self._fresh()
        forks.register(self)
        _all.add(self)

    def _fresh(self) -> None:
        self._lock = threading.Lock()
        self._fork_locks = forks.ForkSafeLocks(self._lock)
        self._forget_threads()

    def _forget_threads(self) -> None:
        self._jobs: _Jobs = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._busy = 0

    def take(self, job: _Job) -> None:
        """Do *job* in a thread; in the caller's if there is none to be had."""
        with self._lock:
            if self._busy >= len(self._threads) < _THREADS:
                self._start()
            if self._threads:
                self._busy += 1
                self._jobs.put(job)
                return
        _send(job, *_outcome(job))

    def send_home(self) -> None:
        """Let the threads end. Called by the garbage collector, so without a lock."""
        for _ in self._threads:
            self._jobs.put(None)

    def dismiss(self) -> None:
        """Let them end, begin anew with the next job, and wait up to 2 s for those."""
        with self._lock:
            threads = self._threads
            self.send_home()
            self._forget_threads()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(_PATIENCE / len(threads))

    def before_fork(self) -> None:
        """Nobody else may be inside while the process is copied."""
        self._fork_locks.take()

    def after_fork(self, in_child: bool) -> None:
        """The threads, and what they had to do, stay with the parent."""
        self._fork_locks.release(in_child, self._fresh)
        if in_child:
            self._forget_threads()

    def _start(self) -> None:
        name = f"memotier-io-{len(self._threads)}"
        # A daemon, so that an operation which hangs does not keep the process alive.
        thread = threading.Thread(target=self._work, args=(self._jobs,), name=name, daemon=True)
        self._threads.append(thread)
        try:
            thread.start()
        except (RuntimeError, MemoryError):
            # At the limit of the system, or at the end of the interpreter.
            self._threads.remove(thread)

    def _work(self, jobs: _Jobs) -> None:
        while (job := jobs.get()) is not None:
            outcome = _outcome(job)
            # Free again before the caller hears of it, or its next call would start a thread.
            with self._lock:
                self._busy -= jobs is self._jobs
            _send(job, *outcome)
            # A thread that waits must not keep the last arguments and their answer alive.
            del job, outcome


def _outcome(job: _Job) -> tuple[Any, BaseException | None]:
    _, _, function, arguments = job
    try:
        return function(*arguments), None
    except BaseException as error:
        return None, error


def _send(job: _Job, answer: Any, problem: BaseException | None) -> None:
    loop, future, _, _ = job
    if loop is None or future is None:
        return
    try:
        loop.call_soon_threadsafe(_deliver, future, answer, problem)
    except RuntimeError:
        pass  # The loop is closed: nobody waits any more.


def _deliver(future: asyncio.Future[Any], answer: Any, problem: BaseException | None) -> None:
    if future.done():
        return
    if problem is None:
        future.set_result(answer)
    else:
        future.set_exception(problem)


#: Those that still have an ``Offload`` or a thread.
_all: weakref.WeakSet[_Crew] = weakref.WeakSet()


@atexit.register
def _dismiss_all() -> None:
    for crew in list(_all):
        crew.dismiss()
