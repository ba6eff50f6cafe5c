"""
The contract as one class; each part is one idea.
"""

from __future__ import annotations

from .boards import BoardTests
from .closing import ClosingTests
from .groups import GroupTests
from .guards import GuardTests
from .handles import HandleTests
from .races import RaceTests
from .records import RecordTests
from .relabel import RelabelTests
from .soft import SoftTests
from .tokens import TokenTests
from .twins import TwinTests


class StoreContract(
    RecordTests,
    GroupTests,
    TokenTests,
    GuardTests,
    RelabelTests,
    SoftTests,
    ClosingTests,
    RaceTests,
    HandleTests,
    BoardTests,
    TwinTests,
):
    """
    The contract of the ``Store`` protocol. Subclass it, and say how a store is opened.

    See docs/guide/stores.md; what there is to say of a store are the attributes and methods of
    ``Base`` in ``base.py``: ``open_store``, ``reopen``, ``is_shared``, ``is_fork_safe``,
    ``lose_tokens`` and ``spoil``.
    """
