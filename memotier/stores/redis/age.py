"""
How long memory is believed when no message can arrive: the bound that nothing else may loosen.

A thread of its own, which does no I/O: whoever asks a server may wait for longer than he wanted
(for a name to be resolved, say), and the bound must hold then, too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ...types import Seconds


class Age:
    """
    Calls *too_old* whenever *most* seconds have passed since everything was in order.
    """

    def __init__(self, too_old: Callable[[], None], most: Seconds) -> None:
        self._too_old = too_old
        self._most = most
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._in_order = time.monotonic()

    def start(self) -> None:
        """
        Begin to count. May be called twice.

        Raises:
            RuntimeError: If there can be no more threads.
        """
        if self._thread is not None:
            return
        self._in_order = time.monotonic()
        # A daemon: it only waits.
        thread = threading.Thread(target=self._run, name="memotier-redis-age", daemon=True)
        thread.start()
        self._thread = thread

    def renew(self, when: Seconds) -> None:
        """
        At *when* (monotonic seconds) everything was in order.
        """
        self._in_order = when

    def stop(self) -> None:
        """
        End the thread. May be called twice.
        """
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(max(0.0, self._in_order + self._most - time.monotonic())):
            now = time.monotonic()
            if now >= self._in_order + self._most:
                self._too_old()
                self._in_order = now
