"""
Counting different things in little room.
"""

from __future__ import annotations

import random

import pytest

from memotier.analytics.cardinality import ERROR, EXACT, Distinct, mixed


def counted(numbers):
    found = Distinct()
    for number in numbers:
        found.add(mixed(number))
    return found.count()


@pytest.mark.parametrize("many", [0, 1, 17, EXACT])
def test_few_are_counted_exactly(many):
    """
    Also if each comes several times.
    """
    assert many == counted([*range(many)] * 3)


@pytest.mark.parametrize("many", [EXACT + 1, 1000, 12_000, 60_000])
@pytest.mark.parametrize("of", ["sequence", "random", "strided"])
def test_many_are_counted_within_the_error_that_is_stated(many, of):
    """
    Within three standard errors, whatever the numbers look like.
    """
    numbers = {
        "sequence": range(many),
        "random": [random.Random(many + at).getrandbits(64) for at in range(many)],
        "strided": range(0, many << 20, 1 << 20),
    }[of]

    assert many == pytest.approx(counted(numbers), rel=3 * ERROR)


def test_the_error_is_the_one_that_is_stated():
    """
    Of forty counts the mean error is none, and their spread is ERROR.
    """
    errors = []
    for start in range(40):
        errors.append(counted(range(start << 40, (start << 40) + 5000)) / 5000 - 1)
    mean = sum(errors) / 40
    spread = (sum(one * one for one in errors) / 40) ** 0.5

    assert abs(mean) < ERROR / 2
    assert 0.6 * ERROR < spread < 1.4 * ERROR


def test_what_comes_again_changes_nothing():
    """
    In any order.
    """
    numbers = list(range(3000))
    once = counted(numbers)
    random.Random(1).shuffle(numbers)

    assert once == counted(numbers + numbers[:1500])


def test_numbers_are_mixed_one_to_one():
    """
    Two that differ in any bit differ mixed, negative ones and the highest bit included.
    """
    numbers = [0, 1, 2**64 - 1, *(1 << bit for bit in range(1, 64))]

    assert len(set(map(mixed, numbers))) == len(numbers)
    assert all(0 <= mixed(one) < 1 << 64 for one in numbers)
