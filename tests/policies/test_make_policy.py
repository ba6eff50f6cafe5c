"""
Policies by name.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from memotier.errors import ConfigError
from memotier.policies import POLICIES, make_policy

from .model import resident


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("capacity", [None, 0, 1, 1000])
def test_each_name_makes_its_policy(name, capacity):
    """
    Every name works with any bound, and what was added is what leaves.
    """
    policy, only = make_policy(name, capacity), resident("a")
    policy.add(only)

    assert name == type(policy).__name__.lower()
    assert only is policy.victim()


def test_an_unknown_name_is_answered_with_the_known_ones():
    """
    The error says what was asked for and what there is.
    """
    with pytest.raises(ConfigError, match=r"'mru'; use one of lru, lfu, fifo, ttl, clock2q"):
        make_policy("mru", 10)


def test_policies_are_loaded_one_by_one():
    """
    A program loads the policy it uses and not the others.
    """
    code = (
        "import sys; from memotier.policies import make_policy; make_policy('fifo', 1);"
        "print(*sorted(m.split('.')[2] for m in sys.modules if m.startswith('memotier.policies.')))"
    )

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "fifo" == out.stdout.strip()
