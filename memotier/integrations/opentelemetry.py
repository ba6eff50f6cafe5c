"""
OpenTelemetry: figures that are read when somebody collects them, and spans around misses.

::

    from memotier.integrations import opentelemetry

    opentelemetry.instrument(spans=True)

Only the API of OpenTelemetry is needed; without an SDK that was set up, nothing is collected.
Nothing is counted on the way of a call, and a hit in memory has no span and pays nothing.

Instruments are called as the metrics of Prometheus are, with dots and without the unit, which they
have as their unit: ``memotier.hits``, ``memotier.saved`` in ``s``. There is no histogram that is
observed, so of latencies there are ``memotier.operations`` and ``memotier.operation_time`` (count
and seconds) and their quantiles, ``memotier.operation_quantile``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final
from weakref import WeakKeyDictionary

from ..analytics.families import FAMILIES, Family, families, measured
from ..cache import MultiLevelCache
from ..durations import short
from ..engine.around import around
from ..errors import ConfigError
from .reading import Reading

try:
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
except ImportError as error:
    raise ImportError(
        "memotier.integrations.opentelemetry needs opentelemetry-api: "
        "pip install memotier[opentelemetry]"
    ) from error

NAME: Final = "memotier"
OPERATIONS: Final = "memotier.operations"
OPERATION_TIME: Final = "memotier.operation_time"
QUANTILES: Final = "memotier.operation_quantile"
_UNITS: Final = {"": "{item}", "seconds": "s", "bytes": "By", "ratio": "1"}
_SHARES: Final = (0.5, 0.95, 0.99)

_lock = threading.Lock()
_instruments: WeakKeyDictionary[Any, _Instruments] = WeakKeyDictionary()
_active: _Instruments | None = None


def instrument(
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    *,
    spans: bool = False,
    caches: Iterable[MultiLevelCache | str] | None = None,
) -> None:
    """
    From now on tell *meter_provider* of caches, and *tracer_provider* of misses.

    Args:
        tracer_provider: Where spans go; None: the global one.

        meter_provider: Where figures go; None: the global one.

        spans: Whether every call that memory could not answer is a span, with the attributes
            ``memotier.cache``, ``memotier.namespace``, ``memotier.function``, ``memotier.tier``
            and ``memotier.outcome``. Spans of the function itself are its children. Of all caches.

        caches: Caches, or names of configured ones; None: every named cache that is open when
            figures are collected.

    Raises:
        ConfigError: If an argument cannot be used, or ``instrument()`` was called before.
    """
    global _active
    if type(spans) is not bool:
        raise ConfigError(f"spans={short(spans)} cannot be used: True or False")
    reading = Reading(caches)
    with _lock:
        if _active is not None:
            raise ConfigError("memotier is instrumented already: call uninstrument() first")
        provider = metrics.get_meter_provider() if meter_provider is None else meter_provider
        known = _instruments.get(provider)
        if known is None:
            # The API has no way to take an instrument back, and one that is made twice is
            # complained about: they are made once, and silent while nothing is read.
            known = _instruments[provider] = _Instruments(provider)
        known.reading, _active = reading, known
    if spans:
        from .spans import Spans

        around.plan = Spans(trace.get_tracer(NAME, tracer_provider=tracer_provider))


def uninstrument() -> None:
    """
    Tell nobody any more. Spans that have begun end as they would.
    """
    global _active
    around.plan = None
    with _lock:
        if _active is not None:
            _active.reading = None
        _active = None


class _Instruments:
    """
    The instruments of one provider, which all look at one reading.
    """

    def __init__(self, provider: MeterProvider) -> None:
        self.reading: Reading | None = None
        self._taken: list[dict[str, Any]] = []
        #: Who has been told of that: whoever asks a second time gets a new one.
        self._told: set[str] = set()
        self._lock = threading.Lock()
        meter = metrics.get_meter(NAME, meter_provider=provider)
        make = {
            "counter": meter.create_observable_counter,
            "gauge": meter.create_observable_gauge,
        }
        for family in FAMILIES:
            make[family.kind](
                name_of(family),
                callbacks=[self._observe(family.name, _of_family(family))],
                unit=_UNITS[family.unit],
                description=family.text,
            )
        for name, kind, unit, text, observe in (
            (OPERATIONS, "counter", "{item}", "Operations that were measured.", _counts),
            (OPERATION_TIME, "counter", "s", "How long they took together.", _seconds),
            (QUANTILES, "gauge", "s", "How long the share quantile= of them took.", _quantiles),
        ):
            make[kind](name, callbacks=[self._observe(name, observe)], unit=unit, description=text)

    def _observe(self, name: str, observe: _Observe) -> Callable[[CallbackOptions], Any]:
        def callback(_: CallbackOptions) -> list[Observation]:
            return [
                Observation(value, labels)
                for taken in self._read(name)
                for labels, value in observe(taken)
            ]

        return callback

    def _read(self, name: str) -> list[dict[str, Any]]:
        with self._lock:
            reading = self.reading
            if reading is None:
                self._told.clear()
                return []
            if name in self._told or not self._told:
                self._taken, self._told = reading.read(), set()
            self._told.add(name)
            return self._taken


_Observe = Callable[[dict[str, Any]], Iterable[tuple[dict[str, Any], float]]]


def name_of(family: Family) -> str:
    """
    ``memotier.saved`` for ``memotier_saved_seconds``.
    """
    return "memotier." + family.name.removeprefix("memotier_").removesuffix(f"_{family.unit}")


def _of_family(wanted: Family) -> _Observe:
    def observe(taken: dict[str, Any]) -> Any:
        return next(samples for family, samples in families(taken) if family is wanted)

    return observe


def _counts(taken: dict[str, Any]) -> Iterator[tuple[dict[str, Any], float]]:
    return ((labels, histogram.count) for labels, histogram in measured(taken))


def _seconds(taken: dict[str, Any]) -> Iterator[tuple[dict[str, Any], float]]:
    return ((labels, histogram.total) for labels, histogram in measured(taken))


def _quantiles(taken: dict[str, Any]) -> Iterator[tuple[dict[str, Any], float]]:
    for labels, histogram in measured(taken):
        for share, value in zip(_SHARES, histogram.quantiles(_SHARES), strict=True):
            yield {**labels, "quantile": share}, value
