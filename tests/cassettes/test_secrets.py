"""
What must not be read by others does not stand on a tape, nor can it be guessed from it.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass

import pytest

from memotier import ConfigError, ScopeMissing, SerializationError, tiered_cache
from memotier.testing import CassetteMiss

from ..conftest import stable

CANARY = "c4n4ry-5ecret"
#: Looks like a secret, whatever it is called.
TELLTALE = "sk-abcdefghijklmnopqrst"


class SecretStr:
    """As pydantic's: it says that it is a secret, and has a key."""

    def __init__(self, value):
        self._value = value

    def __cache_key__(self):
        return self._value

    def get_secret_value(self):
        return self._value


@dataclass(frozen=True)
class Login:
    user: str
    password: str


@pytest.mark.parametrize(
    "arguments",
    [
        {"token": CANARY},
        {"token": CANARY.encode()},
        {"hush": CANARY},
        {"hush": {"deep": [CANARY]}},
        {"x": SecretStr(CANARY)},
        {"x": [SecretStr(CANARY)]},
        {"x": {"headers": {"Authorization": CANARY}}},
        {"x": [("Cookie", CANARY)]},
        {"x": Login("owl", CANARY)},
        {"x": f"curl -H 'Authorization: Bearer {CANARY}'"},
        {"x": f"https://owl:{CANARY}@example.org/"},
        {"x": {"q": f"token={CANARY}"}},
        {"x": f"token={CANARY}".encode()},
        {"x": [[[[[[[[CANARY]]]]]]]]},
    ],
    ids=stable,
)
def test_secret_arguments_are_nowhere(call, film, runs, arguments):
    """
    Not in the file, not in its keys (another secret is the same call), not in errors.
    """

    @call.cached(redact=("hush",))
    def f(x=1, token=None, hush=None, unit=1):
        runs.append(1)
        return "fine"

    with film("record"):
        call(f(**arguments))
    assert CANARY not in film.text and "***" in film.text

    other = _with(arguments, "another-0ne")
    with film():
        assert "fine" == call(f(**other))
    assert [1] == runs
    with pytest.raises(CassetteMiss, match=r"\*\*\*") as told, film():
        call(f(**{"token": CANARY, "hush": CANARY, **arguments, "unit": CANARY[::-1]}))
    assert CANARY not in str(told.value) and CANARY not in repr(told.value.__context__)


def _with(value, secret):
    """
    *value* with *secret* in place of the canary.
    """
    if isinstance(value, str):
        return value.replace(CANARY, secret)
    if isinstance(value, bytes):
        return value.replace(CANARY.encode(), secret.encode())
    if isinstance(value, dict):
        return {key: _with(one, secret) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_with(one, secret) for one in value)
    if isinstance(value, SecretStr):
        return SecretStr(secret)
    if isinstance(value, Login):
        return Login(value.user, secret)
    return value


@pytest.mark.parametrize("wrapped", [lambda x: {"me": x}, lambda x: (x,), lambda x: x])
def test_a_secret_argument_in_a_result_is_refused(film, wrapped):
    """
    A result that shows what was redacted is not recorded; ``redact_result=`` makes it fit.
    """

    @tiered_cache
    def whoami(token):
        return wrapped(token)

    with pytest.raises(SerializationError, match="redact_result=") as told, film("record"):
        whoami(CANARY)
    assert CANARY not in str(told.value) and CANARY not in film.text

    with film("record", redact_result=lambda name, result: "hidden"):
        assert wrapped(CANARY) == whoami(CANARY)
    with film():
        assert "hidden" == whoami(CANARY)


def test_what_is_written_in_place_of_results(film):
    """
    The hook is given the items of a stream and each result of a batch; its errors are told.
    """

    @tiered_cache
    def words():
        yield "a"
        yield CANARY

    @tiered_cache.many
    def many(ids):
        return dict.fromkeys(ids, CANARY)

    def hide(name, result):
        assert name.rpartition(".")[2] in ("words", "many")
        if isinstance(result, list):
            return [one.replace(CANARY, "b") for one in result]
        return result.replace(CANARY, "b")

    with film("record", redact_result=hide):
        assert ["a", CANARY] == list(words())
        assert {1: CANARY} == many([1])
    assert CANARY not in film.text
    with film():
        assert ["a", "b"] == list(words()) and {1: "b"} == many([1])
    with (
        pytest.raises(AttributeError),
        film("record", redact_result=lambda name, result: result.no),
        contextlib.suppress(AttributeError),
    ):
        many([1])


def test_results_that_say_they_are_secrets_are_refused(film):
    """
    A ``SecretStr``, wherever it is in a result.
    """

    @dataclass
    class Secret:
        text: str

    @tiered_cache
    def f() -> object:
        return [{"a": Secret(CANARY)}]

    with pytest.raises(SerializationError, match="says it is a secret"), film("record"):
        f()
    assert CANARY not in film.text


@pytest.mark.extras
def test_pydantics_secrets_are_refused(film):
    """
    The real ones as well, in a model.
    """
    import pydantic

    class Account(pydantic.BaseModel):
        key: pydantic.SecretStr

    @tiered_cache
    def f() -> Account:
        return Account(key=CANARY)

    with pytest.raises(SerializationError), film("record"):
        f()
    assert CANARY not in film.text


