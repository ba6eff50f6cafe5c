from __future__ import annotations

import dataclasses
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from memotier.recording import signature
from memotier.recording.exchange import from_json, to_json
from memotier.recording.pattern import Pattern
from memotier.recording.records import Recorded
from memotier.recording.signature import LARGEST, Unrecordable, is_secret, sign

KEY = b"k" * 32


@dataclass
class Login:
    user: str
    password: str


class LoginTuple(NamedTuple):
    user: str
    api_key: str


def signed(arguments, **more):
    return sign("f", "tool.x", "app.f", arguments, key=KEY, **more)


@pytest.mark.parametrize(
    "arguments",
    [
        {"x": 1, "y": None, "z": [1, 2.5, "ä"]},
        {"args": (1, 2), "kwargs": {"a": b"bytes"}},
        {"x": {1: "one", (2,): {3}}},
    ],
)
def test_arguments_come_back_with_their_types(arguments):
    """
    What is replayed is the call that was made.
    """
    again = signed(arguments).arguments()

    assert repr(arguments) == repr(again)


@pytest.mark.parametrize(
    "other",
    [
        {"arguments": {"x": 1.0}},
        {"arguments": {"x": True}},
        {"arguments": {"y": 1}},
        {"user": "ann"},
    ],
)
def test_other_calls_have_other_identities(other):
    """
    1, 1.0 and True are three calls, and so are the same call of two users.
    """
    first = signed({"x": 1})
    second = signed(**{"arguments": {"x": 1}, **other})

    assert first.identity != second.identity


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "x"),
        ("api_key", "x"),
        ("apiKey", "x"),
        ("openai_api_key", "x"),
        ("OPENAI_API_KEY", "x"),
        ("auth_token", "x"),
        ("accessToken", "x"),
        ("headers", {"Authorization": "Bearer x"}),
        ("options", [{"client_secret": "x"}]),
        ("kwargs", {"session_id": "x"}),
        ("password2", "x"),
        ("dbpassword", "x"),
        ("auth", ("ann", "x")),
        ("jwt", "x"),
        ("password", 1234),
        ("headers", [("Authorization", "Bearer x")]),
        ("headers", [[b"Cookie", b"Bearer x"]]),
        ("headers", {b"Authorization": b"Bearer x"}),
        ("options", OrderedDict(password="Bearer x")),
        ("items", frozenset({("password", "Bearer x")})),
        ("login", Login("ann", "Bearer x")),
        ("logins", {"all": [LoginTuple("ann", "Bearer x")]}),
        ("deep", {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"password": "Bearer x"}}}}}}}}),
    ],
)
def test_fault_28_what_looks_like_a_secret_is_not_written(name, value):
    """
    By its name, or by a name inside of it; and the call says that it is not complete.
    """
    signature = signed({name: value, "q": "plain"})

    assert (name,) == signature.redacted
    assert b"Bearer" not in signature.payload and b"plain" in signature.payload
    assert signature.arguments()[name] != value


@pytest.mark.parametrize(
    "name", ["key", "tokens_per_page", "passenger", "author", "q", "keyboard", "secretary"]
)
def test_plain_names_are_no_secrets(name):
    """
    A word that only begins like one must not keep calls from being replayed.
    """
    assert not is_secret(name, 5 if name == "tokens_per_page" else "x")


def test_numbers_are_no_secrets():
    """
    ``max_tokens=100`` says how many, not which.
    """
    assert not is_secret("max_tokens", 100)
    assert is_secret("max_tokens", "abc")


def test_types_that_hide_their_value_are_secrets():
    """
    pydantic's SecretStr and its like are known by the names of their types.
    """

    class SecretStr(str):
        pass

    assert is_secret("q", SecretStr("x"))


def test_two_secrets_are_two_calls_and_one_key_cannot_tell_anothers():
    """
    A fingerprint tells calls apart; without the key nobody can try passwords against it.
    """
    first, second = signed({"password": "a"}), signed({"password": "b"})
    other = sign("f", "tool.x", "app.f", {"password": "a"}, key=b"o" * 32)

    assert 3 == len({first.payload, second.payload, other.payload})


def test_redact_hides_what_the_user_names():
    """
    ``redact=`` is for secrets with a harmless name.
    """
    signature = signed({"who": "ann", "q": "x"}, redact=("who",))

    assert ("who",) == signature.redacted
    assert b"ann" not in signature.payload


@pytest.mark.parametrize("value", [object(), open, "x" * (LARGEST + 1)])
def test_what_has_no_lasting_form_is_refused_without_showing_it(value):
    """
    The reason names a kind of problem, no value.
    """
    with pytest.raises(Unrecordable) as caught:
        signed({"x": value})
    assert "xxx" not in str(caught.value) and "0x" not in str(caught.value)


