"""
``key_func``: equal inputs are one key, in every process, and others are others.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import textwrap
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pytest
from langchain_core.messages import HumanMessage
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy
from pydantic import BaseModel

from memotier import ConfigError, MultiLevelCache, ScopeMissing, UnkeyableArgument
from memotier.integrations.langgraph import MemotierGraphCache, key_func, key_func_of

user: ContextVar[str] = ContextVar("user")


class Model(BaseModel):
    a: dict
    b: list[str] = []


@dataclass
class Data:
    a: int


class Kind(Enum):
    A = 1


def copy_of(text):
    return "".join(list(text))


EQUAL = {
    "order": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "order inside": ([{"x": {"a": 1, "b": 2}}], [{"x": {"b": 2, "a": 1}}]),
    "shared texts": (["long text"] * 2, [copy_of("long text"), copy_of("long text")]),
    "sets": ({"xs": {"a", "b", "c"}}, {"xs": {"c", "b", "a"}}),
    "models": (Model(a={"x": 1, "y": 2}), Model(a={"y": 2, "x": 1})),
    "data": (Data(1), Data(1)),
    "arrays": (np.zeros((2, 3)), np.zeros((2, 3))),
    "messages": (HumanMessage("a", id="1"), HumanMessage("a", id="1")),
}
DIFFERENT = {
    "types": (1, 1.0, True, "1", b"1", (1,), [1], {1}, {1: 1}, None, Kind.A),
    "arrays": (
        *(np.zeros(2, "int64"), np.zeros(2, "float64"), np.zeros(2, "datetime64[s]")),
        *(np.zeros((1, 2), "int64"), np.zeros((2, 1), "int64"), np.zeros(4, "int32")),
    ),
    "models": (Model(a={}), Model(a={}, b=["x"]), Data(1), {"a": 1}),
    "messages": (HumanMessage("a"), HumanMessage("b"), HumanMessage("a", id="1")),
}


@pytest.mark.parametrize(("one", "two"), EQUAL.values(), ids=EQUAL)
def test_equal_inputs_have_one_key(one, two):
    """
    However they were made.
    """
    assert key_func(one) == key_func(two)
    assert key_func(1, a=one, b=2) == key_func(1, b=2, a=two)


@pytest.mark.parametrize("values", DIFFERENT.values(), ids=DIFFERENT)
def test_different_inputs_have_different_keys(values):
    """
    By type, shape and content.
    """
    assert len(values) == len({key_func(one) for one in values})


def test_positions_and_names_count():
    """
    A task may be called either way.
    """
    keys = {key_func(), key_func(1), key_func(1, 2), key_func([1, 2]), key_func(1, a=2)}
    assert 5 == len(keys)


class Session:
    pass


def test_what_has_no_key_raises():
    """
    With the place and the type of what it is, and the ways out.
    """
    with pytest.raises(UnkeyableArgument) as raised:
        key_func({"question": "QUESTION", "session": Session()})

    said = str(raised.value)
    assert "Session" in said and "register_key" in said and "key_func(state[" in said
    assert "QUESTION" not in said


SCRIPT = """
    import json, sys
    from typing import TypedDict
    from langgraph.graph import START, StateGraph
    from langgraph.types import CachePolicy
    from memotier import MultiLevelCache
    from memotier.integrations.langgraph import MemotierGraphCache, key_func

    runs = []

    class State(TypedDict, total=False):
        names: set
        text: list
        answer: tuple

    def node(state):
        runs.append(state)
        return {"answer": (len(state["names"]), 1)}

    with MultiLevelCache(directory="cache") as cache:
        builder = StateGraph(State)
        builder.add_node("node", node, cache_policy=CachePolicy(key_func=key_func))
        builder.add_edge(START, "node")
        graph = builder.compile(cache=MemotierGraphCache(cache))
        given = {"names": {"a", "b", "c", "d"}, "text": ["x y"] * 2}
        if len(sys.argv) > 1:
            given = {"text": ["x y", " ".join("xy")], "names": {"d", "c", "b", "a"}}
        answer = graph.invoke(given)["answer"]
        print(json.dumps([len(runs), answer, type(answer).__name__, key_func(given)]))
