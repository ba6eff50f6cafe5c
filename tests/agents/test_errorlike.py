"""
``looks_like_error``: which results are errors, and that nothing else is.
"""

from __future__ import annotations

import enum
import http.client
import threading
import types
import urllib.error
import urllib.request
from dataclasses import dataclass, field, make_dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from unittest import mock

import pytest

from memotier import MISS, looks_like_error

from ..conftest import stable

RUNNING = "An error occurred while running the tool. Please try again."
PARSING = "An error occurred while parsing tool arguments. Please try again with valid JSON."


def of(module, name, *fields, **defaults):
    """
    A class with the qualified name of a framework's.
    """
    pairs = [(one, object) for one in fields]
    pairs += [(one, object, field(default=value)) for one, value in defaults.items()]
    made = make_dataclass(name, pairs)
    made.__module__ = module
    return made


ToolMessage = of("langchain_core.messages.tool", "ToolMessage", "content", status="success")
RetryPromptPart = of("pydantic_ai.messages", "RetryPromptPart", "content")
ToolReturnPart = of("pydantic_ai.messages", "ToolReturnPart", "content", outcome="success")
CallToolResult = of("mcp.types", "CallToolResult", "content", isError=False)
ToolResult = of("fastmcp.tools.base", "ToolResult", "content", is_error=False)
Failure = of("returns.result", "_Failure", "_inner_value")
OwnFailure = of("shop.orders", "Failure", "why")
Response = of("some.client", "Response", "headers", status_code=200)
Check = of("monitor", "Check", "url", status_code=200)


@dataclass(slots=True)
class Slotted:
    content: str
    is_error: bool = False


class Err(NamedTuple):
    error: str


class Ok(NamedTuple):
    value: str


class Result:
    """
    One class for both, as some libraries have it.
    """

    def __init__(self, failed: bool) -> None:
        self._failed = failed

    def is_ok(self) -> bool:
        return not self._failed

    def is_err(self) -> bool:
        return self._failed


class Expression(Result):
    is_error = Result.is_err
    is_err = None


class Status(enum.IntEnum):
    UNAVAILABLE = 503


@pytest.mark.parametrize(
    "value",
    [
        ValueError("x"),
        KeyboardInterrupt(),
        ExceptionGroup("x", [ValueError()]),
        CallToolResult("x", isError=True),
        ToolResult("x", is_error=True),
        Slotted("x", is_error=True),
        ToolMessage("x", status="error"),
        RetryPromptPart("x"),
        ToolReturnPart("x", outcome="failed"),
        ToolReturnPart("x", outcome="denied"),
        Failure(1),
        Err("x"),
        Result(failed=True),
        Expression(failed=True),
        *(Response({}, status_code=one) for one in (500, 503, 599, 401, 403, 407, 408, 425, 429)),
        Response({}, status_code=Status.UNAVAILABLE),
    ],
    ids=stable,
)
def test_objects_that_are_errors(value):
    """
    Exceptions, flags, failures of Results, and responses that answer nothing.
    """
    assert looks_like_error(value) is True


@pytest.mark.parametrize(
    "value",
    [
        ValueError,
        CallToolResult("x"),
        CallToolResult("x", isError=None),
        CallToolResult("x", isError="yes"),
        ToolResult("Error calling tool 'x'"),
        Slotted("x"),
        ToolMessage("x"),
        ToolReturnPart("x"),
        OwnFailure("it was out of stock"),
        Ok("x"),
        Result(failed=False),
        Expression(failed=False),
        *(Response({}, status_code=one) for one in (200, 204, 301, 304, 400, 404, 410, 422, 451)),
        Response({}, status_code="503"),
        Response({}, status_code=True),
        Check("https://example.org", status_code=503),
        of("shop.jobs", "Job", "id", status="error")(7),
        of("shop.jobs", "ToolMessage", status="error")(),
        of("shop.jobs", "Job", "headers", status="error")({}),
    ],
    ids=stable,
)
def test_objects_that_are_results(value):
    """
    What went well, what says that there is no such thing, and what tells how something else did.
    """
    assert looks_like_error(value) is False


