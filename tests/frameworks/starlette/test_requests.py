"""
Whose a request is, in real applications.
"""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

import memotier
from memotier import ConfigError, MultiLevelCache, ScopeMissing, tiered_cache
from memotier.integrations.starlette import ScopeMiddleware, cache

user: ContextVar[str | None] = ContextVar("user", default=None)


def by_header(connection):
    return connection.headers.get("x-user")


async def by_header_async(connection):
    await asyncio.sleep(0)
    return connection.headers.get("x-user")


def make(endpoint, of=by_header):
    async def nobody(request, error):
        return JSONResponse("nobody", status_code=401)

    app = FastAPI(exception_handlers={ScopeMissing: nobody})
    app.add_middleware(ScopeMiddleware, scope=user, of=of)
    app.get("/{q}")(endpoint)
    return TestClient(app)


@pytest.mark.parametrize("of", [by_header, by_header_async])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_each_user_has_his_own(kind, of):
    """
    In endpoints of both kinds; each is computed once for each user, and nobody gets nothing.
    """
    runs = []
    if kind == "sync":

        @tiered_cache(scope=user)
        def find(q: str) -> str:
            runs.append(user.get())
            return f"{q} of {user.get()}"

        def endpoint(q: str) -> str:
            return find(q)
    else:

        @tiered_cache(scope=user)
        async def find(q: str) -> str:
            runs.append(user.get())
            return f"{q} of {user.get()}"

        async def endpoint(q: str) -> str:
            return await find(q)

    client = make(endpoint, of)
    for name in ("ann", "bob", "ann"):
        assert f"owl of {name}" == client.get("/owl", headers={"x-user": name}).json()
    assert 401 == client.get("/owl").status_code
    assert ["ann", "bob"] == runs


def test_requests_at_once_do_not_mix():
    """
    Of twenty users at once each is told his own, while all wait for each other.
    """
    meet = threading.Barrier(20)

    @tiered_cache(scope=user)
    def find(q: str) -> str:
        meet.wait(10)
        return f"{q} of {user.get()}"

    def endpoint(q: str) -> str:
        return find(q)

    told = {}
    with make(endpoint) as client:

        def ask(name):
            told[name] = client.get("/owl", headers={"x-user": name}).json()

        threads = [threading.Thread(target=ask, args=(f"user{at}",)) for at in range(20)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(20)
    assert {f"user{at}": f"owl of user{at}" for at in range(20)} == told


def test_the_variable_is_taken_back():
    """
    Also after an error; a failing *of* ends the request before the application is called.
    """
    seen = []

    async def boom(request):
        seen.append(user.get())
        raise RuntimeError("boom")

    def refuse(connection):
        raise PermissionError("no")

    async def call(of):
        app = ScopeMiddleware(Starlette(routes=[Route("/", boom)]), scope=user, of=of)
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"x-user", b"ann")]}
        with pytest.raises((RuntimeError, PermissionError)):
            await app(scope, None, _ignore)
        assert user.get() is None

    async def _ignore(message):
        pass

    asyncio.run(call(by_header))
    asyncio.run(call(refuse))
    assert ["ann"] == seen


def test_websockets_have_a_scope_too():
    """
    For as long as they are open.
    """

    async def socket(websocket):
        await websocket.accept()
        await websocket.send_text(user.get())
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/", socket)])
    app.add_middleware(ScopeMiddleware, scope=user, of=by_header)
    with TestClient(app).websocket_connect("/", headers={"x-user": "ann"}) as client:
        assert "ann" == client.receive_text()


def test_a_cache_as_a_dependency():
    """
    It is the named one, and adds nothing to what a client may send.
    """
    app = FastAPI()

    @app.get("/")
    async def endpoint(found: Annotated[MultiLevelCache, Depends(cache())]) -> bool:
        return found is memotier.get_cache()

    assert TestClient(app).get("/?name=other").json() is True
    assert [] == app.openapi()["paths"]["/"]["get"].get("parameters", [])


def test_a_cached_dependency_has_the_parameters_of_its_function():
    """
    FastAPI reads its signature; the second request is served.
    """
    app = FastAPI()

    @tiered_cache(ttl="1m", name="settings")
    def settings(tenant: str, full: bool = False) -> dict[str, object]:
        return {"tenant": tenant, "full": full}

    @app.get("/")
    def endpoint(found=Depends(settings)):
        return found

    client = TestClient(app)
    for _ in range(2):
        assert {"tenant": "a", "full": True} == client.get("/?tenant=a&full=true").json()
    assert 422 == client.get("/").status_code
    assert (1, 1) == settings.cache_info()[:2]


def test_a_request_among_the_parameters_is_refused():
    """
    With ``agent=True``, as other contexts.
    """

    def find(request: Request, q: str) -> str:
        return q

    with pytest.raises(ConfigError, match="'request' is annotated with starlette"):
        tiered_cache(agent=True, effects="read", scope="public")(find)


def test_the_lifespan_warms_and_closes(monkeypatch):
    """
    As the page shows it: at the end the cache is closed, and a later use opens a new one.
    """

    async def ok(request):
        return PlainTextResponse("ok")

    app = Starlette(routes=[Route("/", ok)], lifespan=memotier.lifespan())
    with TestClient(app) as client:
        assert "ok" == client.get("/").text
    with TestClient(app) as client:
        assert "ok" == client.get("/").text
