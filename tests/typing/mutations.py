"""
Types of ``mutates`` and of ``effects=``; read by mypy and pyright, not run.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import assert_type

from memotier import MultiLevelCache, epoch, mutates, tiered_cache

user: ContextVar[str] = ContextVar("user")


@tiered_cache(scope=user, depends_on=[epoch("notes")])
def notes(folder: str) -> list[str]:
    return [folder]


@tiered_cache
async def anotes(folder: str) -> list[str]:
    return [folder]


@mutates(tags=["file:{path}"], cache="tools")
def save(path: str, text: str = "", *, force: bool = False) -> int:
    return len(text)


@mutates(epochs=[epoch("notes")], scope=user, functions=[notes, anotes], on_untold="raise")
async def asave(path: str) -> int:
    return len(path)


class Store:
    @mutates(tags=lambda self, path: [path])
    def method(self, path: str) -> int:
        return len(path)

    @mutates(tags=["{path}"])
    @classmethod
    def above(cls, path: str) -> int:
        return len(path)

    @classmethod
    @mutates(tags=["{path}"])
    def below(cls, path: str) -> int:
        return len(path)

    @staticmethod
    @mutates(tags=["{path}"])
    def static(path: str) -> int:
        return len(path)


assert_type(save("a", force=True), int)
assert_type(Store().method("a"), int)
assert_type(Store.above("a"), int)
assert_type(Store.below("a"), int)
assert_type(Store().static("a"), int)
taken: Callable[[str, str], int] = save

save(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
save("a", forced=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Store().method(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
mutates(save)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
mutates(epochs=["notes"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
mutates(functions=[save])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
mutates(tags=["t"], on_untold="no")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def main(cache: MultiLevelCache) -> None:
    assert_type(await asave("a"), int)
    assert_type(epoch("notes").bump(scope="ann", cache=cache), None)
    assert_type(await epoch("notes").abump(scope=("tenant", 1)), None)


class Annotations:
    """What the protocol's package had, and what it has."""

    readOnlyHint: bool | None = True
    idempotentHint: bool | None = None
    destructiveHint: bool | None = None


class PythonAnnotations:
    read_only_hint: bool | None = True
    idempotent_hint: bool | None = None
    destructive_hint: bool | None = None


tiered_cache(effects=Annotations())
tiered_cache(effects=PythonAnnotations())
tiered_cache(effects={"readOnlyHint": True})
tiered_cache(effects=7)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
