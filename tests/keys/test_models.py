"""
Models of attrs, msgspec and pydantic.
"""

from __future__ import annotations

import functools
from typing import Generic, TypeVar

import attrs
import msgspec
import pydantic
import pytest

from memotier.keys.canonical import encode

T = TypeVar("T")


@attrs.frozen
class Attrs:
    a: int
    b: object = None

    @functools.cached_property
    def heavy(self):
        return object()


@attrs.define(slots=False)
class AttrsDict:
    a: int
    b: object = None


class Struct(msgspec.Struct):
    a: int
    b: object = None


class SubStruct(Struct):
    c: int = 0


class Model(pydantic.BaseModel):
    a: object
    b: object = None
    _private: int = pydantic.PrivateAttr(default=0)

    @functools.cached_property
    def heavy(self):
        return object()


class Open(pydantic.BaseModel, extra="allow"):
    a: object


class Box(pydantic.BaseModel, Generic[T]):
    a: T


@pydantic.dataclasses.dataclass
class Data:
    a: int
    b: object = None


class Secret(pydantic.BaseModel):
    a: pydantic.SecretStr
    b: pydantic.AnyUrl = pydantic.AnyUrl("https://example.org/")


KINDS = [Attrs, AttrsDict, Struct, SubStruct, Model, Data]


@pytest.mark.parametrize("kind", KINDS)
def test_fields_count(kind):
    """
    Equal fields are one key, others are not.
    """
    assert encode(kind(a=1, b=[1, {"k": 2}])) == encode(kind(a=1, b=[1, {"k": 2}]))
    assert encode(kind(a=1, b=[1])) != encode(kind(a=1, b=(1,)))
    assert encode(kind(a=1)) != encode(kind(a=2))


def test_fault_06_models_of_different_classes_are_distinct():
    """
    The class counts as much as the fields.
    """
    values = [*(kind(a=1) for kind in KINDS), Open(a=1), Box(a=1), Box[int](a=1), Box[float](a=1)]

    assert len(values) == len({encode(value) for value in values})
    assert encode(Box[int](a=1)) == encode(Box[int](a=1))


@pytest.mark.parametrize("kind", [Attrs, Model])
def test_cached_properties_of_models_do_not_count(kind):
    """
    Whether somebody has looked at a computed value does not change the key.
    """
    value = kind(a=1)
    before = encode(value)
    _ = value.heavy

    assert before == encode(value)


def test_extra_and_private_attributes_of_pydantic_count():
    """
    As they do in pydantic's own comparison; which fields were set does not.
    """
    private = Model(a=1)
    private._private = 1

    assert encode(Model(a=1)) == encode(Model(a=1, b=None)) != encode(private)
    assert encode(Open(a=1)) != encode(Open(a=1, x=1)) != encode(Open(a=1, x=2))


def test_secrets_and_urls_have_keys():
    """
    The secret itself counts, not its stars.
    """
    assert encode(Secret(a="x")) == encode(Secret(a="x")) != encode(Secret(a="y"))
    assert encode(Secret(a="x")) != encode(Secret(a="x", b="https://example.com/"))
