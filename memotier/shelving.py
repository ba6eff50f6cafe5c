"""
From the options of a function, and what the settings say of its namespace, to its shelf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .engine.places import Shelf
from .wiring import Wiring

if TYPE_CHECKING:
    from .memo import Memo


def shelf_of(memo: Memo, wiring: Wiring) -> Shelf:
    """
    The place of the results of *memo* in an engine, which does not know it yet.
    """
    options, settings = memo.options, wiring.namespace(memo.options.namespace)
    shelf = Shelf(
        namespace=options.namespace,
        identity=memo.identity.name,
        label=memo.label,
        copy=options.copy,
        ttl=options.ttl if options.ttl is not None else settings.ttl,
        tags=tuple(dict.fromkeys((*settings.tags, *options.static_tags))),
        cache_if=options.cache_if,
        windows=options.windows,
        needs=() if options.needs is None else options.needs.names(wiring),
        remembers=options.remembers,
        refreshes=not memo.no_map,
        price_of=options.cost,
        is_error=options.is_error,
    )
    # What most functions do not have is not loaded for them.
    if options.verify is not None:
        from .engine.checks import Checks

        shelf.checks = Checks(options.verify.share, options.verify.equal)
    if options.scope is not None and not options.scope.is_public:
        from .engine.ledger import Ledger

        shelf.ledger = Ledger(options.quota)
    return shelf
