"""
A store around another one: every operation goes through one method, of which subclasses say what
they do before and after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..types import STORE_METHODS, Address, Item, Name, Reading, Store, Token

#: The native async methods that a store may offer, with the methods whose twins they are.
TWINS: Final = {f"a{name}": name for name in STORE_METHODS}


class Around:
    """
    The ``Store`` protocol on *store*; what that offers beside the protocol is its own.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.kind = store.kind

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.store!r}>"

    def begin(self, operation: str) -> None:
        """Before *operation*; what it raises is raised in its place."""

    def end(self, operation: str, arguments: tuple[Any, ...], answer: Any) -> Any:
        """What is answered, when the store answered *answer*."""
        return answer

    def failed(self, operation: str, error: Exception) -> Exception:
        """What is raised, when the store raised *error*."""
        return error

    @property
    def board(self) -> Any:
        """As the store's own; None if it has none."""
        return getattr(self.store, "board", None)

    @property
    def watches(self) -> bool:
        """As the store's own; False if it does not say."""
        return bool(getattr(self.store, "watches", False))

    @property
    def claims(self) -> Any:
        """As the store's own; None if it has none."""
        return getattr(self.store, "claims", None)

    @property
    def has_twins(self) -> bool:
        """As the store's own; if it does not say, whether it has all of them."""
        said = getattr(self.store, "has_twins", None)
        needed = [name for name, operation in TWINS.items() if operation != "close"]
        return all(hasattr(self.store, name) for name in needed) if said is None else bool(said)

    def get(self, addresses: Sequence[Address]) -> Reading:
        """See ``Store``."""
        return self._run("get", addresses)  # type: ignore[no-any-return]

    def set(self, items: Sequence[Item]) -> list[bool]:
        """See ``Store``."""
        return self._run("set", items)  # type: ignore[no-any-return]

    def delete(self, addresses: Sequence[Address]) -> list[bool]:
        """See ``Store``."""
        return self._run("delete", addresses)  # type: ignore[no-any-return]

    def expire(self, addresses: Sequence[Address]) -> list[bool]:
        """See ``Store``."""
        return self._run("expire", addresses)  # type: ignore[no-any-return]

    def discard(self, address: Address) -> None:
        """See ``Store``."""
        self._run("discard", address)

    def versions(self, names: Sequence[Name]) -> tuple[list[Token], Token]:
        """See ``Store``."""
        return self._run("versions", names)  # type: ignore[no-any-return]

    def bump(self, names: Sequence[Name], soft: bool = False) -> None:
        """See ``Store``."""
        self._run("bump", names, soft)

    def clear_group(self, group: str) -> int:
        """See ``Store``."""
        return self._run("clear_group", group)  # type: ignore[no-any-return]

    def clear(self) -> int:
        """See ``Store``."""
        return self._run("clear")  # type: ignore[no-any-return]

    def count(self, group: str | None = None) -> int:
        """See ``Store``."""
        return self._run("count", group)  # type: ignore[no-any-return]

    def usage(self) -> Mapping[str, int]:
        """See ``Store``."""
        return self._run("usage")  # type: ignore[no-any-return]

    def close(self) -> None:
        """See ``Store``."""
        self._run("close")

    def __getattr__(self, name: str) -> Any:
        """
        The native async methods of a store that offers them.
        """
        operation = TWINS.get(name)
        if operation is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        method = getattr(self.store, name)

        async def twin(*arguments: Any) -> Any:
            self.begin(operation)
            try:
                answer = await method(*arguments)
            except Exception as error:
                self._raise(operation, error)
            return self.end(operation, arguments, answer)

        return twin

    def _run(self, operation: str, *arguments: Any) -> Any:
        self.begin(operation)
        method: Callable[..., Any] = getattr(self.store, operation)
        try:
            answer = method(*arguments)
        except Exception as error:
            self._raise(operation, error)
        return self.end(operation, arguments, answer)

    def _raise(self, operation: str, error: Exception) -> None:
        other = self.failed(operation, error)
        if other is error:
            raise error
        raise other from error
