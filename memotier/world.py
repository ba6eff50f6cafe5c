"""
Looking at files and environment variables: what they are, as keyed digests.

A file is known by its *seal*, a digest of mtime, ctime, size and inode, or by its content. A
seal alone is worth nothing while the file is *young*: where times are coarse, a file that is
written twice within one tick of the file system's clock has one seal for two contents. The
content of a young file is digested as well, and compared until the file was read at an age at
which its seal can be trusted; of a large one it is said that it cannot be told yet, so that
nothing is kept.

A file that is not there, or cannot be read, is in a state like others; nothing here raises.
Everything is keyed, so that a record does not tell what a variable or a short file contains.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat as kinds
import threading
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple, Protocol

from .clock import SYSTEM
from .types import Seconds

#: Bytes of a digest.
DIGEST: Final = 16
#: Seconds: the coarsest clock of a file system in use (FAT), and so much skew of a server's.
YOUNG: Final[Seconds] = 2.0
#: Bytes beyond which the content of a young file is not read when its times were asked for.
MOST_READ: Final = 16 * 2**20
#: Files whose content is remembered by their times.
MOST_KNOWN: Final = 4096
#: Times that a file is read which changes under our hands.
TRIES: Final = 2
_CHUNK: Final = 2**20
_UNREAD: Final = bytes(DIGEST)
_MISSING: Final = (0, errno.ENOENT, errno.ENOTDIR)

#: The system's time, in which files have theirs.
_wall = SYSTEM.wall


def key_of(secret: bytes) -> bytes:
    """
    The key of all digests of the world, where *secret* is used for other things as well.
    """
    return blake2b(secret, person=b"memotier-world", digest_size=32).digest()


def digester(key: bytes, kind: bytes, text: str) -> blake2b:
    """
    To be copied, once for each state of the thing that *text* names.
    """
    started = blake2b(kind, key=key, digest_size=DIGEST)
    started.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return started


class Part(Protocol):
    """
    One thing to look at. Its state takes ``size`` bytes.
    """

    size: int

    def look(self, prior: bytes | None, *, reads: bool, exact: bool) -> bytes | None: ...


class World:
    """
    What one call depends on; see ``engine.calls.Watch``.
    """

    __slots__ = ("_parts", "_size")

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._size = sum(part.size for part in parts)

    def __call__(self, prior: bytes | None, *, reads: bool, exact: bool = False) -> bytes | None:
        if prior is not None and len(prior) != self._size:
            prior = None
        states, at = [], 0
        for part in self._parts:
            end = at + part.size
            mine = None if prior is None else prior[at:end]
            state = part.look(mine, reads=reads, exact=exact)
            if state is None:
                return None
            states.append(state)
            at = end
        return b"".join(states)

    def differs(self, before: bytes, now: bytes) -> int | None:
        """
        The number of the first part whose state is not the same in two worlds; None if there is
        none, or they are not both of this call.
        """
        if len(before) != self._size or len(now) != self._size:
            return None
        at = 0
        for number, part in enumerate(self._parts):
            end = at + part.size
            if before[at:end] != now[at:end]:
                return number
            at = end
        return None


class Untold:
    """
    A world that is never the same, because nobody can say what it is.
    """

    def __call__(self, prior: bytes | None, *, reads: bool, exact: bool = False) -> bytes | None:
        return secrets.token_bytes(DIGEST)


UNTOLD: Final = Untold()


class Text:
    """
    A text that does not change: the name of an epoch, where the key of the call does not tell it.
    """

    __slots__ = ("_digest",)
    size = DIGEST

    def __init__(self, key: bytes, text: str) -> None:
        self._digest = digester(key, b"text", text).digest()

    def look(self, prior: bytes | None, *, reads: bool, exact: bool) -> bytes | None:
        return self._digest


class Variable:
    """
    An environment variable.
    """

    __slots__ = ("_name", "_started")
    size = DIGEST

    def __init__(self, key: bytes, name: str) -> None:
        self._name = name
        self._started = digester(key, b"env", name)

    def look(self, prior: bytes | None, *, reads: bool, exact: bool) -> bytes | None:
        value = os.environ.get(self._name)
        state = self._started.copy()
        if value is not None:
            state.update(b"=" + value.encode("utf-8", "surrogatepass"))
        return state.digest()


class Times(NamedTuple):
    """
    What tells two states of a file apart without reading it; times are nanoseconds.
    """

    mtime: int
    ctime: int
    size: int
    inode: int
    device: int
    mode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Times:
        return cls(
            found.st_mtime_ns,
            found.st_ctime_ns,
            found.st_size,
            found.st_ino,
            found.st_dev,
            found.st_mode,
        )

    def are_young(self, now: Seconds) -> bool:
        """
        Whether it may change once more without showing it. What dates from the future may.

        Args:
            now: When it was not yet asked for these times. (What happened between that and now
                is younger still.)
        """
        return max(self.mtime, self.ctime) > (now - YOUNG) * 1e9


class Path:
    """
    A file or directory, by its times or its content. A link is what it leads to.
    """

    __slots__ = ("_by_content", "_content", "_path", "_seal")
    size = 2 * DIGEST

    def __init__(self, key: bytes, path: str, *, by_content: bool) -> None:
        self._path = path
        self._by_content = by_content
        self._seal = digester(key, b"file", path)
        self._content = digester(key, b"content", path)

    def look(self, prior: bytes | None, *, reads: bool, exact: bool) -> bytes | None:
        now = _wall()
        try:
            times = Times.of(os.stat(self._path))
        except (OSError, ValueError) as error:
            # Not there, or not for us. (ValueError: a NUL in what an argument has put there.)
            reason = (error.errno or 0) if isinstance(error, OSError) else 0
            return self._unreadable(reason)
        seal = self._sealed(times)
        is_as_before = prior is not None and prior[:DIGEST] == seal
        if not self._by_content:
            known = prior[DIGEST:] if prior is not None and is_as_before else _UNREAD
            if is_as_before and known == _UNREAD:
                return prior
            is_young = times.are_young(now)
            if not is_as_before and not is_young:
                return seal + _UNREAD
            if times.size > MOST_READ:
                return seal + (secrets.token_bytes(DIGEST) if is_young else _UNREAD)
        found = _contents.of(self._path, times, self._content, now, reads=reads)
        if found is None:
            return None
        times, content = found
        seal = self._sealed(times)
        if prior is not None and prior[DIGEST:] == content:
            is_as_before = prior[:DIGEST] == seal
            if is_as_before or (self._by_content and not exact):
                return prior
        return seal + content

    def _sealed(self, times: Times) -> bytes:
        state = self._seal.copy()
        state.update(b"%d %d %d %d" % times[:4])
        return state.digest()

    def _unreadable(self, reason: int) -> bytes:
        state = self._seal.copy()
        state.update(b"missing" if reason in _MISSING else b"error %d" % reason)
        return state.digest() + _UNREAD


class _Contents:
    """
    Digests of contents by the times of the file, so that it is read only when those have changed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, bytes], tuple[Times, bytes]] = {}

    def of(
        self, path: str, times: Times, started: blake2b, now: Seconds, *, reads: bool
    ) -> tuple[Times, bytes] | None:
        """
        What the file contains, and its times when it was read; None if it has to be read.
        """
        key = (path, started.digest())
        known = self._known.get(key)
        if known is not None and known[0] == times:
            return known
        if not reads:
            return None
        were_young = times.are_young(now)
        found = read(path, times, started, were_young=were_young)
        if not were_young:
            with self._lock:
                if len(self._known) >= MOST_KNOWN:
                    del self._known[next(iter(self._known))]
                self._known[key] = found
        return found

    def forget(self) -> None:
        """
        A forked child: whoever held the lock is not here to release it.
        """
        self._lock = threading.Lock()


