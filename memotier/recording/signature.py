"""
The signature of a call: which function, with which arguments, for whom.

Arguments are kept as a payload of the safe codec, by name, without the parameters that are no
part of the key. An argument that looks like a secret is never written: a keyed fingerprint
stands in its place, and the call cannot be replayed.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

from ..codecs.values import SafeCodec
from ..errors import MemotierError
from ..keys.canonical import encode_call
from ..keys.hidden import says_secret
from ..keys.naming import mro
from ..keys.reading import fields
from ..keys.wire import Refusal

#: Bytes of arguments beyond which a call is not recorded.
LARGEST: Final = 16 * 1024
#: Levels that are looked through for names of secrets; what lies deeper is taken for one.
DEEPEST: Final = 6

#: Items that are looked through; more of them could not be written down anyway.
MOST_ITEMS: Final = LARGEST

#: What names a secret: the whole name, or a word of it.
_SECRET: Final = re.compile(
    r"(?i)^auth$|(?:^|[^a-z0-9])(?:pass|[a-z]*pass(?:word|wd|phrase|code)s?|pwd|[a-z]*secrets?|"
    r"(?:access|auth|bearer|id|refresh|session|csrf)?tokens?|bearer|jwt|otp|"
    r"(?:api|private|access|signing|encryption|secret)[_\-]?keys?|authorization|"
    r"credentials?|cookies?|session[_\-]?id)\d*(?:$|[^a-z0-9])"
)
#: What a number counts.
_COUNTED: Final = re.compile(r"(?i)tokens?")
#: By id, because the hash of a class may be code of its metaclass.
_ATOMS: Final = frozenset(map(id, (str, bytes, int, float, bool, type(None))))
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_SEVERAL: Final = (list, tuple, set, frozenset, deque)

_codec: Final = SafeCodec(max_bytes=LARGEST)


class Unrecordable(MemotierError):
    """
    A call cannot be written down; *reason* says why, without showing data.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Signature:
    """
    One call that may be made again.

    *function* is empty for a plain key of the cache object. *redacted* names the arguments that
    are kept as fingerprints.
    """

    namespace: str
    function: str
    payload: bytes
    user: str = ""
    redacted: tuple[str, ...] = ()

    @property
    def identity(self) -> bytes:
        """
        16 bytes that tell this signature from all others.
        """
        parts = (self.namespace.encode(), self.function.encode(), self.user.encode(), self.payload)
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return blake2b(framed, digest_size=16, person=b"memotier-call").digest()

    def arguments(self) -> dict[str, Any]:
        """
        The arguments by name.

        Raises:
            DecodeRefused: If they hold what this process does not read, such as an object of a
                class that is not registered here.
        """
        found = _codec.decode(self.payload)
        if type(found) is not dict or not all(type(name) is str for name in found):
            raise Unrecordable("its arguments are not a mapping of names")
        return found


def sign(
    label: str,
    namespace: str,
    function: str,
    arguments: Mapping[str, Any],
    *,
    user: str = "",
    redact: Iterable[str] = (),
    key: bytes,
) -> Signature:
    """
    The signature of a call with *arguments*.

    Args:
        redact: Names of further arguments that are never written down.

        key: With which fingerprints are made.

    Raises:
        Unrecordable: If an argument has no lasting form, or they are too long.
    """
    kept: dict[str, Any] = {}
    hidden: list[str] = []
    wanted = set(redact)
    for name, value in arguments.items():
        if name in wanted or is_secret(name, value):
            hidden.append(name)
            kept[name] = _fingerprint(label, name, value, key)
        else:
            kept[name] = value
    try:
        payload = _codec.encode(kept)
        user.encode()
    except UnicodeEncodeError:
        raise Unrecordable("its user is no text (UTF-8)") from None
    except MemotierError as error:
        raise Unrecordable(f"an argument cannot be written down ({type(error).__name__})") from None
    return Signature(namespace, function, payload, user, tuple(hidden))


def is_secret(name: str, value: Any) -> bool:
    """
    Whether the name or the type of an argument says that it is a secret, or that of something
    in it.

    Raises:
        Unrecordable: If there is so much in it that it could not be written down anyway.
    """
    level: list[tuple[str, Any]] = [(name, value)]
    count = 0
    for _ in range(DEEPEST + 1):
        if any(_says_so(inner, one) for inner, one in level):
            return True
        below: list[tuple[str, Any]] = []
        for _, one in level:
            if id(type(one)) not in _ATOMS:
                below.extend(islice(inside(one), MOST_ITEMS + 1))
                if count + len(below) > MOST_ITEMS:
                    raise Unrecordable("an argument has too much in it")
        if not below:
            return False
        count += len(below)
        level = below
    return True  # deeper than anybody looks: it is not to be found out on disk


def _says_so(name: str, value: Any) -> bool:
    kind = type(value)
    if id(kind) not in _ATOMS and says_secret(kind):
        return True
    if kind is bool or value is None:
        return False
    return names_secret(name, of_number=kind is int or kind is float)


def names_secret(name: str, *, of_number: bool = False) -> bool:
    """
    Whether what is called *name* is a secret by its name.
    """
    if of_number:
        name = _COUNTED.sub("", name)  # how many tokens, not which
    return _SECRET.search(_CAMEL.sub("_", name)) is not None


def inside(value: Any) -> Iterator[tuple[str, Any]]:
    """
    What *value* consists of, by name where it has names. Read past what its class overrides.
    """
    bases = mro(type(value))
    if dict in bases:
        yield from ((_text(key), one) for key, one in dict.items(value))
        return
    try:
        named = fields(value)
    except Refusal:
        raise Unrecordable("an argument cannot be looked into") from None
    if named:
        yield from named
        return
    for kind in _SEVERAL:
        if kind not in bases:
            continue
        items = list(islice(kind.__iter__(value), MOST_ITEMS + 1))
        # A pair may be a header, or an item of a mapping.
        is_pair = kind in (list, tuple) and len(items) == 2
        name = _text(items[0]) if is_pair else ""
        yield from ((name, one) for one in items)
        return


def _text(name: Any) -> str:
    if type(name) is bytes:
        return name.decode("latin-1")
    return str.__str__(name) if str in mro(type(name)) else ""


def _fingerprint(label: str, name: str, value: Any, key: bytes) -> bytes:
    try:
        canonical = encode_call(label, (name,), (value,))
    except MemotierError:
        raise Unrecordable("a secret argument has no stable key") from None
    return blake2b(canonical, digest_size=16, key=key[:64], person=b"memotier-hide").digest()
