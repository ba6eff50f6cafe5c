"""
What is called to compute, in place of the function itself: where a cassette or an audit comes in.

Nothing of this is on the way of a hit, nor in the engine. While there is neither, a computation
looks at two names, and nothing of either is loaded. See testing/cassettes/ and auditing.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .auditing import Audit
    from .memo import Memo
    from .wiring import Wiring

#: Opens a cassette for the rest of the process, and what is done with it.
PATH_VARIABLE: Final = "MEMOTIER_CASSETTE"
MODE_VARIABLE: Final = "MEMOTIER_CASSETTE_MODE"

#: Stands in for a function while a cassette is open that reads or writes; None: none is.
stand_in: Callable[[Memo], Callable[..., Any]] | None = None
#: Has it watched while somebody wants to know what it does; None: nobody does. Also below a
#: cassette, which calls it by this.
watching: Callable[[Memo], Callable[..., Any]] | None = None


def callee(memo: Memo, *, is_past: bool = False) -> Callable[..., Any]:
    """
    What is called to compute a result of *memo*.

    Args:
        is_past: Whether it is a call past the cache, of which nothing is kept: nobody watches it.
    """
    # Once: another thread may close the cassette.
    instead = stand_in or (None if is_past else watching)
    return memo.function if instead is None else instead(memo)


def audit_of(wiring: Wiring) -> Audit | None:
    """
    Who is told, by the settings of a cache, what its functions do; None: nobody.
    """
    if not wiring.audits:
        return None
    from .auditing import stand

    return stand()


def open_from_environment() -> None:
    """
    Open the cassette that the environment names, if it does and that has not been done.

    Raises:
        ConfigError: If it cannot be opened.
    """
    if os.environ.get(PATH_VARIABLE):
        from .testing.cassettes.opening import open_for_the_process

        open_for_the_process()
