"""
``MemotierGraphCache`` below real graphs.
"""

from __future__ import annotations

import asyncio
import functools
import operator
import os
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableLambda
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph, add_messages
from langgraph.types import CachePolicy, Command, Send

import memotier
from memotier import ConfigError, MultiLevelCache
from memotier.integrations.langgraph import MemotierGraphCache, key_func, key_func_of
from memotier.testing import FaultyStore

POLICY = CachePolicy(key_func=key_func)
ROOT = Path(__file__).parents[3]
runs: list[Any] = []


class State(TypedDict, total=False):
    question: Any
    answer: Any
    found: Annotated[list, operator.add]
    messages: Annotated[list[AnyMessage], add_messages]


def answer(state):
    runs.append(state)
    return {"answer": ("seen", state["question"])}


def other(state):
    return {}


@pytest.fixture(autouse=True)
def fresh():
    runs.clear()


@pytest.fixture(params=["sync", "async"])
def ask(request):
    """
    Asks a graph, or a cache: ``ask(graph, "invoke", ...)`` is that or its awaited twin.
    """

    def run(on, method, *args, **kwargs):
        if request.param == "sync":
            return getattr(on, method)(*args, **kwargs)
        return asyncio.run(getattr(on, f"a{method}")(*args, **kwargs))

    return run


def graph_of(node, cache, *, policy=POLICY, name="node"):
    """
    A graph of one node, which is cached.
    """
    builder = StateGraph(State)
    builder.add_node(name, node, cache_policy=policy)
    builder.add_node("other", other)
    builder.add_edge(START, name)
    return builder.compile(cache=cache)


def test_a_node_runs_once_for_equal_inputs(make_cache, ask):
    """
    Another input runs it again; LangGraph says which one came from the cache.
    """
    graph = graph_of(answer, MemotierGraphCache(make_cache()))

    found = [ask(graph, "invoke", {"question": q})["answer"] for q in (1, 1, 2)]
    assert [("seen", 1), ("seen", 1), ("seen", 2)] == found and 2 == len(runs)
    assert {"cached": True} == next(iter(graph.stream({"question": 1})))["__metadata__"]


def test_another_process_gets_the_same_types(make_cache, ask):
    """
    From disk: tuples, sets and numbers as keys are what they were.
    """
    value = {"a": (1, 2), 3: {4, 5}}

    for _ in range(2):
        graph = graph_of(answer, MemotierGraphCache(make_cache("disk")))
        assert ("seen", value) == ask(graph, "invoke", {"question": value})["answer"]
    assert 1 == len(runs)


def test_messages_and_sends(make_cache, ask):
    """
    What a node sends to others and says in messages comes back from disk as it was.
    """

    def talks(state):
        runs.append(state)
        return Command(
            update={"messages": [AIMessage("yes", id="m1", response_metadata={"a": (1,)})]},
            goto=[Send("found", {"question": (n,)}) for n in range(2)],
        )

    def found(state):
        return {"found": [state["question"]]}

    talks.__qualname__ = "talks"  # as if the module defined it
    ends = []
    for _ in range(2):
        builder = StateGraph(State)
        builder.add_node("talks", talks, cache_policy=POLICY)
        builder.add_node("found", found)
        builder.add_edge(START, "talks")
        graph = builder.compile(cache=MemotierGraphCache(make_cache("disk")))
        ends.append(ask(graph, "invoke", {"question": 1}))

    first, second = ends
    assert first == second and 1 == len(runs)
    assert [(0,), (1,)] == sorted(second["found"])
    assert AIMessage is type(second["messages"][0])
    assert (1,) == second["messages"][0].response_metadata["a"]


@dataclass
class Found:
    place: tuple[int, int]


def finds(state):
    runs.append(state)
    return {"answer": Found((1, 2))}


