"""
``FaultyStore``: a second tier that fails when a test says so.

It stands around a real store. What it can be told: to fail (always, or at the n-th operation), to
be slow, to answer with damaged records or with those of another question, and to have somebody
else do something before or after an operation, as another process would.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import StoreError, StoreUnavailable
from ..stores.around import Around
from ..stores.local import LocalStore
from ..types import Reading, Seconds, Store

#: Seconds that the other process of ``before`` and ``after`` may take.
PATIENCE: Seconds = 20.0


class FaultyStore(Around):
    """
    The ``Store`` protocol on *store*, with faults.

    Attributes, all of which a test may change at any time:

        failing: Names of operations that raise *error*.

        down: Whether every operation raises ``StoreUnavailable``, but ``close``.

        slow_by: Seconds that every operation takes, by *sleep*.

        corrupt: Is given every record that is read, and returns what is read instead.

        swaps_replies: Whether the records of each ``get`` are those that the one before asked for.

        before, after: By operation, what somebody else does before or after it, in another thread.

        calls: The names of the operations so far.

    Args:
        store: Where records and tokens are; None: in this process's memory.

        error: What fails raises; None: a ``StoreError`` that names the operation.

        sleep: Lets *slow_by* seconds pass: ``time.sleep``, or ``advance`` of a ``FakeClock``.
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        error: BaseException | None = None,
        sleep: Callable[[Seconds], Any] = time.sleep,
    ) -> None:
        super().__init__(LocalStore(None) if store is None else store)
        self.error = error
        self.sleep = sleep
        self.failing: set[str] = set()
        self.down = False
        self.slow_by: Seconds = 0.0
        self.corrupt: Callable[[bytes], bytes] | None = None
        self.swaps_replies = False
        self.before: dict[str, Callable[[], Any]] = {}
        self.after: dict[str, Callable[[], Any]] = {}
        self.calls: list[str] = []
        self._countdown: list[tuple[int, str | None]] = []
        self._last: Sequence[bytes | None] = ()
        self._lock = threading.Lock()

    def fail_at(self, number: int, operation: str | None = None) -> None:
        """
        Let the *number*-th operation from now fail, counting from 1; only those called
        *operation*, if it is given.
        """
        if number < 1:
            raise ValueError(f"fail_at({number!r}): operations are counted from 1")
        self._countdown.append((number, operation))

    def begin(self, operation: str) -> None:
        """What happens before *operation*, or in its place."""
        self.calls.append(operation)
        if operation in self.before:
            _elsewhere(self.before[operation])
        if self.slow_by:
            self.sleep(self.slow_by)
        if self.down and operation != "close":
            raise StoreUnavailable(f"{operation}: the store is down today")
        if self._is_due(operation) or operation in self.failing:
            raise self.error or StoreError(f"{operation} does not work today")

    def end(self, operation: str, arguments: tuple[Any, ...], answer: Any) -> Any:
        """What is answered, and what happens after *operation*."""
        if operation == "get":
            answer = self._spoilt(answer, len(arguments[0]))
        if operation in self.after:
            _elsewhere(self.after[operation])
        return answer

    def _is_due(self, operation: str) -> bool:
        if not self._countdown:
            return False
        left, is_due = [], False
        with self._lock:
            for number, wanted in self._countdown:
                number -= wanted in (None, operation)
                is_due = is_due or number == 0
                if number:
                    left.append((number, wanted))
            self._countdown = left
        return is_due

    def _spoilt(self, reading: Reading, wanted: int) -> Reading:
        records, corrupt = reading.records, self.corrupt
        if self.swaps_replies:
            records, self._last = self._last, records
            records = [*records[:wanted], *[None] * (wanted - len(records))]
        if corrupt is not None:
            records = [None if record is None else corrupt(record) for record in records]
        return reading._replace(records=records)


def _elsewhere(action: Callable[[], Any]) -> None:
    """
    Do it in another thread, as another process would, and wait for that.
    """
    failed: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE)
    if thread.is_alive():
        raise AssertionError("what is done before or after an operation hangs")
    if failed:
        raise failed[0]
