"""
Where a cassette comes in: what is called to compute, in place of the function itself.

Nothing of this is on the way of a hit, nor in the engine. While no cassette is open, a
computation asks one name whether there is one. See testing/cassettes/.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from .auditing import called

if TYPE_CHECKING:
    from .memo import Memo

#: Opens a cassette for the rest of the process, and what is done with it.
PATH_VARIABLE: Final = "MEMOTIER_CASSETTE"
MODE_VARIABLE: Final = "MEMOTIER_CASSETTE_MODE"

#: Stands in for a function while a cassette is open that reads or writes; None: none is.
stand_in: Callable[[Memo], Callable[..., Any]] | None = None


def callee(memo: Memo, *, past: bool = False) -> Callable[..., Any]:
    """
    What is called to compute a result of *memo*.

    Args:
        past: Whether the call is past the cache, and so nothing to audit.
    """
    instead = stand_in  # once: another thread may close the cassette
    if instead is not None:
        return instead(memo)
    return memo.function if past else called(memo)


def open_from_environment() -> None:
    """
    Open the cassette that the environment names, if it does and that has not been done.

    Raises:
        ConfigError: If it cannot be opened.
    """
    if os.environ.get(PATH_VARIABLE):
        from .testing.cassettes.opening import open_for_the_process

        open_for_the_process()
