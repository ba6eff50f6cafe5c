"""
Classes of every kind that can be stored, at module level as users define them.
"""

from __future__ import annotations

import enum
import threading
from collections import namedtuple
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

import attrs
import msgspec
import pydantic

T = TypeVar("T")
RAN: list[str] = []


class Color(enum.Enum):
    RED = "red"
    CRIMSON = "red"  # noqa: PIE796  # an alias, on purpose
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Mode(enum.StrEnum):
    FAST = "fast"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: int = 0


Pair = namedtuple("Pair", "left right")


@dataclass
class Plain:
    a: int
    b: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Frozen:
    a: int
    b: str = "b"


@dataclass(slots=True)
class Slotted:
    a: int
    late: int = field(init=False)


@dataclass(frozen=True, slots=True)
class FrozenSlotted:
    a: int


@dataclass
class Loud:
    """Says when its initialiser runs."""

    a: int
    twice: int = field(init=False)

    def __post_init__(self) -> None:
        RAN.append("Loud")
        self.twice = 2 * self.a


@dataclass
class Cached:
    a: int

    @cached_property
    def square(self) -> int:
        return self.a**2


@dataclass
class Box(Generic[T]):
    content: T


@attrs.define
class Attrs:
    a: int
    _private: str = "p"


@attrs.frozen(cache_hash=True)
class AttrsHashed:
    a: int


@attrs.define(slots=False)
class AttrsDict:
    a: int = attrs.field()

    def __attrs_post_init__(self) -> None:
        RAN.append("AttrsDict")


class Model(pydantic.BaseModel):
    a: int
    inner: Model | None = None
    tags: set[str] = set()
    _hidden: int = 7


class Open(pydantic.BaseModel, extra="allow"):
    a: int = 1


class GenericModel(pydantic.BaseModel, Generic[T]):
    content: T


class Checked(pydantic.BaseModel):
    a: int

    @pydantic.field_validator("a")
    @classmethod
    def tell(cls, value: int) -> int:
        RAN.append("Checked")
        return value


IntModel = GenericModel[int]


class Struct(msgspec.Struct):
    a: int
    b: str = "b"


class KeywordStruct(msgspec.Struct, kw_only=True, frozen=True):
    a: int = 1
    b: int


class LoudStruct(msgspec.Struct):
    a: int

    def __post_init__(self) -> None:
        RAN.append("LoudStruct")


class SubInt(int):
    pass


class SubStr(str):
    pass


class SubList(list):  # type: ignore[type-arg]
    pass


class SubDict(dict):  # type: ignore[type-arg]
    pass


class PlainObject:
    def __init__(self) -> None:
        self.lock = threading.Lock()


@dataclass
class FailingCheck(Exception):
    a: int
