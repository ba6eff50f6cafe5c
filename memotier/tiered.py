"""
The decorated object: a wrapt proxy of the function, with the cache's attributes.

wrapt gives it the function's identity (name, doc, signature, annotations, ``isinstance``,
``inspect``). Each object has a class of its own whose ``__call__`` is the generated hit
path: some 30 ns more than the generated function alone, where wrapt's own way from
``__call__`` to a wrapper costs several hundred (``benchmarks/hit.py``).

On an instance, ``__get__`` hands out a ``BoundMethod``: a ``functools.partial`` of the hit
path and the instance, which is as fast as a bound method and has our attributes.
"""

from __future__ import annotations

import copy
import functools
import pickle
import types
from collections.abc import Callable, Iterable
from typing import Any

import wrapt

from . import asked, batch
from .engine.drive import Plan
from .engine.stats import CacheInfo, info
from .memo import Memo
from .ofscopes import OfScopes

#: What can be asked of a decorated function about one call; on methods the instance comes first.
OF_A_CALL = ("invalidate", "expire", "refresh", "peek", "lookup", "cache_key", "bypass", "explain")
#: What concerns all its calls.
OF_ALL = (
    *("cache_info", "cache_parameters", "cache_clear", "cache_expire", "map"),
    *("forget", "scope_info"),
)


