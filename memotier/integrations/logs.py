"""
What happens to a cache, as one JSON-able dict per event: for structured logs.

::

    from memotier.integrations import logs

    stop = logs.listen(cache)                       # one line of JSON each, by the logger
    stop = logs.listen(cache, structlog.get_logger().info)   # or to whoever takes a dict

Values, arguments and keys are in none of them; functions are called by their names.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..analytics.taking import keyed_of
from ..cache import MultiLevelCache
from ..durations import short
from ..errors import ConfigError

#: Where lines go if nobody says otherwise.
logger: Final = logging.getLogger("memotier.events")

Sink = Callable[[dict[str, Any]], Any]

#: Events that somebody should look at.
WARNINGS: Final = frozenset(
    {
        *("fault", "refused", "unstored", "unpriced", "differed"),
        *("store_replaced", "store_quarantined", "foreign_rows", "record_too_large"),
    }
)


def listen(
    cache: MultiLevelCache | str = "default", sink: Sink | None = None
) -> Callable[[], None]:
    """
    Give *sink* every event of *cache*, from now on; what this returns ends that.

    A dict has ``event`` (``"fault"``, ``"refused"``, ``"unstored"``, ``"unpriced"``,
    ``"differed"``, ``"invalidated"``, ``"closed"``, and those of the second tier), ``cache``,
    ``level`` (``"warning"`` or ``"info"``), ``at`` in seconds since 1970, and what else there is to
    say.
    It is called in the thread of whoever met the event, so it must not wait. If it raises, that
    is logged.

    Args:
        cache: A ``MultiLevelCache``, or the name of a configured one, as it is now.

        sink: Takes a dict; None: one line of JSON by the logger ``memotier.events``.

    Raises:
        ConfigError: If *cache* is none, or *sink* cannot be called.
    """
    if sink is not None and not callable(sink):
        raise ConfigError(f"sink={short(sink)} cannot be used: give a function of a dict")
    engine = keyed_of(cache).engine
    told = _write if sink is None else sink
    name, wall = engine.options.name, engine.clock.wall

    def listener(event: str, detail: Mapping[str, Any]) -> None:
        told(
            {
                "event": event,
                "cache": name,
                "level": "warning" if event in WARNINGS else "info",
                "at": wall(),
                **{key: plain(value) for key, value in detail.items()},
            }
        )

    engine.events.listeners.append(listener)

    def stop() -> None:
        if listener in engine.events.listeners:
            engine.events.listeners.remove(listener)

    return stop


def _write(event: dict[str, Any]) -> None:
    level = logging.WARNING if event["level"] == "warning" else logging.INFO
    logger.log(level, "%s", json.dumps(event, sort_keys=True))


def plain(value: Any) -> Any:
    """
    *value* as JSON has it; of anything else only its type is told.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one) for one in value]
    return type(value).__qualname__
