"""
For applications with Starlette or FastAPI: whose request it is, and a cache as a dependency.

    app.add_middleware(ScopeMiddleware, scope=user, of=user_of_the_token)

Tasks and threads that the application starts while it answers have the scope, too; the next
request does not. What must never happen: a request that is answered in the scope of another one.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from ..cache import MultiLevelCache
from ..registry import get_cache


class ScopeMiddleware:
    """
    Sets a context variable to whose the request is, for ``scope=`` of cached functions.

    Args:
        scope: The variable. It is unset while nobody is told, so that functions that need it
            raise ``ScopeMissing`` instead of sharing.

        of: Is given the connection (``starlette.requests.HTTPConnection``: headers, cookies, the
            user that an authentication middleware outside of this one has found), and returns
            whose it is; None: nobody's. May be a coroutine function. What it raises, it raises
            before the application is called.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        scope: ContextVar[Any],
        of: Callable[[HTTPConnection], Any | Awaitable[Any]],
    ) -> None:
        self.app = app
        self._variable = scope
        self._of = of

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        whose = self._of(HTTPConnection(scope))
        if inspect.isawaitable(whose):
            whose = await whose
        # Set to None as well: a variable may have been set outside, for all.
        token = self._variable.set(whose)
        try:
            await self.app(scope, receive, send)
        finally:
            self._variable.reset(token)


def cache(name: str = "default") -> Callable[[], Coroutine[Any, Any, MultiLevelCache]]:
    """
    A dependency for FastAPI: ``Annotated[MultiLevelCache, Depends(cache())]``.

    ``get_cache`` itself would be none: its *name* would become a parameter of the request.
    """

    async def dependency() -> MultiLevelCache:
        return get_cache(name)

    return dependency