@dataclass(frozen=True)
class Place:
    name: str


@pytest.mark.parametrize("arguments", [{"x": 1, "q": "ä"}, {"x": (1,)}, {"p": Place("Oslo")}])
def test_export_gives_back_the_same_call(arguments):
    """
    As JSON where that is faithful, as a payload where it is not.
    """
    before = Recorded(signed(arguments), Pattern(hits=3, misses=1, first=1.0, last=2.0, weight=4.0))
    before.pattern.hours[5] = 4.0
    line = to_json(before)

    assert before == from_json(line)
    assert ("arguments" in line) is (arguments == {"x": 1, "q": "ä"})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"namespace": "../x"}, "namespace"),
        ({"function": 1}, "texts"),
        ({"arguments": [1]}, "arguments are an object"),
        ({"hours": {"24": 1}}, "no hour"),
        ({"payload": "!"}, "base64|padding|character"),
        ({"payload": "AAAA"}, "mapping|read"),
        ({"hits": "many"}, "invalid literal"),
        ({"redacted": ["x"]}, "not recorded"),
        ({"last": float("nan")}, "out of all bounds"),
        ({"weight": float("inf")}, "out of all bounds"),
        ({"at": 1e300}, "out of all bounds"),
        ({"misses": -1}, "out of all bounds"),
        ({"hits": 10**30}, "out of all bounds"),
        ({"ttl": -1}, "out of all bounds"),
        ({"hours": {"3": float("nan")}}, "out of all bounds"),
        ({"user": "\ud800"}, "surrogates"),
        ({"function": "f" * 5000}, "too long"),
        ({"arguments": {"x": "x" * (LARGEST + 1)}}, "larger than|too long"),
    ],
)
def test_a_line_that_is_no_recorded_call_is_an_error(change, told):
    """
    Nothing half-read gets into a history.
    """
    line = to_json(Recorded(signed({"x": 1}), Pattern(hits=1))) | change
    with pytest.raises(ValueError, match=told):
        from_json(line)
    with pytest.raises(ValueError, match="object"):
        from_json([line])
    line.pop("namespace")
    with pytest.raises(ValueError, match="it has no"):
        from_json(line)


@pytest.mark.extras
def test_fault_28_fields_of_models_are_looked_at():
    """
    Classes of attrs, pydantic and msgspec are written down with what is in them.
    """
    import attrs
    import msgspec
    import pydantic

    class Struct(msgspec.Struct):
        api_key: str

    @attrs.define
    class Attrs:
        api_key: str

    class Model(pydantic.BaseModel):
        model_config = {"extra": "allow"}
        x: int

    class Typed(pydantic.BaseModel):
        x: pydantic.SecretStr

    secret = [Struct("x"), Attrs("x"), Model(x=1, password="x"), Typed(x="x")]
    assert [True] * 4 == [is_secret("q", one) for one in secret]
    assert not is_secret("q", Model(x=1, y="x"))


@pytest.mark.parametrize("kind", [list, tuple, deque, frozenset, dict.fromkeys])
def test_what_could_not_be_written_down_is_not_looked_through(kind, monkeypatch):
    """
    A call with a million items does not wait for that.
    """
    seen = []
    says_so = signature._says_so
    monkeypatch.setattr(
        signature, "_says_so", lambda name, value: seen.append(name) or says_so(name, value)
    )
    many = kind(range(10**6))

    with pytest.raises(Unrecordable):
        is_secret("q", many)
    assert len(seen) < 2 * LARGEST


def test_fault_48_looking_for_secrets_runs_nothing_of_an_argument():
    """
    Fields are found past everything that a class and its metaclass override, also where a
    container is subclassed; what cannot be read so is not written down.
    """

    def no(*_):
        raise AssertionError("a hook was run")

    loud = {"__getattribute__": no, "__getattr__": no, "__class__": property(no), "__iter__": no}
    meta = type("Meta", (type,), {"__getattribute__": no, "__instancecheck__": no})
    for slots in (False, True):
        kind = dataclasses.make_dataclass(
            "Loud", [("password", str)], namespace=loud, slots=slots, eq=False, repr=False
        )
        assert is_secret("q", [kind("x")])
    for base in (list, dict, set):
        items = {"password": "x"}.items() if base is not dict else {"password": "x"}
        value = type("Loud", (base,), {**loud, "items": no, "__len__": no})(items)
        assert is_secret("q", value)
    plain = meta("Plain", (), {})()
    assert not is_secret("q", plain)
    with pytest.raises(Unrecordable):
        is_secret("q", object.__new__(dataclasses.make_dataclass("Empty", ["password"])))
