"""
The matrix of vectors against a plain list of them.
"""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

from memotier.semantic.index import MOST_CANDIDATES, VectorIndex

GROUPS = [bytes([n]) * 32 for n in range(3)]


def unit(random_, dim=8):
    row = np.array([random_.gauss(0, 1) for _ in range(dim)], dtype=np.float32)
    return row / np.linalg.norm(row)


@pytest.mark.parametrize("seed", range(5))
def test_equals_a_list(seed):
    """
    After any adding, dropping, touching and clearing the same are found in the same order.
    """
    rng, most = random.Random(seed), 100
    index, model = VectorIndex(most), {}
    for step in range(1500):
        key, action = str(rng.randrange(150)), rng.random()
        if action < 0.6:
            row, group = unit(rng), rng.choice(GROUPS)
            assert index.add(key, f"text {key} {step}", group, row)
            model.pop(key, None)
            if len(model) == most:
                del model[next(iter(model))]
            model[key] = (f"text {key} {step}", group, row)
        elif action < 0.8:
            index.drop(key)
            model.pop(key, None)
        elif action < 0.95:
            index.touch(key)
            if key in model:
                model[key] = model.pop(key)
        elif action < 0.953:
            index.clear()
            model.clear()
        assert len(model) == len(index)
        wanted, group = unit(rng), rng.choice(GROUPS)
        found = index.search(wanted, group, 0.2)
        expected = sorted(
            ((float(row @ wanted), key) for key, (_, g, row) in model.items() if g == group),
            reverse=True,
        )
        expected = [(score, key) for score, key in expected if score >= 0.2][:MOST_CANDIDATES]
        assert [key for _, key in expected] == [one.key for one in found]
        assert all(model[one.key][0] == one.text for one in found)
    assert list(model) == index.keys()
    assert index._matrix.shape[0] <= most


def test_a_drop_that_comes_late_does_nothing():
    """
    A key that was added again since it was found is not dropped.
    """
    index, row = VectorIndex(4), unit(random.Random(0))
    index.add("a", "text", GROUPS[0], row)
    (found,) = index.search(row, GROUPS[0], 0.5)
    index.add("a", "text", GROUPS[0], row)
    index.drop("a", found.turn)
    assert "a" in index
    (found,) = index.search(row, GROUPS[0], 0.5)
    index.drop("a", found.turn)
    assert "a" not in index


def test_groups_whose_numbers_collide():
    """
    Groups are compared in full: who finds two with one number gains nothing.
    """
    index, row = VectorIndex(4), unit(random.Random(0))
    index.add("a", "text", bytes(32), row)
    assert [] == index.search(row, bytes(31) + b"\x01", 0.5)


def test_another_dimension():
    """
    A vector of another dimension is neither kept nor searched for.
    """
    index = VectorIndex(4)
    index.add("a", "text", GROUPS[0], unit(random.Random(0)))
    assert not index.add("b", "text", GROUPS[0], unit(random.Random(0), 9))
    assert [] == index.search(unit(random.Random(0), 9), GROUPS[0], -1.0)


def test_adding_does_not_copy_all():
    """
    The matrix is made anew when it doubles, and only then.
    """
    index, rng, seen = VectorIndex(10_000), random.Random(0), []
    for number in range(1000):
        index.add(str(number), "", GROUPS[0], unit(rng))
        if not seen or seen[-1] is not index._matrix:
            seen.append(index._matrix)
    assert [64, 128, 256, 512, 1024] == [len(matrix) for matrix in seen]


def test_a_forked_child_does_not_wait_for_its_parents_threads():
    """
    The lock that a thread held at the fork is not held in the child.
    """
    index = VectorIndex(4)
    with index._lock:
        child = os.fork()
        if child == 0:
            index.add("a", "", GROUPS[0], unit(random.Random(0)))
            os._exit(0 if len(index) == 1 else 1)
    assert 0 == os.waitpid(child, 0)[1]
