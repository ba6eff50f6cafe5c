"""
Types of cached generator functions, checked by mypy and pyright; never run.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import assert_type

from memotier import Entry, Explanation, tiered_cache
from memotier.types import Miss


@tiered_cache
def words(text: str, *, most: int = 10) -> Iterator[str]:
    yield text


@tiered_cache(ttl="10m")
def told(text: str) -> Generator[int, None, bool]:
    yield 1
    return True


@tiered_cache
async def tokens(prompt: str) -> AsyncIterator[str]:
    yield prompt


@tiered_cache(tags=["llm"])
async def chunks(prompt: str) -> AsyncGenerator[bytes, None]:
    yield prompt.encode()


class Model:
    @tiered_cache
    def answer(self, prompt: str) -> Iterator[str]:
        yield prompt

    @tiered_cache
    async def tokens(self, prompt: str) -> AsyncIterator[str]:
        yield prompt

    @tiered_cache
    @classmethod
    def names(cls, kind: str) -> Iterator[str]:
        yield kind


assert_type(words("a", most=3), Iterator[str])
assert_type(told("a"), Generator[int, None, bool])
assert_type(tokens("a"), AsyncIterator[str])
assert_type(chunks("a"), AsyncGenerator[bytes, None])
assert_type(Model().answer("a"), Iterator[str])
assert_type(Model().tokens("a"), AsyncIterator[str])
assert_type(Model.names("a"), Iterator[str])

words(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
tokens()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Model().answer(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

assert_type(words.peek("a"), list[str] | Miss)
assert_type(words.lookup("a"), Entry | None)
assert_type(words.explain("a"), Explanation)
assert_type(words.invalidate("a"), bool)
assert_type(words.refresh("a"), Iterator[str])
assert_type(words.bypass("a"), Iterator[str])
assert_type(words.seed(["a", "b"], "a"), None)
assert_type(told.refresh("a"), Generator[int, None, bool])
assert_type(Model().answer.peek("a"), list[str] | Miss)

words.seed([1], "a")  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


async def main() -> None:
    assert_type(tokens.peek("a"), list[str] | Miss)
    assert_type(await tokens.lookup("a"), Entry | None)
    assert_type(await tokens.explain("a"), Explanation)
    assert_type(await tokens.invalidate("a"), bool)
    assert_type(tokens.refresh("a"), AsyncIterator[str])
    assert_type(await chunks.seed([b"a"], "a"), None)
    assert_type(await Model().tokens.invalidate("a"), bool)
    async for token in tokens("a"):
        assert_type(token, str)
