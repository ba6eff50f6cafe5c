"""
The ``Store`` protocol about tokens: which writes an invalidation stops, on each store.
"""

from __future__ import annotations

from memotier.stores.board import moved_cells, slot_on_board
from memotier.types import MISS, Guard

from .support import NAME, OTHER, address, item, noted, put, read


def test_names_have_no_token_until_bumped(store):
    """
    None for a name never bumped, then eight bytes that are fresh each time.
    """
    assert [None] == store.versions([NAME])[0]

    store.bump([NAME])
    [first], _ = store.versions([NAME])
    store.bump([NAME])
    [second, untouched], _ = store.versions([NAME, OTHER])

    assert 8 == len(first) == len(second)
    assert first != second
    assert untouched is None


def test_many_names(store):
    """
    Any number of names is bumped and asked for.
    """
    names = [number.to_bytes(16, "big") for number in range(1200)]
    store.bump(names[:1100])

    tokens, _ = store.versions(names)

    assert all(tokens[:1100])
    assert [None] * 100 == tokens[1100:]
    assert 1100 == len(set(tokens[:1100]))


def test_epoch_changes_with_each_bump_and_with_nothing_else(store):
    """
    The epoch is the same in readings and versions, and moves only with bump.
    """
    epoch = store.versions([])[1]
    put(store, "a")
    store.delete([address("a")])
    store.discard(address("a"))
    store.clear_group("ns")
    store.clear()
    assert epoch == store.versions([])[1] == store.get([address("a")]).epoch

    store.bump([])
    moved = store.get([address("a")]).epoch
    assert epoch != moved == store.versions([NAME])[1] == store.get([]).epoch


def test_guard_holds_while_nothing_happened(store):
    """
    The write is made if epoch and slot are as noted.
    """
    assert [True] == store.set([item(store)])


def test_guard_refuses_after_a_bump_of_its_name(store):
    """
    What was computed before its name was invalidated is not stored.
    """
    late = item(store)
    store.bump([NAME])

    assert [False] == store.set([late])
    assert [None] == read(store, "a")


def test_guard_refuses_after_a_second_bump(store):
    """
    A name that had a token already is watched just the same.
    """
    store.bump([NAME])
    late = item(store)
    store.bump([NAME])

    assert [False] == store.set([late])


def test_guard_holds_after_a_bump_of_another_name(store):
    """
    The epoch moved, but no name of this record did.
    """
    store.bump([NAME])
    late = item(store)
    store.bump([OTHER])

    assert [True] == store.set([late])


def test_guard_without_names_holds_after_a_bump(store):
    """
    A record that nothing but its address invalidates.
    """
    late = item(store, names=())
    store.bump([OTHER])

    assert [True] == store.set([late])


def test_guard_refuses_after_a_delete_of_its_address(store):
    """
    Whoever deletes stops those who are on their way, although the epoch is the same.
    """
    late = item(store)
    store.delete([address("a")])

    assert [False] == store.set([late])
    assert [True] == store.set([item(store)])


def test_guard_refuses_after_a_delete_even_if_the_epoch_moved_for_another(store):
    """
    The slot counts in both cases.
    """
    late = item(store)
    store.bump([OTHER])
    store.delete([address("a")])

    assert [False] == store.set([late])


def test_marks_are_the_tokens_of_the_slots(store):
    """
    None until something in the slot was deleted, then fresh each time.
    """
    store.delete([address("a")])
    first = store.get([address("a"), address("b")]).marks
    store.delete([address("a")])
    second = store.get([address("a")]).marks

    assert 8 == len(first[0])
    assert first[1] is None
    assert first[0] != second[0]


def test_mark_miss_is_not_refused_by_a_delete(store):
    """
    What the user sets himself holds against a concurrent delete, not against a bump.
    """
    guard = noted(store)._replace(mark=MISS)
    store.delete([address("a")])
    assert [True] == store.set([item(store, guard=guard)])

    store.bump([NAME])
    assert [False] == store.set([item(store, guard=guard)])


def test_guard_without_an_epoch_never_holds(store):
    """
    Who could not note an epoch cannot know that nothing happened.
    """
    assert [False] == store.set([item(store, guard=Guard(None, (NAME,), [None], None))])


def test_refused_record_leaves_the_old_one(store):
    """
    A refused write changes nothing.
    """
    put(store, "a", record=b"old")
    late = item(store, record=b"late")
    store.bump([NAME])

    assert [False] == store.set([late])
    assert [b"old"] == read(store, "a")


def test_batch_is_judged_item_by_item(store):
    """
    One refused record does not keep the others out.
    """
    mine = item(store, "a", names=(NAME,))
    yours = item(store, "b", names=(OTHER,))
    store.bump([NAME])

    assert [False, True] == store.set([mine, yours])
    assert [None, b"record"] == read(store, "a", "b")


def test_a_relabelled_record_takes_the_place_of_the_one_that_was_read(store):
    """
    Only of that very record: not of another, of none, or of one that expired.
    """
    put(store, "a", record=b"old")
    guard = noted(store)._replace(instead_of=b"old")
    assert [True] == store.set([item(store, record=b"new", guard=guard)])
    assert [False] == store.set([item(store, record=b"late", guard=guard)])
    assert [b"new"] == read(store, "a")
    store.discard(address("a"))
    assert [False] == store.set([item(store, record=b"late", guard=guard)])
    assert [None] == read(store, "a")


def test_a_relabelled_record_is_refused_like_any_other(store):
    """
    By a bump of its names, a delete, and an end of its life.
    """
    for spoil in (lambda: store.bump([NAME]), lambda: store.delete([address("a")])):
        put(store, "a", record=b"old")
        guard = noted(store)._replace(instead_of=b"old")
        spoil()
        assert [False] == store.set([item(store, record=b"new", guard=guard)])


def test_a_relabelled_record_of_no_use_any_more(store, time):
    """
    What has expired is not there.
    """
    put(store, "a", record=b"old", expire=10)
    guard = noted(store)._replace(instead_of=b"old")
    time.pass_(11)

    assert [False] == store.set([item(store, record=b"new", guard=guard)])


def test_relabelling_many_in_one_call(store):
    """
    Each by its own guard, beside others that have none.
    """
    put(store, "a", "b", record=b"old")
    guards = [noted(store, text)._replace(instead_of=b"old") for text in "ab"]
    put(store, "b", record=b"newer")
    items = [item(store, t, record=b"new", guard=g) for t, g in zip("ab", guards, strict=True)]

    assert [True, False, True] == store.set([*items, item(store, "c", record=b"other")])
    assert [b"new", b"newer", b"other"] == read(store, "a", "b", "c")


def test_relabelling_is_told_on_the_board(on_disk):
    """
    Who holds the record in memory has to look again; a refused one is told to nobody.
    """
    store = on_disk()
    put(store, "a", record=b"old")
    before = bytes(store.board.cells)
    guard = noted(store)._replace(instead_of=b"old")
    store.set([item(store, record=b"new", guard=guard)])
    moved = bytes(store.board.cells)
    store.set([item(store, record=b"late", guard=guard)])

    assert [slot_on_board(address("a"))] == moved_cells(before, moved)
    assert before[:8] != moved[:8]
    assert [] == moved_cells(moved, bytes(store.board.cells))