class Tiered(OfScopes, wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """
    A function whose results are cached. See docs/guide/decorator.md.
    """

    def __init__(self, wrapped: Any, memo: Memo) -> None:
        super().__init__(wrapped, _never_called)
        self._self_memo = memo
        self._self_call = memo.entrance()
        # As a class attribute, what is no descriptor is not bound to instances.
        self._self_binds = hasattr(type(memo.function), "__get__") and not isinstance(
            memo.function, types.MethodType
        )
        own = {"_home": (self,), "__module__": self.__module__, "__doc__": self.__doc__}
        self._self_bound = type("BoundMethod", (BoundMethod,), own)
        memo.on_attach.append(self._self_set_call)

    def _self_set_call(self, call: Callable[..., Any]) -> None:
        self._self_call = call
        own = type(self)
        own.__call__ = staticmethod(call)  # type: ignore[method-assign]
        # What it needs as cells of a closure: attributes of a proxy cost twice the hit.
        own.__get__ = self._self_getter(call)  # type: ignore[method-assign]

    def _self_getter(self, call: Callable[..., Any]) -> Callable[..., Any]:
        bound, binds = self._self_bound, self._self_binds

        def __get__(self: Tiered, instance: Any, owner: Any = None) -> Any:
            return bound(call, instance) if binds and instance is not None else self

        return __get__

    @classmethod
    def of(cls, wrapped: Any, memo: Memo) -> Tiered:
        """
        The decorated object for *wrapped*.
        """
        if isinstance(wrapped, (classmethod, staticmethod)):
            cls = cls._over_method()
        own = type(cls.__name__, (cls,), {"__call__": staticmethod(memo.entrance())})
        return own(wrapped, memo)  # type: ignore[no-any-return]

    @classmethod
    def _over_method(cls) -> type[Tiered]:
        return Outer

    @classmethod
    def _below_method(cls) -> type[Tiered]:
        return Tiered

    # -- binding ----------------------------------------------------------------------

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        # Until it is attached; see ``_self_set_call``.
        return self._self_getter(self._self_call)(self, instance, owner)

    def __set_name__(self, owner: type, name: str) -> None:
        # (wrapt would ask the function for it.)
        function = self.__wrapped__
        said = getattr(function, "__qualname__", "")
        if self._self_binds and said == f"{owner.__qualname__}.{function.__name__}":
            self._self_memo.found_in_class()

    def _self_face(self) -> Tiered:
        """
        What is called when this is called through a class or an importing module.
        """
        return self

    # -- about one call -----------------------------------------------------------------

    def invalidate(self, /, *args: Any, **kwargs: Any) -> Any:
        """
        Forget the result of this call, in both tiers; whether there was one.
        """
        return self._self_run(asked.forget, args, kwargs)

    def expire(self, /, *args: Any, **kwargs: Any) -> Any:
        """
        Let the result of this call be stale from now on, as if its ttl had ended; whether there
        was one. If the function has no windows it is forgotten.
        """
        return self._self_run(asked.expire, args, kwargs)

    def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """
        Compute anew, store and return the result. Others get the old one meanwhile.
        """
        return self._self_run(asked.refresh, args, kwargs)

    def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        """
        The result if memory has it, else ``MISS``: never computes, never asks the second tier,
        and is no hit.
        """
        return asked.peek(self._self_memo, self._self_bind(args, kwargs))

    def lookup(self, /, *args: Any, **kwargs: Any) -> Any:
        """
        The ``Entry`` of this call, with age, tier and tags, or None; never computes.
        """
        return self._self_run(asked.lookup, args, kwargs)

    def seed(self, value: Any, /, *args: Any, **kwargs: Any) -> Any:
        """
        Store *value* as the result of this call.
        """
        memo, values = self._self_memo, self._self_bind(args, kwargs)
        return memo.run(asked.seed(memo, values, value))

    def cache_key(self, /, *args: Any, **kwargs: Any) -> str:
        """
        The key of this call as text: the same in every process, for functions with a stable
        name. It tells nothing about the arguments.
        """
        return self._self_memo.key_text(self._self_bind(args, kwargs))

    def explain(self, /, *args: Any, **kwargs: Any) -> Any:
        """
        Why this call would hit or miss: an ``Explanation``. Computes, stores and counts nothing.
        """
        from .explaining import explain

        return self._self_run(explain, args, kwargs)

    def bypass(self, /, *args: Any, **kwargs: Any) -> Any:
        """
        Call the function; read nothing, write nothing.
        """
        memo, values = self._self_memo, self._self_bind(args, kwargs)
        return memo.run(memo.invoke(*memo.spread(values)))

    # -- many calls ----------------------------------------------------------------------

    def map(self, calls: Iterable[Any], /, **options: Any) -> Any:
        """
        The results of many calls, in their order; ``batch.map_calls`` says what it takes.
        """
        return self._self_map((), calls, **options)

    def _self_map(self, first: tuple[Any, ...], calls: Iterable[Any], **options: Any) -> Any:
        return self._self_memo.run(batch.map_calls(self._self_memo, first, calls, **options))

    # -- about all calls ------------------------------------------------------------------

    def cache_info(self) -> CacheInfo:
        """
        Hits, misses and sizes so far, of this process.
        """
        memo = self._self_memo
        engine = memo.engine or memo.attach()
        assert memo.shelf is not None
        return info(engine, memo.shelf)

    def cache_parameters(self) -> dict[str, Any]:
        """
        The options in effect.
        """
        return self._self_memo.parameters_shown()

    def cache_clear(self) -> Any:
        """
        Forget all results of this function, in both tiers.
        """
        return self._self_memo.run(self._self_memo.clear())

    def cache_expire(self) -> Any:
        """
        Let all results of this function be stale from now on.
        """
        return self._self_memo.run(self._self_memo.expire())

    def _self_run(
        self, plan: Callable[[Memo, tuple[Any, ...]], Plan], args: Any, kwargs: Any
    ) -> Any:
        return self._self_memo.run(plan(self._self_memo, self._self_bind(args, kwargs)))

    def _self_bind(self, args: Any, kwargs: Any) -> tuple[Any, ...]:
        memo = self._self_memo
        values = memo.bind(*args, **kwargs)
        if memo.takes_class and not isinstance(values[0], type):
            raise TypeError(
                f"{memo.label}: {memo.parameters.names[0]!r} has to be the class. With "
                "@classmethod above @tiered_cache Python 3.13 does not pass it on to the "
                "attributes: write @tiered_cache above @classmethod, or give it yourself"
            )
        return values

    # -- being an object --------------------------------------------------------------------

    def __dir__(self) -> list[str]:
        return sorted({*dir(self.__wrapped__), *OF_A_CALL, *OF_ALL, "seed", "__wrapped__"})

    def __repr__(self) -> str:
        # Not the function's own repr: that of a partial shows what it is called with.
        return f"<tiered_cache of {self._self_memo.label}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def __reduce__(self) -> Any:
        function = self._self_memo.function
        where: Any = tuple(getattr(function, one, None) for one in ("__module__", "__qualname__"))
        try:
            found = find(*where)
        except Exception:
            found = None
        if found is not self._self_face():
            raise pickle.PicklingError(
                f"{self!r} cannot be pickled: another process would not find it as "
                f"{'.'.join(map(str, where))}"
            )
        return find, where

    def __copy__(self) -> Tiered:
        return self

    def __deepcopy__(self, memo: Any) -> Tiered:
        return self


class Outer(Tiered):
    """
    The same over a ``classmethod`` or ``staticmethod``; its *face* is what the class shows.
    """

    def __init__(self, wrapped: Any, memo: Memo) -> None:
        super().__init__(wrapped, memo)
        self._self_inner = self._below_method().of(wrapped.__func__, memo)

    def _self_getter(self, call: Callable[..., Any]) -> Callable[..., Any]:
        face = self._self_inner
        bound, is_static = face._self_bound, isinstance(self.__wrapped__, staticmethod)

        def __get__(self: Tiered, instance: Any, owner: Any = None) -> Any:
            if is_static:
                return face
            return bound(call, type(instance) if owner is None else owner)

        return __get__

    def __set_name__(self, owner: type, name: str) -> None:
        pass

    def _self_face(self) -> Tiered:
        return self._self_inner


class BoundMethod(functools.partial):  # type: ignore[type-arg]
    """
    A decorated method of one instance (or class).
    """

    # One subclass per function, which also carries its __module__ and __doc__.
    # (In a tuple, because a Tiered that is a class attribute would bind itself. Without an
    # annotation, because this class's __annotations__ would hide the function's.)
    _home = ()  # type: tuple[Tiered, ...]

    @property
    def _tiered(self) -> Tiered:
        return self._home[0]

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        # Frameworks tell methods from functions by this.
        return types.MethodType

    @property
    def __self__(self) -> Any:
        return self.args[0]

    @property
    def __func__(self) -> Any:
        return self._tiered

    @property
    def __wrapped__(self) -> Any:
        return self._tiered._self_memo.function.__get__(self.args[0])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tiered, name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(
            f"{self!r} is made anew at every access: set {name!r} on the class's attribute"
        )

    def __dir__(self) -> list[str]:
        return dir(self._tiered)

    def __eq__(self, other: Any) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._tiered is other._tiered and self.args[0] is other.args[0]

    def __hash__(self) -> int:
        return hash((id(self._tiered), id(self.args[0])))

    def __repr__(self) -> str:
        owner = self.args[0]
        whose = owner if isinstance(owner, type) else type(owner)
        return f"<bound {self._tiered!r} of {whose.__qualname__}>"

    def __get__(self, instance: Any, owner: Any = None) -> BoundMethod:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def __reduce__(self) -> Any:
        return getattr, (self.args[0], self._tiered.__name__)

    def __copy__(self) -> BoundMethod:
        return self

    def __deepcopy__(self, memo: Any) -> BoundMethod:
        return type(self)(self.func, copy.deepcopy(self.args[0], memo))

    def seed(self, value: Any, /, *args: Any, **kwargs: Any) -> Any:
        """
        Store *value* as the result of this call.
        """
        return self._tiered.seed(value, self.args[0], *args, **kwargs)

    def map(self, calls: Iterable[Any], /, **options: Any) -> Any:
        """
        The results of many calls on this instance, in their order.
        """
        return self._tiered._self_map((self.args[0],), calls, **options)


def _forward(name: str) -> Any:
    def method(self: BoundMethod, /, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._tiered, name)(self.args[0], *args, **kwargs)

    method.__name__ = name
    method.__doc__ = getattr(Tiered, name).__doc__
    return method


for _name in OF_A_CALL:
    setattr(BoundMethod, _name, _forward(_name))


def _never_called(*_: Any) -> Any:
    raise AssertionError("the class's __call__ answers calls")


def find(module: str, qualname: str) -> Any:
    """
    Unpickling: the decorated object that stands under this name in an importable module.
    """
    import importlib

    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        found = found.__dict__[part] if isinstance(found, type) else getattr(found, part)
    if type(found) in (classmethod, staticmethod):
        found = found.__func__
    return found._self_face() if isinstance(found, Tiered) else found
