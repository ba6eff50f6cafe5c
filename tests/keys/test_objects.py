"""
Instances of the user's classes: by their fields where the class declares them.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import gc
import sys
import types
import typing
import weakref
from collections import namedtuple

import pytest

from memotier.errors import UnkeyableArgument
from memotier.keys import naming, openers
from memotier.keys.canonical import encode, encode_call


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: int
    b: object = None


@dataclasses.dataclass
class Other:
    a: int
    b: object = None


@dataclasses.dataclass(slots=True)
class Slotted:
    a: int
    b: object = None


class Child(Frozen):
    pass


@dataclasses.dataclass
class Lazy:
    a: int

    @functools.cached_property
    def lock(self):
        return object()


@dataclasses.dataclass
class ListToo(list):
    a: int = 1


class Base:
    __slots__ = ("hidden",)


@dataclasses.dataclass(slots=True)
class OnBase(Base):
    a: int


class Pair(typing.NamedTuple):
    a: int
    b: object = None


class Tagged(Pair):
    pass


class Level(enum.IntEnum):
    LOW = 1


class Strategy(enum.Enum):
    ONE = functools.partial(int)
    TWO = object()


@pytest.mark.parametrize("kind", [Frozen, Other, Slotted, Child, Pair])
def test_fields_count_and_so_does_the_class(kind):
    """
    Equal fields of one class are one key; another field or another class is another.
    """
    assert encode(kind(1, [2])) == encode(kind(1, [2]))
    assert encode(kind(1, [2])) != encode(kind(True, [2]))
    assert 5 == len({encode(k(1)) for k in (Frozen, Other, Slotted, Child, Pair)})


def test_what_an_instance_carries_beside_its_fields_counts():
    """
    A function may read an attribute that is no field, so it is part of the key.
    """
    plain, more = Other(1), Other(1)
    more.extra = 1
    based, based_more = OnBase(1), OnBase(1)
    based_more.hidden = 1

    assert encode(plain) != encode(more)
    assert encode(based) != encode(based_more)


def test_cached_properties_do_not_count():
    """
    What functools.cached_property keeps in an instance is no part of its value.
    """
    value = Lazy(1)
    before = encode(value)
    _ = value.lock

    assert before == encode(value)


def test_a_dataclass_that_is_a_list_too_is_refused():
    """
    Its fields are not all of it.
    """
    with pytest.raises(UnkeyableArgument):
        encode(ListToo())


def test_a_field_without_a_value_is_refused():
    """
    A half-made instance is not taken for another one.
    """
    for value in (object.__new__(Frozen), object.__new__(Slotted)):
        with pytest.raises(UnkeyableArgument, match="has no value for one of its fields"):
            encode(value)


def test_a_named_tuple_with_hidden_state_is_refused():
    """
    A subclass without slots can carry more than the tuple shows.
    """
    value = Tagged(1)
    assert encode(value) == encode(Tagged(1)) != encode(Pair(1))

    value.note = 1
    with pytest.raises(UnkeyableArgument, match="outside of its fields"):
        encode(value)


def test_fault_48_fields_are_read_past_properties_and_getattr():
    """
    Neither __getattr__, __getattribute__ nor a property of a dataclass is run.
    """

    def no(*_):
        raise AssertionError("a hook was run")

    loud = {
        "__getattribute__": no,
        "__getattr__": no,
        "__eq__": no,
        "__hash__": no,
        "x": property(no),
    }
    for slots in (False, True):
        kind = dataclasses.make_dataclass(
            "Loud", [("a", int)], namespace=loud, slots=slots, eq=False, repr=False
        )
        assert encode(kind(1)) == encode(kind(1)) != encode(kind(2))


def test_fault_06_enums():
    """
    A member is its class and name, not its value; a value without a key is no obstacle.
    """
    assert 2 == len({encode(Level.LOW), encode(1)})
    assert 2 == len({encode(Strategy.ONE), encode(Strategy.TWO)})


def local(name="Local"):
    return dataclasses.make_dataclass(name, [("a", int)])


def test_fault_14_local_classes_of_one_name_do_not_collide():
    """
    Two classes that a function made have one qualified name and are two classes nevertheless.
    """
    one, other = local(), local()

    assert encode(one(1)) == encode(one(1))
    assert encode(one(1)) != encode(other(1))
    assert encode(one) != encode(other)


def test_fault_14_a_class_redefined_under_its_name_is_another(monkeypatch):
    """
    After a reload, instances of the old class do not meet those of the new one.
    """
    module = types.ModuleType("reloaded")
    monkeypatch.setitem(sys.modules, "reloaded", module)
    source = "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: int\n"
    exec(source, module.__dict__)
    old = module.A(1)
    before = encode(old)
    exec(source, module.__dict__)

    assert before == encode(old)
    assert before != encode(module.A(1))


def test_fault_14_classes_of_a_notebook_hold_in_this_process_only(monkeypatch):
    """
    A class of a __main__ without a file could be any class of that name.
    """
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec("class A: pass", main.__dict__)

    assert b"t" == naming.class_name(main.A)[:1]


def test_classes_can_be_collected():
    """
    What is remembered about a class does not keep it, and goes with it.
    """
    made = [local(), namedtuple("Made", "a"), dataclasses.make_dataclass("S", "a", slots=True)]
    made.append(
        type("Hooked", (), {"__cache_key__": lambda self: 1, "__init__": lambda s, a: None})
    )
    for kind in made:
        encode(kind(1))
    refs = [weakref.ref(kind) for kind in made]
    ids = [id(kind) for kind in made]
    del made, kind
    gc.collect()

    assert [None] * 4 == [ref() for ref in refs]
    assert not [key for key in ids if key in openers._found or key in naming._names]


class Point:
    def __init__(self, x):
        self.x = x

    def method(self):
        return self.x


def test_fault_14_lambdas_and_local_functions_are_refused():
    """
    Functions that no other process could find have no key.
    """

    def inner():
        return 1

    for value in (lambda: 1, inner, functools.partial(lambda: 1), Point(1).method):
        with pytest.raises(UnkeyableArgument):
            encode(value)


def test_functions_methods_and_partials():
    """
    Callables are their name, their code, and what is bound to them.
    """
    values = [
        local,
        len,
        sorted,
        str.upper,
        Frozen,
        Other,
        int,
        "abc".upper,
        "abd".upper,
        functools.partial(local),
        functools.partial(local, 1),
        functools.partial(local, name=1),
        list[int],
        list[str],
        int | None,
        typing.Optional[int],  # noqa: UP045
        typing.Literal["a"],
        typing.Any,
    ]

    assert len(values) == len({encode(value) for value in values})
    assert encode(functools.partial(local, 1)) == encode(functools.partial(local, 1))


def test_the_path_names_fields():
    """
    Inside objects, the way to the culprit is written as attributes.
    """
    value = Frozen(1, Pair(1, {"k": Slotted(1, Point(1))}))

    with pytest.raises(UnkeyableArgument, match=r"argument 'q', at \.b\.b\[<str>\]\.b, is"):
        encode_call("f", ("q",), (value,))
