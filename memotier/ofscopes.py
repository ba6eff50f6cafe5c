"""
What can be asked of a decorated function about one scope; see docs/guide/scope.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import asked

if TYPE_CHECKING:
    from .engine.scopeinfo import ScopeInfo


class OfScopes:
    """
    Two methods of ``Tiered``.
    """

    # Neither a __dict__ of its own nor annotations: either would hide those of the function.
    __slots__ = ()

    def forget(self: Any, scope: Any, /) -> Any:
        """
        Forget all results of one scope, in both tiers; see docs/guide/scope.md.
        """
        return self._self_memo.run(asked.forget_scope(self._self_memo, scope))

    def scope_info(self: Any, scope: Any, /) -> ScopeInfo:
        """
        What one scope has and was given, in this process; see docs/guide/scope.md.
        """
        return asked.scope_info(self._self_memo, scope)