@pytest.mark.parametrize(
    "value",
    [
        {"content": [], "isError": True},
        {"type": "tool_result", "is_error": True, "content": "x"},
        {"type": "tool", "status": "error", "content": "x", "tool_call_id": "1"},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "x"}},
        {"error": {"code": 404, "message": "x", "status": "NOT_FOUND"}},
        {"type": "error", "error": {"type": "overloaded_error", "message": "x"}},
        {"error": "x"},
        {"error": "invalid_grant", "error_description": "x"},
        {"ok": False, "error": "channel_not_found", "channel": "x"},
        {"success": False, "error": "x", "data": None},
        {"status": "error", "message": "x"},
        {"status": "error", "error_message": "x"},
    ],
    ids=stable,
)
def test_dicts_that_are_errors(value):
    """
    Errors as JSON has them.
    """
    assert looks_like_error(value) is True


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"isError": False, "content": []},
        {"isError": 1},
        {"error": None, "result": 1},
        {"error": ""},
        {"error": 0.03, "mean": 1.5},
        {"error": {"mean": 0.03}},
        {"error": [1, 2]},
        {"error": False},
        {"error": "x", "rows": [1, 2]},
        {"jsonrpc": "2.0", "id": 1, "result": {"error": "x"}},
        {"jsonrpc": "2.0", "id": 1, "result": 1, "error": None},
        {"id": 7, "status": "failed", "error": "exit code 1"},
        {"id": 7, "status": "error", "message": "exit code 1"},
        {"status": "error"},
        {"status_code": 503, "url": "https://example.org"},
        {"ok": False},
        {"success": True, "error": "x"},
        {"error": "x", 7: 1},
        {"errors": ["x"]},
        {"result": {"error": "x"}},
    ],
    ids=stable,
)
def test_dicts_that_are_results(value):
    """
    Records that have an error among other things, figures, and what lies deeper.
    """
    assert looks_like_error(value) is False


@pytest.mark.parametrize(
    "text",
    [
        RUNNING,
        f"{RUNNING} Error: no such city",
        PARSING,
        f"{PARSING} Error: Expecting value",
        "Tool 'search' timed out after 2.5 seconds.",
        "Error: serch is not a valid tool, try one of [search, fetch].",
        "Error: ValueError('a\nb')\n Please fix your mistakes.",
        "Error executing tool 'f' with kwargs {'a': 1} with error:\n x\n Please fix the error and "
        "try again.",
        "Error invoking tool 'f' with kwargs {'a': 1} with error:\n x\n Please fix the error and "
        "try again.",
        "Tool 'f' failed after 1 attempt with ValueError: x. Please try again.",
        "Tool execution error",
        "Tool input validation error",
        "Encountered error: x",
        "An error occurred while running the tool: x",
        "Error executing tool 'f' with arguments {}: ValueError: x\n"
        "Please try again or use another tool",
        "Error executing request to team member 'f' with arguments {}: x\nPlease try again",
        "Error:\nx\nNow let's retry: take care not to repeat previous errors! If you have retried "
        "several times, try a completely different approach.\n",
        "Error fetching the webpage: x",
        "An unexpected error occurred: x",
        "The request timed out. Please try again later or check the URL.",
        "Error executing tool get_weather",
        "Error executing tool get_weather: x",
        "Error calling tool 'get_weather'",
        "Error calling tool 'get_weather': x",
        "x is wrong\n\nFix the errors and try again.",
    ],
)
def test_sentences_of_frameworks(text):
    """
    What is written in place of a result, to the letter; also in a subclass of ``str``.
    """
    assert looks_like_error(text) is True
    assert looks_like_error(type("Text", (str,), {})(text)) is True
    assert looks_like_error([text]) is looks_like_error(text.encode()) is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Error",
        "Error: no such table: users",
        "Errors and how to avoid them",
        "Error 404 means that the page was not found.",
        "Error: in Python, see 'try'.\n Please fix your mistakes. A song.",
        "An error occurred while running the tool.",
        f"{RUNNING} is what the framework says then.",
        f"The log has: {RUNNING}",
        f'"{RUNNING}"',
        "An error occurred while the train was in the station.",
        "Error executing tool calls and retries: a guide",
        "Error executing tools",
        "Error calling tools 'a' and 'b'",
        "Tool 'search' timed out after 2.5 seconds. Then it was tried again.",
        "Tool execution errors are described in chapter 4.",
        "Tool 'f' failed after 3 attempts.",
        "I encountered error: 7",
        "Fix the errors and try again.",
        "Traceback (most recent call last):\n  File ...\nValueError: x",
        "HTTP/1.1 500 Internal Server Error",
        '{"error": "x"}',
    ],
)
def test_texts_about_errors(text):
    """
    A tool that finds, explains or quotes errors has results.
    """
    assert looks_like_error(text) is False


