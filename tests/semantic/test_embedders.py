"""
Whatever the user's functions do, callers get their answers or a miss.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from memotier import ConfigError
from memotier.semantic.ngrams import NgramEmbedder


def raising(texts):
    raise ValueError("the secret text is " + texts[0])


WRONG = {
    "raises": raising,
    "nothing": lambda texts: None,
    "too few": lambda texts: np.ones((0, 3)),
    "flat": lambda texts: np.ones(3),
    "text": lambda texts: "x",
    "objects": lambda texts: [[object()]],
    "ragged": lambda texts: [[1.0], [1.0, 2.0]][: len(texts)] + [[1.0]] * 3,
}


@pytest.mark.parametrize("embedder", WRONG.values(), ids=WRONG)
def test_a_failing_embedder(make, call, face, embedder, caplog):
    """
    Answers are kept and found by their exact text; the trouble is counted, and said once without
    a text in it.
    """
    cache = make(embedder=embedder, embedding_model="failing")
    it = face(cache)
    call(it.put("text", 1))
    assert 1 == call(it.get_similar("text"))
    assert call(it.get_similar("near")) is None
    call(it.put("far", 2))
    assert 2 == cache.get_stats()["embedder_errors"]
    assert 1 == caplog.text.count("the embedder failed")
    assert "secret" not in caplog.text


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_vectors_without_direction(make, value):
    """
    Nothing is near to a vector of zeros, or one that is not finite.
    """
    cache = make(embedder=lambda texts: np.full((len(texts), 3), value), embedding_model="flat")
    cache.sync.put("text", 1)
    assert cache.sync.get_similar("near") is None
    assert 1 == cache.sync.get_similar("text")
    assert 0 == cache.get_stats()["size"]


def test_lengths_do_not_matter(make):
    """
    Vectors need not have length 1, nor be float32.
    """
    rows = {"text": [300, 0], "near": [5, 1]}
    cache = make(embedder=lambda texts: [rows[t] for t in texts], embedding_model="rows")
    cache.sync.put("text", 1)
    assert pytest.approx(5 / 26**0.5) == cache.sync.find("near").score


def test_a_dimension_that_changes(make):
    """
    Vectors of a new dimension are not compared with old ones.
    """
    dim = [2]
    cache = make(embedder=lambda texts: np.ones((len(texts), dim[0])), embedding_model="ones")
    cache.sync.put("text", 1)
    dim[0] = 3
    assert cache.sync.get_similar("near") is None
    cache.sync.put("far", 2)
    assert 2 == cache.sync.get_similar("far")
    assert 1 == cache.get_stats()["size"]


async def test_coroutine_functions(make, angles):
    """
    Embedder and verify= may be awaited; then the methods of .sync say what to do.
    """

    async def embed(texts):
        return angles(texts)

    async def verify(query, candidate, score):
        return score > 0.99

    cache = make(embedder=embed, verify=verify, embedding_model="a")
    await cache.put("text", 1)
    assert 1 == await cache.get_similar("nearer")
    assert await cache.get_similar("near") is None
    assert {"verify": 1} == cache.get_stats()["refused_by"]
    with pytest.raises(ConfigError, match="awaited"):
        cache.sync.get_similar("near")


def test_verify(make, call, face):
    """
    Only True serves; a no and an error are counted, and the next nearest is asked about.
    """
    seen = []

    def verify(query, candidate, score):
        seen.append((query, candidate, round(score, 3)))
        if candidate == "nearer":
            raise RuntimeError
        return answer

    cache = make(verify=verify)
    it = face(cache)
    call(it.put_many({"text": 1, "nearer": 2}))
    for answer, served in ((True, 1), (False, None), (1, None), ("yes", None), (None, None)):
        assert served == call(it.get_similar("near"))
    assert [("near", "nearer", 0.996), ("near", "text", 0.985)] == seen[:2]
    assert {"verify failed": 5, "verify": 4} == cache.get_stats()["refused_by"]
    assert 1 == call(it.get_similar("text"))


def test_a_named_model_without_an_embedder(make, caplog):
    """
    A name alone computes nothing, which is said; its answers are not those of the model itself.
    """
    named = make(embedder=None, embedding_model="text-embedding-3")
    assert "compared by their spelling" in caplog.text
    real = make(
        embedder=lambda texts: np.ones((len(texts), 384)), embedding_model="text-embedding-3"
    )
    assert named.namespace != real.namespace


def test_an_edited_function_is_another_embedder():
    """
    The source of a plain function is part of its name; an instance has the name that it says.
    """
    from memotier.semantic.embedding import Embedding

    def one(texts):
        return texts

    first = Embedding.of(one, None, 1).identity

    def one(texts):
        return texts[::-1]

    assert first != Embedding.of(one, None, 1).identity
    assert Embedding.of(NgramEmbedder(), None, 1).identity == NgramEmbedder().identity
    assert not Embedding.of(one, None, 1).is_stable
    assert Embedding.of(one, "model", 1).is_stable


def test_ngrams():
    """
    Rows of length 1, the same in every process, near for near spellings, zero for no text.
    """
    rows = NgramEmbedder()(["parse JSON in Python", "parsing JSON with Python", "a tall tree", ""])
    assert (4, 384) == rows.shape
    assert np.float32 == rows.dtype
    assert pytest.approx(1.0, abs=1e-6) == float(rows[0] @ rows[0])
    assert 0.6 < rows[0] @ rows[1] and rows[0] @ rows[2] < 0.3
    assert not rows[3].any()
    for dim in (0, 15, 1.5, None):
        with pytest.raises(ConfigError):
            NgramEmbedder(dim)


@pytest.mark.parametrize("use", ["SemanticCache()", "Semantic('q', embedder=len)"])
def test_without_numpy(use):
    """
    All names can be imported; who uses one gets an ImportError that names the extra.
    """
    code = (
        "import sys; sys.modules['numpy'] = None\n"
        "from memotier import *\n"
        f"try:\n    {use}\n"
        "except ImportError as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "" == done.stderr
    assert "MissingExtra" in done.stdout and "memotier[semantic]" in done.stdout
