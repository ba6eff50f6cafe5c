"""
What processes leave of themselves in a store, on the disk and at a Redis.
"""

from __future__ import annotations

import os
import stat

import pytest

from memotier.errors import StoreError
from memotier.stores.directory import Home
from memotier.stores.notices import LARGEST, LIFE, MOST, FolderNotices


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cache").mkdir(mode=0o700)
    return tmp_path / "cache"


@pytest.fixture
def notices(folder, clock):
    return FolderNotices(Home(folder), clock)


def test_what_is_left_is_found_and_replaced(notices, clock):
    """
    One notice for each name, the newest first.
    """
    notices.leave("a1", b"old")
    notices.leave("b2", b"other")
    clock.advance(1)
    notices.leave("a1", b"new")

    assert [("a1", b"new"), ("b2", b"other")] == [one[:2] for one in notices.left()]


def test_a_notice_expires(notices, clock):
    """
    It is there for LIFE seconds, and its file is gone when the next one is left.
    """
    notices.leave("a1", b"x")
    clock.advance(LIFE - 1)
    assert 1 == len(notices.left())

    clock.advance(2)
    assert [] == notices.left()

    notices.leave("b2", b"y")
    assert ["b2.json"] == os.listdir(notices.folder)


def test_there_are_not_more_than_so_many(notices, clock):
    """
    Of too many the oldest go, files and all.
    """
    for number in range(MOST + 5):
        notices.leave(f"{number:x}", b"x")
        clock.advance(1)

    assert MOST == len(os.listdir(notices.folder)) == len(notices.left())
    assert f"{MOST + 4:x}" == notices.left()[0].name


def test_only_its_owner_can_read_it(notices):
    """
    Whatever the umask.
    """
    before = os.umask(0)
    try:
        notices.leave("a1", b"x")
    finally:
        os.umask(before)

    assert 0o700 == stat.S_IMODE(notices.folder.stat().st_mode)
    assert 0o600 == stat.S_IMODE((notices.folder / "a1.json").stat().st_mode)


def test_what_is_no_notice_is_not_read(notices, tmp_path):
    """
    No link, no folder, no pipe, nothing too large, nothing of another name.
    """
    notices.leave("a1", b"x")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (notices.folder / "b1.json").symlink_to(secret)
    (notices.folder / "c1.json").mkdir()
    os.mkfifo(notices.folder / "d1.json")
    (notices.folder / "e1.json").write_bytes(bytes(LARGEST + 1))
    (notices.folder / "f1.json").write_bytes(b"")
    (notices.folder / "../evil.json").write_bytes(b"evil")
    (notices.folder / "README").write_bytes(b"hello")

    assert ["a1"] == [one.name for one in notices.left()]


@pytest.mark.parametrize("kind", ["link", "open", "file"])
def test_a_folder_that_others_can_use_is_not_used(notices, tmp_path, kind):
    """
    Neither written nor read: it may be somebody else's.
    """
    if kind == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        notices.folder.symlink_to(tmp_path / "elsewhere")
    elif kind == "open":
        notices.folder.mkdir(mode=0o777)
        notices.folder.chmod(0o777)
    else:
        notices.folder.write_bytes(b"")

    for use in (notices.left, lambda: notices.leave("a1", b"x")):
        with pytest.raises(StoreError, match="remove it"):
            use()
    if kind == "link":
        assert [] == os.listdir(tmp_path / "elsewhere")


def test_nothing_is_made_just_to_look(notices):
    """
    Who looks for notices leaves no trace.
    """
    assert [] == notices.left()
    assert not notices.folder.exists()


def test_a_missing_directory_is_an_error_of_the_store(tmp_path, clock):
    """
    And nothing else: whoever leaves a notice passes over it.
    """
    notices = FolderNotices(Home(tmp_path / "no" / "such"), clock)

    with pytest.raises(StoreError):
        notices.leave("a1", b"x")
