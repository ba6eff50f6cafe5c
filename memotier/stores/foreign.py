"""
A store of the user's, held to what the ``Store`` protocol promises.

The engine relies on two things without which a fault of the store would become one of the caller:
that only ``StoreError`` is raised, and that an answer has the shape of the question. Here
everything else becomes a ``StoreError``, so the breaker around this hears of it, the caller gets
what his function returns, and one log line says what the store did.

What must never happen: that an answer is repaired. One record too few may be anybody's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..errors import StoreError
from ..types import Address, Name, Reading
from .around import Around


class Foreign(Around):
    """
    The ``Store`` protocol on a store that somebody else wrote.
    """

    def failed(self, operation: str, error: Exception) -> Exception:
        """A ``StoreError``, whatever the store raised."""
        if isinstance(error, StoreError):
            return error
        return StoreError(
            f"{operation}() of the {self.kind} store raised {type(error).__qualname__}; a store "
            "may raise StoreError only"
        )

    def end(self, operation: str, arguments: tuple[Any, ...], answer: Any) -> Any:
        """
        *answer*, if it is one.

        Raises:
            StoreError: If it has not the shape that the protocol says.
        """
        check = _CHECKS.get(operation)
        try:
            is_right = check is None or check(answer, *arguments)
        except Exception:
            is_right = False
        if not is_right:
            raise StoreError(
                f"{operation}() of the {self.kind} store answered something of another shape than "
                "memotier.Store says"
            )
        return answer


def _is_token(token: Any) -> bool:
    return token is None or type(token) is bytes


def _is_reading(answer: Any, addresses: Sequence[Address]) -> bool:
    wanted = len(addresses)
    return (
        isinstance(answer, Reading)
        and len(answer.records) == len(answer.marks) == wanted
        and len(answer.expired) in (0, wanted)
        and all(map(_is_token, (*answer.records, *answer.marks, answer.epoch)))
        and all(at is None or isinstance(at, (int, float)) for at in answer.expired)
    )


def _are_flags(answer: Any, asked: Sequence[Any]) -> bool:
    return len(answer) == len(asked) and all(flag is True or flag is False for flag in answer)


def _are_versions(answer: Any, names: Sequence[Name]) -> bool:
    tokens, epoch = answer
    return len(tokens) == len(names) and all(map(_is_token, (*tokens, epoch)))


def _is_number(answer: Any, *_: Any) -> bool:
    return isinstance(answer, int) and answer >= 0


def _is_usage(answer: Any) -> bool:
    return all(_is_number(answer[key]) for key in ("size", "bytes", "evictions", "expirations"))


_CHECKS: Final[Mapping[str, Callable[..., bool]]] = {
    "get": _is_reading,
    "set": _are_flags,
    "delete": _are_flags,
    "expire": _are_flags,
    "versions": _are_versions,
    "clear_group": _is_number,
    "clear": _is_number,
    "count": _is_number,
    "usage": _is_usage,
}
