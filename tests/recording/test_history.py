"""
The history on disk: bounded, authenticated, shared, and never lost whole (fault 28).
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from memotier.errors import StoreUnavailable
from memotier.recording.history import History, Limits
from memotier.recording.pattern import DAY, Pattern
from memotier.recording.records import LARGEST_ROW, Recorded, write_row
from memotier.recording.signature import sign

KEY = b"k" * 32


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "history"


@pytest.fixture
def history(folder, clock):
    return History(folder, (KEY,), clock=clock)


def call(x, hits=1, at=1_700_000_000.0, user=""):
    signature = sign("f", "tool.x", "app.f", {"x": x}, user=user, key=KEY)
    pattern = Pattern()
    pattern.add(hits, 0, at, hour=3)
    return Recorded(signature, pattern)


def arguments(history):
    return sorted(one.signature.arguments()["x"] for one in history.read().calls)


def change(folder, *statements):
    with closing(sqlite3.connect(folder / "history.db")) as db, db:
        for statement in statements:
            db.execute(*statement) if isinstance(statement, tuple) else db.execute(statement)


def test_what_was_added_is_there_for_the_next_process(history, folder, clock):
    """
    Counts of one call add up over saves and histories.
    """
    history.add([call(1, hits=2), call(2)])
    History(folder, (KEY,), clock=clock).add([call(1, hits=3)])

    found = {one.signature.arguments()["x"]: one.pattern.hits for one in history.read().calls}
    assert {1: 5, 2: 1} == found


def test_nothing_is_made_by_looking(history, folder):
    """
    A process that only warms leaves no files where nothing was recorded.
    """
    assert ([], 0) == history.read()
    assert 0 == history.forget()
    assert not folder.exists()


@pytest.mark.parametrize("mask", [0o000, 0o002, 0o022])
def test_fault_28_files_are_the_owners_alone(history, folder, mask):
    """
    Whatever the umask: arguments are nobody else's business.
    """
    before = os.umask(mask)
    try:
        history.add([call(1)])
    finally:
        os.umask(before)

    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
    assert {0o600} == {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_fault_28_a_place_that_others_can_write_is_not_used(history, folder, what, tmp_path):
    """
    Nor read: what lies there may be planted.
    """
    history.add([call(1)])
    if what == "folder":
        folder.chmod(0o777)
    elif what == "file":
        (folder / "history.db").chmod(0o666)
    else:
        os.replace(folder / "history.db", tmp_path / "elsewhere")
        (folder / "history.db").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreUnavailable):
        history.add([call(2)])
    with pytest.raises(StoreUnavailable):
        history.read()


def test_fault_28_a_row_that_somebody_changed_is_not_believed(history, folder):
    """
    Every byte of a row counts.
    """
    history.add([call(1)])
    with closing(sqlite3.connect(folder / "history.db")) as db:
        ((_, row),) = db.execute("SELECT id, row FROM calls").fetchall()
    for at in range(len(row)):
        other = bytearray(row)
        other[at] ^= 1
        change(folder, ("UPDATE calls SET row = ?", (bytes(other),)))
        assert ([], 1) == history.read()
    for at in range(len(row)):
        change(folder, ("UPDATE calls SET row = ?", (row[:at],)))
        assert ([], 1) == history.read()

    change(folder, ("UPDATE calls SET row = ?", (row,)))
    assert [1] == arguments(history)


def test_fault_28_a_row_is_not_moved_to_another_call(history, folder):
    """
    Its identity is part of what is authenticated.
    """
    history.add([call(1), call(2)])
    with closing(sqlite3.connect(folder / "history.db")) as db:
        (first, _), (_, row) = db.execute("SELECT id, row FROM calls").fetchall()
    change(folder, ("UPDATE calls SET row = ? WHERE id = ?", (row, first)))

    assert 1 == history.read().refused


class Trap:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def test_fault_28_a_row_is_never_unpickled(history, folder, tmp_path):
    """
    Whatever a writer puts there is bytes that do not verify.
    """
    history.add([call(1)])
    change(folder, ("UPDATE calls SET row = ?", (pickle.dumps(Trap()),)))

    assert ([], 1) == history.read()
    assert not (tmp_path / "work" / "pwned").exists()


def test_fault_28_another_users_history_is_left_out(folder, clock, history):
    """
    A file that was copied from a machine with another key is none of ours; a key that was
    rotated out still verifies, and what is added is signed anew.
    """
    History(folder, (b"o" * 32,), clock=clock).add([call(1)])
    assert ([], 1) == history.read()

    both = History(folder, (KEY, b"o" * 32), clock=clock)
    assert [1] == arguments(both)
    both.add([call(1)])
    assert 2 == history.read().calls[0].pattern.hits


def test_fault_28_an_oversized_row_is_not_even_read(history, folder):
    """
    A row is bounded before it comes into memory.
    """
    history.add([call(1)])
    change(folder, f"INSERT INTO calls VALUES (x'00', zeroblob({LARGEST_ROW + 1}))")

    assert [1] == arguments(history)
    assert 1 == history.read().refused


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b"not a database, but long enough to be one" * 100),
        lambda file: file.write_bytes(file.read_bytes()[:5000]),
        lambda file: file.write_bytes(b"\0" * 8192),
        lambda file: patch(file, 18, 121),  # "read-only"
        lambda file: patch(file, 47, 205),  # a format of the future
        lambda file: patch(file, file.read_bytes().index(b"CREATE TABLE") + 2, 0x80),
        lambda file: change(file.parent, "CREATE TABLE other (x)"),
        lambda file: change(
            file.parent,
            "CREATE TRIGGER t AFTER INSERT ON calls BEGIN DELETE FROM calls; END",
        ),
        lambda file: change(file.parent, "DROP TABLE calls", "CREATE VIEW calls AS SELECT 1"),
    ],
)
def test_fault_28_a_damaged_or_foreign_file_is_set_aside(history, folder, damage, caplog):
    """
    Said once; a new one is begun, and the old one can be looked at.
    """
    history.add([call(n) for n in range(50)])
    damage(folder / "history.db")
    history.add([call(7)])

    assert [7] == arguments(history)
    assert 1 == len(list(folder.glob("history.db.corrupt-*")))
    assert 1 == caplog.text.count("set aside")


def patch(file, at, byte):
    content = bytearray(file.read_bytes())
    content[at] = byte
    file.write_bytes(content)


def test_fault_28_a_damaged_row_costs_no_other(history, folder):
    """
    Neither text in place of bytes, nor text that is none.
    """
    history.add([call(1)])
    change(folder, "INSERT INTO calls VALUES (x'00', CAST(x'80ff' AS TEXT))")
    change(folder, "INSERT INTO calls VALUES (CAST(x'80fe' AS TEXT), 5)")
    history.add([call(2)])

    assert {1, 2} == set(arguments(history))
    assert 2 == history.read().refused


def test_forgetting_everything_forgets_what_was_set_aside(history, folder):
    """
    It holds arguments, too.
    """
    history.add([call("CANARY")])
    patch(folder / "history.db", 0, 0)
    history.add([call(7)])
    assert any(b"CANARY" in file.read_bytes() for file in folder.iterdir())
    history.forget()

    assert not any(b"CANARY" in file.read_bytes() for file in folder.iterdir())


def test_fault_28_a_file_beyond_all_bounds_is_set_aside(history, folder, monkeypatch):
    """
    Nothing of ours is that large.
    """
    monkeypatch.setattr("memotier.recording.database.LARGEST_FILE", 10_000)
    history.add([call(n) for n in range(200)])
    history.add([call(7)])

    assert [7] == arguments(history)


def test_fault_28_it_is_bounded_by_calls(folder, clock):
    """
    The most used stay.
    """
    history = History(folder, (KEY,), Limits(calls=100), clock)
    history.add([call(n, hits=n + 1) for n in range(100)])
    history.add([call(1000, hits=1000)])

    assert [*range(11, 100), 1000] == arguments(history)


def test_fault_28_it_is_bounded_by_bytes(folder, clock):
    """
    Long arguments cannot fill the disk.
    """
    history = History(folder, (KEY,), Limits(bytes=50_000), clock)
    for n in range(100):
        history.add([call(f"{n:4}" + "x" * 2000, hits=n + 1)])

    with closing(sqlite3.connect(folder / "history.db")) as db:
        ((size,),) = db.execute("SELECT total(length(row)) FROM calls").fetchall()
    assert size <= 50_000
    assert "  99" in arguments(history)[-1]


def test_fault_28_it_is_bounded_by_days(folder, clock):
    """
    Whoever was not called for a week goes first, however often it was called.
    """
    history = History(folder, (KEY,), Limits(calls=3), clock)
    old = clock.wall() - 8 * DAY
    history.add([call(1, hits=10**6, at=old), call(2), call(3)])
    history.add([call(4)])

    assert [] == [x for x in arguments(history) if x == 1]


def test_what_is_older_than_allowed_is_not_replayed(folder, clock):
    """
    Also where there was no need to make room.
    """
    history = History(folder, (KEY,), clock=clock)
    history.add([call(1, at=clock.wall() - 8 * DAY), call(2, at=clock.wall())])

    assert [2] == arguments(history)
    History(folder, (KEY,), clock=clock).add([call(3)])
    with closing(sqlite3.connect(folder / "history.db")) as db:
        assert [(2,)] == db.execute("SELECT count(*) FROM calls").fetchall()


def test_fault_28_no_room_costs_nothing_that_is_there(history, folder):
    """
    What is full is not damaged.
    """
    history.add([call(n) for n in range(100)])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(StoreUnavailable):
            history.add([call(n) for n in range(100, 2_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert list(range(100)) == arguments(history)
    assert ["history.db"] == [file.name for file in folder.iterdir()]


def test_what_a_wrong_clock_counted_fades_and_ends(history, folder, clock):
    """
    Ten years ahead for a minute: such calls would rule for ten years, and new uses count nothing.
    """
    wrong = clock.wall() + 10 * 365 * 86_400
    history.add([call(1, at=wrong), call(2, at=wrong)])
    history.add([call(1, hits=4, at=clock.wall())])
    weights = {
        one.arguments()["x"]: pattern.weight_at(clock.wall())
        for one, pattern in history.read().calls
    }

    assert {1: pytest.approx(5), 2: pytest.approx(1)} == weights
    history.add([call(2, at=clock.wall())])
    clock.advance(8 * 86_400)
    assert [] == arguments(history)


def test_a_clock_that_was_never_set_forgets_nothing(folder, clock, history):
    """
    A machine that begins in 1970 until it has asked for the time.
    """
    history.add([call(1, at=clock.wall())])
    clock.set_wall(1_000)
    History(folder, (KEY,), clock=clock).add([call(1, at=clock.wall())])
    clock.set_wall(1_700_000_010)

    assert [1] == arguments(history)


def test_forgetting_leaves_no_trace_in_the_file(history, folder):
    """
    ``forget --user`` is for people who have a right to it.
    """
    history.add([call("ANN-WAS-HERE", user="ann"), call("other")])

    assert b"ANN-WAS-HERE" in (folder / "history.db").read_bytes()
    assert 1 == history.forget(lambda one: one.signature.user == "ann")
    assert b"ANN-WAS-HERE" not in (folder / "history.db").read_bytes()
    assert ["other"] == arguments(history)
    assert 1 == history.forget()
    assert [] == arguments(history)


def test_a_history_that_cannot_be_written_says_why(history, folder):
    """
    One line with the remedy, and what is there stays.
    """
    history.add([call(1)])
    with closing(sqlite3.connect(folder / "history.db")) as db:
        db.execute("PRAGMA max_page_count = 1")
    folder.rename(folder.with_name("moved"))
    folder.write_text("a file")

    with pytest.raises(StoreUnavailable, match="history"):
        history.add([call(2)])


_WRITER = """
import sys
from pathlib import Path
from memotier.recording.history import History, Limits
from tests.recording.test_history import KEY, call
history = History(Path(sys.argv[1]), (KEY,), Limits(age=1e12))
start, saves = int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
for n in range(saves):
    history.add([call(start + n, at=0.0 + n), call("both", at=0.0 + n)])
    print(n, flush=True)
