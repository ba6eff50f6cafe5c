"""
Functions that are given a secret in all the ways there are, and what can be asked of them.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from dataclasses import dataclass

import pydantic

import memotier
from memotier import tiered_cache
from memotier.semantic.ngrams import NgramEmbedder

from .listening import Told

CANARY = "canary-7f3a-hunter2"
#: One that is a number, as a PIN is.
NUMBER = 7_312_896_450_123
user: ContextVar[str] = ContextVar("user")


@dataclass
class Client:
    url: str
    password: str

    def __hash__(self):
        return 1


class Login(pydantic.BaseModel):
    name: str
    key: pydantic.SecretStr


class Failed(Exception):
    """What the functions raise; it says nothing."""


class Functions:
    """
    A function for each way; *made* is all of them with the arguments of a call, without a secret
    in a result.
    """

    def __init__(self, call, **options):
        cached = lambda name, **more: call.cached(**{"name": name, **options, **more})  # noqa: E731
        secret = pydantic.SecretStr(CANARY)
        near = memotier.Semantic("question", embedder=NgramEmbedder(), threshold=0.8)
        self.near = near
        self.call = call
        self.calls = 0

        def count(*_, **__):
            self.calls += 1
            return f"result {self.calls}"

        def failing(q, pin):
            self.calls += 1
            if self.calls % 2:
                raise Failed("no")
            return "yes"

        first = []

        def loud(q, pin):
            # Afterwards it fails in the background, where nobody is to see what it says.
            if first:
                raise Failed(pin)
            first.append(1)
            return "yes"

        def stream(q, pin):
            yield "a"
            if self.calls % 2:
                raise Failed("no")

        def batch(ids: list[int], token: str) -> dict[int, str]:
            return {one: f"of {one}" for one in ids}

        hidden = {"redact": ("pin",)}
        recorded = {**hidden, "record": True}
        self.made = {
            "plain": (cached("plain", **recorded)(lambda q, pin: count()), ("q", CANARY)),
            "number": (cached("number", **recorded)(lambda q, pin: count()), ("q", NUMBER)),
            "nested": (
                cached("nested", **recorded)(lambda q, pin: count()),
                ("q", [{"a": (CANARY, {CANARY: CANARY})}]),
            ),
            "long": (
                cached("long", **recorded)(lambda q, pin: count()),
                ("q", CANARY * 300),
            ),
            "typed": (cached("typed", record=True)(lambda q, x: count()), ("q", secret)),
            "inside": (
                cached("inside", record=True)(lambda q, x: count()),
                ("q", [{"a": (Login(name="ann", key=CANARY),)}]),
            ),
            "named": (
                cached("named", record=True)(lambda q, headers: count()),
                ("q", {"Authorization": CANARY, "n": [1]}),
            ),
            "parameter": (
                cached("parameter", record=True)(lambda q, api_key: count()),
                ("q", CANARY),
            ),
            "keyed": (
                cached("keyed", **recorded, key=lambda q, pin: (q, pin))(lambda q, pin: count()),
                ("q", CANARY),
            ),
            "starred": (
                cached("starred", redact=("pins", "more"), record=True)(
                    lambda q, *pins, **more: count()
                ),
                ("q", CANARY, NUMBER),
            ),
            "owner": (
                cached("owner", record=True)(lambda client, q: count()),
                (Client("https://x", CANARY), "q"),
            ),
            "scoped": (cached("scoped", scope=user)(lambda q: count()), ("q",)),
            "told": (cached("told", scope=("who",))(lambda q, who: count()), ("q", CANARY)),
            "agent": (
                cached("agent", scope=user, agent=True, effects="read", **hidden)(
                    lambda q, pin: count()
                ),
                ("q", CANARY),
            ),
            "near": (
                cached("near", semantic=near, **hidden)(lambda question, pin: count()),
                ("how are you", CANARY),
            ),
            "unkept": (
                cached("unkept", **hidden, cache_if=lambda found: False)(lambda q, pin: count()),
                ("q", CANARY),
            ),
            "unstored": (
                cached("unstored", **hidden)(lambda q, pin: object()),
                ("q", CANARY),
            ),
            "unkeyable": (
                cached("unkeyable", **hidden, on_unkeyable="bypass")(lambda q, pin: count()),
                (object(), CANARY),
            ),
            "refused": (
                cached("refused", **hidden)(lambda q, pin: count()),
                ("q", [CANARY, {CANARY: object()}]),
            ),
            "failing": (cached("failing", **hidden)(failing), ("q", CANARY)),
            "remembered": (
                cached("remembered", **hidden, cache_exceptions=Failed, error_ttl=5)(failing),
                ("q", CANARY),
            ),
            "stale": (
                cached("stale", **hidden, ttl=1, stale_if_error=60)(failing),
                ("q", CANARY),
            ),
            "behind": (
                cached("behind", **hidden, ttl=1, stale_while_revalidate=600)(loud),
                ("q", CANARY),
            ),
            "tagged": (
                cached("tagged", **hidden, tags=["of:{q}"], depends_on=[memotier.env("REGION")])(
                    lambda q, pin: count()
                ),
                ("q", CANARY),
            ),
        }
        self.stream = tiered_cache(name="stream", **hidden, **options)(stream)
        self.batch = tiered_cache.many(name="batch", redact=("token",), **options)(
            call.define(batch)
        )


def use(functions: Functions, told: Told, clock) -> None:
    """
    Call all of them, and ask all there is to ask; *clock* is told to go on, if there is one.
    """
    call = functions.call
    for _ in range(3):
        for name, (f, args) in functions.made.items():
            try:
                told.add(f"result {name}", repr(call(f(*args))).replace(repr(args), ""))
            except Exception as error:
                told.error(error)
        told.add("result batch", call(functions.batch([1, 2], CANARY)))
        with contextlib.suppress(Failed):
            told.add("result stream", list(functions.stream("q", CANARY)))
        if clock is not None:
            clock.advance(2)
    call(functions.made["near"][0]("how are you?", CANARY))
    for name, (f, args) in functions.made.items():
        with memotier.trace() as trace, contextlib.suppress(Failed, memotier.MemotierError):
            call(f(*args))
        told.add(f"trace {name}", trace, *trace.calls)
        told.add(f"about {name}", f, f.cache_info(), f.cache_parameters())
        other = [f"{one}x" if type(one) is str else one for one in args]
        for asked in (args, other):
            told.add(f"explain {name}", call(f.explain(*asked)))
            try:
                entry = call(f.lookup(*asked))
                told.add(f"key {name}", f.cache_key(*asked), f.peek(*asked), entry)
            except memotier.UnkeyableArgument as error:
                told.error(error)
    told.add("explain batch", call(functions.batch.explain(1, CANARY)))
    told.add("near", functions.near, functions.near.get_stats(), functions.near.recent())
