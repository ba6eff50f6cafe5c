"""
Waiting for what runs in the background.
"""

from __future__ import annotations

from ..freshness.conftest import settle

__all__ = ["settle"]
