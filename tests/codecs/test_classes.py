"""
Only classes that this process offered are restored.
"""

from __future__ import annotations

import dataclasses
import enum
import typing
from dataclasses import dataclass
from typing import Annotated, Any, NewType, Optional, Union

import pydantic
import pytest

from memotier.codecs import classes
from memotier.codecs.classes import (
    UnknownClass,
    name_of,
    register,
    register_from_annotation,
    resolve,
)
from memotier.codecs.values import SafeCodec
from memotier.errors import ConfigError, DecodeRefused, SerializationError

from . import models as m

CODEC = SafeCodec()


@pytest.fixture
def table(monkeypatch):
    """
    A process that has registered nothing yet.
    """
    monkeypatch.setattr(classes, "_by_name", {})
    monkeypatch.setattr(classes, "_by_class", {})
    monkeypatch.setattr(classes, "_contested", set())
    return classes._by_name


def forget(table):
    classes._by_name.clear()
    classes._by_class.clear()


OBJECTS = [
    m.Color.RED, m.Access.READ, m.Point(1), m.Plain(1), m.Slotted(1), m.Attrs(1), m.Model(a=1),
    m.IntModel(content=1), m.Struct(1),
]  # fmt: skip


@pytest.mark.parametrize("value", OBJECTS, ids=lambda value: type(value).__name__)
def test_fault_20_unknown_class_is_refused_by_name(table, value):
    """
    The message says which class and what to do; after registering it is a hit.
    """
    payload = CODEC.encode([value])
    forget(table)

    with pytest.raises(UnknownClass) as caught:
        CODEC.decode(payload)
    assert name_of(type(value)) in str(caught.value)
    assert "memotier.register()" in str(caught.value)
    assert isinstance(caught.value, DecodeRefused)

    assert type(value) is register(type(value))
    back = CODEC.decode(payload)
    assert type(back[0]) is type(value)


def test_fault_20_a_name_in_a_record_imports_nothing(table, tmp_path, monkeypatch):
    """
    A module that stands ready to be imported is not.
    """
    marker = tmp_path / "ran"
    (tmp_path / "hostile.py").write_text(f"open({str(marker)!r}, 'w')\nclass Plain: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    payload = CODEC.encode(m.Plain(1))
    name = name_of(m.Plain).encode()
    forget(table)

    for hostile in (b"hostile.Plain", b"os.system", b"builtins.eval", b"subprocess.Popen"):
        with pytest.raises(DecodeRefused):
            CODEC.decode(payload.replace(name, hostile.ljust(len(name), b"x")))
        with pytest.raises(UnknownClass):
            resolve(hostile.decode(), b"")
    assert not marker.exists()


ANNOTATIONS = [
    m.Plain, list[m.Plain], Optional[m.Plain], m.Plain | None, Union[int, m.Plain],  # noqa: UP007, UP045
    dict[str, tuple[m.Plain, ...]], Annotated[m.Plain, "x"], NewType("N", m.Plain),
    typing.Awaitable[list[m.Plain]], m.Box[m.Plain], typing.TypeVar("B", bound=m.Plain),
]  # fmt: skip


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=range(len(ANNOTATIONS)))
def test_annotation_registers_what_it_mentions(table, annotation):
    """
    Through generics, unions, Annotated, new types, bounds.
    """
    register_from_annotation(annotation)

    assert name_of(m.Plain) in table


@dataclass
class Leaf:
    color: m.Color


class Middle(pydantic.BaseModel):
    leaves: dict[str, list[Leaf]]


@dataclass
class Root:
    middle: Middle | None
    again: Root | None = None
    points: tuple[m.Point, ...] = ()


class Typed(typing.TypedDict):
    root: Root


def test_fields_are_followed(table):
    """
    A record of nested classes is readable after registering the outermost.
    """
    register_from_annotation(list[Typed])

    expected = {Root, Middle, Leaf, m.Color, m.Point}
    assert {name_of(cls) for cls in expected} <= table.keys()


class Evil:
    @property
    def __origin__(self):
        raise RuntimeError

    def __getattr__(self, name):
        raise KeyError(name)


@dataclass
class Unresolvable:
    ghost: Ghost  # noqa: F821
    plain: m.Plain


@pytest.mark.parametrize(
    "annotation",
    [None, "Some", 3, ..., Any, object(), Evil(), Evil, typing.Self, [1], {"a"}, Unresolvable,
     typing.Callable[..., int], typing.Literal[1], Exception, int],
    ids=lambda annotation: type(annotation).__name__,
)  # fmt: skip
def test_odd_annotation_never_raises(table, annotation):
    """
    It is passed over.
    """
    register_from_annotation(annotation)


@pytest.mark.parametrize("cls", [int, dict, m.PlainObject, m.SubList, m.LoudStruct, m.FailingCheck])
def test_class_that_cannot_be_carried_is_not_registered(table, cls):
    """
    Registering it is a mistake, and says so at once.
    """
    with pytest.raises(ConfigError, match=cls.__name__):
        register(cls)


def make(name, **fields):
    cls = dataclasses.make_dataclass(name, fields.items())
    cls.__module__ = "somewhere"
    return cls


def test_changed_fields_are_a_miss(table):
    """
    Never a half-built object, whether a field came, went or was renamed.
    """
    payload = CODEC.encode(make("C", a=int, b=int)(1, 2))

    for fields in (
        {"a": int},
        {"a": int, "c": int},
        {"b": int, "a": int},
        {"a": 1, "b": 1, "c": 1},
    ):
        forget(table)
        register(make("C", **fields))
        with pytest.raises(DecodeRefused, match=r"fields of somewhere\.C have changed") as caught:
            CODEC.decode(payload)
        assert not isinstance(caught.value, UnknownClass)


def test_changed_enum_value_is_a_miss(table):
    """
    The same name for another value is another enum.
    """
    one = enum.Enum("E", {"A": 1}, module="somewhere")
    payload = CODEC.encode(one.A)
    forget(table)
    register(enum.Enum("E", {"A": 2}, module="somewhere"))

    with pytest.raises(DecodeRefused, match="have changed"):
        CODEC.decode(payload)


def local():
    @dataclass
    class Local:
        a: int

    return Local


def test_local_class_lives_as_long_as_it_is_registered(table):
    """
    In this process it is known, in the next it is not.
    """
    value = local()(1)
    payload = CODEC.encode(value)

    assert value == CODEC.decode(payload)
    forget(table)
    with pytest.raises(UnknownClass, match="<locals>"):
        CODEC.decode(payload)


def test_two_classes_of_one_name_are_both_refused(table):
    """
    Otherwise one closure would get objects of the other's class.
    """
    first, second = local(), local()
    payload = CODEC.encode(first(1))

    for value in (second(1), first(1)):
        with pytest.raises(SerializationError, match="two classes are called"):
            CODEC.encode(value)
    with pytest.raises(UnknownClass):
        CODEC.decode(payload)


def test_class_defined_again_replaces_the_old_one(table, monkeypatch):
    """
    After a reload or in a notebook the module says which class counts.
    """
    old = m.Plain
    payload = CODEC.encode(old(1))
    new = dataclasses.make_dataclass("Plain", ["a", "b"])
    new.__module__ = m.__name__
    monkeypatch.setattr(m, "Plain", new)

    assert new is type(CODEC.decode(CODEC.encode(new(1, 2))))
    assert new is type(CODEC.decode(payload))
    with pytest.raises(SerializationError):
        CODEC.encode(old(1))
