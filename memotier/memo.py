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
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .callnames import identity_of
from .engine import plan, predict, removal, tracing, worlds
from .engine.calls import Call
from .engine.drive import Plan, adrive, drive
from .engine.effects import Invoke
from .engine.engine import Engine
from .engine.flights import Flight
from .engine.modes import is_disabled
from .engine.places import Shelf
from .errors import UnkeyableArgument
from .hiding import hides_something, is_veiled, key_of
from .hitpath import generate, generate_plain
from .inforce import parameters_of
from .keyed import check_tags
from .keys.bind import Parameters, call_signature
from .keys.digest import Digester
from .keys.identity import source_stamp, source_version
from .known import known_of
from .locate import Locator
from .needs import Dependent, check_caches
from .options import FunctionOptions
from .registry import cache_named, note_use
from .scoped import locator, parts_of
from .sharing import recording_of, share
from .shelving import shelf_of
from .tapes import audit_of, callee, open_from_environment
from .templates import fill
from .traces import past, traced
from .types import MISS

if TYPE_CHECKING:
    from .auditing import Audit
    from .authorized import Authorize

_memos: weakref.WeakSet[Memo] = weakref.WeakSet()


class Memo:
    """
    The cached function behind a decorated object.

    Args:
        function: What is called on a miss: the plain function, also for class- and
            static methods.

        is_method: Whether the first parameter is the instance (or the class) it is bound to.
    """

    #: Why ``map`` makes no sense; empty where it does.
    no_map = ""
    returns_generator = False

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
        self.gate: Authorize | None = None  # is asked before a result is handed out
        if options.authorize is not None:
            from .authorized import gate_of

            self.gate = gate_of(self)
        #: Whether the plan is to see some hits, or all.
        self.sees_hits = self.gate is not None or options.verify is not None
        self.engine: Engine | None = None
        self.shelf: Shelf | None = None
        self.dependent: Dependent | None = None
        #: Told of the hit path, once there is one.
        self.on_attach: list[Callable[[Callable[..., Any]], None]] = []
        self._lock = threading.RLock()
        self._version: str | None = None
        #: Makes the text of keys where there is no second tier.
        self.own_digester: Digester | None = None
        self.off = False
        #: Notes the calls that memory cannot answer, if they are recorded.
        self.recording: Any = None
        #: Told of undeclared effects, if the settings want that; see auditing.py.
        self.audit: Audit | None = None
        self.keys = self._locator(is_method)
        #: The parts of the key that say for whom a call is; see explaining.py.
        self.scopes = parts_of(options.scope)
        _memos.add(self)
        if isinstance(options.cache, str):
            note_use(options.cache)

    def _locator(self, is_method: bool) -> Locator:
        return locator(
            *(self.label, self.parameters, self.spread), options=self.options, is_method=is_method
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
        if self.engine is None and self.parameters.take_instance:
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
        open_from_environment()  # before the lock: it attaches every function anew
        with self._lock:
            engine = self.engine
            if engine is not None and not (engine.closed and isinstance(self.options.cache, str)):
                return engine

            cache = self.options.cache
            if isinstance(cache, str):
                cache = cache_named(cache)
            keyed, needs = cache._keyed, self.options.needs
            engine, wiring = keyed.engine, keyed.wiring
            self.shelf = shelf = shelf_of(self, wiring)
            if needs is not None:
                check_caches(self.label, needs, cache, cache_named)
                self.dependent = Dependent(self.label, needs, engine, self.parameters, self.spread)
            shelf.known = known_of(self, engine)
            shelf.hides, shelf.is_veiled = hides_something(self, wiring), is_veiled(self)
            if engine.store is not None or engine.options.is_offline:
                share(self, engine, shelf, wiring)
            with engine.lock:
                engine.shelves.add(shelf)
                predict.tell(engine, shelf)
            self.audit = audit_of(wiring)
            self.off = wiring.off
            if not wiring.off:
                self.recording = recording_of(self, keyed, shelf)
                call = self._hit_path(engine, shelf)
                for told in self.on_attach:
                    told(call)
            # Last: who finds it set takes everything else for done.
            self.engine = engine
            return engine

    @property
    def version(self) -> str:
        if self._version is None:
            said = self.options.version
            self._version = source_version(self.function, self.loaded) if said == "auto" else said
        return self._version

    def _hit_path(self, engine: Engine, shelf: Shelf) -> Callable[..., Any]:
        needs = self.options.needs
        is_plain = self.keys.native and self.gate is None
        if not is_plain or (needs is not None and needs.are_watched):
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
            reads=self.keys.reads,
            checks=self.options.verify is not None,
        )

    def begin(self, values: tuple[Any, ...]) -> tuple[Any, Plan | None]:
        """
        The result if memory has it, else the plan that brings it.
        """
        engine, shelf = self.ready(), self.shelf
        if engine is None or shelf is None or is_disabled():
            return None, past(self, values)
        try:
            call = self.look_up(values)
            found = self.peek(engine, call)
            if found is not MISS:
                return found, None
            self.equip(call, values)
            self.note(engine, call, values)
        except UnkeyableArgument as error:
            self.pass_by(engine, shelf, error)
            return None, past(self, values)
        return None, self.fetch(engine, call)

    def fetch(self, engine: Engine, call: Call) -> Plan:
        """
        The plan that brings the result of *call*, which memory could not answer.
        """
        joins = self.options.single_flight is not None
        bring = plan.fetch(engine, call, in_task=self.is_async, joins=joins)
        return bring if call.traced is None else tracing.ending(engine, call.traced, bring)

    def pass_by(self, engine: Engine, shelf: Shelf, error: UnkeyableArgument) -> None:
        """
        A call has no key: an error, or a call past the cache.
        """
        if self.options.on_unkeyable == "raise":
            raise error
        with engine.lock:
            shelf.bypassed += 1
        engine.events.say_once(self.label, "unkeyable", f"{error} (called, not cached)")

    def equip(self, call: Call, values: tuple[Any, ...]) -> Call:
        """
        Tell *call* how to compute, and what depends on the arguments.
        """
        call.function = self.keys.guarded(call, callee(self))
        call.claims = None if (reach := self.options.single_flight) == "process" else reach
        call.gate, (call.args, call.kwargs) = self.gate, self.spread(values)
        if (call.shelf.windows or call.shelf.checks) and call.table is call.place.exact:
            call.is_as_asked = lambda: self._has_key(call, values)
        function, templates = self.options.tags_function, self.options.templates
        if function is not None:
            call.tags_of = lambda: check_tags(function(*call.args, **call.kwargs))
        elif templates:
            named = dict(zip(self.parameters.names, values, strict=True))
            tags = tuple(fill(self.label, template, named) for template in templates)
            call.tags_of = lambda: tags
        return call

    def note(self, engine: Engine, call: Call, values: tuple[Any, ...]) -> None:
        """Tell those who want to know that memory could not answer *call* at once."""
        if self.sees_hits and call.resident() is not None and not tracing.open_traces:
            return  # it can
        call.shelf.known.add(call)
        if tracing.open_traces:
            call.traced = traced(self, call)
        if self.recording is not None:
            self.recording.note(call, values)
        if engine.meter.watcher is not None:
            engine.meter.watcher.met(call, values, self)

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

    def look_up(self, values: tuple[Any, ...]) -> Call:
        """
        ``locate``, and what the result depends on.
        """
        call = self.locate(values)
        if self.dependent is not None:
            self.dependent.attach(call, values)
        return call

    def peek(self, engine: Engine, call: Call) -> Any:
        """
        The result if memory has it and nothing needs to be asked, else MISS; counts as a hit.
        """
        if self.sees_hits and (self.gate is not None or call.shelf.checks.is_due(call)):
            return MISS
        if call.watch is None:
            return engine.peek(call.table, call.key)
        return worlds.peek(engine, call, reads=not self.is_async)

    # -- what the attributes do -----------------------------------------------------------

    def ready(self, *, tells: bool = False) -> Engine | None:
        """
        The engine that an attribute works on; None if it is closed, or off and *tells* nobody.
        """
        engine = self.engine
        if engine is None or engine.closed:
            engine = self.attach()
        return None if engine.closed or (self.off and not tells) else engine

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
        return self.key_of(self.locate(values))

    def key_of(self, call: Call) -> str:
        """
        The same of a call that was located.
        """
        return key_of(self, call)

    def parameters_shown(self) -> dict[str, Any]:
        """
        The options in effect, as ``cache_parameters`` shows them.
        """
        return parameters_of(self)

    def invoke(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Plan:
        """
        Call the function past the cache.
        """
        return (yield Invoke(Flight(None, 0), callee(self, is_past=True), args, kwargs))

    def invoke_one(self, values: tuple[Any, ...]) -> Plan:
        """
        Compute past the cache what one entry would hold.
        """
        return self.invoke(*self.spread(values))

    def clear(self) -> Plan:
        engine = self.ready(tells=True)
        if engine is not None and self.shelf is not None:
            yield from removal.clear_function(engine, self.shelf)

    def expire(self) -> Plan:
        engine = self.ready(tells=True)
        if engine is not None and self.shelf is not None:
            yield from removal.expire_function(engine, self.shelf)


def memos() -> list[Memo]:
    """
    The decorated functions of this process.
    """
    return list(_memos)


def is_coroutine_function(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object that is called like one
    )


def _after_fork_in_child() -> None:
    # Whoever was attaching a function in another thread is not here to finish.
    for memo in list(_memos):
        memo._lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)
