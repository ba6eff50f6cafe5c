"""
``looks_like_error``: whether a result is an error that was returned in place of raised.

Tools of agents answer with errors that a model is to read: an object whose flag says so, a response
with a status, a sentence that a framework writes. They are known here by their shapes, and nothing
is imported for that.

What must never happen: code of the value's class runs that does anything but look. So attributes
are read from the instance's dict, from slots and from plain entries of the class; properties,
``__getattr__``, comparisons and truth values are not asked. Mocks and lazy objects, which answer to
every name, are therefore no errors; arrays and frames neither. (``is_err()`` of a Result, which has
``is_ok()`` too, is the one method that is called.)
"""

from __future__ import annotations

import re
import types
from typing import Any, Final

from .keys.naming import bare_name, mro, namespace

#: Of the statuses below 500 those that say "not now" or "not you"; any other is an answer about
#: what was asked for, and the same the next time.
NOT_ANSWERS: Final = frozenset((401, 403, 407, 408, 425, 429))

_NO: Final = object()

#: Never errors, and the most of what functions return.
_PLAIN: Final = frozenset(
    (type(None), bool, int, float, complex, bytes, list, tuple, set, frozenset)
)


def looks_like_error(value: Any) -> bool:
    """
    Whether *value* is an error that a function returned: the judge of ``is_error=True``, and of
    ``agent=True`` unless *is_error* says otherwise. See docs/guide/exceptions.md for what it knows.

    It never raises, imports nothing of others, and takes microseconds, however large *value* is.
    """
    kind = type(value)
    # (A class may have a class that says what its hash is.)
    if type(kind) is type and kind in _PLAIN:
        return False
    try:
        if issubclass(kind, str):
            return is_error_text(value)
        if issubclass(kind, dict):
            return _is_error_dict(value)
        return issubclass(kind, BaseException) or _is_error_object(value)
    except Exception:
        return False  # a class that is like nothing we know


# -- texts -----------------------------------------------------------------------------

#: How sentences of frameworks begin, or the whole of one: what is cheap to find out.
_BEGINNINGS: Final = (
    "An error occurred while ",
    "An unexpected error occurred: ",
    "Encountered error: ",
    "Error",
    "Tool ",
    "The request timed out. Please try again later or check the URL.",
)
#: And those that are known by how they end.
_ENDINGS: Final = (
    # pydantic-ai: RetryPromptPart.model_response
    "\n\nFix the errors and try again.",
    # smolagents: what a step that failed tells the model
    "\nNow let's retry: take care not to repeat previous errors! If you have retried several "
    "times, try a completely different approach.\n",
)
#: The sentences, each from its first letter. Of those whose end is known there is nothing after it.
#: (No two open ends in one: the time to look has to be in proportion to the length.)
_SENTENCES: Final = re.compile(
    "|".join(
        (
            # openai-agents: default_tool_error_function, of this version and of older ones
            r"An error occurred while running the tool\. Please try again\.(?: Error: |\Z)",
            r"An error occurred while parsing tool arguments\. Please try again with valid JSON\."
            r"(?: Error: |\Z)",
            # openai-agents: default_tool_timeout_error_message
            r"Tool '[^'\n]{1,200}' timed out after [\d.e+-]{1,30} seconds\.\Z",
            # langgraph: ToolNode
            r"Error: [^\n]{1,200} is not a valid tool, try one of \[[^\n]*\]\.\Z",
            r"Error: [\s\S]*\n Please fix your mistakes\.\Z",
            r"Error (?:executing|invoking) tool '[^'\n]{1,200}' with kwargs [\s\S]*"
            r"\n Please fix the error and try again\.\Z",
            # langchain: ToolRetryMiddleware
            r"Tool '[^'\n]{1,200}' failed after \d{1,9} attempts? with "
            r"[\s\S]*\. Please try again\.\Z",
            # langchain-core: BaseTool with handle_tool_error or handle_validation_error
            r"Tool (?:execution error|input validation error)\Z",
            # llama-index: call_tool; LLM.predict_and_call
            r"Encountered error: ",
            r"An error occurred while running the tool: ",
            # smolagents: ToolCallingAgent; VisitWebpageTool
            r"Error executing tool '[^'\n]{1,200}' with arguments [\s\S]*"
            r"\nPlease try again or use another tool\Z",
            r"Error executing request to team member '[^'\n]{1,200}' with arguments ",
            r"Error fetching the webpage: ",
            r"An unexpected error occurred: ",
            r"The request timed out\. Please try again later or check the URL\.\Z",
            # mcp: Tool.run; fastmcp: FastMCP.call_tool
            r"Error executing tool [\w./-]{1,128}(?:: |\Z)",
            r"Error calling tool '[^'\n]{1,200}'(?:: |\Z)",
        )
    )
)
#: Letters of the longest text that is compared with them.
LONGEST: Final = 100_000


def is_error_text(text: str) -> bool:
    """
    Whether *text* is what a framework writes in place of a result. A text about errors is none.
    """
    if str.endswith(text, _ENDINGS):
        return True
    if not str.startswith(text, _BEGINNINGS) or str.__len__(text) > LONGEST:
        return False
    return _SENTENCES.match(text) is not None


# -- dicts -----------------------------------------------------------------------------

