"""
Where the keys come from that sign records: the environment, or a file of the user's own.

A key never lies in the cache directory, where whoever may write records could read it,
and never appears in a message.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import ConfigError

VARIABLE = "MEMOTIER_KEY"
MIN_BYTES = 32
# Longer than any key; a file that is longer is not one of ours.
_MAX_FILE = 4096


def load_keys(environ: Mapping[str, str], config_dir: Path | None = None) -> tuple[bytes, ...]:
    """
    The keys to sign and verify with; the first signs, all verify.

    Args:
        environ: Where to look for ``MEMOTIER_KEY``, base64 keys with commas between them.

        config_dir: Where the user's own key file lies, used (and made) if the variable is
            not set; None for no such file.

    Raises:
        ConfigError: If a key is not base64, or shorter than 32 bytes.
    """
    text = environ.get(VARIABLE, "")
    if text.strip():
        parts = text.split(",")
        return tuple(_parse(part.strip(), i + 1, len(parts)) for i, part in enumerate(parts))
    if config_dir is not None:
        return (user_key(config_dir),)
    return ()


def new_key() -> str:
    """
    A key as ``MEMOTIER_KEY`` takes it: 32 random bytes in base64.
    """
    return base64.b64encode(secrets.token_bytes(MIN_BYTES)).decode()


def _parse(text: str, number: int, count: int) -> bytes:
    which = f"key {number} of {count} in {VARIABLE}"
    padded = text.rstrip("=")
    padded += "=" * (-len(padded) % 4)
    try:
        key = base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        # "from None": the original error would show the key.
        raise ConfigError(f"{which} is not base64; make one with `{_RECIPE}`") from None
    if len(key) < MIN_BYTES:
        raise ConfigError(
            f"{which} has {len(key)} bytes, fewer than {MIN_BYTES}; make one with `{_RECIPE}`"
        )
    return key


_RECIPE = "memotier key"


def user_key(config_dir: Path | None = None) -> bytes:
    """
    The key of this user on this machine, made on first use; 32 bytes.

    Args:
        config_dir: Where the file ``key`` lies; None for ``$XDG_CONFIG_HOME/memotier``, or
            ``~/.config/memotier``.

    Raises:
        ConfigError: If others could read or replace the file, or it holds no key.
    """
    directory = config_dir if config_dir is not None else _default_dir()
    path = directory / "key"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_directory(directory)
        if not path.is_symlink() and not path.exists():
            _create(path)
        return _read(path)
    except OSError as error:
        raise ConfigError(
            f"the key file {path} cannot be used ({error.strerror}); set {VARIABLE} instead"
        ) from error


def _default_dir() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".config") / "memotier"


def _check_directory(directory: Path) -> None:
    _check(os.lstat(directory), directory, stat.S_ISDIR, "a directory", "chmod 700")


def _check(
    found: os.stat_result, path: Path, is_kind: Callable[[int], bool], kind: str, fix: str
) -> None:
    if not is_kind(found.st_mode):
        raise ConfigError(f"{path} is not {kind} itself (a link?); remove it: rm {path}")
    if not hasattr(os, "geteuid"):
        return
    if found.st_uid != os.geteuid():
        raise ConfigError(
            f"{path} belongs to user {found.st_uid}; make it yours: chown {os.geteuid()} {path}"
        )
    if found.st_mode & 0o077:
        raise ConfigError(f"{path} is open to other users; close it: {fix} {path}")


def _create(path: Path) -> None:
    """
    Write a new key beside *path* and link it into place, unless another process was faster.

    The link is what makes racing processes agree: it appears whole, and only once.
    """
    temporary = path.with_name(f".key-{os.getpid()}-{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(temporary, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(new_key().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path, follow_symlinks=False)
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)


def _read(path: Path) -> bytes:
    if path.is_symlink():
        raise ConfigError(f"{path} is not a file itself (a link?); remove it: rm {path}")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    with open(descriptor, "rb") as file:
        # The opened file, not the name: the name may be another file by now.
        _check(os.fstat(file.fileno()), path, stat.S_ISREG, "a file", "chmod 600")
        content = file.read(_MAX_FILE)
    try:
        key = base64.b64decode(content.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < MIN_BYTES:
        raise ConfigError(f"{path} holds no key; remove it and a new one is made: rm {path}")
    return key
