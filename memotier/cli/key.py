"""
Print a new key for MEMOTIER_KEY: 32 random bytes in base64.

With a key, what is stored cannot be forged by whoever may write there; with encrypt =
true it cannot be read, either. All processes and machines that share a cache take the
same key. To rotate, put a new one before the old one, with a comma between them:
records of the old one are signed with the new one when they are used.
"""

from __future__ import annotations

from ..codecs.secrets import new_key
from .frame import as_command


@as_command("key", "print a new key for MEMOTIER_KEY", __doc__)
def command() -> int:
    print(new_key())  # it is kept nowhere
    return 0
