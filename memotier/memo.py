"""
One decorated function: from a call to its key, and what can be done with that key.

States: *fresh* (decorated, no engine yet), then *attached* to the engine of its cache at the
first call. If that engine is closed (``cache.close()``, ``memotier.configure()``) a function
that knows its cache by name attaches to the new one; otherwise it just computes.

Nothing is read, opened or imported at decoration; settings and second tier come into play
at the first call.
"""

from __future__ import annotations

import inspect
import os
import threading
import typing
import weakref
from collections.abc import Callable
from typing import Any

from .callnames import identity_of, is_what_its_name_says
from .engine import plan, removal
from .engine.calls import Call
from .engine.drive import Plan, adrive, drive
from .engine.effects import Invoke
from .engine.engine import Engine
from .engine.flights import Flight
from .engine.modes import is_disabled
from .engine.places import Shelf
from .errors import UnkeyableArgument
from .freshness import shown_windows
from .hitpath import generate, generate_plain
from .keyed import check_tags
from .keys.bind import POSITIONAL, Parameters, call_signature
from .keys.digest import Digester
from .keys.identity import source_stamp, source_version
from .locate import Locator
from .options import FunctionOptions, fill
from .registry import cache_named
from .types import MISS

_memos: weakref.WeakSet[Memo] = weakref.WeakSet()


