"""
``MemotierCache`` below real models of LangChain that need no network.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from datetime import UTC, datetime

import pytest
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    Generation,
    GenerationChunk,
)
from langchain_tests.integration_tests import AsyncCacheTestSuite, SyncCacheTestSuite

from memotier import ConfigError, MultiLevelCache
from memotier.integrations.langchain import MemotierCache
from memotier.testing import FaultyStore

ANSWER = AIMessage(
    "Four.",
    id="run-1",
    tool_calls=[{"name": "add", "args": {"pair": (2, 2)}, "id": "c1", "type": "tool_call"}],
    usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    response_metadata={"bias": {50256: -100}, "at": datetime(2026, 1, 1, tzinfo=UTC)},
)


class TestSync(SyncCacheTestSuite):
    """LangChain's own suite, with a second tier."""

    @pytest.fixture
    def cache(self, make_cache):
        return MemotierCache(make_cache("disk"))


class TestSyncInMemory(SyncCacheTestSuite):
    """The same without one."""

    @pytest.fixture
    def cache(self, make_cache):
        return MemotierCache(make_cache())


class TestAsync(AsyncCacheTestSuite):
    """LangChain's own suite for the awaitable methods, with a second tier."""

    @pytest.fixture
    async def cache(self, make_cache):
        return MemotierCache(make_cache("disk"))


class TestAsyncInMemory(AsyncCacheTestSuite):
    """The same without one."""

    @pytest.fixture
    async def cache(self, make_cache):
        return MemotierCache(make_cache())


@pytest.fixture(params=["sync", "async"])
def ask(request):
    """
    Asks a model, or a cache: ``ask(model, "invoke", ...)`` is that or its awaited twin.
    """

    def run(on, method, *args, **kwargs):
        if request.param == "sync":
            return getattr(on, method)(*args, **kwargs)
        return asyncio.run(getattr(on, f"a{method}")(*args, **kwargs))

    return run


def model_of(*answers, cache):
    """
    A model that gives these answers, one after the other; without one it fails.
    """
    return FakeMessagesListChatModel(responses=list(answers), cache=cache)


def failing(messages, **options):
    raise AssertionError("the model was asked")


def test_a_model_is_asked_once(make_cache, ask):
    """
    The second answer to a prompt is the first one; another prompt is another call.
    """
    model = model_of(AIMessage("one"), AIMessage("two"), cache=MemotierCache(make_cache()))

    assert ["one", "one", "two"] == [ask(model, "invoke", q).content for q in ("a", "a", "b")]


def test_another_process_gets_what_the_model_said(make_cache, ask):
    """
    From disk: with tuples, numbers as keys, dates, usage and tool calls as they were.
    """
    generation = ChatGeneration(message=ANSWER, generation_info={"reason": ("stop",)})
    first, second = (MemotierCache(make_cache("disk")) for _ in range(2))

    ask(first, "update", "p", "m", [generation])
    (found,) = ask(second, "lookup", "p", "m")

    assert generation == found and ANSWER == found.message
    assert {50256: -100} == found.message.response_metadata["bias"]
    assert (2, 2) == found.message.tool_calls[0]["args"]["pair"]
    assert [type(generation), type(ANSWER)] == [type(found), type(found.message)]


def test_an_llm_that_completes_text(make_cache, ask):
    """
    The older kind of model, whose answers are text.
    """
    llm = FakeListLLM(responses=["one", "two"], cache=MemotierCache(make_cache("disk")))

    assert "one" == ask(llm, "invoke", "a") == ask(llm, "invoke", "a")


@pytest.mark.parametrize(
    "one",
    [
        Generation(text="a", generation_info={"b": 1}),
        GenerationChunk(text="a"),
        ChatGeneration(message=HumanMessage("a")),
        ChatGenerationChunk(message=AIMessageChunk("a")),
    ],
)
def test_every_kind_of_answer_comes_back_as_that(make_cache, one):
    """
    All four kinds of LangChain, from disk.
    """
    MemotierCache(make_cache("disk")).update("p", "m", [one])
    found = MemotierCache(make_cache("disk")).lookup("p", "m")

    assert [one] == found and type(one) is type(found[0])


def test_callers_are_kept_apart(make_cache):
    """
    Who changes an answer changes it for himself; LangChain does so on every hit.
    """
    cache = MemotierCache(make_cache())
    cache.update("p", "m", [ChatGeneration(message=AIMessage("a", response_metadata={"x": []}))])

    cache.lookup("p", "m")[0].message.response_metadata["x"].append(1)

    assert {"x": []} == cache.lookup("p", "m")[0].message.response_metadata


def test_prompts_are_not_in_the_store(make_cache, tmp_path):
    """
    What was asked, and of which model, is in no file; what was answered is.
    """
    cache = make_cache("disk")
    MemotierCache(cache).update("PROMPT" * 9, "MODEL" * 9, [Generation(text="ANSWER" * 9)])
    cache.sync.close()

    stored = b"".join(p.read_bytes() for p in (tmp_path / "cache").rglob("*") if p.is_file())
    assert b"ANSWERANSWER" in stored
    assert b"PROMPT" not in stored and b"MODEL" not in stored


