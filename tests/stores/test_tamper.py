"""
What someone who can write to the database gets out of it: misses. The numbers of the rows are
those of the tamper table of the design; the faults are 20, 21 and 22.
"""

from __future__ import annotations

import pickle
import resource
import sqlite3
import zlib

import diskcache
import pytest

from memotier.stores._diskcache import BytesDisk, ForeignRow

from .support import NAME, address, database, item, put, read, tampering

UPDATE = "UPDATE Cache SET {} WHERE key = ?"


class Bomb:
    """
    Unpickling it makes a file.
    """

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


@pytest.fixture
def tamper(on_disk, place):
    """
    A store with a record at "a" and one at "b", and a function that rewrites the row of "a".
    """
    store = on_disk()
    put(store, "a", "b")

    def tamper(columns, *values):
        with tampering(place) as connection:
            connection.execute(UPDATE.format(columns), (*values, address("a")))
        return store

    return tamper


def rows(place) -> int:
    with tampering(place) as connection:
        return connection.execute("SELECT count(*) FROM Cache").fetchone()[0]


def test_fault_20_pickle_in_a_row_is_not_executed(tamper, place, tmp_path, events):
    """
    Row 1: a miss, the row is dropped and reported, and no code has run.
    """
    marker = tmp_path / "marker"
    store = tamper("mode = 4, value = ?", pickle.dumps(Bomb(marker)))

    assert [None, b"record"] == read(store, "a", "b")
    assert not marker.exists()
    assert 1 == rows(place)
    assert [("foreign_rows", {"count": 1})] == events
    assert [True] == put(store, "a", record=b"honest")
    assert [b"honest"] == read(store, "a")


def test_fault_20_pickled_key_is_not_executed(tamper, place, tmp_path):
    """
    Row 2: a key with raw=0 is neither found nor decoded, whatever is done with the store.
    """
    marker = tmp_path / "marker"
    store = tamper("raw = 0, key = ?", pickle.dumps(Bomb(marker)))

    assert [None, b"record"] == read(store, "a", "b")
    assert 1 == store.count()
    store.clear()
    assert 0 == rows(place)
    assert not marker.exists()


@pytest.mark.parametrize("mode", [0, 2, 3, 4, 99, None, "x"])
def test_fault_20_unknown_mode_is_a_miss(tamper, mode):
    """
    Rows 3, 4 and 7: any other mode is a miss, never None as a value.
    """
    store = tamper("mode = ?", mode)

    assert [None] == read(store, "a")


@pytest.mark.parametrize("value", ["NULL", "7", "1.5", "'text'", "CAST(x'80ff' AS TEXT)"])
def test_fault_20_value_of_another_type_is_a_miss(tamper, value):
    """
    Text, numbers and NULL where bytes belong; also text that is no UTF-8.
    """
    store = tamper(f"value = {value}")

    assert [None, b"record"] == read(store, "a", "b")
    assert [None] == read(store, "a")


@pytest.mark.parametrize("filename", ["/etc/passwd", "../../victim", "victim"])
@pytest.mark.parametrize("then", ["read", "overwrite", "delete", "discard", "evict", "clear"])
def test_fault_21_file_names_are_neither_read_nor_removed(on_disk, place, tmp_path, filename, then):
    """
    Rows 5 and 6: whatever path stands in a row, that file is left alone.
    """
    store = on_disk(max_size=2)
    put(store, "a", "b")
    victims = [tmp_path / "victim", place / "v1" / "victim"]
    for victim in victims:
        victim.write_text("precious")
    with tampering(place) as connection:
        connection.execute(
            UPDATE.format("mode = 2, value = NULL, filename = ?"), (filename, address("a"))
        )

    if then == "read":
        assert [None] == read(store, "a")
    elif then == "overwrite":
        put(store, "a", record=b"new")
        assert [b"new"] == read(store, "a")
    elif then == "delete":
        store.delete([address("a")])
    elif then == "discard":
        store.discard(address("a"))
    elif then == "evict":
        put(store, "c", "d")
    else:
        store.clear()

    assert ["precious", "precious"] == [victim.read_text() for victim in victims]


def test_fault_22_settings_in_the_file_are_not_obeyed(on_disk, place):
    """
    Row 8: limits, unknown settings and settings that would hide our methods.
    """
    put(on_disk(), "a")
    with tampering(place) as connection:
        connection.execute("UPDATE Settings SET value = 0 WHERE key = 'size_limit'")
        connection.execute("UPDATE Settings SET value = 'off' WHERE key = 'sqlite_journal_mode'")
        connection.execute("UPDATE Settings SET value = 9 WHERE key = 'sqlite_synchronous'")
        connection.execute("UPDATE Settings SET value = 10 WHERE key = 'cull_limit'")
        for name in ("disk_evil", "disk_fetch", "_con", "close", b"blob", 7):
            connection.execute("INSERT INTO Settings VALUES (?, 'x')", (name,))

    store = on_disk()

    assert [b"record"] == read(store, "a")
    assert [True] == put(store, "b")
    with tampering(place) as connection:
        settings = dict(connection.execute("SELECT key, value FROM Settings"))
        journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
    assert "wal" == journal == settings["sqlite_journal_mode"]
    assert 64 * 2**20 == settings["size_limit"]
    assert 0 == settings["cull_limit"]
    assert not {"disk_evil", "disk_fetch", "_con", "close", b"blob", "7"} & set(settings)


@pytest.mark.parametrize("count", [10**9, -5, "many", None])
def test_fault_22_wrong_number_of_rows_evicts_nothing(on_disk, place, count):
    """
    The count in the file decides about eviction, so it is put right when it is opened.
    """
    put(on_disk(), "a", "b")
    with tampering(place) as connection:
        connection.execute("UPDATE Settings SET value = ? WHERE key = 'count'", (count,))

    store = on_disk()
    put(store, "c")

    assert [b"record"] * 3 == read(store, "a", "b", "c")
    assert 0 == store.usage()["evictions"]