class Memo:
    """
    The cached function behind a decorated object.

    Args:
        function: What is called on a miss: the plain function, also for class- and
            static methods.

        is_method: Whether the first parameter is the instance (or the class) it is bound to.
    """

    def __init__(
        self, function: Callable[..., Any], options: FunctionOptions, label: str, *, is_method: bool
    ) -> None:
        self.function = function
        self.options = options
        self.label = label
        self.is_async = is_coroutine_function(function)
        self.run: Callable[[Plan], Any] = adrive if self.is_async else drive
        self.parameters = Parameters(call_signature(function))
        self.bind = self.parameters.compile_binder(label)
        self.spread = self.parameters.compile_spread()
        self.loaded = source_stamp(function)
        self.identity = identity_of(function, options.name)
        self.engine: Engine | None = None
        self.shelf: Shelf | None = None
        #: Told of the hit path, once there is one.
        self.on_attach: list[Callable[[Callable[..., Any]], None]] = []
        self._lock = threading.RLock()
        self._version: str | None = None
        self._key_digester: Digester | None = None
        self.off = False
        self.keys = self._locator(is_method)
        _memos.add(self)

    def _locator(self, is_method: bool) -> Locator:
        return Locator(
            self.label,
            self.parameters,
            self.spread,
            key=self.options.key,
            ignore=self.options.ignore,
            is_method=is_method,
        )

    @property
    def takes_class(self) -> bool:
        """
        Whether the first parameter is a class.
        """
        return self.keys.is_method and self.parameters.names[0] in ("cls", "mcs")

    def found_in_class(self) -> None:
        """
        The class body shows it: this is a method, whatever its first parameter is called.
        """
        if self.engine is None and takes_instance(self.parameters):
            self.keys = self._locator(True)

    # -- calling ----------------------------------------------------------------------

    def entrance(self) -> Callable[..., Any]:
        """
        The function to call before the first call: it attaches, then does what the others do.
        """
        return generate_plain(
            self.parameters,
            name=self.label,
            begin=self.begin,
            run=self.run,
            is_async=self.is_async,
        )

    def attach(self) -> Engine:
        """
        Connect with the engine of the cache, and generate the hit path for it.
        """
        with self._lock:
            engine = self.engine
            if engine is not None and not (engine.closed and isinstance(self.options.cache, str)):
                return engine

            cache = self.options.cache
            if isinstance(cache, str):
                cache = cache_named(cache)
            keyed = cache._keyed
            engine, wiring = keyed.engine, keyed.wiring
            settings = wiring.namespace(self.options.namespace)
            ttl = self.options.ttl if self.options.ttl is not None else settings.ttl
            self.shelf = shelf = Shelf(
                namespace=self.options.namespace,
                identity=self.identity.name,
                label=self.label,
                copy=self.options.copy,
                ttl=ttl,
                tags=tuple(dict.fromkeys((*settings.tags, *self.options.static_tags))),
                cache_if=self.options.cache_if,
                windows=self.options.windows,
            )
            if engine.store is not None:
                self._share(engine, shelf, wiring)
            with engine.lock:
                engine.shelves.add(shelf)
            self.off = wiring.off
            if not wiring.off:
                call = self._hit_path(engine, shelf)
                for told in self.on_attach:
                    told(call)
            # Last: who finds it set takes everything else for done.
            self.engine = engine
            return engine

    def _share(self, engine: Engine, shelf: Shelf, wiring: Any) -> None:
        """
        Give the shelf what it needs to use the second tier, if its name is good for that.
        """
        reason = "" if self.identity.stable else self.identity.reason
        if not (reason or self.options.name or is_what_its_name_says(self.function, self._is_me)):
            reason = "it wraps the function of that name"
        if reason:
            engine.events.say_once(
                self.label,
                "identity",
                f"{self.label}: its results are kept in memory only, because {reason}; "
                "give it a name= to keep them in the second tier",
            )
            return
        shelf.codec = self._codec()
        shelf.digester, *shelf.former = wiring.digesters(
            self.options.namespace, self.identity.name, self.version
        )

    def _is_me(self, found: Any) -> bool:
        return found is self.function or getattr(found, "_self_memo", None) is self

    def _codec(self) -> Any:
        codec = self.options.codec
        if codec == "safe":
            from .codecs.classes import register_from_annotation
            from .codecs.values import SafeCodec

            register_from_annotation(result_annotation(self.function))
            return SafeCodec()
        if codec == "pickle":
            from .codecs.pickled import PickleCodec
            from .codecs.secrets import load_keys, user_key

            return PickleCodec(load_keys(os.environ) or (user_key(),))
        return codec

    @property
    def version(self) -> str:
        if self._version is None:
            said = self.options.version
            self._version = source_version(self.function, self.loaded) if said == "auto" else said
        return self._version

    def _hit_path(self, engine: Engine, shelf: Shelf) -> Callable[..., Any]:
        if not self.keys.native:
            return self.entrance()
        return generate(
            self.parameters,
            self.keys.keyed,
            name=self.label,
            shapes=shelf.place.shapes,
            places=shelf.places if self.keys.owner_counts else None,
            cells=engine.versions.cells,
            watches=engine.watches,
            monotonic=engine.clock.monotonic,
            marks_use=engine.memory.policy.needs_time,
            copies=self.options.copy is not False,
            begin=self.begin,
            run=self.run,
            is_async=self.is_async,
        )

    def begin(self, values: tuple[Any, ...]) -> tuple[Any, Plan | None]:
        """
        The result if memory has it, else the plan that brings it.
        """
        engine, shelf = self.ready(), self.shelf
        if engine is None or shelf is None or is_disabled():
            return None, self.invoke(*self.spread(values))
        try:
            call = self.keys.locate(engine, shelf, values)
            found = engine.peek(call.table, call.key)
            if found is not MISS:
                return found, None
            self.equip(call, values)
        except UnkeyableArgument as error:
            if self.options.on_unkeyable == "raise":
                raise
            with engine.lock:
                shelf.bypassed += 1
            engine.events.say_once(self.label, "unkeyable", f"{error} (called, not cached)")
            return None, self.invoke(*self.spread(values))
        if self.options.single_flight is None:
            return None, plan.fetch(engine, call, in_task=self.is_async, joins=False)
        return None, plan.fetch(engine, call, in_task=self.is_async)

    def equip(self, call: Call, values: tuple[Any, ...]) -> Call:
        """
        Tell *call* how to compute, and what depends on the arguments.
        """
        call.function = self.function
        call.claims = self.options.single_flight == "machine"
        call.args, call.kwargs = self.spread(values)
        if self.options.windows is not None and call.table is call.place.exact:
            call.is_as_asked = lambda: self._has_key(call, values)
        function, templates = self.options.tags_function, self.options.templates
        if function is not None:
            call.tags_of = lambda: check_tags(function(*call.args, **call.kwargs))
        elif templates:
            named = dict(zip(self.parameters.names, values, strict=True))
            tags = tuple(fill(self.label, template, named) for template in templates)
            call.tags_of = lambda: tags
        return call

    def _has_key(self, call: Call, values: tuple[Any, ...]) -> bool:
        """
        Whether a call with these values, which the caller may have changed, is *call* still.
        """
        try:
            now = self.locate(values)
        except Exception:
            return False
        return now.table is call.table and bool(now.key == call.key)

    def locate(self, values: tuple[Any, ...]) -> Call:
        """
        Which table and which key a call has.

        Raises:
            UnkeyableArgument: If an argument has no stable key.
        """
        assert self.engine is not None and self.shelf is not None
        return self.keys.locate(self.engine, self.shelf, values)

    # -- what the attributes do -----------------------------------------------------------

    def ready(self) -> Engine | None:
        """
        The engine that an attribute works on; None if nothing is cached (closed, or off).
        """
        engine = self.engine
        if engine is None or engine.closed:
            engine = self.attach()
        return None if engine.closed or self.off else engine

    def usable(self) -> Engine | None:
        """
        The same for what is not to be done while ``disabled()`` holds.
        """
        return None if is_disabled() else self.ready()

    def key_text(self, values: tuple[Any, ...]) -> str:
        """
        ``namespace:32 hex digits``: the address, whether or not there is a second tier.
        """
        self.ready()
        call = self.locate(values)
        if self._key_digester is None:
            self._key_digester = Digester(self.options.namespace, self.identity.name, self.version)
        address = self._key_digester.address(call.canonical)
        owner = "" if call.place.has_name else f":instance-{id(call.place):x}"
        return f"{self.options.namespace}:{address.hex()}{owner}"

    def parameters_shown(self) -> dict[str, Any]:
        """
        The options in effect, as ``cache_parameters`` shows them.
        """
        engine = self.engine or self.attach()
        options = self.options
        shown = {
            field: getattr(options, field)
            for field in ("namespace", "ignore", "on_unkeyable", "codec", "copy", "single_flight")
        }
        return {
            "name": self.identity.name,
            "maxsize": engine.options.l1_max_size,
            "typed": True,
            "ttl": options.ttl,
            "tags": options.tags_function or (*options.static_tags, *options.templates),
            "version": options.version,
            "cache": engine.options.name,
            **shown,
            **shown_windows(options.windows),
        }

    def invoke(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Plan:
        """
        Call the function past the cache.
        """
        return (yield Invoke(Flight(None, 0), self.function, args, kwargs))

    def clear(self) -> Plan:
        engine = self.ready()
        if engine is not None and self.shelf is not None:
            yield from removal.clear_function(engine, self.shelf)

    def expire(self) -> Plan:
        engine = self.ready()
        if engine is not None and self.shelf is not None:
            yield from removal.expire_function(engine, self.shelf)


def result_annotation(function: Any) -> Any:
    """
    What *function* says that it returns; None if it does not say, or not understandably.
    """
    try:
        return typing.get_type_hints(function, include_extras=True).get("return")
    except Exception:
        return getattr(function, "__annotations__", {}).get("return")


def is_coroutine_function(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object that is called like one
    )


def takes_instance(parameters: Parameters) -> bool:
    """
    Whether the first parameter can be the instance to which a method is bound.
    """
    return bool(parameters.all) and parameters.all[0].kind in POSITIONAL


def _after_fork_in_child() -> None:
    # Whoever was attaching a function in another thread is not here to finish.
    for memo in list(_memos):
        memo._lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)
