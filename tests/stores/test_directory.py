"""
Who may look into the directory, and on what it may lie.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from memotier.errors import StoreUnavailable
from memotier.stores.directory import network_type

from .support import ROOT, disk, put, read

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:25 / /dev/shm rw - tmpfs tmpfs rw
40 22 0:50 / /home/me/with\\040space rw shared:1 - nfs4 server:/export rw
41 22 0:51 / /srv rw - cifs //server/share rw
42 22 0:52 / /srv/local rw - ext4 /dev/vdb rw
43 22 0:53 / /net rw - fuse.sshfs user@host: rw
44 22 0:54 / /disk rw - fuseblk /dev/sdc1 rw
45 22 0:55 / /over rw - nfs server:/x rw
46 22 0:56 / /over rw - overlay overlay rw
garbage
"""


def mode(path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.mark.parametrize("umask", [0, 0o002, 0o022, 0o277])
def test_fault_24_modes_do_not_depend_on_the_umask(tmp_path, umask):
    """
    Directories 0700, those above too, and files 0600.
    """
    place = tmp_path / "above" / "cache"
    old = os.umask(umask)
    try:
        if umask & 0o200:
            (tmp_path / "above").mkdir()
            os.chmod(tmp_path / "above", 0o700)
        store = disk(place)
        put(store, "a")
        found = {path.name: mode(path) for path in (place / "v1").iterdir()}
        store.close()
    finally:
        os.umask(old)

    files = [f"cache.db{end}" for end in ("", "-wal", "-shm", "-lock", "-board")]
    assert dict.fromkeys(files, 0o600) == found
    assert umask == 0o277 or [0o700] * 3 == [
        mode(path) for path in (place.parent, place, place / "v1")
    ]


@pytest.mark.parametrize("bits", [0o770, 0o720, 0o702, 0o777])
def test_fault_23_directory_that_others_can_write_to(tmp_path, bits):
    """
    Refused, with the command that helps; and it does help.
    """
    place = tmp_path / "cache"
    place.mkdir()
    place.chmod(bits)
    store = disk(place)

    with pytest.raises(StoreUnavailable, match=f"chmod 700 {place}"):
        put(store, "a")
    assert [] == list(place.iterdir())

    place.chmod(0o700)
    assert [True] == put(store, "a")
    store.close()


def test_directory_that_others_can_only_list(tmp_path):
    """
    What mkdir makes (0755) will do: our files lie behind a door of their own.
    """
    place = tmp_path / "cache"
    place.mkdir()
    place.chmod(0o755)
    store = disk(place)
    put(store, "a")
    store.close()

    assert 0o700 == mode(place / "v1")


@pytest.mark.parametrize(
    "name", ["", *(f"cache.db{end}" for end in ("", "-wal", "-shm", "-lock", "-board"))]
)
def test_fault_23_files_that_others_can_read(tmp_path, name):
    """
    The inner directory and each of the files are refused if they are open to others.
    """
    place = tmp_path / "cache"
    first = disk(place)
    put(first, "a")
    (place / "v1" / name).chmod(0o755 if not name else 0o644)
    store = disk(place)

    with pytest.raises(StoreUnavailable, match=r"open to other users.*chmod"):
        read(store, "a")
    first.close()


@pytest.mark.parametrize(
    "name",
    ["cache", "cache/v1", *(f"cache/v1/cache.db{end}" for end in ("", "-lock", "-board"))],
)
def test_fault_23_symbolic_links(tmp_path, name):
    """
    A link is refused wherever it stands, and nothing is made where it leads.
    """
    target = tmp_path / "elsewhere"
    if name.endswith(("db", "lock")):
        target.write_text("precious")
    else:
        target.mkdir(mode=0o700)
    link = tmp_path / name
    link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for above in link.parents:
        if above == tmp_path:
            break
        above.chmod(0o700)
    link.symlink_to(target)

    with pytest.raises(StoreUnavailable, match=r"symbolic link|not a regular file"):
        read(disk(tmp_path / "cache"), "a")
    assert target.read_text() == "precious" if target.is_file() else [] == list(target.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be someone else")
@pytest.mark.parametrize("name", ["", "v1", "v1/cache.db", "v1/cache.db-lock", "v1/cache.db-board"])
def test_fault_23_belongs_to_someone_else(tmp_path, name):
    """
    What another user made for us is not used.
    """
    place = tmp_path / "cache"
    first = disk(place)
    put(first, "a")
    first.close()
    os.chown(place / name, 12345, 12345)

    with pytest.raises(StoreUnavailable, match="belongs to user 12345"):
        read(disk(place), "a")


def test_shared_directory_is_accepted_when_it_is_meant(tmp_path):
    """
    With allow_shared_dir the files are for the group too.
    """
    place = tmp_path / "cache"
    place.mkdir()
    place.chmod(0o770)
    store = disk(place, allow_shared_dir=True)
    put(store, "a")

    assert [b"record"] == read(store, "a")
    assert 0o660 == mode(place / "v1" / "cache.db") == mode(place / "v1" / "cache.db-lock")
    store.close()


def test_path_that_is_a_file_is_not_touched(tmp_path):
    """
    An old cache file, perhaps a pickle: never read, never replaced.
    """
    place = tmp_path / "cache"
    place.write_bytes(b"cos\nsystem\n(S'false'\ntR.")

    with pytest.raises(StoreUnavailable, match="is a file"):
        read(disk(place), "a")
    assert b"cos\nsystem\n(S'false'\ntR." == place.read_bytes()


def test_path_below_a_file_is_unavailable(tmp_path):
    """
    A directory that cannot be made is one sentence, not a traceback of the system.
    """
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreUnavailable, match="cannot be used"):
        read(disk(tmp_path / "file" / "cache"), "a")


def test_odd_names_are_taken_literally(tmp_path):
    """
    No "~", no "$HOME", no "%20" is expanded in a path.
    """
    here = tmp_path / "here"
    here.mkdir()
    place = here / "~" / "$HOME %20?#x'\""
    store = disk(place)
    put(store, "a")
    store.close()

    assert (place / "v1" / "cache.db").exists()
    assert ["~"] == [path.name for path in here.iterdir()]


def test_making_a_store_touches_nothing(tmp_path):
    """
    The directory is made by the first call, not when the store is made.
    """
    store = disk(tmp_path / "cache")

    assert not (tmp_path / "cache").exists()
    assert "cache" in repr(store)
    store.close()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/tmp/cache", None),
        ("/dev/shm/cache", None),
        ("/home/me/with space/cache", "nfs4"),
        ("/home/me/with spaces", None),
        ("/srv/cache", "cifs"),
        ("/srv", "cifs"),
        ("/srv/local/cache", None),
        ("/net/cache", "fuse.sshfs"),
        ("/disk/cache", None),
        ("/over/cache", None),
    ],
)
def test_fault_53_recognises_network_file_systems(path, expected):
    """
    The deepest and latest mount decides.
    """
    assert expected == network_type(Path(path), lambda: MOUNTS)
    assert network_type(Path(path), lambda: "") is None


