"""
What is called in place of a function while its cassette is open: ask the tape, else the function,
and write down what came of it. Each kind of function has a twin for coroutines, because only they
may await.

What memotier itself raises is not recorded: a scope that nobody tells, a call that a tape of an
inner function does not have. It passes through.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

from ...auditing import called
from ...batched import ManyMemo
from ...engine.many import LEFT_OUT
from ...errors import MemotierError
from ...memo import Memo
from ...streams import StreamMemo
from . import values
from .questions import Question
from .tape import Tape


def stand_in(tape: Tape, memo: Memo) -> Callable[..., Any]:
    """
    What is called in place of the function of *memo*.
    """
    if isinstance(memo, StreamMemo):
        make = _async_stream if memo.is_async else _stream
    elif isinstance(memo, ManyMemo):
        make = _async_batch if memo.is_async else _batch
    else:
        make = _async_plain if memo.is_async else _plain
    return make(tape, memo)


def _plain(tape: Tape, memo: Memo) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        if not tape.is_open:
            return called(memo)(*args, **kwargs)
        question = tape.ask(memo, args, kwargs)
        found = tape.answer(question)
        if found is not None:
            return tape.value_of(found)
        try:
            result = called(memo)(*args, **kwargs)
        except Exception as error:
            _keep_error(tape, [question], error)
            raise
        tape.keep(question, result)
        return result

    return run


def _async_plain(tape: Tape, memo: Memo) -> Callable[..., Any]:
    async def run(*args: Any, **kwargs: Any) -> Any:
        if not tape.is_open:
            return await called(memo)(*args, **kwargs)
        question = tape.ask(memo, args, kwargs)
        found = tape.answer(question)
        if found is not None:
            return tape.value_of(found)
        try:
            result = await called(memo)(*args, **kwargs)
        except Exception as error:
            _keep_error(tape, [question], error)
            raise
        tape.keep(question, result)
        return result

    return run


def _keep_error(tape: Tape, questions: list[Question], error: Exception) -> None:
    if not isinstance(error, MemotierError):
        for question in questions:
            tape.keep_error(question, error)


# -- functions of many ids -----------------------------------------------------------------


class _Ids:
    """
    The ids of one call: those that the tape answers, and those for which the function is called.
    """

    def __init__(self, tape: Tape, memo: ManyMemo, args: Any, kwargs: Any) -> None:
        self._tape = tape
        self._memo = memo
        call = memo.bind(*args, **kwargs)
        head, self._ids, tail = call[: memo.at], list(call[memo.at]), call[memo.at + 1 :]
        self._results: list[Any] = []
        #: Positions of the ids that are not on the tape.
        self._left: list[int] = []
        self.questions: list[Question] = []
        for at, one in enumerate(self._ids):
            question = tape.ask_values(memo, (*head, one, *tail))
            found = tape.answer(question)
            lacks = not memo.gives_list
            self._results.append(None if found is None else tape.value_of(found, may_lack=lacks))
            if found is None:
                self._left.append(at)
                self.questions.append(question)
        ids = [self._ids[at] for at in self._left]
        self.args, self.kwargs = memo.spread((*head, ids, *tail))

    def keep(self, answer: Any) -> None:
        ids = [self._ids[at] for at in self._left]
        taken = self._memo.taken_apart(answer, ids)
        for at, question, result in zip(self._left, self.questions, taken, strict=True):
            self._tape.keep(question, result)
            self._results[at] = result

    def answer(self) -> Any:
        if self._memo.gives_list:
            return self._results
        pairs = zip(self._ids, self._results, strict=True)
        return {one: result for one, result in pairs if result is not LEFT_OUT}


def _batch(tape: Tape, memo: Any) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        if not tape.is_open:
            return called(memo)(*args, **kwargs)
        ids = _Ids(tape, memo, args, kwargs)
        if ids.questions:
            try:
                answer = called(memo)(*ids.args, **ids.kwargs)
            except Exception as error:
                _keep_error(tape, ids.questions, error)
                raise
            ids.keep(answer)
        return ids.answer()

    return run


def _async_batch(tape: Tape, memo: Any) -> Callable[..., Any]:
    async def run(*args: Any, **kwargs: Any) -> Any:
        if not tape.is_open:
            return await called(memo)(*args, **kwargs)
        ids = _Ids(tape, memo, args, kwargs)
        if ids.questions:
            try:
                answer = await called(memo)(*ids.args, **ids.kwargs)
            except Exception as error:
                _keep_error(tape, ids.questions, error)
                raise
            ids.keep(answer)
        return ids.answer()

    return run


# -- streams -------------------------------------------------------------------------------


class _Items:
    """
    The items of a stream so far, as they were when they came: who gets them may change them.
    """

    def __init__(self, tape: Tape, question: Question) -> None:
        self._tape = tape
        self._question = question
        self._items: list[Any] = []

    def add(self, item: Any) -> None:
        self._items.append(values.as_it_is(item))

    def end(self, returned: Any = None, error: Exception | None = None) -> None:
        if not isinstance(error, MemotierError):
            self._tape.keep_stream(self._question, self._items, returned, error)


def _stream(tape: Tape, memo: Memo) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        if not tape.is_open:
            return (yield from called(memo)(*args, **kwargs))
        question = tape.ask(memo, args, kwargs)
        found = tape.answer(question)
        if found is not None:
            items, returned, error = tape.stream_of(found)
            yield from items
            if error is not None:
                raise error
            return returned
        kept, source = _Items(tape, question), called(memo)(*args, **kwargs)
        try:
            while True:
                try:
                    item = next(source)
                except StopIteration as stop:
                    kept.end(stop.value)
                    return stop.value
                except Exception as error:
                    kept.end(error=error)
                    raise
                kept.add(item)
                yield item
        finally:
            source.close()

    return run


def _async_stream(tape: Tape, memo: Memo) -> Callable[..., Any]:
    async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        if not tape.is_open:
            async for item in called(memo)(*args, **kwargs):
                yield item
            return
        question = tape.ask(memo, args, kwargs)
        found = tape.answer(question)
        if found is not None:
            items, _, failed = tape.stream_of(found)
            for item in items:
                yield item
            if failed is not None:
                raise failed
            return
        kept, source = _Items(tape, question), called(memo)(*args, **kwargs)
        try:
            while True:
                try:
                    item = await anext(source)
                except StopAsyncIteration:
                    kept.end()
                    return
                except Exception as error:
                    kept.end(error=error)
                    raise
                kept.add(item)
                yield item
        finally:
            await source.aclose()

    return run
