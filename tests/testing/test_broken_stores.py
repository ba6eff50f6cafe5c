"""
The contract finds what is wrong: the store of examples/own_store, with one promise broken at a
time. Each broken store fails the test that is about its promise, and the store as it is passes it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = (ROOT / "examples" / "own_store" / "store.py").read_text(encoding="utf-8")

#: By the promise that is broken: the test that finds it, what is replaced, and by what.
BROKEN = {
    "a record has its own bytes": (
        "test_records_are_bytes_of_any_kind",
        "row = (item.address, item.record, item.group",
        "row = (item.address, item.record.strip(), item.group",
    ),
    "missing is None": (
        "test_missing_is_none",
        "or (None, None) for address",
        "or (b'', None) for address",
    ),
    "answers are in the order of the questions": (
        "test_what_was_set_is_read",
        "now) or (None, None) for address in addresses]",
        "now) or (None, None) for address in sorted(addresses)]",
    ),
    "a record ends when its time is over": (
        "test_expires",
        "WHERE address = ? AND until > ?",
        "WHERE address = ? AND until >= ?",
    ),
    "time is the time of the clock": (
        "test_expires",
        "            now = self._clock.wall()\n            rows =",
        "            now = __import__('time').time()\n            rows =",
    ),
    "a new record begins a new time": (
        "test_replacing_starts_the_time_anew",
        'db.execute("REPLACE INTO records VALUES (?, ?, ?, ?, ?)", row)',
        'db.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?) ON CONFLICT (address) '
        'DO UPDATE SET record = excluded.record, expired = NULL, space = excluded.space", row)',
    ),
    "counts are of what is there": (
        "test_all_counts_agree_on_what_has_expired",
        "WHERE {BELOW} AND until > :now",
        "WHERE {BELOW} AND :now = :now",
    ),
    "a group is no prefix": (
        "test_clear_group_takes_the_descendants_only",
        "substr(space, 1, length(:group) + 1) = :group || '.'",
        "substr(space, 1, length(:group)) = :group",
    ),
    "a group is no pattern": (
        "test_no_letter_of_a_group_stands_for_another",
        "OR space = :group",
        "OR space LIKE :group",
    ),
    "clear keeps the versions": (
        "test_clear_keeps_the_versions",
        'db.execute(f"DELETE FROM records WHERE {BELOW}", {"group": group})',
        "db.execute('DELETE FROM records'), db.execute('DELETE FROM tokens')",
    ),
    "a name that is bumped has a fresh token": (
        "test_names_have_no_token_until_bumped",
        "now) if soft else hard_token())",
        "now) if soft else _token(db, key) or hard_token())",
    ),
    "the epoch moves with every bump": (
        "test_epoch_changes_with_each_bump_and_with_nothing_else",
        "            _set_token(db, EPOCH, hard_token())\n",
        "            if names:\n                _set_token(db, EPOCH, hard_token())\n",
    ),
    "the epoch moves with nothing else": (
        "test_epoch_changes_with_each_bump_and_with_nothing_else",
        "                _set_token(db, _slot(address), hard_token())\n",
        "                _set_token(db, _slot(address), hard_token())\n"
        "                _set_token(db, EPOCH, hard_token())\n",
    ),
    "a bump stops writers": (
        "test_guard_refuses_after_a_bump_of_its_name",
        "return guard.epoch == _token(db, EPOCH) or list(guard.tokens) == tokens",
        "return True",
    ),
    "a bump of another name stops nobody": (
        "test_guard_holds_after_a_bump_of_another_name",
        "return guard.epoch == _token(db, EPOCH) or list(guard.tokens) == tokens",
        "return guard.epoch == _token(db, EPOCH)",
    ),
    "tokens are compared, however they are listed": (
        "test_guard_holds_after_a_bump_of_another_name",
        "list(guard.tokens) == tokens",
        "guard.tokens == tokens",
    ),
    "all names of a guard count": (
        "test_every_name_of_a_guard_counts",
        "list(guard.tokens) == tokens",
        "list(guard.tokens)[:32] == tokens[:32]",
    ),
    "a delete stops writers": (
        "test_guard_refuses_after_a_delete_of_its_address",
        "if guard.mark is not MISS and guard.mark != _token(db, _slot(item.address)):",
        "if False:",
    ),
    "a delete stops writers, though the epoch moved": (
        "test_guard_refuses_after_a_delete_even_if_the_epoch_moved_for_another",
        "    if guard.mark is not MISS and",
        "    if guard.epoch == _token(db, EPOCH) and guard.mark is not MISS and",
    ),
    "a delete does not stop the user": (
        "test_mark_miss_is_not_refused_by_a_delete",
        "guard.mark is not MISS and ",
        "",
    ),
    "without an epoch nothing is stored": (
        "test_guard_without_an_epoch_never_holds",
        "    if guard.epoch is None:\n        return False\n",
        "",
    ),
    "a refusal is of one item": (
        "test_batch_is_judged_item_by_item",
        "            self._make_room(db, now)\n        pairs",
        "            if not all(stored):\n                db.execute('DELETE FROM records')\n"
        "                stored = [False] * len(stored)\n        pairs",
    ),
    "compared and stored in one step": (
        "test_a_delete_and_a_late_writer",
        "            stored = [self._store(db, item, now) for item in items]",
        "            held = [one for one in items if _holds(db, one, now)]\n"
        "            db.execute('COMMIT')\n"
        "            __import__('time').sleep(0.002)\n"
        "            db.execute('BEGIN IMMEDIATE')\n"
        "            _ = globals().update(_holds=lambda *_: True)\n"
        "            stored = [one in held and self._store(db, one, now) for one in items]",
    ),
    "a label is put on the record that was read": (
        "test_a_relabelled_record_takes_the_place_of_the_one_that_was_read",
        "if row is None or row[0] != guard.instead_of:",
        "if row is None:",
    ),
    "a label is not put on nothing": (
        "test_a_relabelled_record_takes_the_place_of_the_one_that_was_read",
        "if row is None or row[0] != guard.instead_of:",
        "if row is not None and row[0] != guard.instead_of:",
    ),
    "a soft bump keeps the hard half": (
        "test_a_soft_bump_leaves_the_hard_half",
        "soft_token(_token(db, key), now) if soft",
        "soft_token(None, now) if soft",
    ),
    "a soft bump is no hard one": (
        "test_a_soft_bump_leaves_the_hard_half",
        "soft_token(_token(db, key), now) if soft else hard_token()",
        "hard_token()",
    ),
    "a record keeps its first moment": (
        "test_an_expired_record_is_still_there",
        "coalesce(expired, {now!r})",
        "{now!r}",
    ),
    "a new record is not expired": (
        "test_what_is_stored_in_its_place_is_not_expired",
        "item.group, until, None)",
        "item.group, until, (_row(db, item.address, now) or (0, None))[1])",
    ),
    "expiring stops writers": (
        "test_expiring_stops_the_writers_of_that_key",
        "                _set_token(db, _slot(address), hard_token())\n",
        "                if 'DELETE' in change:\n"
        "                    _set_token(db, _slot(address), hard_token())\n",
    ),
    "discarding stops nobody": (
        "test_discard_changes_no_token",
        'db.execute("DELETE FROM records WHERE address = ?", (address,))\n\n    def versions',
        'db.execute("DELETE FROM records WHERE address = ?", (address,))\n'
        "            _set_token(db, _slot(address), hard_token())\n\n    def versions",
    ),
    "a closed store says so": (
        "test_close_twice_then_unavailable",
        'raise StoreUnavailable("the SQLite store is closed")',
        "self._closed, self._db = False, None",
    ),
    "only errors of the store": (
        "test_errors_are_store_errors",
        "except (sqlite3.Error, OSError) as error:",
        "except ZeroDivisionError as error:",
    ),
    "a reading is of one moment": (
        "test_a_reading_is_of_one_moment",
        "            marks = [_token(db, _slot(address)) for address in addresses]\n",
        "            db.execute('COMMIT')\n            __import__('time').sleep(0.002)\n"
        "            db.execute('BEGIN')\n"
        "            marks = [_token(db, _slot(address)) for address in addresses]\n",
    ),
    "tokens are of the moment of the epoch": (
        "test_tokens_are_of_the_moment_of_their_epoch",
        '            return [_token(db, b"n" + name) for name in names], _token(db, EPOCH)',
        '            tokens = [_token(db, b"n" + name) for name in names]\n'
        "            db.execute('COMMIT')\n            __import__('time').sleep(0.002)\n"
        "            db.execute('BEGIN')\n            return tokens, _token(db, EPOCH)",
    ),
    "handles share": (
        "test_records_are_shared",
        "self._path, timeout=self._timeout,",
        "':memory:', timeout=self._timeout,",
    ),
    "tokens outlive the handles": (
        "test_everything_is_there_after_a_restart",
        "        db.executescript(TABLES)\n",
        "        db.executescript('DROP TABLE IF EXISTS tokens;' + TABLES)\n",
    ),
    "others are told": (
        "test_what_one_invalidates_the_other_is_told[delete]",
        "        self._tell(addresses)\n",
        "",
    ),
    "others are told of labels": (
        "test_what_one_invalidates_the_other_is_told[relabel]",
        "if is_in and _relabels(one)",
        "if False",
    ),
    "nothing is told of what was refused": (
        "test_what_invalidates_nothing_tells_nothing",
        "if is_in and _relabels(one)",
        "if _relabels(one)",
    ),
}

#: What none of the broken promises is about.
HARMLESS = "test_replaces"

WHOLE = (ROOT / "tests" / "examples" / "test_own_store.py").read_text(encoding="utf-8")


def suite_for(module: str) -> str:
    """
    The suite of the example for another module, without much patience.
    """
    text = WHOLE.replace("examples.own_store.store", module)
    return text.replace("    def open_store", "    patience = 3\n\n    def open_store")


def outcomes(directory: Path, stores: dict[str, tuple[str, str]]) -> dict[str, set[str]]:
    """
    For each store, by name its source and the test to run, what became of that and of HARMLESS.
    """
    tests = []
    for name, (source, test) in stores.items():
        (directory / f"{name}.py").write_text(source, encoding="utf-8")
        suite = directory / f"test_{name}.py"
        suite.write_text(suite_for(name), encoding="utf-8")
        tests += [f"{suite}::TestSqliteStore::{one}" for one in (test, HARMLESS)]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfEp", "--tb=no"),
            *("-c", "/dev/null", "--rootdir", str(directory), *tests),
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
    )
    found: dict[str, set[str]] = {name: set() for name in stores}
    for outcome, name in re.findall(r"^(\w+) .*?test_(\w+)\.py::", done.stdout, re.MULTILINE):
        found[name].add(outcome)
    assert all(found.values()), done.stdout + done.stderr
    return found


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    directory = tmp_path_factory.mktemp("broken")
    stores = {}
    for number, (test, old, new) in enumerate(BROKEN.values()):
        assert 1 == SOURCE.count(old), old
        stores[f"broken{number}"] = SOURCE.replace(old, new), test
    tests = sorted({test for test, _, _ in BROKEN.values()})
    stores |= {f"whole{number}": (SOURCE, test) for number, test in enumerate(tests)}
    return outcomes(directory, stores)


@pytest.mark.slow
@pytest.mark.xdist_group("broken stores")
@pytest.mark.parametrize("number", range(len(BROKEN)), ids=list(BROKEN))
def test_a_broken_promise_is_found(results, number):
    """
    By the test that is about it, though the store works for who does not ask for that.
    """
    assert {"FAILED", "PASSED"} == results[f"broken{number}"]


@pytest.mark.slow
@pytest.mark.xdist_group("broken stores")
def test_the_store_as_it_is_passes(results):
    """
    The same tests, in the same run.
    """
    whole = [found for name, found in results.items() if name.startswith("whole")]
    assert [{"PASSED"}] * len(whole) == whole
