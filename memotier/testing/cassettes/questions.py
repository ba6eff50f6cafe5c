"""
From a call to what stands for it on a tape: names, arguments that people can read, and a key.

The key is a digest of the arguments *as they may be shown*: what is a secret (by ``redact=``, by
its name or type, or because a text looks like one) is ``***`` before anything is made of it. So
nothing on a tape lets anybody guess it, and two calls that differ in a secret alone are one call
to a tape.

For whom a call is (``scope=``), and which instance a method is of that is known only by itself,
are *actors*: they are not written, but numbered; see tape.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from ...callnames import home_module
from ...errors import MemotierError, UnkeyableArgument
from ...keys.canonical import encode_call
from ...memo import Memo
from ...owners import is_declared_value
from ...recording.signature import inside, is_secret, names_secret
from ...scopes import canonical
from ...shown import HIDDEN, is_hidden, scrubbed, shown
from . import values

#: Levels of containers that are looked through; what lies deeper is taken for a secret.
_DEEPEST: Final = 6
#: Of one argument that is shown: letters of a text, and items of a container.
_LETTERS: Final = 1_000
_ITEMS: Final = 100
#: Letters of a secret below which it may stand elsewhere by chance.
_SHORTEST: Final = 5
_ATOMS: Final = frozenset((bool, int, float, type(None)))


@dataclass(frozen=True, slots=True)
class Actor:
    """
    Who a call is by or for: *kind* is ``"scope"`` or ``"instance"``; *token* is good for this
    process only, and *owner* the instance.
    """

    kind: str
    token: Any
    owner: Any = None


@dataclass(frozen=True, slots=True)
class Question:
    """
    One call.
    """

    memo: Memo
    function: str
    key: str
    arguments: dict[str, Any]
    actors: tuple[Actor, ...] = ()
    #: Texts that must not stand on the tape.
    secrets: tuple[str, ...] = field(default=(), repr=False)


def question_of(memo: Memo, call: tuple[Any, ...]) -> Question:
    """
    What stands for the call with these values of its parameters.

    Raises:
        UnkeyableArgument: If an argument has no stable key.

        ScopeMissing: If nobody tells for whom it is.
    """
    actors: list[Actor] = []
    if memo.scopes:
        actors.append(Actor("scope", canonical(memo.label, memo.keys.scope_of(call))))
    given = _counted(memo, call)
    name = memo.parameters.names[0] if memo.keys.owner_counts else ""
    if name in given and not _has_key(memo, name, given[name]):
        owner = given.pop(name)
        actors.append(Actor("instance", id(owner), owner))

    secrets: list[str] = []
    cleaned = {one: _cleaned(memo, one, value, secrets) for one, value in given.items()}
    try:
        code = encode_call(memo.label, tuple(cleaned), tuple(cleaned.values()))
    except UnkeyableArgument as error:
        raise UnkeyableArgument(f"on a cassette every argument needs a key: {error}") from error
    function = name_on_tape(memo)
    framed = len(function.encode()).to_bytes(4, "big") + function.encode() + code
    return Question(
        memo=memo,
        function=function,
        key=blake2b(framed, digest_size=16, person=b"memotier-tape").hexdigest(),
        arguments={one: readable(value) for one, value in cleaned.items()},
        actors=tuple(actors),
        secrets=tuple(dict.fromkeys(one for one in secrets if len(one) >= _SHORTEST)),
    )


def name_on_tape(memo: Memo) -> str:
    """
    What a function is called: the same on every machine.
    """
    name, options = memo.identity.name, memo.options
    if options.name is not None:
        # The user's own name is one within its namespace only.
        at_home = options.namespace == home_module(memo.function)
        return name if at_home else f"{options.namespace}:{name}"
    return f"__main__.{memo.label}" if name.startswith("script:") else name


def _counted(memo: Memo, call: tuple[Any, ...]) -> dict[str, Any]:
    """
    The arguments that count, by name.
    """
    names, options = memo.parameters.names, memo.options
    named = dict(zip(names, call, strict=True))
    told = () if options.scope is None else options.scope.names
    if options.key is not None and not (told or options.redact or any(map(names_secret, names))):
        return {"key": memo.keys.asked(call)}
    # (What key= makes of the arguments could show one of them that must not be shown.)
    kept = [one for one in memo.keys.keyed if one not in told]
    if memo.keys.owner_counts:
        kept.insert(0, names[0])
    return {one: named[one] for one in kept}


def _has_key(memo: Memo, name: str, owner: Any) -> bool:
    try:
        encode_call(memo.label, (name,), (owner,))
    except UnkeyableArgument:
        if is_declared_value(type(owner)):
            raise
        return False
    return True


# -- without secrets -----------------------------------------------------------------------


def _cleaned(memo: Memo, name: str, value: Any, secrets: list[str]) -> Any:
    if name in memo.options.redact:
        secrets.extend(_texts(value))
        return HIDDEN
    return _clean(name, value, secrets, 0)


def _clean(name: str, value: Any, secrets: list[str], depth: int) -> Any:
    kind = type(value)
    if kind in _ATOMS and not is_hidden(name, value):
        return value
    if depth > _DEEPEST or is_hidden(name, value):
        secrets.extend(_texts(value))
        return HIDDEN
    if kind is str:
        return scrubbed(value)
    if kind is bytes:
        return scrubbed(value.decode("latin-1")).encode("latin-1")
    if kind is dict:
        return {
            _clean("", key, secrets, depth + 1): _clean(_text(key), one, secrets, depth + 1)
            for key, one in value.items()
        }
    if kind in (list, tuple):
        # A pair may be a header.
        called = _text(value[0]) if len(value) == 2 else ""
        parts = [_clean(called if at else "", one, secrets, depth + 1)
                 for at, one in enumerate(value)]  # fmt: skip
        return kind(parts)
    if kind in (set, frozenset):
        return kind(_clean("", one, secrets, depth + 1) for one in value)
    try:
        hides = is_secret(name, value)
    except MemotierError:  # too much to look through
        hides = True
    if hides:
        secrets.extend(_texts(value))
    return HIDDEN if hides else value


def _text(name: Any) -> str:
    if type(name) is bytes:
        return name.decode("latin-1")
    return name if type(name) is str else ""


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    """
    The texts of a secret.
    """
    kind = type(value)
    if kind is str:
        yield value
    elif kind is bytes:
        yield value.decode("latin-1")
    elif kind in (int, float):
        yield repr(value)
    elif depth <= _DEEPEST:
        tell = getattr(kind, "get_secret_value", None)
        if callable(tell):
            try:
                yield from _texts(tell(value), depth + 1)
            except Exception:  # noqa: S110 - whatever its class does
                pass
        else:
            for _, one in inside(value):
                yield from _texts(one, depth + 1)


# -- for people ----------------------------------------------------------------------------


def readable(value: Any, depth: int = 0) -> Any:
    """
    *value* as JSON, for people to read and to compare: what JSON cannot hold has its type's name
    before it, and what is long is cut.
    """
    kind = type(value)
    if kind is str:
        return _cut(value.encode("utf-8", "replace").decode())
    if kind is bool or value is None:
        return value
    if kind is int and value.bit_length() <= 256:
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if depth <= _DEEPEST:
        if kind is list:
            return _items(value, depth)
        if kind is tuple:
            return {"tuple": _items(value, depth)}
        if kind in (set, frozenset):
            return {kind.__name__: sorted(_items(value, depth), key=values.dump)}
        if kind is dict and all(type(one) is str for one in value):
            shown_ = {_cut(key): readable(one, depth + 1) for key, one in [*value.items()][:_ITEMS]}
            return {**shown_, "…": len(value)} if len(value) > _ITEMS else shown_
        if kind is dict:
            return {"dict": _items([(key, one) for key, one in value.items()], depth)}
    return {kind.__name__: scrubbed(shown("", value))}


def _items(value: Any, depth: int) -> list[Any]:
    made = []
    for at, one in enumerate(value):
        if at == _ITEMS:
            made.append(f"… ({len(value)} items)")
            break
        made.append(readable(one, depth + 1))
    return made


def _cut(text: str) -> str:
    if len(text) <= _LETTERS:
        return text
    return f"{text[:_LETTERS]}… ({len(text)} letters)"