def test_classes_must_be_known(tmp_path):
    """
    An object comes back as one of its class or not at all: a process that has not registered the
    class runs the node, and is not given the fields in its place.
    """
    script = """
        from memotier import MultiLevelCache
        from memotier.integrations.langgraph import MemotierGraphCache
        from tests.frameworks.langgraph.test_graphs import finds, graph_of

        with MultiLevelCache(directory="cache") as cache:
            graph_of(finds, MemotierGraphCache(cache)).invoke({"question": 1})
    """

    def found():
        runs.clear()
        with MultiLevelCache(directory=tmp_path / "cache") as cache:
            answer = graph_of(finds, MemotierGraphCache(cache)).invoke({"question": 1})["answer"]
            cache.sync.clear()
            return answer

    def in_another_process():
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert 0 == done.returncode, done.stderr

    in_another_process()
    assert Found((1, 2)) == found() and 1 == len(runs)

    memotier.register(Found)
    in_another_process()
    assert Found((1, 2)) == found() and 0 == len(runs)


# -- names ---------------------------------------------------------------------------------------


def make_node(model):
    """
    Two functions of one name.
    """

    def node(state):
        return {"answer": model}

    return node


def constant(model, state):
    return {"answer": model}


class Model:
    def __init__(self, model):
        self.model = model

    def __call__(self, state):
        return {"answer": self.model}


