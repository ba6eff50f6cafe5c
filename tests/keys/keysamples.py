"""
Values of the standard library whose codes must never change, for golden.json.

Imported as ``keysamples``, whatever the package of the tests is called: the name of the module is
in the keys of its classes. With this directory and the repository on the path,
``python -c "import keysamples; print(keysamples.as_json())"`` gives a new golden.json.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import ipaddress
import json
import pathlib
import re
import typing
import uuid
import zoneinfo

from memotier.keys.canonical import encode, encode_call


class Colour(enum.Enum):
    RED = "red"
    GREEN = 2


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Point(typing.NamedTuple):
    x: int
    y: float


@dataclasses.dataclass(frozen=True)
class Order:
    sku: str
    count: int = 1


@dataclasses.dataclass(slots=True)
class Basket:
    orders: list[Order]
    note: str | None = None


class Keyed:
    def __init__(self, secret: object) -> None:
        self.secret = secret

    def __cache_key__(self) -> object:
        return self.secret


def double(x: int, *, times: int = 2) -> int:
    """
    A function whose version must be the same on every Python.
    """
    return x * times if f"{x!r:>{times}}" else 0


UTC = datetime.timezone.utc  # noqa: UP017
NOON = datetime.datetime(2024, 10, 27, 2, 30, 1, 5)

SAMPLES: dict[str, object] = {
    "none": None,
    "booleans": (True, False, ...),
    "ints": [0, 1, -1, 127, 128, -128, -129, 4095, 4096, 2**63, -(2**63), 2**64, 10**400],
    "floats": [0.0, -0.0, 1.5, float("nan"), float("inf"), -float("inf"), 5e-324],
    "many floats": [n / 7 for n in range(40)],
    "many ints": tuple(range(-20, 20)),
    "many floats with nan": [float("nan")] * 20,
    "complex": [1j, -0j, complex("nan+1j")],
    "text": ["", "a", "é", "e\u0301", "\ud800", "x" * 127, "x" * 128, "é" * 127, "\x00"],
    "long text": "long" * 20_000,
    "bytes": [b"", b"a", bytes(200), bytearray(b"a"), memoryview(b"abcd")],
    "long bytes": bytes(70_000),
    "containers": [[], (), {}, set(), frozenset(), [()], ([],), {1: {2: {}}}],
    "dict": {"b": 1, "a": [1, {"z": None, "y": {1, 2}}], 3: True, (1, 2): b""},
    "sets": [{"b", "a", 1, 2.5, None}, frozenset(range(300)), {(1, 2), frozenset({"x"})}],
    "collections": [
        collections.OrderedDict(b=1, a=2),
        collections.deque([1, 2], maxlen=3),
        collections.defaultdict(list, {"a": [1]}),
        collections.Counter("hello"),
        range(1, 10, 2),
        slice(None, 3),
    ],
    "numbers": [decimal.Decimal("1.00"), decimal.Decimal("-NaN"), fractions.Fraction(-1, 3)],
    "dates": [datetime.date(2024, 2, 29), datetime.timedelta(-1, 2, 3), NOON.time()],
    "times": [
        NOON,
        NOON.replace(fold=1),
        NOON.replace(tzinfo=UTC),
        NOON.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=1), "X")),
        NOON.replace(tzinfo=zoneinfo.ZoneInfo("Europe/Oslo")),
        NOON.time().replace(tzinfo=UTC),
    ],
    "places": [
        pathlib.PurePosixPath("a/b"),
        pathlib.PureWindowsPath("a/b"),
        uuid.UUID(int=5),
        re.compile("a+", re.IGNORECASE),
        ipaddress.ip_address("10.0.0.1"),
        ipaddress.ip_network("fe80::/10"),
    ],
    "objects": [
        Colour.RED,
        Mode.READ | Mode.WRITE,
        Point(1, 2.0),
        Order("a"),
        Basket([Order("b")]),
    ],
    "hook": Keyed({"a": (1, 2)}),
    "callables": [double, len, str.upper, functools.partial(double, 1, times=3), Point, int],
    "types": [list[int], dict[str, Order], int | None, typing.Optional[int]],  # noqa: UP045
}


def codes() -> dict[str, str]:
    """
    What this interpreter makes of the samples, in hex.
    """
    found = {key: encode(value).hex() for key, value in SAMPLES.items()}
    found["call"] = encode_call("f", ("a", "rest"), (1, ("b", {"c": 2.0}))).hex()
    return found


def as_json() -> str:
    """
    The codes, as golden.json holds them.
    """
    return json.dumps(codes(), indent=1)
