"""
Keys come from the environment or a file that only the user can read, and never show.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from memotier.codecs import secrets
from memotier.codecs.secrets import load_keys, user_key
from memotier.errors import ConfigError

KEY, OTHER = bytes(range(32)), bytes(range(200, 248))


def text(key):
    return base64.b64encode(key).decode()


def test_keys_from_the_environment():
    """
    One, several, with blanks, URL-safe, without padding.
    """
    assert (KEY,) == load_keys({"MEMOTIER_KEY": text(KEY)})
    assert (KEY, OTHER) == load_keys({"MEMOTIER_KEY": f" {text(KEY)} , {text(OTHER)}"})
    loose = base64.urlsafe_b64encode(OTHER + b"1").decode().rstrip("=")
    assert (OTHER + b"1",) == load_keys({"MEMOTIER_KEY": loose})
    assert () == load_keys({}) == load_keys({"MEMOTIER_KEY": " "})


@pytest.mark.parametrize(
    "value", ["canary-canary!", "Y2FuYXJ5", text(KEY) + ",canary", text(KEY) + ",", "canaryü" * 9]
)
def test_fault_27_bad_key_is_refused_and_not_shown(value):
    """
    The message, its causes and its notes say which key, never what it is.
    """
    with pytest.raises(ConfigError, match=r"key [12] of [12] in MEMOTIER_KEY") as caught:
        load_keys({"MEMOTIER_KEY": value})

    shown = "".join(traceback.format_exception_only(caught.value)) + repr(caught.value.__cause__)
    assert not any(part in shown for part in value.split(",") if part)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_user_key_is_made_once(tmp_path):
    """
    32 random bytes in a file of mode 0600, in a directory of mode 0700, whatever the umask.
    """
    directory = tmp_path / "a" / "memotier"
    before = os.umask(0)
    try:
        key = user_key(directory)
    finally:
        os.umask(before)

    assert 32 == len(key)
    assert key == user_key(directory) != user_key(tmp_path / "b")
    assert ["key"] == os.listdir(directory)
    assert 0o600 == (directory / "key").stat().st_mode & 0o777
    assert 0o700 == directory.stat().st_mode & 0o777


def test_user_key_lies_in_the_configuration_directory(tmp_path, monkeypatch):
    """
    $XDG_CONFIG_HOME if it is absolute, ~/.config otherwise.
    """
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    user_key()
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    user_key()

    assert (tmp_path / "xdg" / "memotier" / "key").is_file()
    assert (tmp_path / "home" / ".config" / "memotier" / "key").is_file()


def test_environment_comes_before_the_file(tmp_path):
    """
    The file is only made when it is needed.
    """
    assert (KEY,) == load_keys({"MEMOTIER_KEY": text(KEY)}, tmp_path / "d")
    assert not (tmp_path / "d").exists()
    assert (user_key(tmp_path / "d"),) == load_keys({}, tmp_path / "d")


def exposed(directory, path):
    path.chmod(0o640)


def exposed_directory(directory, path):
    directory.chmod(0o755)


def linked(directory, path):
    target = directory.parent / "target"
    path.rename(target)
    path.symlink_to(target)


def dangling(directory, path):
    path.unlink()
    path.symlink_to(directory.parent / "planted")


def linked_directory(directory, path):
    real = directory.parent / "real"
    directory.rename(real)
    directory.symlink_to(real)


def pipe(directory, path):
    path.unlink()
    os.mkfifo(path, 0o600)


def empty(directory, path):
    path.write_bytes(b"")


def short(directory, path):
    path.write_bytes(base64.b64encode(b"canary"))


@pytest.mark.skipif(sys.platform == "win32", reason="modes and owners are POSIX")
@pytest.mark.parametrize(
    ("spoil", "fix"),
    [
        (exposed, "chmod 600 .*key"),
        (exposed_directory, "chmod 700 .*"),
        (linked, "rm .*key"),
        (dangling, "rm .*key"),
        (linked_directory, "rm .*"),
        (pipe, "rm .*key"),
        (empty, "rm .*key"),
        (short, "rm .*key"),
    ],
)
def test_fault_23_unsafe_key_file_is_refused_with_the_fix(tmp_path, spoil, fix):
    """
    Others could read or replace it, or it is no key: nothing is signed with it.
    """
    directory = tmp_path / "memotier"
    user_key(directory)
    spoil(directory, directory / "key")

    with pytest.raises(ConfigError) as caught:
        user_key(directory)
    assert re.search(fix, str(caught.value))
    assert "canary" not in str(caught.value)
    assert not (tmp_path / "planted").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="modes and owners are POSIX")
def test_fault_23_key_of_another_user_is_refused(tmp_path, monkeypatch):
    """
    The message says whose it is and how to take it over.
    """
    user_key(tmp_path / "memotier")
    mine = os.geteuid()
    monkeypatch.setattr(secrets.os, "geteuid", lambda: mine + 1)

    with pytest.raises(ConfigError, match=f"belongs to user {mine}.*chown {mine + 1}"):
        user_key(tmp_path / "memotier")


def test_directory_that_cannot_be_made(tmp_path):
    """
    A file in the way is a mistake in the configuration, not an OSError.
    """
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(ConfigError, match="MEMOTIER_KEY"):
        user_key(tmp_path / "file" / "memotier")


RACE = """
import sys
from pathlib import Path
from memotier.codecs.secrets import user_key
sys.stdin.readline()
print(user_key(Path(sys.argv[1])).hex())
"""


def test_racing_processes_agree(tmp_path):
    """
    Six processes that all find no key end up with one.
    """
    root = str(Path(secrets.__file__).resolve().parents[2])
    command = [sys.executable, "-c", RACE, str(tmp_path / "memotier")]
    racers = [
        subprocess.Popen(
            command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    keys = {racer.communicate(timeout=60)[0].strip() for racer in racers}

    assert {user_key(tmp_path / "memotier").hex()} == keys
    assert ["key"] == os.listdir(tmp_path / "memotier")
