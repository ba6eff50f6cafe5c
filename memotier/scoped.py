"""
From the values of a call to its key, for a function that has a scope.

A scope that the arguments tell is in the key already, unless ``key=`` makes that. Every other one
is read when the call is made, and counts as one more value, behind those of the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from .engine.calls import Call, Scoped
from .engine.engine import Engine
from .engine.places import Shelf
from .errors import ScopeMissing
from .keys.bind import Parameters, Spread
from .locate import Locate, Locator, exact
from .options import FunctionOptions
from .scopes import Scope, canonical, names_of

#: What the value is called in the key: no parameter can have this name.
VALUE: Final = "scope="


def locator(
    label: str,
    parameters: Parameters,
    spread: Spread,
    *,
    options: FunctionOptions,
    is_method: bool,
) -> Locator:
    """
    What finds the keys of a function; one without a scope has no trace of this.
    """
    scope, key, ignore = options.scope, options.key, options.ignore
    if scope is None or scope.is_public:
        return Locator(label, parameters, spread, key=key, ignore=ignore, is_method=is_method)
    return ScopedLocator(
        label, parameters, spread, key=key, ignore=ignore, is_method=is_method, scope=scope
    )


def parts_of(scope: Scope | None) -> frozenset[str]:
    """
    What the parts of the key are called that say for whom a call is.
    """
    if scope is None or scope.is_public:
        return frozenset()
    return frozenset(scope.names or (VALUE,))


class ScopedLocator(Locator):
    """
    The same for a function with a scope.
    """

    def __init__(
        self,
        label: str,
        parameters: Parameters,
        spread: Spread,
        *,
        key: Callable[..., Any] | None,
        ignore: Sequence[str],
        is_method: bool,
        scope: Scope,
    ) -> None:
        super().__init__(label, parameters, spread, key=key, ignore=ignore, is_method=is_method)
        self._scope = scope
        self._told_by = tuple(parameters.names.index(name) for name in scope.names)
        self.reads = scope.read
        if scope.read is not None:
            count = len(parameters.names)
            self._counted_names = (*self.keyed, VALUE)
            self._at = (*self._at, count)
            self._takes_all = self._at == tuple(range(count + 1))

    def locate(self, engine: Engine, shelf: Shelf, values: tuple[Any, ...]) -> Call:
        """
        The look-up for a call with these values, made here and now.

        Raises:
            ScopeMissing: If nobody tells for whom it is.

            UnkeyableArgument: If an argument has no stable key.
        """
        return self._locate(engine, shelf, values, self.scope_of(values))

    def for_batch(self) -> Locate:
        if self._scope.read is None:
            return self.locate
        # Read once: all ids of a batch are asked for by one caller.
        scope = self._scope.now(self._label)
        return lambda engine, shelf, values: self._locate(engine, shelf, values, scope)

    def guarded(self, call: Call, function: Callable[..., Any]) -> Callable[..., Any]:
        """
        *function*, refused where it would be computed for somebody else: a callable
        may tell another scope in a thread that helps out, or none.
        """
        scoped, scope = call.scoped, self._scope
        assert scoped is not None
        if scope.read is None or scope.follows_context:
            return function

        def run(*args: Any, **kwargs: Any) -> Any:
            if canonical(self._label, scope.now(self._label)) != scoped.text:
                raise ScopeMissing(
                    f"{self._label}() was not called: its scope= tells another scope where the "
                    "function is computed (in the background, or in a helping thread) than where "
                    "the call was made. Use a ContextVar, which goes with the call"
                )
            return function(*args, **kwargs)

        return run

    def scope_of(self, values: tuple[Any, ...]) -> Any:
        if self._scope.read is not None:
            return self._scope.now(self._label)
        told = tuple(values[at] for at in self._told_by)
        return told[0] if len(told) == 1 else told

    def _locate(self, engine: Engine, shelf: Shelf, values: tuple[Any, ...], scope: Any) -> Call:
        text = canonical(self._label, scope)
        if self._key is not None:
            asked = self.asked(values)
            call = exact(shelf.place, self._label, ("key", VALUE), (asked, scope))
        else:
            call = super().locate(engine, shelf, values if self._told_by else (*values, scope))
        names = names_of(engine, None, text) + names_of(engine, shelf, text)
        call.scoped = Scoped(scope, text, names)
        return call
