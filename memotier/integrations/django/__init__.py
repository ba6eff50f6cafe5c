"""
For projects with Django: settings in its settings, and whose request it is.

    INSTALLED_APPS = [..., "memotier.integrations.django"]
    MEMOTIER = {"directory": BASE_DIR / "cache", "default_ttl": "1h"}
    MIDDLEWARE = [..., "memotier.integrations.django.scope_middleware"]

What must never happen: a request that is answered in the scope of another one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware

#: Whose the request is, for ``scope=`` of cached functions: the primary key of its user.
user: ContextVar[Any] = ContextVar("memotier_django_user")


@sync_and_async_middleware
def scope_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """
    Sets ``user`` while a request is answered; it stands below ``AuthenticationMiddleware``.

    For who is not logged in it is None: functions that need a scope raise ``ScopeMissing``.
    It asks for ``request.user``, which is a query of the database where that is not asked for
    anyway.
    """
    if inspect.iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> Any:
            token = user.set((await request.auser()).pk)
            try:
                return await get_response(request)
            finally:
                user.reset(token)

        return answer_async

    def answer(request: HttpRequest) -> Any:
        token = user.set(request.user.pk)
        try:
            return get_response(request)
        finally:
            user.reset(token)

    return answer
