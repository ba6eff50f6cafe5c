"""
What a near match is worth: precision and recall at each threshold, with and without the guards; and
what a search costs.

    python benchmarks/semantic.py                       # the built-in embedder
    python benchmarks/semantic.py --minilm FOLDER       # all-MiniLM-L6-v2; see minilm.py
    python benchmarks/semantic.py --refused             # which right pairs the guards refuse

The pairs are in semantic_pairs.tsv, which says how it was made. A pair is served if its cosine is
at least the threshold (and no guard refuses); it should be if its kind is "paraphrase". *precision*
is the share of the served pairs that should be, *recall* the share of the paraphrases that are.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from memotier.semantic.guards import refusal
from memotier.semantic.index import VectorIndex
from memotier.semantic.ngrams import NgramEmbedder

PAIRS = Path(__file__).with_name("semantic_pairs.tsv")
THRESHOLDS = (0.50, 0.60, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95)
ROWS, DIM, SEARCHES = 10_000, 384, 300


class Pair(NamedTuple):
    """
    Two texts, and whether one answer serves both.
    """

    kind: str
    one: str
    other: str

    @property
    def is_same(self) -> bool:
        return self.kind == "paraphrase"


class Judged(NamedTuple):
    """
    A pair, its cosine, and the rule that refuses it, if one does.
    """

    pair: Pair
    score: float
    rule: str | None


def read_pairs(path: Path = PAIRS) -> list[Pair]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Pair(*line.split("\t")) for line in lines if line and not line.startswith("#")]


def judge(pairs: Sequence[Pair], embed: Callable[[list[str]], Any]) -> list[Judged]:
    ones, others = embed([p.one for p in pairs]), embed([p.other for p in pairs])
    scores = (ones * others).sum(1)
    return [
        Judged(pair, float(score), refusal(pair.one, pair.other))
        for pair, score in zip(pairs, scores, strict=True)
    ]


def figures(judged: Sequence[Judged], threshold: float, *, guarded: bool) -> tuple[float, float]:
    """
    Precision and recall; precision is NaN if nothing is served.
    """
    served = [j for j in judged if j.score >= threshold and not (guarded and j.rule)]
    right = sum(j.pair.is_same for j in served)
    precision = right / len(served) if served else float("nan")
    return precision, right / sum(j.pair.is_same for j in judged)


def table(judged: Sequence[Judged]) -> str:
    lines = [
        "| threshold | precision | recall | precision, guarded | recall, guarded |",
        "|---|---|---|---|---|",
    ]
    for threshold in THRESHOLDS:
        plain = figures(judged, threshold, guarded=False)
        guarded = figures(judged, threshold, guarded=True)
        cells = (_share(value) for value in (*plain, *guarded))
        lines.append(f"| {threshold:.2f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def refused(judged: Sequence[Judged]) -> str:
    """
    Per kind how many pairs the guards refuse, and by which rule.
    """
    lines = ["| kind | pairs | refused | by |", "|---|---|---|---|"]
    for kind in dict.fromkeys(j.pair.kind for j in judged):
        mine = [j for j in judged if j.pair.kind == kind]
        rules = Counter(j.rule for j in mine if j.rule)
        by = ", ".join(f"{rule} {count}" for rule, count in rules.most_common())
        lines.append(f"| {kind} | {len(mine)} | {sum(rules.values())} | {by} |")
    return "\n".join(lines)


def search_times(rows: int = ROWS) -> list[float]:
    """
    Milliseconds of one search among *rows* vectors.
    """
    random = np.random.default_rng(0)
    matrix = random.standard_normal((rows, DIM)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    index, group = VectorIndex(rows), bytes(32)
    for number, row in enumerate(matrix):
        index.add(str(number), "", group, row)
    times = []
    for row in matrix[:SEARCHES]:
        began = time.perf_counter()
        index.search(row, group, 0.85)
        times.append(1e3 * (time.perf_counter() - began))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--minilm", type=Path, help="folder with model.safetensors")
    parser.add_argument("--refused", action="store_true", help="show refused paraphrases")
    options = parser.parse_args()

    embed: Any = NgramEmbedder()
    if options.minilm is not None:
        from minilm import MiniLm

        embed = MiniLm(options.minilm)
    judged = judge(read_pairs(), embed)
    print(f"{embed.identity}, {len(judged)} pairs\n")
    print(table(judged), refused(judged), sep="\n\n")
    if options.refused:
        for one in judged:
            if one.pair.is_same and one.rule:
                print(f"{one.rule}: {one.pair.one} | {one.pair.other}")
    times = search_times()
    print(
        f"\nsearch of {ROWS:,} x {DIM}: median {statistics.median(times):.2f} ms, "
        f"least {min(times):.2f} ms"
    )


def _share(value: float) -> str:
    return "-" if value != value else f"{value:.2f}"


if __name__ == "__main__":
    main()
