"""
The options of a decorated function as they are in force: what ``cache_parameters()`` shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .freshness import shown_windows
from .remembered import shown_remembers

if TYPE_CHECKING:
    from .memo import Memo


def parameters_of(memo: Memo) -> dict[str, Any]:
    """
    By name, what *memo* goes by.
    """
    engine = memo.engine or memo.attach()
    options = memo.options
    shown = {
        field: getattr(options, field)
        for field in (
            *("namespace", "ignore", "on_unkeyable", "codec", "copy", "single_flight"),
            *("redact", "record_user", "rewarm", "quota", "agent", "effects", "is_error"),
            "authorize",
        )
    }
    return {
        "name": memo.identity.name,
        "maxsize": engine.options.l1_max_size,
        "typed": True,
        "ttl": options.ttl,
        "depends_on": () if options.needs is None else options.needs.shown,
        "tags": options.tags_function or (*options.static_tags, *options.templates),
        "version": options.version,
        "cache": engine.options.name,
        "record": memo.recording is not None,
        "verify": 0.0 if options.verify is None else options.verify.share,
        "equal": None if options.verify is None else options.verify.shown,
        "scope": None if options.scope is None else options.scope.shown,
        **shown,
        **shown_windows(options.windows),
        **shown_remembers(options.remembers),
    }
