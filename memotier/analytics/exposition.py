"""
Figures as text for Prometheus, and by name as the guide from which this API comes has them.

What the metrics are called says families.py. For a server that is scraped there is a collector
(``memotier.integrations.prometheus``); this is for whoever wants the text.

Source:
    Prometheus: Exposition formats, text-based format 0.0.4.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from typing import Any, Final

from . import figures
from .families import LATENCY_TEXT, SUMMARY, families, of_operation

_QUANTILES: Final = (0.5, 0.95, 0.99)


class Exposition(str):
    """
    The text; ``items()`` and ``metrics["cache_hit_rate"]`` are the main figures by name.
    """

    figures: Mapping[str, float]

    @classmethod
    def of(cls, text: str, named: Mapping[str, float]) -> Exposition:
        made = cls(text)
        made.figures = dict(named)
        return made

    def items(self) -> ItemsView[str, float]:
        return self.figures.items()

    def keys(self) -> Any:
        return self.figures.keys()

    def __contains__(self, at: Any) -> bool:
        return at in self.figures or super().__contains__(at)

    def __getitem__(self, at: Any) -> Any:
        return self.figures[at] if isinstance(at, str) else super().__getitem__(at)


def exposition(snapshot: figures.Snapshot) -> str:
    """
    *snapshot* in the text format.
    """
    return "".join(f"{line}\n" for line in _lines(snapshot))


def _lines(snapshot: figures.Snapshot) -> Iterator[str]:
    for family, samples in families(snapshot):
        yield from _head(family.full_name, family.kind, family.text)
        for labels, value in samples:
            yield _sample(family.full_name, labels, value)
    yield from _latencies(snapshot)


def _latencies(snapshot: figures.Snapshot) -> Iterator[str]:
    metric = SUMMARY
    yield from _head(metric, "summary", LATENCY_TEXT)
    for operation in figures.operations(snapshot):
        histogram = figures.latency(snapshot, operation)
        labels = of_operation({"cache": snapshot["cache"]}, operation)
        for share, value in zip(_QUANTILES, histogram.quantiles(_QUANTILES), strict=True):
            yield _sample(metric, {**labels, "quantile": str(share)}, value)
        yield _sample(f"{metric}_sum", labels, histogram.total)
        yield _sample(f"{metric}_count", labels, histogram.count)


def _head(metric: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {metric} {text}"
    yield f"# TYPE {metric} {kind}"


def _sample(metric: str, labels: Mapping[str, str], value: float) -> str:
    shown = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
    return f"{metric}{{{shown}}} {float(value)!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
