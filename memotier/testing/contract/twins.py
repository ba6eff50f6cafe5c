"""
Native async methods (``aget``, ``aset``, …), if a store offers them.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from ...errors import StoreUnavailable
from ...stores.around import TWINS
from ...types import Guard, Item, Store
from ..clock import FakeClock
from ..items import NAME, address, read, token
from .base import Base


class TwinTests(Base):
    """
    Each twin does what the method does whose name it has after the ``a``.
    """

    @pytest.fixture
    def twins(self, store: Store) -> list[str]:
        """
        The names of the twins that there are.
        """
        found = [name for name in TWINS if hasattr(store, name)]
        if not found:
            pytest.skip("this store has no native async methods, which is what most have")
        return found

    def test_twins_are_coroutine_functions(self, store: Store, twins: list[str]) -> None:
        """
        Whatever they return is awaited.
        """
        for name in twins:
            assert inspect.iscoroutinefunction(getattr(store, name)), name

    def test_twins_do_what_their_methods_do(
        self, store: Store, twins: list[str], clock: FakeClock
    ) -> None:
        """
        Records, guards, tokens and counts, with whatever twins there are.
        """
        asyncio.run(_whole_life(store, clock))

        assert [None] == read(store, "a")
        assert token(store) is not None

    def test_a_closed_store_is_closed_for_twins(self, store: Store, twins: list[str]) -> None:
        """
        ``StoreUnavailable``, as from their methods.
        """

        async def use_then_close() -> None:
            ask = _asker(store)
            await ask("get", [address("a")])
            await ask("close")
            await ask("close")
            for name in ("get", "versions", "set", "delete"):
                with pytest.raises(StoreUnavailable):
                    await ask(name, [])

        asyncio.run(use_then_close())


def _asker(store: Store) -> Any:
    async def ask(name: str, *arguments: Any) -> Any:
        twin = getattr(store, f"a{name}", None)
        if twin is None:
            return getattr(store, name)(*arguments)
        return await twin(*arguments)

    return ask


async def _whole_life(store: Store, clock: FakeClock) -> None:
    ask = _asker(store)
    a, b = address("a"), address("b")

    async def new(at: bytes, record: bytes, expire: float | None = None) -> Item:
        reading, (tokens, _) = await ask("get", [at]), await ask("versions", [NAME])
        guard = Guard(reading.epoch, (NAME,), tuple(tokens), reading.marks[0])
        return Item(at, record, "g.h", expire, guard)

    one, two = await new(a, b"one"), await new(b, b"two", 10.0)
    assert [True, True] == list(await ask("set", [one, two]))
    assert [b"two", b"one"] == list((await ask("get", [b, a])).records)
    assert 2 == await ask("count") == await ask("count", "g")
    assert 2 == (await ask("usage"))["size"]
    assert [True] == list(await ask("expire", [a]))
    assert [clock.wall()] == list((await ask("get", [a])).expired)

    late = await new(a, b"late")
    await ask("bump", [NAME])
    assert [False] == list(await ask("set", [late]))
    late = await new(a, b"late")
    await ask("bump", [NAME], True)
    assert [False] == list(await ask("set", [late]))
    [found], epoch = await ask("versions", [NAME])
    assert found is not None and 24 == len(found)
    assert epoch == (await ask("get", [])).epoch
    late = await new(a, b"late")
    assert [True] == list(await ask("delete", [a]))
    assert [False] == list(await ask("set", [late]))
    clock.advance(10)
    assert [None, None] == list((await ask("get", [a, b])).records)

    for clear, arguments in (("clear_group", ("g",)), ("clear", ()), ("discard", (a,))):
        assert [True] == list(await ask("set", [await new(a, b"new")]))
        assert await ask(clear, *arguments) in (1, None)
        assert [None] == list((await ask("get", [a])).records)
