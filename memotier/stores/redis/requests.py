"""
What a server is asked, and how its answers come back: without I/O, the same in threads and tasks.

*Steps* are generators. They yield a ``Request``, one round trip, and are sent the list of its
answers, one per command; an error that the server answered is one of them, not raised. Whoever
drives them (``server.py``) does the I/O and translates what they raise.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias, TypeVar

from .scripts import Script, new_question

T = TypeVar("T")
Part: TypeAlias = "bytes | str | int | float"


class Garbled(Exception):
    """
    What arrived cannot be the answer to what was asked.
    """


class Request:
    """
    Commands that are sent in one go, and answered in their order.

    Others' commands may be done in between: what needs one state is one command.

    Args:
        doing: What this is for, in the text of an error.
    """

    __slots__ = ("commands", "doing")

    def __init__(self, doing: str, *commands: Sequence[Part]) -> None:
        self.doing = doing
        self.commands = commands

    def packed(self) -> bytes:
        """
        The bytes to send.
        """
        pieces = []
        for command in self.commands:
            pieces.append(b"*%d\r\n" % len(command))
            for part in command:
                data = part if type(part) is bytes else _bytes_of(part)
                pieces.append(b"$%d\r\n%b\r\n" % (len(data), data))
        return b"".join(pieces)


Steps: TypeAlias = Generator[Request, list[Any], T]


def ask(doing: str, *command: Part) -> Steps[Any]:
    """
    What the server answers to one *command*.
    """
    (answer,) = yield Request(doing, command)
    if isinstance(answer, Exception):
        raise answer
    return answer


def run(script: Script, keys: Sequence[Part], arguments: Sequence[Part]) -> Steps[Any]:
    """
    What *script* returns. Its text is sent only to a server that does not know it.
    """
    question = new_question()
    rest = (len(keys), *keys, *arguments, question)
    (answer,) = yield Request(script.name, ("EVALSHA", script.digest, *rest))
    if is_unknown_script(answer):
        (answer,) = yield Request(script.name, ("EVAL", script.text, *rest))
    if isinstance(answer, Exception):
        raise answer
    if type(answer) is not list or len(answer) != 2 or answer[0] != question:
        raise Garbled  # the answer to another question
    return answer[1]


def is_unknown_script(answer: Any) -> bool:
    return is_a("NoScriptError", answer)


def is_a(kind: str, answer: Any) -> bool:
    """
    Whether *answer* is an error of that *kind*: redis-py and valkey-py name theirs alike.
    """
    return isinstance(answer, Exception) and any(
        one.__name__ == kind for one in type(answer).__mro__
    )


def is_of_another_type(answer: Any) -> bool:
    """
    Whether the key has something else than what the command is for.
    """
    return is_a("ResponseError", answer) and str(answer).startswith("WRONGTYPE")


def _bytes_of(part: Part) -> bytes:
    if isinstance(part, str):
        return part.encode()
    if isinstance(part, (bytes, bytearray, memoryview)):
        return bytes(part)
    return repr(part).encode()
