"""
The memory of what left: bounded, forgetful in order, and hardly ever mistaken.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memotier.policies.ghost import Ghost, mark_of


def ghost(limit):
    one = Ghost()
    one.resize(limit)
    return one


def test_the_last_ones_are_remembered_and_earlier_ones_are_not():
    """
    Nearly all of the last ones: a few are displaced; none of those before.
    """
    memory = ghost(1000)
    for key in range(5000):
        memory.note(mark_of(hash(("key", key))))

    assert 940 < sum(memory.recall(mark_of(hash(("key", key)))) for key in range(4000, 5000))
    assert 0 == sum(memory.recall(mark_of(hash(("key", key)))) for key in range(4000))


def test_asking_makes_it_forgotten():
    """
    One departure is good for one return.
    """
    memory = ghost(10)
    memory.note(7)

    assert [True, False] == [memory.recall(7), memory.recall(7)]


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.integers(1, 20))
def test_never_more_than_the_limit(identities, limit):
    """
    Whatever is noted, and however alike the hashes are.
    """
    memory = ghost(limit)
    for identity in identities:
        memory.note(mark_of(identity))

        assert memory.recall(mark_of(identity))
        memory.note(mark_of(identity))
        assert limit >= len(memory)


@given(st.integers(-(2**63), 2**63 - 1))
def test_no_key_looks_like_an_empty_cell(identity):
    """
    A mark has 32 bits and is never zero, so that a table without notes knows nobody.
    """
    memory = ghost(10)
    memory.note(mark_of(identity + 1))

    assert 0 < mark_of(identity) < 2**32
    assert 1 == mark_of(0)
    assert not memory.recall(mark_of(identity))


def test_a_new_limit_keeps_the_latest():
    """
    Growing loses nothing; shrinking keeps those that left last.
    """
    memory = ghost(8)
    for key in range(6):
        memory.note(mark_of(key))
    memory.resize(4000)
    grown = len(memory)
    memory.resize(2)

    assert 6 == grown
    assert [False, True] == [memory.recall(mark_of(1)), memory.recall(mark_of(5))]


def test_after_four_billion_notes_it_begins_anew():
    """
    The number of a note has 32 bits; when they are used up, all is forgotten once.
    """
    memory = ghost(4)
    memory.note(5)
    memory._notes = 2**32 - 1
    memory.note(6)

    assert [False, True] == [memory.recall(5), memory.recall(6)]


def test_without_a_limit_nothing_is_remembered():
    """
    A cleared memory, and one that was never given room, knows nobody.
    """
    memory = ghost(10)
    memory.note(5)
    memory.clear()

    assert not memory.recall(5)
    memory.note(5)
    assert not memory.recall(5)
