"""
A semantic cache in the test's time, of either colour, with vectors that a test chooses.
"""

from __future__ import annotations

import math

import pytest


class Angles:
    """
    An embedder of two dimensions: each text has an angle, in degrees; others are far from all.
    """

    identity = "angles"

    def __init__(self, **angles):
        self.angles = angles
        self.asked = []

    def __call__(self, texts):
        import numpy as np

        self.asked.append(list(texts))
        angles = [math.radians(self.angles.get(text, 180.0)) for text in texts]
        return np.array([(math.cos(a), math.sin(a)) for a in angles])


@pytest.fixture
def angles():
    """
    ``near`` is 10 degrees from ``text`` (0.985), ``nearer`` 5 (0.996), ``far`` 90 (0).
    """
    return Angles(text=0.0, nearer=5.0, near=10.0, far=90.0)


@pytest.fixture
def make(make_cache, angles):
    """
    A function that makes semantic caches, which look as the tests' caches do.
    """

    from memotier import SemanticCache

    def make(tiers="memory", **arguments):
        arguments.setdefault("embedder", angles)
        if "cache" not in arguments:
            arguments["cache"] = make_cache(tiers)
        return SemanticCache(**arguments)

    return make


@pytest.fixture
def face(call):
    """
    ``face(cache)`` has the methods of the colour of the test, which ``call`` runs.
    """
    return lambda cache: cache if call.is_async else cache.sync
