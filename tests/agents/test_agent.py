"""
``agent=True``: what has to be said of a tool of agents.
"""

from __future__ import annotations

import functools
import re
import sys
import types
from typing import TYPE_CHECKING, Annotated, Any, Generic, NewType, Optional, TypedDict, TypeVar

import pytest

from memotier import ConfigError, ScopeMissing, tiered_cache

from .conftest import as_user, user

if TYPE_CHECKING:
    from agents import RunContextWrapper  # noqa: F401 - not there at run time

T = TypeVar("T")


def made(module: str, name: str) -> Any:
    """
    A class with the qualified name of a framework's.
    """
    return types.new_class(name, (Generic[T],), {}, lambda body: body.update(__module__=module))


RunContext = made("pydantic_ai._run_context", "RunContext")
ToolContext = made("google.adk.tools.tool_context", "ToolContext")
InjectedState = made("langgraph.prebuilt.tool_node", "InjectedState")
InjectedToolCallId = made("langchain_core.tools.base", "InjectedToolCallId")
Request = made("starlette.requests", "Request")


class RunnableConfig(TypedDict):
    tags: list


RunnableConfig.__module__ = "langchain_core.runnables.config"


class OwnRequest(Request):
    pass


Bound = TypeVar("Bound", bound=RunContext)
Named = NewType("Named", Request)


@pytest.fixture
def keyed(monkeypatch):
    monkeypatch.setenv("MEMOTIER_KEY", "5a" * 32)


class Context:
    """
    The user's own, which only has the name of a framework's.
    """


def test_fault_11_a_tool_needs_a_scope_and_keeps_users_apart(keyed, call, tiers):
    """
    A function reads the user from a context variable: without ``scope=`` it is not decorated, with
    it each user has his own entry, and nobody raises.
    """

    def balance(account):
        return user.get(), account

    with pytest.raises(ConfigError, match=r'agent=True.*ContextVar.*names.*"public"'):
        tiered_cache(agent=True)(balance)
    tool = call.cached(cache=tiers, name="balance", agent=True, effects="read", scope=user)(balance)
    for _ in range(2):
        for name in ("alice", "bob"):
            assert (name, 7) == as_user(name, lambda: call(tool(7)))
    assert 2 == tool.cache_info().misses
    with pytest.raises(ScopeMissing):
        call(tool(7))


def test_public_is_said_in_so_many_words(call, cache):
    """
    A tool whose results are for all says so, and shares them.
    """
    tool = call.cached(cache=cache, agent=True, effects="read", scope="public")(lambda x: [x])
    call(tool(1)), call(tool(1))
    assert 1 == tool.cache_info().misses


@pytest.mark.parametrize(
    "hint",
    [
        RunContext,
        RunContext[int],
        ToolContext,
        Request,
        OwnRequest,
        RunnableConfig,
        Bound,
        Named,
        Optional[RunContext[int]],  # noqa: UP045
        Request | None,
        Annotated[dict, InjectedState],
        Annotated[str, InjectedToolCallId],
        Annotated[dict, InjectedState()],
        Annotated[Optional[Request], "of the server"],  # noqa: UP045
        list[dict[str, RunContext]],
        "RunContext",
        "RunContext[int] | None",
        "RunContextWrapper",
        "pydantic_ai.RunContext[int]",
        "Annotated[dict, 'x', InjectedState]",
        "Optional['Request']",
        "fastmcp.Context",
    ],
    ids=lambda hint: re.sub(r" at 0x\w+", "", str(hint)),
)
def test_what_a_framework_fills_in_is_refused(hint):
    """
    However the parameter is annotated, and though nothing is imported; ignored, it is accepted,
    because the scope says whose the results are. Without ``agent=True`` nothing is refused.
    """

    def tool(ctx, x):
        return x

    tool.__annotations__ = {"ctx": hint}
    with pytest.raises(ConfigError, match=r"'ctx' is annotated with .*ignore=\('ctx',\)"):
        tiered_cache(agent=True, effects="read", scope=user)(tool)
    tiered_cache(agent=True, effects="read", scope=user, ignore=("ctx",))(tool)
    tiered_cache(agent=True, effects="read", scope=("ctx",))(tool)
    tiered_cache(agent=True, effects="read", scope="public", key=lambda ctx, x: x)(tool)
    tiered_cache(tool)


@pytest.mark.parametrize(
    "hint",
    [int, str | None, list[str], Any, Context, "Context", "list[Context]", T, "missing.Thing",
     "not an annotation", Annotated[int, "RunContext of the day"], None],
    ids=lambda hint: re.sub(r" at 0x\w+", "", str(hint)),
)  # fmt: skip
def test_other_annotations_are_left_alone(hint):
    """
    A class of the user's with a framework's name is his.
    """

    def tool(x):
        return x

    tool.__annotations__ = {"x": hint}
    assert 1 == tiered_cache(agent=True, effects="read", scope="public", name="tool")(tool)(1)