def test_errors_do_not_tell_secrets(film):
    """
    Neither their texts nor their arguments and attributes.
    """

    class Refused(Exception):
        pass

    @tiered_cache
    def f(token, kind):
        error = kind(f"401 for {token}, {TELLTALE}")
        if kind is Refused:
            error.request = {"headers": token}
            error.status = 401
        raise error

    with film("record"):
        for kind in (ValueError, Refused):
            with pytest.raises(kind):
                f(CANARY, kind)
    assert CANARY not in film.text and TELLTALE not in film.text
    with film(), pytest.raises(ValueError, match=r"^401 for \*\*\*, \*\*\*$"):
        f("other", ValueError)


def test_what_key_says_could_show_a_secret(film):
    """
    With a secret among the parameters, ``key=`` does not count for the tape.
    """

    @tiered_cache(key=lambda x, token: f"{x}:{token}")
    def f(x, token):
        return x

    @tiered_cache(key=lambda x, client: x.lower())
    def g(x, client):
        return x

    with film("record"):
        f(1, CANARY), g("A", object())
    assert CANARY not in film.text
    assert [{"x": 1, "token": "***"}, {"key": "a"}] == [one["arguments"] for one in film.lines]
    with film():
        assert 1 == f(1, "other") and "A" == g("a", object())


# -- scopes --------------------------------------------------------------------------------

user: ContextVar[str] = ContextVar("user")


def test_scopes_are_numbers(film, runs):
    """
    For whom a call was is not written, and nobody is given what was recorded for another.
    """

    @tiered_cache(scope=user)
    def inbox(day):
        runs.append((user.get(), day))
        return f"mail of {len(user.get())}"

    def read(who, day):
        user.set(who)
        return inbox(day)

    with film("record"):
        read(CANARY, 1), read("bob", 2), read(CANARY, 3), read("bob", 3)
    assert [1, 2, 1, 2] == [one["scope"] for one in film.lines] and CANARY not in film.text
    with film():
        # In another order: each is found by what he asks first.
        assert "mail of 3" == read("bob", 2) == read("bob", 3)
        assert f"mail of {len(CANARY)}" == read(CANARY, 1) == read(CANARY, 3)
    assert 4 == len(runs)
    with pytest.raises(CassetteMiss, match="has it for another scope"), film():  # noqa: PT012
        read("bob", 2)
        read("carol", 1)
        read(CANARY, 2)


def test_scopes_that_arguments_tell(film, runs):
    """
    The parameters that say for whom a call is are not written either.
    """

    @tiered_cache(scope=("who",))
    def f(who, x):
        runs.append(who)
        return x

    with film("record"):
        f(CANARY, 1)
    assert CANARY not in film.text and {"x": 1} == film.lines[0]["arguments"]
    with film():
        assert 1 == f("somebody", 1)
    assert 1 == len(runs)


def test_scopes_with_names(film):
    """
    Several users who ask the same first are told apart by the names that the test gives them.
    """

    @tiered_cache(scope=user)
    def me():
        return user.get().upper()

    def ask(who):
        user.set(who)
        return me()

    names = {"u-17": "alice", "u-18": "bob"}
    with film("record", scopes=names):
        ask("u-17"), ask("u-18")
    assert ["alice", "bob"] == [one["scope"] for one in film.lines]
    with film(scopes=names), ThreadPoolExecutor(2) as pool:
        assert ["U-18", "U-17"] == list(pool.map(ask, ["u-18", "u-17"]))


@pytest.mark.parametrize("mode", ["record", "replay"])
@pytest.mark.parametrize("others", [[("bob", 1)], [("bob", 2), ("bob", 1)]])
def test_nobody_guesses_which_scope_is_which(film, mode, others):
    """
    Two that have made the call with which one begins need names, and a recording says so.
    """

    @tiered_cache(scope=user)
    def me(x):
        return user.get()

    def ask(who, x):
        user.set(who)
        return me(x)

    def session(*calls):
        return [ask(who, x) for who, x in calls]

    told = "two scopes have made a call of"
    with pytest.raises(ConfigError, match=told) as error, film(mode):
        session((CANARY, 1), *others)
    assert CANARY not in str(error.value)
    # The file is there, for who wants to look; a replay of it does not guess either.
    with pytest.raises(ConfigError, match=told), film():
        session(("bob", 1))
    with film("record", scopes={CANARY: "alice"}):
        session((CANARY, 1), *others)
    with film(scopes={"A": "alice"}):
        assert ["bob", CANARY] == session(("B", 1), ("A", 1))


def test_a_call_of_nobody_is_an_error(film):
    """
    A tape answers nobody whose scope is not told.
    """

    @tiered_cache(scope=user)
    def me():
        return 1

    def nobody():
        with pytest.raises(ScopeMissing):
            me()

    with film("record"):
        thread = threading.Thread(target=nobody)
        thread.start()
        thread.join()
    assert [] == film.lines


@pytest.mark.parametrize("scopes", ["alice", {"a": 1}, {"a": ""}, {"a": "x", "b": "x"}, {"": "x"}])
def test_names_that_cannot_be_used(film, scopes):
    """
    Refused when the cassette is opened.
    """
    with pytest.raises(ConfigError, match="scopes="), film("record", scopes=scopes):
        pass
