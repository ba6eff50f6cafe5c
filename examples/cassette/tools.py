"""
The tools of a shop's agent: three requests to its API, decorated as for production.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from memotier import tiered_cache

#: Where the API is; nowhere in a replay.
url = ""


@tiered_cache(agent=True, effects="read", scope="public", tags=["stock:{sku}"])
def stock(sku: str) -> int:
    """
    How many there are.
    """
    return int(_ask(f"/stock/{sku}")["left"])


@tiered_cache(agent=True, effects="read", scope="public", redact=("account",))
def discount(account: str, sku: str) -> float:
    """
    What a customer pays less, as a share.
    """
    return float(_ask(f"/discount/{account}/{sku}")["share"])


@tiered_cache(agent=True, effects="idempotent", scope="public")
def order(number: str, sku: str) -> dict[str, Any]:
    """
    Order one; the same number twice is one order.
    """
    return _ask(f"/order/{number}/{sku}")


def _ask(path: str) -> dict[str, Any]:
    with urllib.request.urlopen(url + path, timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
    return found
