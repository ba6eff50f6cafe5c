"""
Two caches on one store of one's own, as two processes would have them: what one invalidates, the
other sees at its next call.

    python examples/own_store
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from store import SqliteStore

from memotier import MultiLevelCache, tiered_cache


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cache.db"
        here = MultiLevelCache(l2_store=SqliteStore(path))
        there = MultiLevelCache(l2_store=SqliteStore(path))
        runs = []

        def price(sku: str) -> int:
            runs.append(sku)
            return len(sku) + len(runs)

        options = {"name": "price", "version": 1, "tags": ["price:{sku}"]}
        ask_here = tiered_cache(cache=here, **options)(price)
        ask_there = tiered_cache(cache=there, **options)(price)

        print("computed here:   ", ask_here("owl"))
        print("found there:     ", ask_there("owl"), f"({len(runs)} computation)")
        here.sync.invalidate_tags("price:owl")
        print("after a change:  ", ask_there("owl"), f"({len(runs)} computations)")
        print("the second tier: ", there.get_stats()["l2"]["size"], "record in", path.name)
        here.sync.close()
        there.sync.close()


if __name__ == "__main__":
    main()