def test_wrapped_and_partial_functions_and_callable_objects_are_looked_into():
    """
    The annotations are those of what is called in the end.
    """

    def tool(x, ctx: RunContext):
        return x

    @functools.wraps(tool)
    def wrapper(*args, **kwargs):
        return tool(*args, **kwargs)

    class Tool:
        def __call__(self, ctx: RunContext):
            return 1

    for one in (wrapper, functools.partial(tool, 1), Tool()):
        with pytest.raises(ConfigError, match="'ctx' is annotated with pydantic_ai"):
            tiered_cache(agent=True, effects="read", scope="public", name="tool")(one)


def test_no_framework_is_imported():
    """
    They are known by name.
    """
    before = set(sys.modules)
    test_what_a_framework_fills_in_is_refused("fastmcp.Context")
    assert not {"fastmcp", "pydantic_ai", "starlette", "langgraph"} & (set(sys.modules) - before)


def test_the_ignored_context_does_not_mix_users(call, cache):
    """
    The context is left out of the key, and each user still has his own result.
    """

    class Deps:
        def __init__(self, name):
            self.name = name

    def mail(ctx: RunContext, folder):
        return ctx.name, folder

    tool = call.cached(cache=cache, agent=True, effects="read", scope=user, ignore=("ctx",))(mail)
    for name in ("alice", "bob", "alice"):
        assert (name, "in") == as_user(name, lambda name=name: call(tool(Deps(name), "in")))
    assert 2 == tool.cache_info().misses


@pytest.mark.parametrize("agent", [1, "yes", None])
def test_agent_is_true_or_false(agent):
    """
    Nothing else.
    """
    with pytest.raises(ConfigError, match="agent="):
        tiered_cache(agent=agent, scope="public")(lambda x: x)


def test_errors_are_no_results_of_a_tool(call, cache):
    """
    ``cache_exceptions=`` is refused, and without it each call of a failing tool runs it.
    """
    asked = []
    with pytest.raises(ConfigError, match=r"cache_exceptions=.*agent=True"):
        tiered_cache(agent=True, effects="read", scope="public", cache_exceptions=KeyError)(
            lambda x: x
        )

    @call.cached(cache=cache, agent=True, effects="read", scope="public")
    def tool(x):
        asked.append(x)
        raise KeyError(x)

    for _ in range(2):
        with pytest.raises(KeyError):
            call(tool(1))
    assert [1, 1] == asked


def test_many_and_streams_take_it(call, cache):
    """
    The same is asked of them.
    """

    def load(ids: list[int]) -> dict[int, int]:
        return {one: one for one in ids}

    with pytest.raises(ConfigError, match="agent=True needs"):
        tiered_cache.many(agent=True)(call.define(load))
    assert {1: 1} == call(
        tiered_cache.many(agent=True, effects="read", scope="public", cache=cache)(
            call.define(load)
        )([1])
    )

    def stream(n):
        yield from range(n)

    with pytest.raises(ConfigError, match="agent=True needs"):
        tiered_cache(agent=True)(stream)
    assert [0, 1] == list(
        tiered_cache(agent=True, effects="read", scope="public", cache=cache)(stream)(2)
    )


@pytest.mark.extras
def test_at_a_redis_it_needs_a_key(call, make_cache, monkeypatch):
    """
    Without one the first call says so; with one the results are shared.
    """
    options = {"name": "tool", "agent": True, "effects": "read", "scope": "public"}
    tool = call.cached(cache=make_cache("redis"), **options)(lambda x: [x])
    with pytest.raises(ConfigError, match="MEMOTIER_KEY"):
        call(tool(1))
    monkeypatch.setenv("MEMOTIER_KEY", "5a" * 32)
    tool = call.cached(cache=make_cache("redis"), **options)(lambda x: [x])
    call(tool(1))
    other = call.cached(cache=make_cache("redis"), **options)(tool.__wrapped__)
    call(other(1))
    assert 0 == other.cache_info().misses


def test_at_a_redis_that_is_turned_off_it_needs_none(call, make_cache):
    """
    Nothing is read there.
    """
    cache = make_cache(redis_url="redis://127.0.0.1:1", mode="off")
    assert [1] == call(
        call.cached(cache=cache, agent=True, effects="read", scope="public")(lambda x: [x])(1)
    )


@pytest.mark.parametrize("effects", ["pure", "read", "idempotent"])
def test_effects_of_a_tool_are_declared(effects):
    """
    ``agent=True`` refuses a function that does not say what it does, and takes one that says it.
    """
    with pytest.raises(ConfigError, match=r'agent=True.*effects="pure"'):
        tiered_cache(agent=True, scope="public")(len)
    made = tiered_cache(agent=True, scope="public", effects=effects)(lambda x: x)
    assert effects == made.cache_parameters()["effects"]


@pytest.mark.parametrize("agent", [True, False])
def test_what_writes_is_not_cached(agent):
    """
    Tool of agents or not.
    """
    with pytest.raises(ConfigError, match=r'effects="write" cannot be used.*every call'):
        tiered_cache(agent=agent, scope="public", effects="write")(lambda x: x)


@pytest.mark.parametrize("effects", ["reads", "", True, 1, ["read"]])
def test_other_words_for_effects_are_refused(effects):
    """
    With those that can be used.
    """
    with pytest.raises(ConfigError, match=r'effects=.* cannot be used: write effects="pure"'):
        tiered_cache(effects=effects)(lambda x: x)
