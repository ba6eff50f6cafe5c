"""
Teaching memotier about a type: by a method of the class, or by a function from outside.
"""

from __future__ import annotations

import pytest

from memotier.errors import ConfigError, UnkeyableArgument
from memotier.keys import registry
from memotier.keys.canonical import encode
from memotier.keys.registry import register_key


class Session:
    def __init__(self, user):
        self.user = user


class AdminSession(Session):
    pass


class Document:
    def __init__(self, part):
        self.part = part

    def __cache_key__(self):
        return self.part


class Report(Document):
    pass


class Old:
    def __memotier_key__(self):
        return 1


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    for changed in registry._listeners:
        changed()
    yield
    for changed in registry._listeners:
        changed()


def test_a_registered_function_says_what_counts():
    """
    It holds for the class and its subclasses, also if the type was refused before.
    """
    with pytest.raises(UnkeyableArgument):
        encode(Session(1))

    register_key(Session, lambda session: ("user", session.user))

    assert encode(Session(1)) == encode(Session(1)) != encode(Session(2))
    assert encode(AdminSession(1)) == encode(AdminSession(1)) != encode(Session(1))


def test_the_nearest_registered_class_wins():
    """
    A subclass that is registered itself has its own function.
    """
    register_key(Session, lambda session: session.user)
    register_key(AdminSession, lambda session: None)

    assert encode(AdminSession(1)) == encode(AdminSession(2))
    assert encode(Session(1)) != encode(Session(2))


def test_a_method_of_the_class_says_what_counts():
    """
    __cache_key__ may return anything that has a key; the class is part of the key.
    """
    assert encode(Document({"a": [1]})) == encode(Document({"a": [1]}))
    assert encode(Document(1)) != encode(Document(True))
    assert encode(Document(1)) != encode(Report(1)) != encode(1)
    assert encode(Old()) == encode(Old())


def test_a_registered_function_goes_before_the_method_of_its_class_only():
    """
    For the class itself the program's word counts; a subclass with the method keeps it.
    """
    register_key(Document, lambda document: None)

    assert encode(Document(1)) == encode(Document(2))
    assert encode(Report(1)) != encode(Report(2))


def test_the_method_is_looked_up_on_the_class():
    """
    An attribute of the instance, or of a class that is itself the argument, is no hook.
    """
    session = Session(1)
    session.__cache_key__ = lambda: 1

    with pytest.raises(UnkeyableArgument):
        encode(session)
    assert encode(Document) != encode(Report)


def test_an_error_of_a_hook_is_the_reason():
    """
    The error is kept as the cause, its text stays out of the message.
    """
    register_key(Session, lambda session: {}["canary"])

    with pytest.raises(UnkeyableArgument, match="asking for it raised KeyError") as caught:
        encode([Session(1)])

    assert isinstance(caught.value.__cause__, KeyError)
    assert "canary" not in str(caught.value)


def test_a_hook_that_gives_its_own_object_is_refused():
    """
    A key that needs itself ends at the limit of nesting.
    """
    register_key(Session, lambda session: session)

    with pytest.raises(UnkeyableArgument, match="contains itself"):
        encode(Session(1))


@pytest.mark.parametrize("kind", [int, str, dict, list, set, object, type(None), "Session"])
def test_keys_of_builtins_are_fixed(kind):
    """
    Their keys have a native form in memory too, which would not follow.
    """
    with pytest.raises(ConfigError):
        register_key(kind, lambda value: 1)


def test_a_function_is_needed():
    """
    A key instead of a function is a mistake that shows at once.
    """
    with pytest.raises(ConfigError, match="needs a function"):
        register_key(Session, "user")