def read(path: str, times: Times, started: blake2b, *, were_young: bool) -> tuple[Times, bytes]:
    """
    Digest the content of a file, the names in a directory, the times of anything else.

    Returns:
        Its times, unchanged from before it was read until after it, and the digest. A file that
        changes all the time has a digest that it never has again.
    """
    state = started.copy()
    is_directory = kinds.S_ISDIR(times.mode)
    if not (is_directory or kinds.S_ISREG(times.mode)):
        # A device or a pipe is not ours to read.
        state.update(b"times %d %d %d %d" % times[:4])
        return times, secrets.token_bytes(DIGEST) if were_young else state.digest()
    try:
        for _ in range(TRIES):
            state = started.copy()
            before, after = (_list if is_directory else _digest)(path, state)
            if before == after:
                return before, state.digest()
    except OSError as error:
        state = started.copy()
        state.update(b"error %d %d %d %d %d" % (error.errno or 0, *times[:4]))
        return times, state.digest()
    return times, secrets.token_bytes(DIGEST)


def _digest(path: str, state: blake2b) -> tuple[Times, Times]:
    # Not waiting for a writer, if it has become a pipe since somebody looked.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    with open(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb", buffering=0) as file:
        before = Times.of(os.fstat(file.fileno()))
        if kinds.S_ISREG(before.mode):
            state.update(b"content ")
            while chunk := file.read(_CHUNK):
                state.update(chunk)
        return before, Times.of(os.fstat(file.fileno()))


def _list(path: str, state: blake2b) -> tuple[Times, Times]:
    before = Times.of(os.stat(path))
    names = sorted(os.fsencode(name) for name in os.listdir(path))
    # No name has a NUL in it.
    state.update(b"names " + b"\0".join(names))
    return before, Times.of(os.stat(path))


_contents = _Contents()

os.register_at_fork(after_in_child=_contents.forget)
