"""
What can be asked of a decorated function about one scope; see docs/guide/scope.md.
"""

from __future__ import annotations

from typing import Any

from . import asked
from .engine.quotas import ScopeInfo
from .memo import Memo


class OfScopes:
    """
    Two methods of ``Tiered``.
    """

    _self_memo: Memo

    def forget(self, scope: Any, /) -> Any:
        """
        Forget all results of one scope, in both tiers; see docs/guide/scope.md.
        """
        return self._self_memo.run(asked.forget_scope(self._self_memo, scope))

    def scope_info(self, scope: Any, /) -> ScopeInfo:
        """
        What one scope has and was given, in this process; see docs/guide/scope.md.
        """
        return asked.scope_info(self._self_memo, scope)