"""


def writer(folder, start, saves=10**6):
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder), str(start), str(saves)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=os.path.dirname(os.path.dirname(os.path.dirname(__file__))),
    )


def test_fault_28_two_processes_record_at_once(folder):
    """
    Nothing of either is lost, and what both counted adds up.
    """
    writers = [writer(folder, start, saves=30) for start in (0, 1000)]
    for one in writers:
        assert 0 == one.wait(60)
        one.stdout.close()

    history = History(folder, (KEY,), Limits(age=1e12))
    found = {one.signature.arguments()["x"]: one.pattern.hits for one in history.read().calls}
    assert 60 == found.pop("both")
    assert {*range(30), *range(1000, 1030)} == set(found)


def test_fault_28_killed_while_saving(folder):
    """
    kill -9 eight times in the middle of saves: whatever was saved before is there.
    """
    saved = 0
    for start in range(0, 8000, 1000):
        child = writer(folder, start)
        for _ in range(3 + start // 2000):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        last = [line for line in child.stdout.read().splitlines() if line.isdigit()]
        child.wait(10)
        child.stdout.close()
        saved += 2 + start // 2000
        history = History(folder, (KEY,), Limits(age=1e12))
        remembered = history.read()
        assert 0 == remembered.refused
        assert len(remembered.calls) >= saved + len(last)
        saved += len(last)


def test_rows_are_what_the_format_says():
    """
    A row of this version is read by every later one: the payload is authenticated, not secret.
    """
    row = write_row(call(1), KEY)

    assert b"tool.x" in row and len(row) < LARGEST_ROW
