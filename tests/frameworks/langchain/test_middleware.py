"""
``MemotierToolMiddleware``: tools that somebody else has written, in real agents.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents.middleware.types import ToolCallRequest
from langchain.tools import ToolRuntime, tool
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import BaseTool, Tool, ToolException
from langgraph.errors import GraphInterrupt
from langgraph.types import Command

import memotier
from memotier import ConfigError, ScopeMissing
from memotier.integrations.langchain_tools import MemotierToolMiddleware
from memotier.testing import FaultyStore

from .people import user

PUBLIC = {"effects": "read", "ttl": "10m"}
OWLS = ("search", {"query": "owls"})


def caching_of(scope="public", *, cache="default", name=None, **options):
    """
    A middleware that caches "search".
    """
    tools = {"search": {**PUBLIC, **options}}
    return MemotierToolMiddleware(scope=scope, tools=tools, cache=cache, name=name)


def counting(answer=lambda query, runs: f"{query} {len(runs)}", **options):
    """
    A tool called "search", and the list of what it was asked.
    """
    runs = []

    @tool("search", **options)
    def search(query: str) -> Any:
        """Search."""
        runs.append(query)
        return answer(query, runs)

    @tool("search", **options)
    async def asearch(query: str) -> Any:
        """Search."""
        runs.append(query)
        return answer(query, runs)

    search.coroutine = asearch.coroutine
    return search, runs


def find(query: str) -> Any:
    """Search."""


#: A function of a module, which is the same one in every process.
FIND = tool("search")(find)


def request_of(call_id="c1", tool_=None, args=None, **more):
    """
    A request as a node of tools makes it, for tests that are no agent.
    """
    call = {"name": "search", "args": args or {"query": "owls"}, "id": call_id, "type": "tool_call"}
    return ToolCallRequest(
        tool_call=call, tool=tool_ or FIND, state={}, runtime=more.get("runtime")
    )


@pytest.fixture(params=["sync", "async"])
def wrap(request):
    """
    ``wrap(middleware, request, handler)``, in both colours.
    """

    def one(middleware, asked, handler):
        if request.param == "sync":
            return middleware.wrap_tool_call(asked, handler)

        async def ahandler(asked):
            return handler(asked)

        return asyncio.run(middleware.awrap_tool_call(asked, ahandler))

    return one


def test_one_run_for_two_calls(run):
    """
    Each call has a message of its own, and the second one says where it comes from.
    """
    search, runs = counting()
    first, second = run([search], [OWLS, OWLS], middleware=[caching_of()])

    assert ["owls"] == runs and "owls 1" == first.content == second.content
    assert ["call-0", "call-1"] == [first.tool_call_id, second.tool_call_id]
    assert first.id != second.id
    assert "memotier" not in first.response_metadata
    said = second.response_metadata["memotier"]
    assert "l1" == said["tier"] and 0 <= said["age"] < 60


def test_other_tools_run_at_every_call(run):
    """
    Those that no policy names; nothing is cached that was not asked for.
    """
    search, runs = counting()
    run(
        [search],
        [OWLS, OWLS],
        middleware=[MemotierToolMiddleware(scope="public", tools={"other": PUBLIC})],
    )

    assert ["owls", "owls"] == runs


def test_another_process_finds_it(make_cache, clock, run):
    """
    On disk, with the time since it was computed.
    """
    search, runs = counting()
    messages = []
    for _ in range(2):
        caching = caching_of(cache=make_cache("disk"), name="notes")
        messages += run([search], [OWLS], middleware=[caching])
        clock.advance(30)

    assert ["owls"] == runs
    assert {"tier": "l2", "age": pytest.approx(30)} == messages[1].response_metadata["memotier"]


def test_what_one_colour_kept_the_other_finds(make_cache):
    """
    By way of the second tier: the agent may be asked either way.
    """
    caching = caching_of(cache=make_cache("disk"))
    caching.wrap_tool_call(request_of(), lambda _: ToolMessage("owls", tool_call_id="c1"))

    async def never(asked):
        raise AssertionError("it was run")

    found = asyncio.run(caching.awrap_tool_call(request_of("c2"), never))
    assert ("owls", "c2") == (found.content, found.tool_call_id)


def test_a_message_never_replaces_an_older_one(wrap):
    """
    A message in the state is replaced by one of the same id, so a hit has none; LangGraph gives it
    a new one.
    """
    caching = caching_of()

    def handler(asked):
        return ToolMessage("owls", tool_call_id="c1", id="m1", response_metadata={"a": 1})

    wrap(caching, request_of(), handler)
    found = wrap(caching, request_of("c2"), handler)

    assert (None, "c2", 1) == (found.id, found.tool_call_id, found.response_metadata["a"])


def test_callers_are_kept_apart(wrap):
    """
    Who changes a message changes it for himself.
    """
    caching = caching_of()

    def handler(asked):
        return ToolMessage("owls", tool_call_id="c1", artifact=[("a", 1)])

    for at in range(3):
        found = wrap(caching, request_of(f"c{at}"), handler)
        assert [("a", 1)] == found.artifact
        found.artifact.append(at)


def test_errors_are_not_kept(run):
    """
    A message that says it is one, as LangChain makes it of a ``ToolException``.
    """

    def answer(query, runs):
        if len(runs) == 1:
            raise ToolException("busy")
        return query

    search, runs = counting(answer)
    search.handle_tool_error = True
    caching = caching_of()

    messages = run([search], [OWLS, OWLS, OWLS], middleware=[caching])
    assert ["error", "success", "success"] == [one.status for one in messages]
    assert 2 == len(runs)


def test_tags_count_for_both_colours(wrap):
    """
    Also if they were given as something that can be read once.
    """
    tags = (one for one in ["notes"])
    caching = caching_of(tags=tags)
    runs = []

    def handler(asked):
        runs.append(1)
        return ToolMessage("owls", tool_call_id="c1")

    for _ in range(2):
        wrap(caching, request_of(), handler)
        memotier.invalidate_tags("notes")
    assert 2 == len(runs)


def test_exceptions_are_not_kept(wrap):
    """
    They are raised as they are.
    """
    caching = caching_of()
    error = GraphInterrupt(())

    def handler(asked):
        raise error

    for _ in range(2):
        with pytest.raises(GraphInterrupt) as raised:
            wrap(caching, request_of(), handler)
        assert raised.value is error


def test_commands_are_not_kept(wrap):
    """
    What changes the state of one run is not done to another one.
    """
    caching = caching_of()
    commands = [Command(update={"n": n}) for n in range(2)]

    assert commands == [wrap(caching, request_of(), lambda _, one=one: one) for one in commands]


@pytest.mark.parametrize("artifact", [threading.Lock(), (n for n in "ab")], ids=type)
def test_artifacts_that_cannot_be_kept(wrap, artifact):
    """
    What cannot be copied is returned, and the tool runs again.
    """
    caching = caching_of()
    runs = []

    def handler(asked):
        runs.append(1)
        return ToolMessage("owls", tool_call_id="c1", artifact=artifact)

    assert wrap(caching, request_of(), handler).artifact is artifact
    assert wrap(caching, request_of(), handler).artifact is artifact
    assert 2 == len(runs)


# -- whose it is ---------------------------------------------------------------------------


@dataclass
class Context:
    user: str | None


def by_context(asked):
    return asked.runtime.context.user


@pytest.mark.parametrize("scope", [user, by_context])
def test_each_user_has_his_own(run, become, scope):
    """
    By a ``ContextVar``, or by what the request says; ``forget`` forgets one of them.
    """
    search, _ = counting()
    caching = caching_of(scope)

    def ask(name):
        become(name)
        context = {"context_schema": Context, "context": Context(name)}
        return run([search], [OWLS], middleware=[caching], **context)[0].content

    assert ["owls 1", "owls 2", "owls 1", "owls 2"] == [ask(n) for n in ("ann", "bob") * 2]
    memotier.forget("ann")
    assert ["owls 3", "owls 2"] == [ask("ann"), ask("bob")]


@pytest.mark.parametrize("scope", [user, by_context, lambda asked: asked.nothing])
def test_nobody_is_answered_nothing(wrap, scope):
    """
    A call of nobody runs no tool and finds nothing.
    """
    caching = caching_of(scope)
    runtime = type("Runtime", (), {"context": Context(None)})

    with pytest.raises(ScopeMissing):
        wrap(caching, request_of(runtime=runtime), lambda _: pytest.fail("it was run"))


# -- what the key does not tell ---------------------------------------------------------------


@tool("search")
def with_runtime(query: str, runtime: ToolRuntime[Context, Any]) -> str:
    """Search."""
    return f"{query} of {runtime.context.user}"


def test_what_langchain_fills_in_is_refused(wrap):
    """
    A result may depend on it, and it is not in the key.
    """
    caching = caching_of()

    with pytest.raises(ConfigError, match=r"\"ignore\": \('runtime',\)"):
        wrap(caching, request_of(tool_=with_runtime), lambda _: pytest.fail("it was run"))


def test_what_the_model_writes_cannot_be_ignored(wrap):
    """
    It is in the key, whatever the policy says; so that says nothing else.
    """
    caching = caching_of(ignore=("query",))

    with pytest.raises(ConfigError, match="always in the key"):
        wrap(caching, request_of(), lambda _: pytest.fail("it was run"))


def test_unless_it_is_said_what_it_means(run):
    """
    The scope says all that the tool takes from it.
    """
    caching = caching_of(by_context, ignore=("runtime",))
    contents = [
        run(
            *([with_runtime], [OWLS]),
            middleware=[caching],
            context_schema=Context,
            context=Context(name),
        )[0].content
        for name in ("ann", "bob", "ann")
    ]

    assert ["owls of ann", "owls of bob", "owls of ann"] == contents


class Plain(BaseTool):
    name: str = "search"
    description: str = "Search."

    def _run(self, query: str, run_manager: Any = None) -> str:
        return query


@pytest.mark.parametrize(
    "other", [Plain(), Tool("search", lambda text: text, "Search.")], ids=["class", "Tool"]
)
def test_other_kinds_of_tools(wrap, other):
    """
    A subclass of ``BaseTool``, and the older kind with one argument.
    """
    caching = caching_of()
    runs = []

    def handler(asked):
        runs.append(1)
        return ToolMessage("owls", tool_call_id="c1")

    for _ in range(2):
        assert "owls" == wrap(caching, request_of(tool_=other), handler).content
    assert 1 == len(runs)


def test_arguments_without_a_key_are_run(wrap):
    """
    Larger than any key: the tool runs, nothing is kept.
    """
    caching = caching_of()
    runs = []

    def handler(asked):
        runs.append(1)
        return ToolMessage("owls", tool_call_id="c1")

    for _ in range(2):
        wrap(caching, request_of(args={"query": "x" * (33 << 20)}), handler)
    assert 2 == len(runs)


# -- at once ------------------------------------------------------------------------------------


class Gate:
    """
    A handler that a test holds until so many calls were made.
    """

    def __init__(self, result):
        self.result = result
        self.runs: list[str] = []
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, asked):
        self.runs.append(asked.tool_call["id"])
        if len(self.runs) == 1:
            self.entered.set()
            assert self.opened.wait(30)
        return self.result(asked)


def looked_up():
    """
    How many calls have found nothing in memory, and joined a run or begun one.
    """
    return memotier.get_cache().get_stats()["l1"]["misses"]


def at_once(caching, gate, ids):
    """
    What calls get that are made while the first one runs.
    """
    found: dict[str, Any] = {}

    def ask(one):
        try:
            found[one] = caching.wrap_tool_call(request_of(one), gate)
        except GraphInterrupt as error:
            found[one] = error

    threads = [threading.Thread(target=ask, args=(one,), daemon=True) for one in ids]
    threads[0].start()
    assert gate.entered.wait(30)
    for thread in threads[1:]:
        thread.start()
    until = time.monotonic() + 30
    while looked_up() < len(ids):
        assert time.monotonic() < until
        time.sleep(0.001)
    gate.opened.set()
    for thread in threads:
        thread.join(30)
    return found


def test_calls_at_once_run_one_tool():
    """
    Each gets the answer under its own id.
    """
    caching = caching_of()
    gate = Gate(lambda asked: ToolMessage("owls", tool_call_id=asked.tool_call["id"]))
    found = at_once(caching, gate, ["a", "b", "c"])

    assert ["a"] == gate.runs
    assert {"a": "a", "b": "b", "c": "c"} == {k: one.tool_call_id for k, one in found.items()}
    assert "joined" == found["b"].response_metadata["memotier"]["tier"]


def test_a_command_is_not_shared_by_calls_at_once():
    """
    Each runs the tool for itself.
    """
    caching = caching_of()
    gate = Gate(lambda asked: Command(update={"of": asked.tool_call["id"]}))
    found = at_once(caching, gate, ["a", "b"])

    assert {"a": "a", "b": "b"} == {k: one.update["of"] for k, one in found.items()}


def test_an_interrupt_is_not_shared_by_calls_at_once():
    """
    One run waits for a human; the other asks for itself.
    """

    def result(asked):
        if asked.tool_call["id"] == "a":
            raise GraphInterrupt(())
        return ToolMessage("owls", tool_call_id=asked.tool_call["id"])

    caching = caching_of()
    found = at_once(caching, Gate(result), ["a", "b"])

    assert isinstance(found["a"], GraphInterrupt) and "owls" == found["b"].content


def test_tasks_at_once_run_one_tool():
    """
    The same for coroutines.
    """
    caching = caching_of()
    runs = []

    async def main():
        gate = asyncio.Event()

        async def handler(asked):
            runs.append(1)
            await gate.wait()
            return ToolMessage("owls", tool_call_id=asked.tool_call["id"])

        tasks = [
            asyncio.create_task(caching.awrap_tool_call(request_of(one), handler)) for one in "abc"
        ]
        while looked_up() < 3:
            await asyncio.sleep(0)
        gate.set()
        return [one.tool_call_id for one in await asyncio.gather(*tasks)]

    assert ["a", "b", "c"] == asyncio.run(main())
    assert 1 == len(runs)


# -- what fails, and what lies -------------------------------------------------------------------


def test_a_store_that_fails_is_no_failure_of_the_tool(make_cache, wrap):
    """
    The tool runs, and its message is the answer.
    """
    store = FaultyStore()
    store.down = True
    cache = make_cache(l2_store=store, l1_maxsize=0)
    caching = caching_of(cache=cache)

    for at in range(2):
        found = wrap(caching, request_of(), lambda _, at=at: ToolMessage(str(at), tool_call_id="c"))
        assert str(at) == found.content


@pytest.mark.parametrize("lie", ["text", AIMessage("x"), Command(), None])
def test_what_else_lies_there_is_no_answer(wrap, lie, monkeypatch):
    """
    Only a ``ToolMessage`` is; the next one is kept in its place.
    """
    caching = caching_of()
    runs = []

    def handler(asked):
        runs.append(1)
        return ToolMessage("owls", tool_call_id="c1")

    with monkeypatch.context() as patch:
        patch.setattr("memotier.integrations.langchain_tools._wanted", lambda result: lie)
        wrap(caching, request_of(), handler)
    found = [wrap(caching, request_of(), handler) for _ in range(2)]
    assert ["owls", "owls"] == [one.content for one in found]
    assert 2 == len(runs)


class Account:
    def __init__(self, word) -> None:
        self.word = word

    def find(self, query: str) -> str:
        return self.word

    @property
    def wrapped(self):
        @functools.wraps(find)
        def other(query: str) -> str:
            return self.word

        return other


class Kit(BaseTool):
    name: str = "search"
    description: str = "Search."
    word: str

    def _run(self, query: str) -> str:
        return self.word


@pytest.mark.parametrize(
    "made",
    [
        lambda account: tool("search", description="Search.")(account.find),
        lambda account: tool("search", description="Search.")(account.wrapped),
        lambda account: Kit(word=account.word),
    ],
    ids=["method", "wraps", "class"],
)
@pytest.mark.parametrize("middlewares", [1, 2])
def test_a_tool_is_not_another_one_with_its_name(make_cache, run, made, middlewares):
    """
    Two agents, or one with a middleware that another one has as well, in one directory: tools that
    differ in nothing but an object inside are two.
    """
    cache, told = make_cache("disk"), []
    caching = caching_of(cache=cache)
    for word in ("one", "two"):
        if middlewares == 2:
            caching = caching_of(cache=cache)
        first, second = run([made(Account(word))], [OWLS, OWLS], middleware=[caching])
        assert "memotier" not in first.response_metadata
        assert "l1" == second.response_metadata["memotier"]["tier"]
        told += [first.content, second.content]

    assert ["one", "one", "two", "two"] == told


@pytest.mark.parametrize(
    ("hints", "options", "expected"),
    [
        ({"readOnlyHint": True}, {"read_only": True}, 1),
        ({"readOnlyHint": None}, {"read_only": True}, 2),
        ({"readOnlyHint": True, "destructiveHint": True}, {"read_only": True}, 2),
        ({"destructiveHint": True}, {"tools": {"search": PUBLIC}}, 2),
    ],
)
def test_hints_of_mcp_servers(run, hints, options, expected):
    """
    They stand in the metadata of a tool; one that destroys is never cached.
    """
    search, runs = counting()
    search.metadata = hints
    run([search], [OWLS, OWLS], middleware=[MemotierToolMiddleware(scope="public", **options)])
    assert expected == len(runs)


def test_a_tool_that_nobody_named_may_take_what_it_likes(run):
    """
    It is not cached, and no error.
    """
    caching = MemotierToolMiddleware(scope="public", read_only=True)
    tool_ = with_runtime.model_copy(update={"metadata": {"readOnlyHint": True}})
    for name in ("ann", "bob"):
        context = {"context_schema": Context, "context": Context(name)}
        (found,) = run([tool_], [OWLS], middleware=[caching], **context)
        assert f"owls of {name}" == found.content


def test_a_new_source_is_computed_anew(make_cache, wrap):
    """
    Results of a tool that was another function are not used; not even where it has a name.
    """
    runs = []

    def handler(asked):
        runs.append(1)
        return ToolMessage("owls", tool_call_id="c1")

    for search in (lambda query: f"{query}", lambda query: f"{query}!"):
        caching = caching_of(cache=make_cache("disk"), name="notes")
        made = tool("search", description="Search.")(search)
        wrap(caching, request_of(tool_=made), handler)
    assert 2 == len(runs)


async def nobody_yet(asked):
    return "ann"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tools": {}}, "would cache nothing"),
        ({"tools": ["search"]}, "a dict of tools"),
        ({"tools": {"search": None}}, "effects"),
        ({"tools": {"search": {}}}, "effects"),
        ({"tools": {"search": {"effects": "write"}}}, "at every call"),
        ({"tools": {"search": {**PUBLIC, "ttl": -1}}}, "-1"),
        ({"tools": {"search": {**PUBLIC, "tags": "a"}}}, "one string"),
        ({"tools": {"search": {**PUBLIC, "ignore": "state"}}}, "tuple of names"),
        ({"tools": {"search": {**PUBLIC, "ignore": 1}}}, "tuple of names"),
        ({"tools": {"search": {**PUBLIC, "ignored": ()}}}, '"tags" and "ignore"'),
        ({"scope": None}, "scope=None"),
        ({"scope": ("query",)}, "is given the ToolCallRequest"),
        ({"scope": "ann"}, "is given the ToolCallRequest"),
        ({"scope": nobody_yet}, "without await"),
    ],
)
def test_misuse_is_told_at_once(options, said):
    """
    When the middleware is made, with what was given.
    """
    with pytest.raises(ConfigError, match=said):
        MemotierToolMiddleware(**{"scope": "public", "tools": {"search": PUBLIC}, **options})
