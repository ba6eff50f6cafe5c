from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memotier.recording.pattern import DAY, Pattern, faded

NOW = 1_700_000_000.0


def test_a_count_is_worth_half_after_a_half_life():
    """
    Old habits fade.
    """
    pattern = Pattern()
    pattern.add(3, 1, NOW, hour=5)

    assert 4 == pattern.weight_at(NOW)
    assert 2 == pytest.approx(pattern.weight_at(NOW + DAY))
    assert 0 == pattern.weight_at(NOW + 100 * DAY)


def test_a_clock_that_was_set_back_fades_and_grows_nothing():
    """
    Neither immortal nor inflated.
    """
    pattern = Pattern()
    pattern.add(4, 0, NOW, hour=0)
    pattern.add(4, 0, NOW - DAY, hour=0)

    assert 8 == pattern.weight_at(NOW - DAY)
    assert NOW == pattern.last


uses = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(0, 5),
        st.floats(0, 10 * DAY).map(lambda passed: NOW + passed),
        st.integers(0, 23),
    ),
    max_size=20,
)


def counted(some):
    pattern = Pattern()
    for hits, misses, at, hour in sorted(some, key=lambda use: use[2]):
        pattern.add(hits, misses, at, hour)
    return pattern


@given(uses, uses)
def test_two_processes_count_what_one_would_have_counted(some, others):
    """
    Merging is addition, in whatever order and however often things were saved.
    """
    one = counted([*some, *others])
    there, back = counted(some), counted(others)
    there.merge(counted(others))
    back.merge(counted(some))

    for merged in (there, back):
        assert (one.hits, one.misses, one.last) == (merged.hits, merged.misses, merged.last)
        later = NOW + 20 * DAY
        assert one.weight_at(later) == pytest.approx(merged.weight_at(later))
        assert one.hours == pytest.approx(merged.hours)
        assert one.first == merged.first


@given(uses)
def test_a_pattern_comes_back_from_a_record(some):
    """
    What is written is what is read.
    """
    pattern = counted(some)

    assert pattern == Pattern.of_list(pattern.as_list())


@pytest.mark.parametrize("found", [[], [1] * 9, [0, 0, 0, 0, 0, 0, {24: 1}, 0, None], None])
def test_what_is_no_pattern_is_an_error(found):
    """
    A foreign record is refused as a whole.
    """
    with pytest.raises((ValueError, TypeError, AttributeError)):
        Pattern.of_list(found)


@given(st.floats(-1e12, 1e12), st.floats(1e-3, 1e9))
def test_what_is_left_is_between_nothing_and_all(passed, half_life):
    """
    No time that a clock can tell makes an overflow.
    """
    assert 0 <= faded(passed, half_life) <= 1