MAKERS = {
    "closures": make_node,
    "partials": lambda model: functools.partial(constant, model),
    "lambdas": lambda model: lambda state: {"answer": model},
    "runnables": lambda model: RunnableLambda(Model(model)) | RunnableLambda(lambda x: x),
    "objects": Model,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_nodes_of_one_name_are_kept_apart(make_cache, ask, make):
    """
    Two graphs with one cache, whose nodes LangGraph calls the same: neither is given what the
    other one wrote.
    """
    cache = MemotierGraphCache(make_cache())
    graphs = [graph_of(make(model), cache) for model in "ab"]

    for _ in range(2):
        assert ["a", "b"] == [ask(graph, "invoke", {"question": 1})["answer"] for graph in graphs]


def test_it_is_said_once_and_how(make_cache, caplog):
    """
    In the log, with the node and the way out.
    """
    cache = MemotierGraphCache(make_cache())
    for _ in range(2):
        graph_of(make_node("a"), cache, name="said_once").invoke({"question": "QUESTION"})

    (line,) = caplog.messages
    assert "said_once" in line and "allow_unnamed=True" in line and "QUESTION" not in line


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_they_can_be_named(make_cache, ask, make):
    """
    With ``key_func_of(name=...)`` each has keys of its own, and is cached.
    """
    cache = MemotierGraphCache(make_cache(), allow_unnamed=True)
    graphs = [
        graph_of(make(model), cache, policy=CachePolicy(key_func=key_func_of(constant, name=model)))
        for model in "ab"
    ]

    for _ in range(2):
        assert ["a", "b"] == [ask(graph, "invoke", {"question": 1})["answer"] for graph in graphs]
    assert "__metadata__" in next(iter(graphs[0].stream({"question": 1})))


def test_tasks(make_cache, ask):
    """
    Tasks of the functional API, each forgotten by its ``clear_cache``.
    """
    graph_cache = MemotierGraphCache(make_cache())

    @entrypoint(cache=graph_cache)
    def both(question):
        return double(question).result(), triple(n=question).result()

    assert (4, 6) == both.invoke(2) == both.invoke(2) and 2 == len(runs)
    ask_clear(ask, double, graph_cache)
    assert (4, 6) == both.invoke(2) and [2, 2, 2] == runs


def ask_clear(ask, one, graph_cache):
    class Clear:
        clear = staticmethod(one.clear_cache)
        aclear = staticmethod(one.aclear_cache)

    ask(Clear, "clear", graph_cache)


@task(cache_policy=POLICY)
def double(n):
    runs.append(n)
    return 2 * n


@task(cache_policy=POLICY)
def triple(*, n):
    runs.append(n)
    return 3 * n


def test_clearing_nodes(make_cache, ask):
    """
    One node, then all; other namespaces of the cache stay.
    """
    cache = make_cache("disk")
    cache.sync.set("mine", 1)
    graph_cache = MemotierGraphCache(cache)
    one, two = (graph_of(answer, graph_cache, name=name) for name in ("one", "two"))

    def asked():
        runs.clear()
        for graph in (one, two):
            graph.invoke({"question": 1})
        return len(runs)

    assert [2, 0] == [asked(), asked()]

    class Clear:
        clear, aclear = one.clear_cache, one.aclear_cache

    ask(Clear, "clear", ["one"])
    assert [1, 0] == [asked(), asked()]
    ask(graph_cache, "clear")
    assert [2, 0] == [asked(), asked()]
    assert 1 == cache.sync.get("mine")


def test_ttl(make_cache, clock, ask):
    """
    The policy's seconds; without them those of the cache, and 0 keeps nothing.
    """
    cache = make_cache()
    graph_cache = MemotierGraphCache(cache, ttl="1h", tags=["graphs"])
    key = (("writes", "module.node", "node"), "k")

    def there():
        return bool(ask(graph_cache, "get", [key]))

    for ttl, lives in ((10, 9), (None, 3599)):
        ask(graph_cache, "set", {key: ([("a", 1)], ttl)})
        clock.advance(lives)
        assert there()
        clock.advance(2)
        assert not there()
    ask(graph_cache, "set", {key: ([("a", 1)], 0)})
    assert not there()
    ask(graph_cache, "set", {key: ([("a", 1)], None)})
    cache.sync.invalidate_tags("graphs")
    assert not there()


def test_many_keys_are_one_question(make_cache, ask):
    """
    Those that are there, under the keys as LangGraph gave them.
    """
    graph_cache = MemotierGraphCache(make_cache("disk"))
    keys = [(("writes", "module.node", str(n)), "k") for n in range(3)]
    ask(graph_cache, "set", {key: ([("a", n)], None) for n, key in enumerate(keys[:2])})

    expected = {keys[0]: [("a", 0)], keys[1]: [("a", 1)]}
    assert expected == ask(graph_cache, "get", keys)
    assert {} == ask(graph_cache, "get", [])


# -- what fails, and what lies --------------------------------------------------------------------


def test_callers_are_kept_apart(make_cache):
    """
    A node that changes what it was given changes it for itself.
    """
    graph = graph_of(answer, MemotierGraphCache(make_cache()))
    graph.invoke({"question": [1]})
    graph.invoke({"question": [1]})["answer"][1].append(2)

    assert ("seen", [1]) == graph.invoke({"question": [1]})["answer"]


def locks(state):
    runs.append(state)
    return {"answer": threading.Lock()}


def test_what_cannot_be_kept_is_not(make_cache, ask):
    """
    The graph goes on, and runs the node again.
    """
    graph = graph_of(locks, MemotierGraphCache(make_cache("disk")))
    for _ in range(2):
        ask(graph, "invoke", {"question": 1})

    assert 2 == len(runs)


def test_a_store_that_fails_is_no_failure_of_the_graph(make_cache, ask):
    """
    The node runs.
    """
    store = FaultyStore()
    store.down = True
    graph = graph_of(answer, MemotierGraphCache(make_cache(l2_store=store, l1_maxsize=0)))

    assert [("seen", 1)] * 2 == [ask(graph, "invoke", {"question": 1})["answer"] for _ in "ab"]
    assert 2 == len(runs)


@pytest.mark.parametrize("lie", ["text", 1, [1], [("a",)], [(1, 2)], (("a", 1),), [["a", 1]]])
def test_what_else_lies_there_is_a_miss(make_cache, lie, ask):
    """
    Only a list of channels and values is what a node wrote.
    """
    cache = make_cache()
    key = (("writes", "module.node", "node"), "k")
    graph_cache = MemotierGraphCache(cache)
    ask(graph_cache, "set", {key: ([("a", 1)], None)})
    assert {key: [("a", 1)]} == ask(graph_cache, "get", [key])

    cache.sync.set(("writes", "module.node", "node", "k"), lie, "langgraph")
    assert {} == ask(graph_cache, "get", [key])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cache": 1}, "cache=1"),
        ({"namespace": "a b"}, "a b"),
        ({"ttl": -1}, "-1"),
        ({"tags": "one"}, "one string"),
        ({"allow_unnamed": "yes"}, "allow_unnamed='yes'"),
    ],
)
def test_misuse_is_told_at_once(options, said):
    """
    With what was given.
    """
    with pytest.raises(ConfigError, match=said):
        MemotierGraphCache(**options)
