"""
What digests of secrets are made with in a directory for which no key is set: the user's own key,
which does not lie there.

All who share the directory have to agree on it, or one would not reach by ``invalidate()`` what
another has stored. So the first one leaves a digest of its key beside the files, and who has
another key, or none, goes on without; what it invalidates, it then invalidates for the whole
function (``Digester.kin``).
"""

from __future__ import annotations

import os
import secrets
from hashlib import blake2b
from pathlib import Path
from typing import Final

from .codecs.secrets import user_key
from .errors import ConfigError

#: Beside the files of the second tier.
FILE: Final = "hiding-v1"
_PERSON: Final = b"memotier-salt"


def salt_of(directory: Path) -> bytes | None:
    """
    The key of this user, if it is the one that the directory goes by; None if it is not, or cannot
    be used.
    """
    try:
        key = user_key()
        # Not the key itself, which whoever reads the directory is not to have.
        mine = blake2b(key, digest_size=32, person=_PERSON).hexdigest().encode()
        path = directory / FILE
        if not path.exists():
            _leave(path, mine)
        return key if path.read_bytes() == mine else None
    except (ConfigError, OSError, RuntimeError):  # such as no home
        return None


def _leave(path: Path, content: bytes) -> None:
    """
    Put the file into place whole, unless another process was faster.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.link(temporary, path, follow_symlinks=False)
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)