#: What may stand beside "error" in a dict that tells of nothing else.
_BESIDE: Final = frozenset(
    (
        *("error", "code", "message", "type", "detail", "details"),
        *("error_code", "error_description", "error_type", "request_id"),
    )
)
#: The same beside ``"status": "error"`` (JSend, and tools of Google's ADK).
_BESIDE_STATUS: Final = frozenset(
    ("status", "message", "code", "data", "error", "error_message", "error_code")
)


def _is_error_dict(value: dict[Any, Any]) -> bool:
    def get(name: str) -> Any:
        return dict.get(value, name)

    if get("isError") is True or get("is_error") is True:
        return True  # the result of an MCP tool, or a block of one, as JSON
    error, status = get("error"), get("status")
    if _is_text(status, "error"):
        if _is_text(get("type"), "tool"):
            return True  # a ToolMessage of langchain as JSON
        texts = (get("message"), get("error_message"), error)
        return _are_keys(value, _BESIDE_STATUS) and any(map(_says_something, texts))
    if not _is_told(error):
        return False
    if type(get("jsonrpc")) is str or get("ok") is False or get("success") is False:
        return True
    return _are_keys(value, _BESIDE)


def _is_told(error: Any) -> bool:
    """
    Whether what stands under "error" is one: a text, or a dict with a message or a code.
    """
    if type(error) is dict:
        return "message" in error or "code" in error
    return _says_something(error)


def _says_something(text: Any) -> bool:
    return type(text) is str and bool(text)


def _is_text(value: Any, text: str) -> bool:
    return type(value) is str and value == text


def _are_keys(value: dict[Any, Any], known: frozenset[str]) -> bool:
    if dict.__len__(value) > len(known):
        return False
    return all(type(key) is str and key in known for key in dict.keys(value))


# -- objects ---------------------------------------------------------------------------

#: Classes that are known by name, and the package in which they mean that.
_PACKAGE_OF: Final = {
    "ToolMessage": "langchain_core",
    "RetryPromptPart": "pydantic_ai",
    "BaseToolReturnPart": "pydantic_ai",
    "ToolReturnPart": "pydantic_ai",
    "Failure": "returns",
    "_Failure": "returns",
    "IOFailure": "returns",
}


class _Looking:
    """
    The attributes of one object, as they stand in its dict and in its classes.
    """

    __slots__ = ("_classes", "_own", "_value")

    def __init__(self, value: Any) -> None:
        self._value = value
        self._classes = [namespace(one) for one in mro(type(value))]
        holder = self.of_class("__dict__")
        # (Not a property that is called so.)
        own = holder.__get__(value) if type(holder) is types.GetSetDescriptorType else None
        self._own: dict[str, Any] = own if type(own) is dict else {}

    def of_class(self, name: str) -> Any:
        for one in self._classes:
            if name in one:
                return one[name]
        return _NO

    def entry(self, name: str) -> Any:
        """
        What stands under *name*: a value, or a property as it is; ``_NO`` if nothing does.
        """
        return self._own[name] if name in self._own else self.of_class(name)

    def read(self, name: str) -> Any:
        """
        The attribute, if reading it runs no code.
        """
        found = self.entry(name)
        if type(found) is types.MemberDescriptorType:  # a slot
            try:
                return found.__get__(self._value)
            except AttributeError:
                return _NO
        return found

    def method(self, name: str) -> Any:
        found = self.of_class(name)
        return found if type(found) in (types.FunctionType, types.MethodDescriptorType) else None

    def package(self, at: int) -> str:
        """
        Where the class of that position comes from.
        """
        module = self._classes[at].get("__module__")
        return module.partition(".")[0] if type(module) is str else ""


def _is_error_object(value: Any) -> bool:
    looking = _Looking(value)
    # MCP: CallToolResult.isError, .is_error since 2.0; ToolResult of fastmcp, ToolOutput of
    # llama-index.
    if looking.read("isError") is True or looking.read("is_error") is True:
        return True
    if _is_no_answer(looking.read("status_code")) or _is_no_answer(looking.read("status")):
        # A response; a record of how some server did has no headers.
        return looking.entry("headers") is not _NO
    for at, kind in enumerate(mro(type(value))):
        name = bare_name(kind)
        if name == "Err":
            return True  # of result, rusty-results, koda
        if name in _PACKAGE_OF and looking.package(at) == _PACKAGE_OF[name]:
            return _is_known_error(name, looking)
    return _says_is_err(value, looking)


def _is_no_answer(status: Any) -> bool:
    if not issubclass(type(status), int) or type(status) is bool:
        return False
    number = int.__add__(status, 0)  # also of an enum of statuses
    return number >= 500 or number in NOT_ANSWERS


def _is_known_error(name: str, looking: _Looking) -> bool:
    """
    Whether an object of a class in ``_PACKAGE_OF`` is an error.
    """
    if name == "ToolMessage":
        return _is_text(looking.read("status"), "error")
    if name.endswith("ToolReturnPart"):
        outcome = looking.read("outcome")
        return type(outcome) is str and outcome != "success"
    return True


def _says_is_err(value: Any, looking: _Looking) -> bool:
    """
    Whether it is a Result, one class for both outcomes, that says so itself.
    """
    if looking.method("is_ok") is None:
        return False
    asks = looking.method("is_err") or looking.method("is_error")
    return asks is not None and asks(value) is True
