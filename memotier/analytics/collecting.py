"""
The figures of all processes that use the second tier of a cache.
"""

from __future__ import annotations

from typing import Any

from ..cache import MultiLevelCache
from ..engine.effects import Io
from ..errors import StoreError
from ..stores.notices import Notice
from ..types import Seconds
from .believing import believed
from .taking import keyed_of, snapshot
from .tracker import tracker_of
from .windows import SPANS


def collect(cache: MultiLevelCache | str = "default") -> list[dict[str, Any]]:
    """
    The snapshots of this process and of the others, newest first.

    Each has one field more than ``snapshot`` says: ``ended``, whether the process has ended, or
    closed that cache. What the others say is up to 2 s old while they are used; a process that was
    killed is there for 10 minutes, as is one that has ended. This process is left out if it has
    not used the cache, unless it is the only one. All of them tell the size that the second tier
    has now.

    Args:
        cache: A ``MultiLevelCache``, or the name of a configured one.

    Raises:
        ConfigError: If *cache* is none.

        StoreError: If the second tier cannot be read.
    """
    keyed = keyed_of(cache)
    own = {**snapshot(cache), "ended": keyed.engine.closed}
    others = [one for one in map(_read, _notices(keyed.engine)) if one is not None]
    for one in others:
        _age(one, own["taken"] - one["taken"])
        below, now = one["tiers"]["l2"], own["tiers"]["l2"]
        if below is not None and now is not None:
            below.update({name: now[name] for name in ("size", "bytes")})
    found = [own, *others] if own["functions"] or not others else others
    return sorted(found, key=lambda one: -one["taken"])


def _age(snapshot: dict[str, Any], seconds: Seconds) -> None:
    """
    What happened in the minute before it was taken, *seconds* ago, is not of the last minute.
    """
    over = [span for span, (length, _) in SPANS.items() if seconds >= length]
    for one in snapshot["functions"]:
        for span in over:
            one["windows"][span] = dict.fromkeys(one["windows"][span], 0)


def _read(notice: Notice) -> dict[str, Any] | None:
    return believed(notice.data)


def _notices(engine: Any) -> list[Notice]:
    notices = getattr(engine.store, "notices", None)
    if notices is None or engine.closed:
        return []
    answer = Io(engine.offload, notices.left).now()
    if isinstance(answer, StoreError):
        raise answer
    ours = tracker_of(engine).names
    return [one for one in answer if one.name not in ours]
