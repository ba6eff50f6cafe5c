"""
A snapshot as text that is no longer than it may be.

What is least missed goes first: tags, scopes, keys and arguments beyond the most used, then
functions beyond the most used, whose sum stays, as one row. So totals are those of the whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from .byscope import folded
from .merging import functions_summed
from .reported import ranked

#: Tags, scopes and keys that stay, and functions whose arguments do.
_FEW: Final = 20
_FEW_REPORTS: Final = 5
#: What the namespace of the row is called that stands for the others.
OTHERS: Final = "others"


def fitted(snapshot: Mapping[str, Any], most: int) -> bytes | None:
    """
    *snapshot* as JSON of up to *most* bytes; None if even its totals do not fit.
    """
    data = _written(snapshot)
    if len(data) <= most:
        return data
    less = {**snapshot, **{name: snapshot[name][:_FEW] for name in ("tags", "hot_keys")}}
    less["scopes"] = folded(snapshot["scopes"], _FEW)
    less["arguments"] = ranked(snapshot["arguments"], _FEW_REPORTS)
    functions = sorted(
        snapshot["functions"],
        key=lambda one: -(one["counters"]["hits"] + one["counters"]["misses"]),
    )
    kept = len(functions)
    data = _written(less)
    while len(data) > most and kept:
        kept = min(kept - 1, int(kept * min(0.9, most / len(data))))
        data = _written({**less, "functions": [*functions[:kept], _summed(functions[kept:])]})
    return data if len(data) <= most else None


def _summed(functions: list[Mapping[str, Any]]) -> dict[str, Any]:
    same = {
        "namespace": OTHERS,
        "function": "",
        "kind": "keys",
        "label": f"{len(functions)} others",
    }
    return functions_summed([{**one, **same} for one in functions])[0]


def _written(snapshot: Mapping[str, Any]) -> bytes:
    return json.dumps(snapshot, separators=(",", ":"), allow_nan=False).encode()