@pytest.mark.parametrize(
    "value",
    [None, True, 0, 1.5, 1j, b"Error", [], (), set(), frozenset(), MISS, object(), print, type],
    ids=stable,
)
def test_plain_things(value):
    """
    Are results.
    """
    assert looks_like_error(value) is False


@pytest.mark.parametrize(
    "made",
    [
        mock.Mock(),
        mock.MagicMock(),
        mock.AsyncMock(),
        mock.NonCallableMagicMock(),
        mock.Mock(spec=CallToolResult),
        mock.create_autospec(Result, instance=True),
        mock.create_autospec(CallToolResult, instance=True),
        mock.sentinel.error,
        mock.call.is_error(),
    ],
    ids=lambda made: type(made).__name__,
)
def test_mocks_are_no_errors(made):
    """
    They answer to every name; what a test has set on one counts.
    """
    assert looks_like_error(made) is False
    set_up = mock.Mock(is_error=True)
    assert looks_like_error(set_up) is True


class Loud:
    """
    Whatever is asked of it is written down.
    """

    def __init__(self) -> None:
        object.__setattr__(self, "heard", [])

    def _hear(self, *_):
        object.__getattribute__(self, "heard").append("asked")
        raise RuntimeError("asked")

    __getattr__ = __getattribute__ = __setattr__ = _hear
    __eq__ = __ne__ = __hash__ = __bool__ = __len__ = __iter__ = __repr__ = __str__ = _hear
    __getitem__ = __contains__ = __call__ = __instancecheck__ = _hear
    __class__ = status = is_error = isError = status_code = headers = outcome = property(_hear)


class LoudDict(dict):
    def _hear(self, *_):
        raise AssertionError("asked")

    __getitem__ = __contains__ = __iter__ = __len__ = __bool__ = __eq__ = get = keys = _hear


class LoudText(str):
    __slots__ = ()

    def _hear(self, *_):
        raise AssertionError("asked")

    startswith = endswith = __len__ = __bool__ = __eq__ = __getitem__ = _hear
    __hash__ = str.__hash__


class OwnDict:
    """
    Its ``__dict__`` is a property.
    """

    __slots__ = ()

    @property
    def __dict__(self):
        raise AssertionError("asked")


def test_code_of_the_class_is_not_run():
    """
    Neither properties nor ``__getattr__``, nor what a subclass of dict or str does in its place.
    """
    loud = Loud()
    assert looks_like_error(loud) is False
    assert [] == object.__getattribute__(loud, "heard")
    assert looks_like_error(LoudDict(error="x")) is True
    assert looks_like_error(LoudDict(x=1)) is False
    assert looks_like_error(LoudText(RUNNING)) is True
    assert looks_like_error(LoudText("x")) is False
    assert looks_like_error(OwnDict()) is False


def test_an_is_err_that_raises_tells_nothing():
    """
    The judge never raises.
    """

    class Broken(Result):
        def is_err(self) -> bool:
            raise RuntimeError

    assert looks_like_error(Broken(failed=True)) is False
    assert looks_like_error(types.new_class("Odd", (Result,), {})(True)) is True


@pytest.mark.extras
def test_arrays_and_frames_are_results():
    """
    They have no truth value, and are not looked into.
    """
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    frame = pandas.DataFrame({"is_error": [True, True], "status_code": [500, 500], "headers": 1})
    for value in (numpy.ones(3), numpy.array(["Error"]), frame, frame.is_error, numpy.int64(500)):
        assert looks_like_error(value) is False
        assert looks_like_error({"error": value, "isError": value, "status": value}) is False
        assert looks_like_error(types.SimpleNamespace(is_error=value, status=value)) is False


def test_a_long_text_takes_no_time():
    """
    Of a text that begins like a message only the length is looked at, if it is no message's; and
    none makes the comparison go back and forth.
    """
    assert looks_like_error("Error: " + "x\n Please fix " * 1_000_000) is False
    assert (
        looks_like_error("Error executing tool 'f' with kwargs " + "with error:\n" * 8_000) is False
    )


@pytest.fixture(scope="module")
def server():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(int(self.path[1:]))
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port
        running.shutdown()


@pytest.mark.parametrize(("status", "expected"), [(200, False), (404, False), (503, True)])
def test_a_response_of_the_standard_library(server, status, expected):
    """
    Of ``http.client``, and of ``urllib``, whose error is one as it is.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server)
    connection.request("GET", f"/{status}")
    with connection.getresponse() as response:
        assert looks_like_error(response) is expected
    connection.close()
    if expected:
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"http://127.0.0.1:{server}/{status}")
        with raised.value as error:
            assert looks_like_error(error) is True
