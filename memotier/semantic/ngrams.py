"""
An embedder that needs nothing: hashed character n-grams and words.

It is weak. It knows how alike two texts are written, not what they mean: a paraphrase with other
words is far from its original. Good for tests, for typing errors and for word forms; for anything
else give a model (docs/guide/semantic.md has figures of both).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..durations import short
from ..errors import ConfigError
from .vocabulary import STOP
from .words import stem

_WORD = re.compile(r"\w+", re.UNICODE)


class NgramEmbedder:
    """
    Texts to vectors by the character n-grams of their words; rows have length 1.

    Args:
        dim: Length of a vector, at least 16.
    """

    def __init__(self, dim: int = 384) -> None:
        if type(dim) is not int or dim < 16:
            raise ConfigError(f"dim={short(dim)} cannot be used: a number of at least 16")
        self.dim = dim
        #: What entries are kept apart by.
        self.identity = f"memotier-ngrams-1:{dim}"

    def __repr__(self) -> str:
        return f"<NgramEmbedder dim={self.dim}>"

    def __call__(self, texts: Sequence[str]) -> Any:
        """
        One row for each of *texts*, shape ``(len(texts), dim)``, float32.
        """
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for feature, weight in _features(text):
                number = zlib.crc32(feature.encode("utf-8", "surrogatepass"))
                # The sign keeps features that share a column from adding up.
                row[number % self.dim] += weight if number & 0x80000000 else -weight
            length = float(np.linalg.norm(row))
            if length:
                row /= length
        return rows


def _features(text: str) -> list[tuple[str, float]]:
    features: list[tuple[str, float]] = []
    for word in _WORD.findall(text.lower()):
        weight = 0.25 if word in STOP else 1.0
        features.append(("w" + stem(word), 2 * weight))
        padded = f"^{word}$"
        grams = [padded[at : at + 3] for at in range(len(padded) - 2)]
        features += [(gram, weight / len(grams) ** 0.5) for gram in grams]
    return features