def test_fault_53_refuses_network_file_systems(tmp_path):
    """
    The message says what it is and what to do; nothing is made there.
    """
    mounts = f"1 1 0:1 / {tmp_path} rw - nfs4 server:/x rw\n"
    store = disk(tmp_path / "cache", mounts=lambda: mounts)

    with pytest.raises(StoreUnavailable, match=r"nfs4.*local directory"):
        put(store, "a")
    assert not (tmp_path / "cache").exists()


def test_fault_53_network_file_system_without_the_log(tmp_path, caplog):
    """
    Who insists gets a journal that does not need shared memory, and a warning.
    """
    mounts = f"1 1 0:1 / {tmp_path} rw - nfs4 server:/x rw\n"
    store = disk(tmp_path / "cache", mounts=lambda: mounts, allow_network_fs=True)
    put(store, "a")
    store.bump([])

    assert [b"record"] == read(store, "a")
    assert ["cache.db", "cache.db-board", "cache.db-lock"] == sorted(
        p.name for p in (tmp_path / "cache/v1").iterdir()
    )
    assert "only one machine" in caplog.text or "only while one machine" in caplog.text
    store.close()


def test_importing_memotier_loads_no_database():
    """
    A cache in memory alone loads neither sqlite3 nor diskcache.
    """
    code = (
        "import sys; from pathlib import Path; import memotier.stores.open as o;"
        "o.open_store(None, max_size=1, max_bytes=1000).close();"
        "print(sorted({'sqlite3', 'diskcache', 'asyncio'} & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert "[]" == out.stdout.strip()


def test_asking_for_numbers_makes_no_files(tmp_path):
    """
    A store that was never used has nothing in it, whatever its directory is like; nothing is
    made, refused or logged for that.
    """
    here = tmp_path / "here"
    here.mkdir()
    (here / "link").symlink_to(tmp_path)
    (here / "file").write_text("no directory")
    for name in ("missing", "link", "file", "missing/deeper"):
        store = disk(here / name)
        assert {"size": 0, "bytes": 0, "evictions": 0, "expirations": 0} == store.usage()
        assert 0 == store.count() == store.count("group")
        store.close()
        with pytest.raises(StoreUnavailable):
            store.usage()
    assert {"link", "file"} == {path.name for path in here.iterdir()}


def test_numbers_of_a_file_that_is_there_are_read(tmp_path):
    """
    A new store on the file of an earlier one knows what is in it before its first use.
    """
    first = disk(tmp_path)
    put(first, "a", "b")
    first.close()
    second = disk(tmp_path)

    assert 2 == second.usage()["size"]
    second.close()
