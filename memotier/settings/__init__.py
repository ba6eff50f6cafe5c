"""
The settings of a cache, merged from every place they may stand in.

Defaults < the nearest ``pyproject.toml`` with a ``[tool.memotier]`` table < ``MEMOTIER_*``
environment variables < ``memotier.configure()``. Nothing is read when this is imported.
"""

from __future__ import annotations

from .load import Configuration, load, read
from .model import LevelSettings, NamespaceSettings, Settings
from .schema import NAMESPACE_OPTIONS, OPTIONS, Option

__all__ = [
    "NAMESPACE_OPTIONS",
    "OPTIONS",
    "Configuration",
    "LevelSettings",
    "NamespaceSettings",
    "Option",
    "Settings",
    "load",
    "read",
]
