"""
``effects=`` as the annotations of an MCP tool: what they say, and what they leave open.
"""

from __future__ import annotations

import types

import pytest

from memotier import ConfigError, tiered_cache
from memotier.effects import of_hints

PYTHON = {
    "readOnlyHint": "read_only_hint",
    "idempotentHint": "idempotent_hint",
    "destructiveHint": "destructive_hint",
}

NOTHING = dict.fromkeys(PYTHON.values())


class Annotations:
    """
    What the protocol's package had before it spelled its names as Python does.
    """

    def __init__(self, title=None, **hints):
        self.title = title
        self.openWorldHint = None
        for name in PYTHON:
            setattr(self, name, hints.get(name))


def in_python(hints):
    return {PYTHON[name]: value for name, value in hints.items()}


@pytest.fixture(params=["object", "mapping", "python object", "python mapping"])
def made(request):
    """
    ``made(hints)``: the annotations in one of the forms in which they come.
    """
    return {
        "object": lambda hints: Annotations(**hints),
        "mapping": lambda hints: {"title": "T", **hints},
        "python object": lambda hints: types.SimpleNamespace(**{**NOTHING, **in_python(hints)}),
        "python mapping": lambda hints: types.MappingProxyType(in_python(hints)),
    }[request.param]


READ, AGAIN, HARM = PYTHON


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        ({}, None),
        ({READ: None, AGAIN: None, HARM: None}, None),
        ({READ: True}, "read"),
        ({READ: True, HARM: True, AGAIN: False}, "read"),
        ({READ: False}, "write"),
        ({AGAIN: True}, "write"),
        ({AGAIN: True, HARM: True}, "write"),
        ({AGAIN: True, HARM: None}, "write"),
        ({HARM: False}, "write"),
        ({AGAIN: False, HARM: False}, "write"),
        ({AGAIN: True, HARM: False}, "idempotent"),
        ({READ: False, AGAIN: True, HARM: False}, "idempotent"),
        ({READ: "true"}, "write"),
        ({READ: 1}, "write"),
        ({AGAIN: True, HARM: 0}, "write"),
        ({AGAIN: "yes", HARM: False}, "write"),
    ],
)
def test_what_hints_say(made, hints, expected):
    """
    What is left open counts as the specification says, which is for the worse; only True is true.
    """
    assert expected == of_hints(made(hints))


def test_no_annotations_say_nothing():
    """
    None is what a tool without annotations has.
    """
    assert of_hints(None) is None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({READ: True}, {READ: False}, "write"),
        ({AGAIN: True, HARM: False}, {HARM: True}, "write"),
        ({AGAIN: True, HARM: False}, {AGAIN: False}, "write"),
        ({AGAIN: True}, {HARM: False}, "idempotent"),
    ],
)
def test_two_spellings_that_differ_promise_what_both_do(first, second, expected):
    """
    Nobody is believed who says two things.
    """
    assert expected == of_hints({**first, **in_python(second)})
    assert expected == of_hints({**second, **in_python(first)})


def test_an_object_is_not_asked_for_an_old_name():
    """
    Some packages answer to it, and warn.
    """

    class Both(types.SimpleNamespace):
        @property
        def readOnlyHint(self):
            raise AssertionError("it was asked for")

        idempotentHint = destructiveHint = readOnlyHint

    reads = Both(**{**NOTHING, "read_only_hint": True})
    assert "read" == of_hints(reads)
    assert of_hints(Both(**NOTHING)) is None
    assert "read" == tiered_cache(effects=reads)(lambda x: x).cache_parameters()["effects"]


@pytest.mark.parametrize(
    ("hints", "expected"),
    [({READ: True}, "read"), ({AGAIN: True, HARM: False}, "idempotent")],
)
def test_annotations_are_effects(made, hints, expected, call, cache):
    """
    A tool of agents takes them in place of the word, which is shown.
    """
    tool = call.cached(cache=cache, agent=True, scope="public", effects=made(hints))(lambda x: [x])
    assert [[1], [1]] == [call(tool(1)), call(tool(1))]
    assert 1 == tool.cache_info().hits
    assert expected == tool.cache_parameters()["effects"]


@pytest.mark.parametrize("agent", [False, True])
@pytest.mark.parametrize("hints", [{READ: False}, {AGAIN: True}, {HARM: True}])
def test_annotations_of_a_writer_are_refused(made, hints, agent):
    """
    A tool that may write has to run at every call; the message says what would be taken.
    """
    with pytest.raises(ConfigError, match="its annotations in effects= say that it writes"):
        tiered_cache(agent=agent, scope="public", effects=made(hints))(lambda x: x)


def test_annotations_that_say_nothing_are_none(made):
    """
    A tool of agents has to say something; any other function need not.
    """
    with pytest.raises(ConfigError, match="agent=True needs to know what else"):
        tiered_cache(agent=True, scope="public", effects=made({}))(lambda x: x)
    assert tiered_cache(effects=made({}))(lambda x: x).cache_parameters()["effects"] is None


@pytest.mark.parametrize("effects", [object(), 7, ["readOnlyHint"], types.SimpleNamespace(read=1)])
def test_other_objects_are_refused(effects):
    """
    What has no place for hints is no annotation.
    """
    with pytest.raises(ConfigError, match="or give the annotations of an MCP tool"):
        tiered_cache(effects=effects)(lambda x: x)


def test_batches_take_annotations(cache):
    """
    ``@tiered_cache.many`` passes them on.
    """
    many = tiered_cache.many(cache=cache, effects={READ: True})(lambda ids: dict.fromkeys(ids, 1))
    assert "read" == many.cache_parameters()["effects"]
    with pytest.raises(ConfigError, match="say that it writes"):
        tiered_cache.many(effects={READ: False})(lambda ids: {})


@pytest.mark.parametrize("name", ["readonlyHint", "readonly_hint", "DestructiveHint"])
def test_a_hint_that_is_misspelt_is_an_error(name):
    """
    It would say nothing, and a tool that writes be cached.
    """
    with pytest.raises(ConfigError, match=f"{name}.*write .(readOnly|destructive)Hint"):
        tiered_cache(effects={"title": "T", name: True})(lambda x: x)


def test_annotations_without_a_hint_are_said_to_have_none(made):
    """
    A tool of agents has to say the word then, and is told why what it gave is not enough.
    """
    with pytest.raises(ConfigError, match="its annotations say nothing of it: write effects="):
        tiered_cache(agent=True, scope="public", effects=made({}))(lambda x: x)
