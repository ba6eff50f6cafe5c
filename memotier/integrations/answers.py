"""
One call of a cached tool, as adapters make it, and what they are told of a hit.

A call either runs the tool, or gets what is kept, or joins a call that runs it. What must never
happen: a result that the adapter does not want is kept, or a call fails because another one did.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ..errors import MemotierError, UnkeyableArgument
from ..types import MISS


class Unkept(Exception):
    """
    Raised by what runs a tool, with the result in it: it is for this caller alone, and not kept.
    """

    def __init__(self, result: Any) -> None:
        super().__init__("a result that is not kept")
        self.result = result


@dataclass(frozen=True, slots=True)
class Hit:
    """
    Who answered a call for which no tool was run: *tier* is ``"l1"`` or ``"l2"``, or ``"joined"``
    if another call was computing it; *age* is how many seconds ago the tool ran, None if unknown.
    """

    tier: str
    age: float | None

    def shown(self) -> dict[str, Any]:
        """
        As JSON has it.
        """
        return {"tier": self.tier, "age": None if self.age is None else round(self.age, 3)}


class Asked:
    """
    One call of a tool: ``call`` and ``acall`` give what *run* returns, or returned before; and the
    hit, if it was one.

    Raises:
        ScopeMissing: If nobody tells for whom it is.
    """

    __slots__ = ("_began", "_here", "_key", "_memo", "_ran")

    def __init__(self, memo: Any, key: tuple[Any, ...]) -> None:
        self._memo, self._key = memo, key
        #: Whether the tool ran for this very call.
        self._ran = False
        self._began = time.monotonic()
        try:
            self._here = memo.peek(*key, None) is not MISS
        except UnkeyableArgument:
            self._here = False

    async def acall(
        self, run: Callable[[], Awaitable[Any]], *, again: bool = False
    ) -> tuple[Any, Hit | None]:
        """
        Args:
            again: Run it now, and keep the result instead of what is there.
        """

        async def once() -> Any:
            self._ran = True
            return await run()

        try:
            try:
                value = await (self._memo.refresh if again else self._memo)(*self._key, once)
            except Exception as error:
                if not self._is_of_another(error):
                    raise
                value = await once()
        except Unkept as unkept:
            return unkept.result, None
        if self._ran:
            return value, None
        try:
            return value, self._hit(await self._memo.lookup(*self._key, None))
        except MemotierError:  # a scope= that tells something else each time
            return value, self._hit(None)

    def call(self, run: Callable[[], Any], *, again: bool = False) -> tuple[Any, Hit | None]:
        """
        The same for plain functions.
        """

        def once() -> Any:
            self._ran = True
            return run()

        try:
            try:
                value = (self._memo.refresh if again else self._memo)(*self._key, once)
            except Exception as error:
                if not self._is_of_another(error):
                    raise
                value = once()
        except Unkept as unkept:
            return unkept.result, None
        if self._ran:
            return value, None
        try:
            return value, self._hit(self._memo.lookup(*self._key, None))
        except MemotierError:
            return value, self._hit(None)

    def _is_of_another(self, error: Exception) -> bool:
        """
        Whether *error* ended a run that this call had joined. It may be about that one alone, its
        connection, an approval, an interrupt, so this call runs the tool for itself. Ours
        (``CassetteMiss``, ``ScopeMissing``) are about the call.
        """
        return not self._ran and not isinstance(error, MemotierError)

    def _hit(self, entry: Any) -> Hit:
        age = None if entry is None else float(entry.age)
        is_new = age is None or age <= time.monotonic() - self._began
        return Hit("l1" if self._here else "joined" if is_new else "l2", age)