"""


def run_script(path, *args, **environment):
    done = subprocess.run(
        [sys.executable, path, *args],
        cwd=path.parent.parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)


def test_two_processes_over_one_directory(tmp_path):
    """
    The second one runs no node, although its sets and texts were made differently; another script
    with a node of that name is not given its result.
    """
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.py").write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    first, second = (tmp_path / name / "app.py" for name in ("one", "two"))

    runs, *found = run_script(first, PYTHONHASHSEED="1")
    assert 1 == runs and "tuple" == found[1]
    assert [0, *found] == run_script(first, "again", PYTHONHASHSEED="2")
    assert [1, *found] == run_script(second, PYTHONHASHSEED="3")


def test_what_has_no_file_is_for_one_process(tmp_path):
    """
    Functions of notebooks and of ``python -c`` may be any: nobody else is given their results.
    """
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT)]
    answers = [
        json.loads(subprocess.run(command, cwd=tmp_path, stdout=-1, check=True, timeout=120).stdout)
        for _ in range(2)
    ]

    assert [1, 1] == [runs for runs, *_ in answers]


# -- keys that tell the function ------------------------------------------------------------------


def node(state):
    return {"answer": 1}


def node_2(state):
    return {"answer": 2}


def test_the_function_is_in_the_key():
    """
    Two functions are two; one function is one.
    """
    assert key_func_of(node)(1) == key_func_of(node)(1)
    assert 3 == len({key_func_of(node)(1), key_func_of(node_2)(1), key_func(1)})
    assert key_func_of(node)({"a": 1, "b": 2}) == key_func_of(node)({"b": 2, "a": 1})


def test_a_change_of_the_source_is_another_key(tmp_path, monkeypatch):
    """
    What the code of yesterday wrote is not used today; a comment is no change.
    """
    monkeypatch.syspath_prepend(tmp_path)
    keys = []
    for at, body in enumerate(("x + 1", "x + 1  # the same", "x + 2")):
        source = f"def node(x):\n    return {body}\n"
        (tmp_path / f"changing_{at}.py").write_text(source, encoding="utf-8")
        module = __import__(f"changing_{at}")
        keys.append(key_func_of(module.node, name="node")(1))

    assert keys[0] == keys[1] != keys[2]
    assert key_func_of(node, version=1)(1) != key_func_of(node, version=2)(1)
    assert key_func_of(node, version=1)(1) == key_func_of(node, version=1)(1)


@pytest.mark.parametrize(
    "unnamed", [lambda state: state, functools.partial(node, {}), (lambda: lambda state: state)()]
)
def test_what_has_no_name_needs_one(unnamed):
    """
    Others would be called the same.
    """
    with pytest.raises(ConfigError, match="say name="):
        key_func_of(unnamed)

    assert key_func_of(unnamed, name="a")(1) != key_func_of(unnamed, name="b")(1)


def test_each_user_has_his_own():
    """
    The scope is in the key, and nobody has one.
    """
    runs = []

    def whose(state):
        runs.append(user.get())
        return {"answer": user.get()}

    key = key_func_of(whose, name="whose", scope=user)
    builder = StateGraph(dict)
    builder.add_node("whose", whose, cache_policy=CachePolicy(key_func=key))
    builder.add_edge(START, "whose")
    with MultiLevelCache() as cache:
        graph = builder.compile(cache=MemotierGraphCache(cache, allow_unnamed=True))
        with pytest.raises(ScopeMissing):
            graph.invoke({"question": 1})
        token = user.set("ann")
        for name in ("ann", "bob", "ann", "bob"):
            user.set(name)
            assert name == graph.invoke({"question": 1})["answer"]
        user.reset(token)
    assert ["ann", "bob"] == runs


def test_a_scope_that_is_public_is_none():
    """
    Sharing is said, and changes no key.
    """
    assert key_func_of(node, scope="public")(1) == key_func_of(node)(1)


@pytest.mark.parametrize("scope", [("state",), "ann", ()])
def test_a_scope_cannot_be_an_argument(scope):
    """
    Those are in the key, and a node has only its state.
    """
    with pytest.raises(ConfigError, match="scope="):
        key_func_of(node, scope=scope)
