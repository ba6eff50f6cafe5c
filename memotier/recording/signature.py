"""
The signature of a call: which function, with which arguments, for whom.

Arguments are kept as a payload of the safe codec, by name, without the parameters that are no
part of the key. An argument that looks like a secret is never written: a keyed fingerprint
stands in its place, and the call cannot be replayed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from ..codecs.values import SafeCodec
from ..errors import MemotierError
from ..keys.canonical import encode_call

#: Bytes of arguments beyond which a call is not recorded.
LARGEST: Final = 16 * 1024
#: Levels of dicts, lists and tuples that are looked through for names of secrets.
DEEPEST: Final = 6

#: What names a secret: the whole name, or a word of it.
_SECRET: Final = re.compile(
    r"(?i)(?:^|[^a-z0-9])(?:pass(?:word|wd|phrase)?|pwd|secrets?|(?:access|auth|bearer|id|refresh|"
    r"session|csrf)?tokens?|(?:api|private|access|signing|encryption)[_\-]?key|authorization|"
    r"credentials?|cookies?|session[_\-]?id)(?:$|[^a-z0-9])"
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: Types that say so themselves, by name: nothing is imported to find out.
_SECRET_TYPES: Final = frozenset(("SecretStr", "SecretBytes", "Secret"))

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
    except MemotierError as error:
        raise Unrecordable(f"an argument cannot be written down ({type(error).__name__})") from None
    return Signature(namespace, function, payload, user, tuple(hidden))


def is_secret(name: str, value: Any, depth: int = 0) -> bool:
    """
    Whether the name or the type of an argument says that it is a secret, or that of something
    in it.
    """
    if type(value).__name__ in _SECRET_TYPES:
        return True
    # A number says how many tokens, not which; None is that there is none.
    if type(value) not in (int, float, bool, type(None)) and _SECRET.search(_CAMEL.sub("_", name)):
        return True
    if depth >= DEEPEST:
        return False
    if type(value) is dict:
        return any(
            is_secret(inner if type(inner) is str else "", one, depth + 1)
            for inner, one in value.items()
        )
    if type(value) in (list, tuple):
        return any(is_secret("", one, depth + 1) for one in value)
    return False


def _fingerprint(label: str, name: str, value: Any, key: bytes) -> bytes:
    try:
        canonical = encode_call(label, (name,), (value,))
    except MemotierError:
        raise Unrecordable("a secret argument has no stable key") from None
    return blake2b(canonical, digest_size=16, key=key[:64], person=b"memotier-hide").digest()
