"""
``with`` for what is closed in the end.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Closing:
    """
    Leaving the block calls ``close()``, whatever ended it.
    """

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        raise NotImplementedError