@pytest.mark.parametrize(
    "plant",
    [
        "CREATE TRIGGER evil AFTER INSERT ON Cache BEGIN UPDATE Cache SET value = x'00'; END",
        "DROP TRIGGER Settings_count_insert; CREATE TRIGGER Settings_count_insert AFTER INSERT"
        " ON Cache FOR EACH ROW BEGIN UPDATE Cache SET value = x'00'; END",
        "CREATE VIEW evil AS SELECT 1",
        "CREATE TABLE evil (x)",
        "ALTER TABLE Cache ADD COLUMN evil DEFAULT 1",
        "DROP TABLE memotier_version;"
        " CREATE VIEW memotier_version AS SELECT x'00' AS name, x'00' AS token",
    ],
)
def test_fault_22_foreign_objects_in_the_file_put_it_aside(on_disk, place, plant, events, caplog):
    """
    Row 9: triggers, views and tables that we do not make; later writes are intact.
    """
    first = on_disk()
    put(first, "a")
    first.close()
    with tampering(place) as connection:
        connection.executescript(plant)

    store = on_disk()

    assert [None] == read(store, "a")
    assert [True] == put(store, "b", record=b"honest")
    assert [b"honest"] == read(store, "b")
    assert ["store_quarantined"] == [event for event, _ in events]
    assert 1 == len(list((place / "v1").glob("cache.db.corrupt-*[0-9]")))
    assert 1 == len([r for r in caplog.records if r.levelname == "WARNING"])


def test_what_analyze_leaves_is_accepted(on_disk, place):
    """
    A tool that gathers statistics does no harm.
    """
    first = on_disk()
    put(first, "a")
    first.close()
    with tampering(place) as connection:
        connection.execute("ANALYZE")

    assert [b"record"] == read(on_disk(), "a")


def test_fault_20_large_values_stay_in_the_database(on_disk, place, events):
    """
    Row 10: a record above the limit is not even loaded.
    """
    store = on_disk(max_record_bytes=1000)
    put(store, "a")
    with tampering(place) as connection:
        connection.execute(UPDATE.format("value = zeroblob(200000000)"), (address("a"),))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert [None] == read(store, "a")
    assert [None, None] == read(store, "a", "b")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 * 1024


def test_fault_20_bombs_are_opaque(on_disk):
    """
    A compressed bomb is a record like any other: a store does not look inside.
    """
    bomb = zlib.compress(bytes(50_000_000))
    store = on_disk()

    put(store, "a", record=bomb)
    assert [bomb] == read(store, "a")


def test_deleted_epoch_is_no_hit_for_old_guards(on_disk, place):
    """
    Without its epoch a database trusts no guard, until the next bump makes a new one.
    """
    store = on_disk()
    one = item(store)
    with tampering(place) as connection:
        connection.execute("DELETE FROM memotier_version")

    assert store.get([address("a")]).epoch is None
    assert [False] == store.set([one])
    store.bump([NAME])
    assert [False] == store.set([one])
    assert [True] == put(store, "a")


def test_stock_diskcache_opens_the_file(on_disk, place):
    """
    The layout is diskcache's, and BytesDisk is all that is needed to read it.
    """
    store = on_disk()
    put(store, "a", record=b"bytes")

    with diskcache.Cache(str(place / "v1"), disk=BytesDisk) as cache:
        assert b"bytes" == cache.get(address("a"))
        assert [address("a")] == list(cache)
        assert 1 == len(cache)
        assert cache.check() == []


def test_bytes_disk_takes_nothing_but_bytes(tmp_path):
    """
    No pickle on the way in, none on the way out.
    """
    disk = BytesDisk(str(tmp_path), evil=1)

    for wrong in (1, "text", ("tuple",), None):
        with pytest.raises(TypeError):
            disk.put(wrong)
        with pytest.raises(TypeError):
            disk.store(wrong, False)
    with pytest.raises(TypeError):
        disk.store(b"bytes", True)
    for mode, filename, value in ((4, None, b"x"), (1, "file", b"x"), (1, None, "x")):
        with pytest.raises(ForeignRow):
            disk.fetch(mode, filename, value, False)
    with pytest.raises(ForeignRow):
        disk.get(b"key", False)
    with pytest.raises(ForeignRow):
        disk.filename()


def test_bytes_disk_removes_nothing(tmp_path, caplog):
    """
    A path out of a row is named in the log and stays where it is.
    """
    victim = tmp_path / "victim"
    victim.write_text("precious")

    BytesDisk(str(tmp_path)).remove("victim")

    assert victim.exists()
    assert "victim" in caplog.text


def test_works_without_double_quoted_strings(on_disk, monkeypatch):
    """
    SQLite builds that take "size" for a column (conda-forge, Homebrew).
    """
    connect = sqlite3.connect

    class Strict(sqlite3.Connection):
        def execute(self, statement, *arguments):
            assert '"' not in statement
            return super().execute(statement, *arguments)

    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **options: connect(*args, factory=Strict, **options)
    )
    store = on_disk()

    assert [True] == put(store, "a")
    assert [b"record"] == read(store, "a")


def test_no_file_but_the_database(on_disk, place):
    """
    Values stay in their rows, also large ones.
    """
    store = on_disk()
    put(store, "a", record=bytes(500_000))

    names = {path.name for path in database(place).parent.iterdir()}
    assert {f"cache.db{end}" for end in ("", "-wal", "-shm", "-lock", "-board")} == names