@pytest.mark.parametrize(
    "lie",
    [
        "text",
        {},
        [("text", "a", None), None],
        [["text", "a", None]],
        [("text", "a")],
        [("text", 1, None)],
        [("text", "a", "info")],
        [("pickle", "a", None)],
        [([], "a", None)],
        [("message", "a", None)],
        [("message", {"lc": 1, "type": "secret", "id": ["HOME"]}, None)],
        [("message chunk", AIMessage("a"), None)],
        [Generation(text="a")],
    ],
)
def test_what_else_lies_there_is_a_miss(make_cache, lie, ask):
    """
    Whoever can write to the store can make the model be asked, and no more than say what it said.
    """
    cache = make_cache()
    cache.sync.set(("p", "m"), lie, "langchain.models")

    assert ask(MemotierCache(cache), "lookup", "p", "m") is None


def test_no_class_is_imported_for_a_record(tmp_path):
    """
    An answer with a class of another process is a miss, and its module is not loaded.
    """
    script = """
        from memotier import MultiLevelCache
        from memotier.integrations.langchain import MemotierCache
        from langchain_core.messages import AIMessage
        from langchain_core.outputs import ChatGeneration

        class Own(AIMessage): pass
        Own.__module__ = "antigravity"

        with MultiLevelCache(directory="cache") as cache:
            own = MemotierCache(cache)
            own.update("q", "m", [ChatGeneration(message=AIMessage("a"))])
            own.update("p", "m", [ChatGeneration(message=Own("a"))])
            assert type(own.lookup("p", "m")[0].message) is Own
    """
    run_script(script, tmp_path)
    with MultiLevelCache(directory=tmp_path / "cache") as cache:
        own = MemotierCache(cache)
        assert own.lookup("p", "m") is None
        assert "a" == own.lookup("q", "m")[0].text
    assert "antigravity" not in sys.modules


def run_script(script, directory):
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=directory, check=True, timeout=120
    )


class Special(Generation):
    """A kind that is not LangChain's own."""


def changed():
    one = ChatGeneration(message=AIMessage("a"))
    one.text = "b"
    return one


@pytest.mark.parametrize("odd", [Special(text="a"), changed()])
def test_what_cannot_come_back_as_it_was_is_not_kept(make_cache, odd, ask):
    """
    A kind that nobody knows, and a text that is not that of its message: no error, and no entry.
    """
    cache = make_cache()
    ask(MemotierCache(cache), "update", "p", "m", [odd])

    assert ask(MemotierCache(cache), "lookup", "p", "m") is None
    assert 0 == cache.get_stats()["l1"]["size"]


def test_it_is_said_once(make_cache, caplog):
    """
    The log names the class, and nothing of the answer.
    """

    class Other(Generation):
        pass

    cache = MemotierCache(make_cache())
    for _ in range(2):
        cache.update("p", "m", [Other(text="ANSWER")])

    (line,) = caplog.messages
    assert "Other" in line and "ANSWER" not in line


def test_a_store_that_fails_is_no_failure_of_the_model(make_cache, ask):
    """
    Reading and writing fail; the model is asked, and answers.
    """
    store = FaultyStore()
    store.down = True
    cache = MemotierCache(make_cache(l2_store=store, l1_maxsize=0))
    model = model_of(AIMessage("one"), AIMessage("two"), cache=cache)

    assert ["one", "two"] == [ask(model, "invoke", "a").content for _ in range(2)]


def test_a_prompt_that_has_no_key_is_asked_again(make_cache, ask):
    """
    One that is larger than any key: not kept, and no error.
    """
    cache = MemotierCache(make_cache())
    huge = "x" * (33 << 20)
    ask(cache, "update", huge, "m", [Generation(text="a")])

    assert ask(cache, "lookup", huge, "m") is None


def test_answers_end_and_are_forgotten(make_cache, clock, ask):
    """
    By ttl, by tag, and by ``clear``, which leaves other namespaces alone.
    """
    cache = make_cache()
    short = MemotierCache(cache, namespace="short", ttl=10, tags=["models"])
    long = MemotierCache(cache, namespace="long", ttl=100)

    def put():
        for one in (short, long):
            ask(one, "update", "p", "m", [Generation(text="a")])

    def there():
        return [ask(one, "lookup", "p", "m") is not None for one in (short, long)]

    put()
    assert [True, True] == there()
    clock.advance(11)
    assert [False, True] == there()
    put()
    cache.sync.invalidate_tags("models")
    assert [False, True] == there()
    put()
    ask(long, "clear")
    assert [True, False] == there()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cache": None}, "cache=None"),
        ({"cache": ""}, "cache=''"),
        ({"namespace": "a b"}, "a b"),
        ({"ttl": -1}, "-1"),
        ({"tags": "one"}, "one string"),
    ],
)
def test_misuse_is_told_at_once(options, said):
    """
    With what was given.
    """
    with pytest.raises(ConfigError, match=said):
        MemotierCache(**options)


def test_clear_takes_no_options(make_cache, ask):
    """
    One that is not understood is not passed over.
    """
    with pytest.raises(ConfigError, match="llm_string"):
        ask(MemotierCache(make_cache()), "clear", llm_string="m")
