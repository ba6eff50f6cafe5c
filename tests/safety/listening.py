"""
Everything that memotier says, and looking for a secret in that and in files.
"""

from __future__ import annotations

import base64
import contextlib
import io
import logging
import traceback
import warnings
from pathlib import Path

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from memotier.analytics import snapshot
from memotier.cli import main
from memotier.dashboard import report
from memotier.integrations import opentelemetry
from memotier.integrations.prometheus import CacheCollector


class Told:
    """
    Everything that is said while a test runs.
    """

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []
        self._spans = InMemorySpanExporter()
        self._metrics = InMemoryMetricReader()
        self._handler = logging.Handler()
        self._handler.emit = self._log  # type: ignore[method-assign]
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        root = logging.getLogger()
        level = root.level
        root.addHandler(self._handler)
        root.setLevel(logging.DEBUG)
        self._stack.callback(root.setLevel, level)
        self._stack.callback(root.removeHandler, self._handler)
        warned = self._stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        self.warned = warned
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._spans))
        opentelemetry.instrument(
            provider, MeterProvider(metric_readers=[self._metrics]), spans=True
        )
        self._stack.callback(opentelemetry.uninstrument)
        return self

    def __exit__(self, *_):
        self._stack.close()

    def add(self, where, *said):
        for one in said:
            self.texts.append((where, one if isinstance(one, str) else f"{one!r}\n{one}"))

    def _log(self, record):
        self.add(f"log {record.name}", logging.Formatter().format(record), repr(record.args))

    def error(self, error):
        """All that a traceback would show of ours, without the lines of source."""
        while error is not None:
            said = traceback.format_exception_only(error)
            self.add(f"error {type(error).__name__}", "".join(said), repr(error))
            self.add("notes", *getattr(error, "__notes__", ()))
            error = error.__cause__ or error.__context__

    def telemetry(self):
        for span in self._spans.get_finished_spans():
            self.add("span", span.to_json())
        found = self._metrics.get_metrics_data()
        if found is not None:
            self.add("metrics", found.to_json())
        self.add("warning", *(str(one.message) for one in self.warned))


def ask_analytics(cache, analytics, told: Told) -> None:
    analytics.record_access("k", "ns", True)
    sync = analytics.sync
    for method in (
        *("get_latency_stats", "get_size_utilization", "get_saved", "get_recommendations"),
        *("get_argument_reports", "get_comprehensive_stats", "get_hot_keys"),
        "export_to_prometheus",
    ):
        told.add(method, getattr(sync, method)())
    told.add("snapshot", snapshot(cache))
    told.add("page", report(snapshot(cache)))
    told.add("cache", cache, cache.sync, cache.get_stats(), cache._keyed, cache._keyed.engine)
    told.add("prometheus", *map(str, CacheCollector([cache]).collect()))


def run_commands(told: Told, folder: Path, cache: str) -> None:
    """
    Every command that shows something of *cache*.
    """
    for words in (
        ["stats"], ["stats", "--json"], ["inspect", "--limit", "999"],
        ["inspect", "--json", "--limit", "999"], ["inspect", "--value", "--limit", "999"],
        ["report", "-o", "-"], ["doctor"], ["doctor", "--json"], ["top", "--once"],
        ["history", "show"], ["history", "show", "--calls"], ["history", "show", "--json"],
        ["history", "export"], ["warm", "--dry-run"], ["config"], ["config", "--json"],
        ["simulate", str(folder / "calls.mttrace")], ["invalidate", "--dry-run", "of:q"],
    ):  # fmt: skip
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            whose = [] if words[0] in ("config", "simulate") else ["--cache", cache]
            code = main([*words, *whose])
        told.add(f"memotier {' '.join(words)} ({code})", out.getvalue(), err.getvalue())


def forms(secret: str | int) -> dict[str, bytes]:
    """
    What *secret* may look like in a file.
    """
    text = str(secret).encode()
    found = {"text": text, "wide": str(secret).encode("utf-16-le"), "hex": text.hex().encode()}
    for at in range(3):
        coded = base64.b64encode(b"\0" * at + text)
        found[f"base64 {at}"] = coded[4 if at else 0 : -4]
    if isinstance(secret, int):
        size = (secret.bit_length() + 7) // 8
        found |= {"big": secret.to_bytes(size, "big"), "little": secret.to_bytes(size, "little")}
    return found


def where_said(told: Told, wanted: dict[str, bytes]) -> list[str]:
    return sorted(
        {
            f"{where}: {form}"
            for where, text in told.texts
            for form, found in wanted.items()
            if found in text.encode("utf-8", "surrogatepass")
        }
    )


def where_lying(folder: Path, wanted: dict[str, bytes]) -> list[str]:
    return sorted(
        f"{path.relative_to(folder)}: {form}"
        for path in folder.rglob("*")
        if path.is_file()
        for form, found in wanted.items()
        if found in path.read_bytes()
    )
